"""Pieces of work wait for those before them, and what fails stops the rest."""

from __future__ import annotations

import os
import signal
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


def test_a_killed_process_is_told() -> None:
    with pytest.raises(BackendError, match="'bad' was killed"):
        do_all([Job("bad", die, ())], 1, silent)
