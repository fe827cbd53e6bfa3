"""Small recordings to import, for several tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from marl_eval.importing.generations import Choices
from marl_eval.importing.runs import ImportedRun, Wishes, import_runs
from marl_eval.store import COMPLETIONS, EXAMPLES, RUN

Row = dict[str, Any]


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def import_rows(
    folder: Path, rows: Sequence[Row], *, choices: Choices | None = None, **wishes: Any
) -> Path:
    """Import rows that hold one system; give its run directory."""
    return import_all(folder, rows, choices=choices, **wishes)[0].path


def import_all(
    folder: Path, rows: Sequence[Row], *, choices: Choices | None = None, **wishes: Any
) -> list[ImportedRun]:
    file = write_rows(folder / "rows.jsonl", rows)
    return import_runs([file], folder / "run", choices=choices, wishes=Wishes(**wishes))


def record(run: Path) -> Row:
    found: Row = orjson.loads((run / RUN).read_bytes())
    return found


def examples(run: Path) -> list[Row]:
    return [orjson.loads(line) for line in (run / EXAMPLES).read_bytes().splitlines()]


def completions(run: Path) -> list[Row]:
    return [orjson.loads(line) for line in (run / COMPLETIONS).read_bytes().splitlines()]
