"""The leaderboard as CSV: a row for each run, every metric with its interval, numbers in full.

A cell is an inert line of text. One that a spreadsheet would take for a formula is preceded by an
apostrophe, and so is one that begins with an apostrophe: ``plain`` takes it off again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from marl_eval.errors import UserError
from marl_eval.reports.table.rows import Row
from marl_eval.reports.table.text import one_line

SCHEMA_VERSION = 3

Cells = dict[str, str]
"""The cells of a row by column, as they are in the file."""

# Full-width signs count as the plain ones in some languages' spreadsheets.
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "'")


def row_cells(row: Row) -> Cells:
    """Give the cells of a row: schema version, rank, role, settings, counts, fingerprints, metrics.

    Raises:
        UserError: if a metric has the name of another column.
    """
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "rank": row.rank,
        "ranked_by": row.ranked_by,
        "role": row.role,
        **row.columns,
    }
    for name, metric in row.metrics.items():
        told = {name: metric.value, f"{name}_low": metric.low, f"{name}_high": metric.high}
        if taken := told.keys() & values.keys():
            raise UserError(
                f"The metric {name!r} of {row.path} would need the column {sorted(taken)[0]!r}, which "
                f"the leaderboard has already: give the metric another name."
            )
        values |= told
    return {cell(name): cell(value) for name, value in values.items()}


def cell(value: str | int | float | bool | None) -> str:
    """Write a value as the text of a cell: nothing for None, a number in full."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return repr(value)
    line = one_line(value)
    return f"'{line}" if line.startswith(_DANGEROUS) else line


def plain(text: str) -> str:
    """Give the text that a cell was made of, in one inert line."""
    return text.removeprefix("'")


def to_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Write rows of cells; the columns are those of all rows, in the order in which they first occur.

    A row without a column leaves its cell empty.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
