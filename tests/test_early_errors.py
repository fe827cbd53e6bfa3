"""What is wrong with an engine is told in one sentence, with what to do, and nothing is written.

Servers are in ``backends/test_openai.py``, memory in ``backends/test_hf_sharing_and_adapters.py``, vLLM
in ``with_vllm/``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marl_eval.backends import arguments
from tests.backends.tiny import save_tiny_model
from tests.conftest import Cli

pytest.importorskip("torch", reason="torch is not installed: pip install 'marl-eval[hf]'")


@pytest.fixture(scope="module")
def without_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("base"), chat=False)


def told_once(said: str) -> str:
    lines = [line for line in said.splitlines() if line.startswith("marl-eval:")]
    assert len(lines) == 1, said
    assert "Traceback" not in said
    return lines[0]


@pytest.mark.parametrize(
    ("model", "more", "package", "extra"),
    [
        ("hf:x", [], "torch", "hf"),
        ("hf:x", ["--model-args", "adapter=y"], "peft", "hf"),
        ("vllm:x", [], "vllm", "vllm"),
        ("lm-eval:hf,pretrained=x", [], "lm_eval", "lm-eval"),
        ("hf:x", ["--backend", "ray"], "ray", "ray"),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    model: str, more: list[str], package: str, extra: str,
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found = arguments.find_spec
    monkeypatch.setattr(
        arguments, "find_spec", lambda name: None if name == package else found(name)
    )
    code, _, said = cli(
        "run", "--model", model, *more, "--task", "ddxsim", "--out", tmp_path / "run"
    )
    assert code == 2
    assert f"needs {package}, which is not installed: pip install 'marl-eval[{extra}]'" in said
    told_once(said)
    assert not (tmp_path / "run").exists()


def test_a_model_without_a_chat_template_that_is_to_be_asked_through_one_is_refused(
    without_template: Path, cli: Cli, tmp_path: Path
) -> None:
    code, _, said = cli(
        "run", "--model", f"hf:{without_template}", "--model-args", "chat=yes",
        "--task", "ddxsim", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2
    assert "has no chat template; leave out --model-args chat=yes" in told_once(said)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("args", "warned"), [([], True), (["--model-args", "chat=no"], False)])
def test_a_model_without_a_chat_template_is_told_once_unless_that_is_meant(
    args: list[str], warned: bool, without_template: Path, cli: Cli, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    code, _, _ = cli(
        "run", "--model", f"hf:{without_template}", *args, "--task", "ddxsim", "--limit", 3,
        "--max-tokens", 4, "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 0
    told = [record.getMessage() for record in caplog.records]
    assert sum("has no chat template" in message for message in told) == int(warned)


def test_a_context_too_short_names_the_examples_before_anything_is_written(
    without_template: Path, cli: Cli, tmp_path: Path
) -> None:
    code, _, said = cli(
        "run", "--model", f"hf:{without_template}", "--model-args", "chat=no", "--task", "ddxsim",
        "--max-tokens", 4090, "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2
    told = told_once(said)
    assert re.search(r"context of 4096 tokens.*'ddxsim-0-0', .* and \d+ more.*--max-tokens", told)
    assert not (tmp_path / "run").exists()
