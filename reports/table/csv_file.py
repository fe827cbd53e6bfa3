"""Adding rows to a leaderboard that is there already, without one of them standing there twice."""

from __future__ import annotations

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from marl_eval.reports.table.csv_text import SCHEMA_VERSION, Cells, cell, row_cells, to_csv
from marl_eval.reports.table.ranks import ranks
from marl_eval.reports.table.rows import KEY, Row, group_of

_NEEDED = (
    "schema_version",
    "rank",
    "ranked_by",
    "role",
    "run",
    "task",
    "split",
    "data_sha256",
    *KEY,
)


def unique(rows: Sequence[Row]) -> list[Row]:
    """Leave out a row that stands there again later: a run given twice, or its copy."""
    return list({row.key: row for row in rows}.values())


def append(path: Path, rows: Sequence[Row]) -> int:
    """Add rows to a CSV file, or make it; give how many rows it has then.

    A row of the same run replaces the one that is there, in its place; other rows keep their cells but
    for the rank, which is that among all rows of the file. New columns come after those that are there.

    Raises:
        UserError: if the file is no leaderboard, or of another schema version; it is left as it is.
        StorageError: if it cannot be written.
    """
    from marl_eval.store import write_whole

    with _held(path):
        merged = {_key(old): old for old in _read(path)}
        merged.update((_key(own), own) for own in map(row_cells, rows))
        every = list(merged.values())
        _rank_again(every, rows)
        # What only the old rows have, they had before.
        write_whole(path, to_csv(every).encode("utf-8"))
    return len(every)


def _key(cells: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(cells[name] for name in KEY)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Let no other process add to the file meanwhile: its row would be lost.

    The folder is held, for the file itself is replaced.
    """
    from marl_eval.errors import storage_error

    try:
        folder = os.open(path.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _read(path: Path) -> list[Cells]:
    """Read the rows of a leaderboard; none if there is no such file.

    Raises:
        UserError: if it is no leaderboard, or of another schema version.
    """
    from marl_eval.errors import UserError

    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        header, *lines = list(reader) or [[]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _no_leaderboard(path, str(error)) from error
    if header[:1] != ["schema_version"]:
        raise _no_leaderboard(path, "its first column is not 'schema_version'")
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise _no_leaderboard(
                path, f"row {number} has {len(line)} cells, the header {len(header)}"
            )
        if line[0] != str(SCHEMA_VERSION):
            raise UserError(
                f"{path} is of schema version {line[0]!r} in row {number}, and this marl-eval writes "
                f"{SCHEMA_VERSION}; it is left as it is. Write a new file from the runs, without "
                f"--append."
            )
    missing = [name for name in _NEEDED if name not in header]
    if missing or len(set(header)) < len(header):
        found = f"it lacks {', '.join(missing)}" if missing else "a column stands there twice"
        raise _no_leaderboard(path, found)
    return [dict(zip(header, line, strict=True)) for line in lines]


def _no_leaderboard(path: Path, found: str) -> Exception:
    from marl_eval.errors import UserError

    return UserError(
        f"{path} is no leaderboard of marl-eval ({found}); it is left as it is. Name another file, or "
        f"leave out --append to replace it."
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """An interval that a row of the file tells."""

    low: float | None
    high: float | None
    better: Literal["higher", "lower", "neither"]


def _rank_again(every: Sequence[Cells], rows: Sequence[Row]) -> None:
    """Rank the models of each group that has a new one, among all of the file."""
    groups = {
        tuple(cell(value) for value in row.group): row
        for row in rows
        if row.role == "model" and row.ranked_by is not None
    }
    for group, row in groups.items():
        name = row.ranked_by or ""
        better = row.metrics[name].better
        models = [own for own in every if own["role"] == "model" and group_of(own) == group]
        found = ranks([_Told(*_ends(own, name), better) for own in models])
        for own, rank in zip(models, found, strict=True):
            own["rank"], own["ranked_by"] = cell(rank), cell(name)


def _ends(cells: Mapping[str, str], name: str) -> tuple[float | None, float | None]:
    """Read the ends of an interval; None where the row tells none that is a number."""
    found = [cells.get(cell(f"{name}_{end}"), "") for end in ("low", "high")]
    try:
        low, high = (float(text) for text in found)
    except ValueError:
        return None, None
    return low, high
