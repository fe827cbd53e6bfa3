"""What several tests share: where the real data is, and a small score table."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A change lands or not by what it does, not by what was drawn that day.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Started in the background, as by nohup, this process ignores Ctrl-C, and so would what tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def ddxplus_data() -> Path:
    """The folder of real DDXPlus patients, which is not part of the repository."""
    folder = SHARED / "data" / "ddxplus"
    if not folder.is_dir():
        pytest.skip(f"the DDXPlus sample is not at {folder}")
    return folder


class Cli:
    """Calls the command line in this process; gives the exit code, stdout and stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        from marl_eval.cli import main

        self._monkeypatch.setattr("sys.argv", ["marl-eval", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """The command line, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)
