"""Errors that are the user's to mend, told in one sentence and without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Something in what was asked is wrong; the command line prints it and exits with 2."""


class StorageError(Exception):
    """The run directory could not be written; what is stored is whole. Exit code 1."""


class BackendError(Exception):
    """The engine stopped midway, such as a server that went down; what is stored is whole.

    Exit code 1; the same command continues.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Say that ``name`` is not a known ``kind``, with the nearest names first."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    if close:
        hint = f"did you mean {' or '.join(repr(n) for n in close)}?"
    else:
        hint = f"known: {', '.join(names) or 'none'}."
    return UserError(f"There is no {kind} {name!r}; {hint}")


def storage_error(path: Path, error: OSError) -> StorageError:
    """Say that ``path`` could not be written and what to do."""
    return StorageError(
        f"{path} cannot be written ({error.strerror or error}). Everything finished so far is stored; "
        f"make room and give the same command again to continue."
    )
