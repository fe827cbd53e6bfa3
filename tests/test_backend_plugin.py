"""The guide ``docs/adding-a-backend.md``, followed to the letter: a backend of another package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from marl_eval.plugins import found
from marl_eval.results import read_results
from tests.pages import DOCS, blocks, not_printed, shell
from tests.runs import completions_file, read_lines

PAGE = blocks(DOCS / "adding-a-backend.md")
PROJECT, CODE, SHOWN = (
    next(content for language, content in PAGE if language == wanted)
    for wanted in ("toml", "python", "text")
)
INSTALL, FIRST, CHANGED = (content for language, content in PAGE if language == "bash")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package of the guide was installed, from this machine alone."""
    folder = tmp_path_factory.mktemp("guide")
    package, site = folder / "command-backend", folder / "site"
    package.mkdir()
    (package / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (package / "command_backend.py").write_text(CODE, encoding="utf-8")
    here = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    assert INSTALL.split()[:2] == ["pip", "install"]
    command = [sys.executable, "-m", *INSTALL.split(), *here]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture(scope="module")
def followed(site: Path) -> tuple[Path, str, str]:
    """The folder of the guide, what its first commands printed, and what those after it did."""
    folder = site.parent
    around = {"PYTHONPATH": str(site)}
    first = shell(FIRST, folder, **around)
    return folder, first, shell(CHANGED, folder, **around)


def test_the_backend_is_short() -> None:
    assert sum(bool(line.strip()) for line in (PROJECT + CODE).splitlines()) < 55


def test_the_run_prints_what_the_guide_shows(followed: tuple[Path, str, str]) -> None:
    assert not_printed(SHOWN, followed[1]) == []


def test_every_request_was_answered_by_the_program(followed: tuple[Path, str, str]) -> None:
    lines = read_lines(completions_file(followed[0] / "run"))
    assert len(lines) == 20
    assert {line["text"].count("Sabatum") for line in lines} == {1}
    assert "A patient has" in (followed[0] / "prompt").read_text(encoding="utf-8")


def test_what_the_engine_does_not_tell_is_undefined(followed: tuple[Path, str, str]) -> None:
    metric = read_results(followed[0] / "run").metrics["tokens_per_example"]
    assert metric.value is None
    assert metric.reason


def test_a_changed_program_does_not_go_on_with_the_run(followed: tuple[Path, str, str]) -> None:
    assert "sha256" in followed[2]
    assert "marl-eval:" in followed[2]
    identity = json.loads((followed[0] / "run" / "run.json").read_bytes())["model"]
    assert identity["backend"] == "command"


def test_a_program_that_fails_is_an_error_with_its_own_count(site: Path, tmp_path: Path) -> None:
    script = "printf '#!/bin/sh\\necho broken >&2; exit 3\\n' > fails; chmod +x fails\n"
    run = "marl-eval run --model command:./fails --task ddxsim --limit 3 --allow-errors --out run"
    printed = shell(script + run, tmp_path, PYTHONPATH=str(site))
    assert "ERRORS: of 3 requests 3 failed" in printed
    (reason,) = {line["reason"] for line in read_lines(tmp_path / "run" / "errors.jsonl")}
    assert reason == "broken"


def test_a_mistake_is_told_in_a_sentence(site: Path, tmp_path: Path) -> None:
    run = "marl-eval run --model command:./nothing --task ddxsim --limit 3 || true"
    assert "marl-eval: There is no program at ./nothing." in shell(
        run, tmp_path, PYTHONPATH=str(site)
    )


def test_without_the_package_there_is_no_such_backend() -> None:
    assert "command" not in found("backends")
