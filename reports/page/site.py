"""The page of some runs as it is served: made anew when a run that goes on has stored more."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marl_eval.errors import StorageError, UserError
from marl_eval.reports.page.build import Live, folder_of, write_page
from marl_eval.reports.page.snapshot import Snapshot, finished

_KEPT = 2
"""Versions whose folders stay, for a page that is just being loaded."""


@dataclass(frozen=True, slots=True)
class State:
    """What is served: the version, its page, whether a run still goes on, and what went wrong."""

    version: int
    page: Path
    going: bool
    note: str = ""


class Site:
    """Keeps the page of some runs in a folder.

    Raises:
        UserError: if one is not a run directory, or cannot be scored.
    """

    def __init__(self, runs: Sequence[Path], folder: Path) -> None:
        self._runs = list(runs)
        self._folder = folder
        self._snapshots: dict[Path, Snapshot] = {}
        for number, run in enumerate(runs):
            if not finished(run):
                own = folder / f"run-{number}"
                own.mkdir()
                self._snapshots[run] = Snapshot(run, own)
        for snapshot in self._snapshots.values():
            snapshot.grown()
            snapshot.score()
        self.state = self._made(1)

    def follow(self, seconds: float, stop: threading.Event) -> None:
        """Look every so many seconds whether there is more, until told to stop.

        What goes wrong is told on the page, which stays as it was; the next look tries again. After a
        page that took long comes a longer pause, so that the run itself keeps most of the machine.
        """
        pause = seconds
        while self.state.going and not stop.wait(pause):
            state, started = self.state, time.monotonic()
            try:
                if self._grown():
                    self.state = self._made(state.version + 1)
                    _remove(self._folder, state.version + 1 - _KEPT)
            except (UserError, StorageError) as error:
                self.state = State(state.version, state.page, state.going, str(error))
            pause = max(seconds, 3 * (time.monotonic() - started))

    def _grown(self) -> bool:
        """Take in what is new of each run that goes on; say whether there is anything."""
        grown = False
        for run, snapshot in list(self._snapshots.items()):
            if finished(run):
                # From now on its own results count, with the options it was scored with.
                del self._snapshots[run]
                grown = True
            elif snapshot.grown():
                snapshot.score()
                grown = True
        return grown

    def _made(self, version: int) -> State:
        paths = [self._snapshots[run].path if run in self._snapshots else run for run in self._runs]
        so_far = {
            snapshot.path: (snapshot.done, snapshot.total)
            for snapshot in self._snapshots.values()
            if snapshot.done < snapshot.total
        }
        page = page_of(self._folder, version)
        write_page(paths, page, live=Live(version, so_far))
        return State(version, page, bool(self._snapshots))


def page_of(folder: Path, version: int) -> Path:
    """Give the file of a version of the page."""
    return folder / f"v{version}.html"


def _remove(folder: Path, version: int) -> None:
    page = page_of(folder, version)
    page.unlink(missing_ok=True)
    shutil.rmtree(folder_of(page), ignore_errors=True)
