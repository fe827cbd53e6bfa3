"""Pieces of work wait for those before them, and what fails stops the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from marl_eval.errors import BackendError, UserError
from marl_eval.progress import silent
from marl_eval.reproduction.schedule import Job, do_all


def note(folder: Path, name: str, needed: tuple[str, ...]) -> None:
    assert all((folder / other).exists() for other in needed)
    time.sleep(0.05)
    (folder / name).touch()


def fail() -> None:
    raise UserError("no such thing")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_is_done_once_those_it_waits_for_are(tmp_path: Path) -> None:
    after = {"d": ("b", "c"), "c": ("a",), "b": ("a",), "a": ()}
    jobs = [Job(name, note, (tmp_path, name, first), first) for name, first in after.items()]
    do_all(jobs, 2, silent)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "d"]


def test_a_mistake_is_told_and_what_follows_is_not_done(tmp_path: Path) -> None:
    jobs = [Job("bad", fail, ()), Job("next", note, (tmp_path, "next", ()), ("bad",))]
    with pytest.raises(UserError, match="no such thing"):
        do_all(jobs, 1, silent)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_works_on_once_the_command_is_stopped(how: int, tmp_path: Path) -> None:
    program = (
        "import signal\n"
        "from pathlib import Path\n"
        "from marl_eval.progress import silent\n"
        "from marl_eval.reproduction.schedule import Job, do_all\n"
        "from tests.reproduction.test_schedule import stay\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        f"    do_all([Job('stay', stay, (Path({str(tmp_path)!r}),))], 1, silent)\n"
    )
    file = tmp_path / "program.py"
    file.write_text(program)
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, str(file)], env={**os.environ, "PYTHONPATH": str(root)}
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    worker = int((tmp_path / "pid").read_text())
    parent.send_signal(how)
    parent.wait(30)
    while time.monotonic() < deadline:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the worker is still there")


def stay(folder: Path) -> None:
    (folder / "pid.new").write_text(str(os.getpid()))
    (folder / "pid.new").replace(folder / "pid")
    time.sleep(600)


def test_a_killed_process_is_told() -> None:
    with pytest.raises(BackendError, match="'bad' was killed"):
        do_all([Job("bad", die, ())], 1, silent)
