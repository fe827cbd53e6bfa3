"""Reading rows of DDXPlus in whatever form, and telling every row that is wrong."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from marl_eval.errors import UserError

_TOLD = 10

Differential = list[tuple[str, float | None]]

Row = tuple[int, Mapping[str, Any]]
"""A row with its number as a person counts it in the file: a csv's heading is line 1."""


@dataclass(frozen=True, slots=True)
class Case:
    """One patient as text, with what is known of the diagnosis; ``place`` is where it was read."""

    id: str
    text: str
    differential: Differential
    pathology: str | None
    place: str


class RowErrorsError(UserError):
    """Rows that cannot be read, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        more = len(problems) - _TOLD
        lines = problems[:_TOLD] + ([f"and {more} more"] if more > 0 else [])
        rows = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
        super().__init__("\n".join([f"{rows} cannot be read:", *lines]))


class hub_errors:  # noqa: N801 - reads as a statement
    """Turns whatever the Hub's clients raise into one sentence with the remedy."""

    def __init__(self, repository: str) -> None:
        self._repository = repository

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError)) and not isinstance(
            error, UserError
        ):
            raise UserError(
                f"The data of ddxplus was not given (--data), is not in MARL_EVAL_DATA/ddxplus, and "
                f"the Hugging Face Hub did not give {self._repository} "
                f"({type(error).__name__}). Download the English release files "
                f"(doi:10.6084/m9.figshare.20043374) into a folder and give it with --data."
            ) from error


def csv_rows(path: Path, content: bytes, needed: tuple[str, ...] = ()) -> list[Row]:
    """Read a csv; ``needed`` are the columns that it must have."""
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            raise UserError(
                f"{path} is not a file of DDXPlus patients: it has no column {', '.join(missing)}."
            )
        return [(reader.line_num, row) for row in reader]
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
    name, probability = text_of(pair[0], column), float(pair[1])
    if not 0 <= probability <= 1:
        raise ValueError(f"{column} has the probability {probability}")
    return name, probability
