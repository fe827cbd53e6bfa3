"""The action and the GitLab job, step by step, as a CI server's shell would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pages import DOCS, blocks

pytestmark = pytest.mark.integration

ROOT = DOCS.parent
RUN = """\
model: reference:{model}
task: ddxsim
task_args: {{examples: 150}}
resamples: 200
"""
Job = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Give the variables of a machine with a new Python, a new home and nothing else."""
    folder = tmp_path_factory.mktemp("machine")
    venv.create(folder / "python", with_pip=True)
    kept = {name: os.environ[name] for name in ("PIP_CONFIG_FILE", "TMPDIR") if name in os.environ}
    home = folder / "home"
    home.mkdir()
    path = f"{folder / 'python' / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    return {**kept, "HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A user's repository whose baseline is the best of the reference models."""
    gate = tmp_path / "gate"
    gate.mkdir()
    (gate / "run.yaml").write_text(RUN.format(model="oracle"))
    (gate / "gate.rules").write_text("recall >= 0.9 * baseline\n")
    for command in (
        ["run", "--config", "gate/run.yaml", "--out", "before"],
        ["baseline", "before", "--rules", "gate/gate.rules", "--out", "gate/gate.baseline"],
    ):
        marl_eval = Path(sys.executable).with_name("marl-eval")
        subprocess.run([marl_eval, *command], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def bash(script: str, folder: Path, variables: Mapping[str, str]) -> int:
    """Run a step as a CI server does, in a process group of its own variables alone."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=dict(variables), check=False).returncode


def act(folder: Path, clean: Mapping[str, str], **given: str) -> tuple[int, str, str]:
    """Run the action's steps; give the exit code, the summary and the outputs."""
    action: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    inputs = {name: str(one.get("default", "")) for name, one in action["inputs"].items()} | given
    summary, output = folder / "summary.md", folder / "output"

    def filled(text: str) -> str:
        text = text.replace("${{ github.action_path }}", str(ROOT))
        return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: inputs[match[1]], text)

    code = 0
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input within a script could be a command"
        if step.get("if") == "inputs.config != ''" and not inputs["config"]:
            continue
        variables = {name: filled(value) for name, value in step.get("env", {}).items()}
        files = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)}
        code = bash(step["run"], folder, {**clean, **files, **variables})
        if code:
            break
    return code, summary.read_text(), output.read_text()


def test_the_action_passes_a_run_as_good_as_its_baseline_and_fails_a_worse_one(
    repository: Path, clean: dict[str, str]
) -> None:
    asked = {"rules": "gate/gate.rules", "baseline": "gate/gate.baseline", "run": "runs/check"}
    code, summary, output = act(repository, clean, config="gate/run.yaml", **asked)
    assert (code, output) == (0, "passed=true\n")
    assert "PASSED: 1 pass" in summary
    assert {file.name for file in (repository / "marl-eval-check").iterdir()} == {
        "check.json",
        "check.xml",
    }
    # The run that a cache brought is taken as it is.
    made = (repository / "runs/check/completions/part-0.jsonl").stat().st_mtime_ns
    act(repository, clean, config="gate/run.yaml", **asked)
    assert (repository / "runs/check/completions/part-0.jsonl").stat().st_mtime_ns == made
    (repository / "gate/run.yaml").write_text(RUN.format(model="random"))
    worse = {**asked, "run": "runs/$(touch injected) worse"}
    code, summary, output = act(repository, clean, config="gate/run.yaml", **worse)
    assert (code, output.splitlines()[-1]) == (1, "passed=false")
    assert "FAILED: 1 fail" in summary
    assert not (repository / "injected").exists()


def test_the_gitlab_job_passes_and_fails_as_well(repository: Path, clean: dict[str, str]) -> None:
    (job,) = [
        yaml.safe_load(block.content)["answers"]
        for block in blocks(DOCS / "gate.md")
        if block.language == "yaml" and "script:" in block.content
    ]
    script = "\n".join(job["script"])
    variables = {**clean, "MARL_EVAL_REPOSITORY": str(ROOT)}
    assert bash(script, repository, variables) == 0
    assert (repository / job["artifacts"]["reports"]["junit"]).exists()
    (repository / "gate/run.yaml").write_text(RUN.format(model="random"))
    later = script.replace("git clone --depth 1", "true").replace("runs/check", "runs/other")
    assert bash(later, repository, variables) == 1
