"""Reading the rows of a data file, and telling every row that is wrong, all of them at once.

A task says how to make an example of one row (``make``), which raises ``ValueError`` for a row that
is not as it should be; ``read_rows`` does the rest. No row is ever left out in silence.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson

from marl_eval.errors import UserError

T = TypeVar("T")

Row = Mapping[str, Any]
Make = Callable[[Row], T]
File = Path | zipfile.Path
"""A file on its own, or one of those in a zip."""

_TOLD = 100
_BOM = b"\xef\xbb\xbf"


class RowErrorsError(UserError):
    """Rows that cannot be read, all of them at once; each problem begins with its place."""

    def __init__(self, problems: list[str]) -> None:
        more = len(problems) - _TOLD
        lines = problems[:_TOLD] + ([f"and {more} more"] if more > 0 else [])
        rows = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
        super().__init__("\n".join([f"{rows} cannot be read:", *lines]))


def read_rows(path: File, make: Make[T]) -> list[T]:
    """Read a file of JSON objects (see ``json_rows``) and make something of each.

    Raises:
        UserError: if the file cannot be read at all.
        RowErrorsError: with the place (file and line, or row of an array) of each wrong row.
    """
    return make_rows(json_rows(path), make)


def json_rows(path: File) -> Iterator[tuple[str, Any]]:
    """Read a file of JSON objects, one a line (``.jsonl``) or one array of them, each with its place.

    The file is bare, gzipped (``.gz``), in a zip or the only file of one. A line that is not JSON is
    given as the ``ValueError`` that says so; a blank one is wrong too, unless it is the last.

    Raises:
        UserError: if the file cannot be read at all.
    """
    content = read_content(path)
    by_line = ".jsonl" in path.name or _one_a_line(content)
    return _lines(path, content) if by_line else _array(path, content)


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
                raise ValueError(f"is {kind_of(row)}, not an object")
            made.append(make(row))
        except ValueError as error:
            problems.append(f"{place}: {error}")
    if problems:
        raise RowErrorsError(problems)
    return made


def read_content(path: File) -> bytes:
    """Read a file, bare, gzipped, in a zip or the only file of one, without a byte order mark.

    Raises:
        UserError: if it cannot be read, or is cut off.
    """
    try:
        content = _unzipped(path)
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
    except (EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        cut = isinstance(error, EOFError)
        told = "is cut off: get the file again" if cut else f"cannot be read: {error}"
        raise UserError(f"{path} {told}.") from error
    if content.startswith(b"PK\x03\x04"):
        raise UserError(f"{path} is a zip that is cut off: get the file again.")
    return content.removeprefix(_BOM)


def _unzipped(path: File) -> bytes:
    if isinstance(path, Path) and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise UserError(f"{path} must hold one file, not {len(names)}.")
            return archive.read(names[0])
    return path.read_bytes()


def _one_a_line(content: bytes) -> bool:
    """Say whether the content is several objects, and not one value as a whole."""
    return content.lstrip().startswith(b"{") and isinstance(_parsed(content), ValueError)


def _lines(path: File, content: bytes) -> Iterator[tuple[str, Any]]:
    lines = content.split(b"\n")
    if not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, start=1):
        yield f"{path.name}, line {number}", _parsed(line)


def _array(path: File, content: bytes) -> Iterator[tuple[str, Any]]:
    whole = _parsed(content)
    if isinstance(whole, ValueError):
        raise UserError(f"{path}: {whole}.")
    if not isinstance(whole, list):
        raise UserError(f"{path} must hold an array of objects, not {kind_of(whole)}.")
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


def kind_of(value: object) -> str:
    """Say in words what kind of JSON value this is."""
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
        wanted = "a whole number" if kind is int else _KINDS[kind]
        raise ValueError(f"{name!r} is {kind_of(value)}, not {wanted}")
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
            raise ValueError(f"{name!r} holds {kind_of(value)}, not only texts")
        if not value.strip():
            raise ValueError(f"{name!r} holds an empty text")
    return values


def records(row: Row, name: str, fields: Sequence[str] = (), *, least: int = 0) -> list[Row]:
    """Give a field that must be a list of at least ``least`` objects.

    Two other forms of the same are read too: an object of lists of one length, as the Hub gives it,
    and a list of lists that hold ``fields`` in this order.

    Raises:
        ValueError: if it is missing, of another kind or too short.
    """
    if name not in row:
        raise ValueError(f"has no {name!r}")
    value = row[name]
    if isinstance(value, Mapping):
        found = _transposed(value, name)
    elif isinstance(value, list):
        found = [_record(entry, f"{name!r} {i}", fields) for i, entry in enumerate(value, start=1)]
    else:
        raise ValueError(f"{name!r} is {kind_of(value)}, not a list")
    if len(found) < least:
        raise ValueError(f"{name!r} has {len(found)} entries, fewer than {least}")
    return found


def _transposed(columns: Mapping[str, Any], name: str) -> list[Row]:
    for key, column in columns.items():
        if not isinstance(column, list):
            raise ValueError(f"{key!r} of {name!r} is {kind_of(column)}, not a list")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"{name!r} holds lists of different lengths")
    return [dict(zip(columns, one, strict=True)) for one in zip(*columns.values(), strict=True)]


def _record(entry: Any, place: str, fields: Sequence[str]) -> Row:
    if isinstance(entry, Mapping):
        return entry
    if isinstance(entry, list) and fields:
        if len(entry) != len(fields):
            raise ValueError(f"{place} has {len(entry)} parts, not {' and '.join(fields)}")
        return dict(zip(fields, entry, strict=True))
    raise ValueError(f"{place} is {kind_of(entry)}, not an object")


@contextmanager
def within(place: str) -> Iterator[None]:
    """Put ``place`` before what is told to be wrong with a part of a row."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
