"""Reading the rows of a data file, and telling every row that is wrong, all of them at once.

A task says how to make an example of one row (``make``), which raises ``ValueError`` for a row that
is not as it should be; ``read_rows`` does the rest. No row is ever left out in silence.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from marl_eval.errors import UserError

T = TypeVar("T")

Row = Mapping[str, Any]
Make = Callable[[Row], T]

_TOLD = 100


class RowErrorsError(UserError):
    """Rows that cannot be read, all of them at once; each problem begins with its place."""

    def __init__(self, problems: list[str]) -> None:
        more = len(problems) - _TOLD
        lines = problems[:_TOLD] + ([f"and {more} more"] if more > 0 else [])
        rows = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
        super().__init__("\n".join([f"{rows} cannot be read:", *lines]))


def read_rows(path: Path, make: Make[T]) -> list[T]:
    """Read a file of JSON objects: one a line (``.jsonl``), or one array of them.

    The file is bare, gzipped (``.gz``) or the only file of a ``.zip``. A blank line is a wrong row
    unless it is the last.

    Raises:
        UserError: if the file cannot be read at all.
        RowErrorsError: with the place (file and line, or row of an array) of each wrong row.
    """
    content = read_content(path)
    by_line = ".jsonl" in path.suffixes or _one_a_line(content)
    rows = _lines(path, content) if by_line else _array(path, content)
    return make_rows(rows, make)


def make_rows(rows: Iterable[tuple[str, Any]], make: Make[T]) -> list[T]:
    """Make something of each (place, row).

    A row that is an exception was already found to be wrong.

    Raises:
        RowErrorsError: with the place of each row of which nothing could be made.
    """
    made: list[T] = []
    problems: list[str] = []
    for place, row in rows:
        try:
            if isinstance(row, ValueError):
                raise row
            if not isinstance(row, Mapping):
                raise ValueError(f"is {_kind(row)}, not an object")
            made.append(make(row))
        except ValueError as error:
            problems.append(f"{place}: {error}")
    if problems:
        raise RowErrorsError(problems)
    return made


def read_content(path: Path) -> bytes:
    """Read a file, bare, gzipped or the only file of a zip.

    Raises:
        UserError: if it cannot be read, or is cut off.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
                if len(names) != 1:
                    raise UserError(f"{path} must hold one file, not {len(names)}.")
                return archive.read(names[0])
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except EOFError as error:
        raise UserError(f"{path} is cut off: get the file again.") from error
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error


def _one_a_line(content: bytes) -> bool:
    return content.lstrip()[:1] == b"{"


def _lines(path: Path, content: bytes) -> Iterator[tuple[str, Any]]:
    lines = content.split(b"\n")
    if not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        yield f"{path.name}, line {number}", _parsed(line)


def _array(path: Path, content: bytes) -> Iterator[tuple[str, Any]]:
    whole = _parsed(content)
    if isinstance(whole, ValueError):
        raise UserError(f"{path}: {whole}.")
    if not isinstance(whole, list):
        raise UserError(f"{path} must hold an array of objects, not {_kind(whole)}.")
    for number, row in enumerate(whole, start=1):
        yield f"{path.name}, row {number}", row


def _parsed(text: bytes) -> Any:
    """Parse JSON; what is wrong with it is given, not raised."""
    if not text.strip():
        return ValueError("is empty")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as wrong:
            return ValueError(f"is not UTF-8 (byte {wrong.start})")
        return ValueError(f"is not whole JSON ({error})")


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)


def field(row: Row, name: str, kind: type[T]) -> T:
    """Give a field of a row that must be there and of that kind (a float may be written as an int).

    Raises:
        ValueError: if it is missing or of another kind.
    """
    if name not in row:
        raise ValueError(f"has no {name!r}")
    value = row[name]
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{name!r} is {_kind(value)}, not {_KINDS[kind]}")
    return value


def text(row: Row, name: str) -> str:
    """Give a field that must be a text with something in it.

    Raises:
        ValueError: if it is missing, of another kind or blank.
    """
    value = field(row, name, str)
    if not value.strip():
        raise ValueError(f"{name!r} is empty")
    return value


def texts(row: Row, name: str, *, least: int = 1) -> list[str]:
    """Give a field that must be a list of at least ``least`` texts, none of them blank.

    Raises:
        ValueError: if it is missing, of another kind, too short or holds a blank text.
    """
    values = field(row, name, list)
    if len(values) < least:
        raise ValueError(f"{name!r} has {len(values)} entries, fewer than {least}")
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{name!r} holds {_kind(value)}, not only texts")
        if not value.strip():
            raise ValueError(f"{name!r} holds an empty text")
    return values
