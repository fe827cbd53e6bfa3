"""What the forms of DDXPlus have in common: the case that a row tells, and how its cells are read."""

from __future__ import annotations

import ast
import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from marl_eval.errors import UserError
from marl_eval.rows import Row

REMEDY = (
    "Download the English release files (doi:10.6084/m9.figshare.20043374) into a folder and give it "
    "with --data."
)

Differential = list[tuple[str, float | None]]

Rows = list[tuple[str, Row]]
"""Rows, each with its place."""


@dataclass(frozen=True, slots=True)
class Case:
    """One patient as text, with what is known of the diagnosis."""

    text: str
    differential: Differential
    pathology: str | None


def csv_rows(path: Path, content: bytes, needed: tuple[str, ...] = ()) -> Rows:
    """Read a csv; ``needed`` are the columns that it must have.

    A row's number is the line of the file that it ends on; the heading is line 1.
    """
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            raise UserError(
                f"{path} is not a file of DDXPlus patients: it has no column {', '.join(missing)}."
            )
        return [(f"{path.name}, row {reader.line_num}", row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as csv in UTF-8: {error}.") from error


def text_of(value: Any, column: str) -> str:
    """Check a text that may not be empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{column} is empty")
    return value


def list_of(value: Any, column: str) -> list[Any]:
    """Read a list that csv holds as Python text; JSON reads almost all of them, and faster."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value.replace("'", '"'))
        except orjson.JSONDecodeError:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise ValueError(f"{column} is not a list: {value[:60]!r}") from None
    if not isinstance(value, list):
        raise ValueError(f"{column} is not a list: {str(value)[:60]!r}")
    return value


def pair_of(pair: Any, column: str) -> tuple[str, float]:
    """Check a name with its probability."""
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError(f"{column} holds {str(pair)[:60]!r}, not [name, number]")
    name = text_of(pair[0], column)
    try:
        probability = float(pair[1])
    except (TypeError, ValueError):
        raise ValueError(f"{column} has the probability {str(pair[1])[:60]!r}") from None
    if not 0 <= probability <= 1:
        raise ValueError(f"{column} has the probability {probability}")
    return name, probability
