"""Which task files this user has given to marl-eval, and where they lay.

A task that is a Python file is code, and the run directory of somebody else must not decide what code
is run here: it could name any file and its hash. So a run tells only which file it needs, and what may
be run without asking again is what this user gave with ``--task`` before. That is noted here, in
``marl-eval/task-files`` under ``XDG_STATE_HOME`` (``~/.local/state`` if not set), one line a file: its
SHA-256 and its path, as ``sha256sum`` writes them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def note_given(path: Path, sha256: str) -> None:
    """Note that the user gave this file; where nothing can be written, it has to be given again."""
    line = _line(path, sha256)
    with suppress(OSError, RuntimeError):
        file = _file()
        if line in _lines(file):
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as notes:
            notes.write(line + b"\n")


def given_places(sha256: str) -> list[Path]:
    """Give the paths at which the user gave a file with this content, the last one first."""
    with suppress(OSError, RuntimeError):
        start = f"{sha256}  ".encode()
        own = [line[len(start) :] for line in _lines(_file()) if line.startswith(start)]
        return [Path(os.fsdecode(path)) for path in reversed(own)]
    return []


def _file() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "marl-eval" / "task-files"


def _line(path: Path, sha256: str) -> bytes:
    return f"{sha256}  ".encode() + os.fsencode(path.resolve())


def _lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n") if file.exists() else []
