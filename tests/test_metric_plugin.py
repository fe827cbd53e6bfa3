"""The guide ``docs/adding-a-metric.md``, followed to the letter: a metric of another package."""

from __future__ import annotations

import subprocess
import sys
from math import sqrt
from pathlib import Path

import pytest

from marl_eval.plugins import found
from marl_eval.results import Results, read_results
from tests.pages import DOCS, blocks, shell

PAGE = blocks(DOCS / "adding-a-metric.md")
PROJECT, CODE = (
    next(content for language, content in PAGE if language == wanted)
    for wanted in ("toml", "python")
)
INSTALL, *USE = (content for language, content in PAGE if language == "bash")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which the guide was followed, and what its commands printed."""
    folder = tmp_path_factory.mktemp("guide")
    package, site = folder / "rms-error", folder / "site"
    package.mkdir()
    (package / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (package / "rms_error.py").write_text(CODE, encoding="utf-8")
    here = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    assert INSTALL.split()[:2] == ["pip", "install"]
    command = [sys.executable, "-m", *INSTALL.split(), *here]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, "".join(shell(commands, folder, PYTHONPATH=str(site)) for commands in USE)


@pytest.fixture(scope="module")
def results(printed: tuple[Path, str]) -> Results:
    return read_results(printed[0] / "run")


def test_the_guide_is_short() -> None:
    lines = [line for line in (PROJECT + CODE).splitlines() if line.strip()]
    assert len(lines) < 30


def test_the_metric_of_another_package_is_told_with_its_interval(results: Results) -> None:
    ours, known = results.metrics["rms_error"], results.metrics["multi_brier"]
    for value, square in (
        (ours.value, known.value),
        (ours.low, known.low),
        (ours.high, known.high),
    ):
        assert value is not None
        assert square is not None
        assert value == pytest.approx(sqrt(square), rel=1e-3)
    assert (ours.n, ours.counted, ours.better) == (50, "examples", "lower")


def test_the_metric_of_another_package_is_listed(printed: tuple[Path, str]) -> None:
    assert "rms_error  [0, 1], lower is better" in printed[1]
    assert "rms_error = sqrt(mean over sets" in printed[1]


def test_without_the_package_there_is_no_such_metric() -> None:
    assert "rms_error" not in found("metrics")
