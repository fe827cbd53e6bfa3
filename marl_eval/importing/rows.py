"""Files of rows: JSON lines, Parquet, Arrow, and folders that ``save_to_disk`` of datasets wrote.

What a file is, is seen from how it begins, not from its name. Rows come one after the other, so that
memory stays flat: JSON by lines, Parquet and Arrow by batches.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from marl_eval.errors import UserError

Row = dict[str, Any]
ReadRows = Callable[[Path, Collection[str] | None], Iterator[tuple[int, Row]]]
"""From a file and the columns wanted (None for all) to its rows, numbered from 1."""

_BATCH = 1024
_LOOKED_AT = 100
"""Rows of JSON looked at for the names of columns."""

_DAMAGED = (pa.ArrowException, OSError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True)
class Source:
    """Files of one kind of rows, read one after the other.

    ``name`` is what was given, without its folder; ``columns`` are the names of all columns.
    """

    name: str
    files: tuple[Path, ...]
    columns: tuple[str, ...]

    def rows(self, columns: Collection[str] | None = None) -> Iterator[tuple[str, Row]]:
        """Give each row with its place in words, for messages.

        Raises:
            UserError: if a file is damaged.
        """
        for file in self.files:
            read, unit = _reader(file)
            for number, row in _told(file, read(file, columns)):
                yield f"{file.name}, {unit} {number}", row

    def sha256(self) -> str:
        """Give the hash of all that the files hold."""
        content = hashlib.sha256()
        for file in self.files:
            with file.open("rb") as opened:
                while block := opened.read(1 << 20):
                    content.update(block)
        return content.hexdigest()


def open_source(paths: Sequence[Path]) -> Source:
    """Open files or folders of rows.

    Raises:
        UserError: if one is missing, empty, of no known kind, or damaged where it begins.
    """
    files = tuple(file for path in paths for file in _files(path))
    columns: dict[str, None] = {}
    for file in files:
        columns.update(dict.fromkeys(_columns(file)))
    return Source(", ".join(path.resolve().name for path in paths), files, tuple(columns))


def _files(path: Path) -> list[Path]:
    """Give the data files that a path stands for."""
    if not path.exists():
        raise UserError(f"There is no file {path}.")
    if not path.is_dir():
        return [path]
    if (path / "dataset_dict.json").is_file():
        splits = _folder_record(path / "dataset_dict.json").get("splits", [])
        if len(splits) != 1:
            parts = ", ".join(str(path / str(split)) for split in splits)
            raise UserError(f"{path} holds several splits; give one of them: {parts}.")
        return _files(path / str(splits[0]))
    if not (path / "state.json").is_file():
        raise UserError(
            f"{path} is a folder, but not one that save_to_disk of datasets wrote: it has no "
            f"state.json; name the files in it."
        )
    listed = _folder_record(path / "state.json").get("_data_files") or []
    found = [path / str(entry["filename"]) for entry in listed]
    if not found:
        raise UserError(f"{path} names no data files in its state.json.")
    return [file for name in found for file in _files(name)]


def _folder_record(path: Path) -> Row:
    try:
        record = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    return record if isinstance(record, dict) else {}


def _reader(path: Path) -> tuple[ReadRows, str]:
    """Give the function that reads a file, and what its rows are called."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    if not head.strip():
        raise UserError(f"{path} is empty.")
    if head.startswith(b"PAR1"):
        return _parquet_rows, "row"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return _arrow_rows, "row"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"{"):
        return _json_rows, "line"
    if text.startswith(b"["):
        return _json_array, "row"
    raise UserError(f"{path} is neither JSON lines nor Parquet nor Arrow.")


def _columns(path: Path) -> list[str]:
    """Name the columns of a file; for JSON, those of its first rows."""
    read, _ = _reader(path)
    try:
        if read is _parquet_rows:
            return list(pq.read_schema(path).names)
        if read is _arrow_rows:
            return list(_open_arrow(path).schema.names)
    except _DAMAGED as error:
        raise _damaged(path, error) from error
    found: dict[str, None] = {}
    for _, row in islice(_told(path, read(path, None)), _LOOKED_AT):
        found.update(dict.fromkeys(row))
    return list(found)


def _told(path: Path, rows: Iterator[tuple[int, Row]]) -> Iterator[tuple[int, Row]]:
    """Go through rows, telling of damage in one sentence."""
    try:
        yield from rows
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: BaseException) -> UserError:
    reason = str(error).partition("\n")[0].rstrip(". ")
    return UserError(f"{path} is damaged: {reason}.")


def _json_rows(path: Path, columns: Collection[str] | None) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            content = line.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else line.strip()
            if content:
                yield number, _json_row(content, f"line {number}")


def _json_array(path: Path, columns: Collection[str] | None) -> Iterator[tuple[int, Row]]:
    rows = _loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), "its text")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise ValueError(f"row {number} is not an object with named fields")
        yield number, row


def _json_row(content: bytes, place: str) -> Row:
    row = _loads(content, place)
    if not isinstance(row, dict):
        raise ValueError(f"{place} is not an object with named fields")
    return row


def _loads(content: bytes, place: str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        # Others also write NaN and infinities.
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{place} is not JSON ({error})") from error


def _parquet_rows(path: Path, columns: Collection[str] | None) -> Iterator[tuple[int, Row]]:
    with pq.ParquetFile(path) as file:
        wanted = _present(file.schema_arrow.names, columns)
        yield from _batch_rows(file.iter_batches(batch_size=_BATCH, columns=wanted), wanted)


def _arrow_rows(path: Path, columns: Collection[str] | None) -> Iterator[tuple[int, Row]]:
    opened = _open_arrow(path)
    wanted = _present(opened.schema.names, columns)
    if isinstance(opened, ipc.RecordBatchFileReader):
        batches = (opened.get_batch(i) for i in range(opened.num_record_batches))
    else:
        batches = iter(opened)
    yield from _batch_rows(batches, wanted)


def _open_arrow(path: Path) -> Any:
    mapped = pa.memory_map(str(path))
    with path.open("rb") as file:
        is_file = file.read(6) == b"ARROW1"
    return ipc.open_file(mapped) if is_file else ipc.open_stream(mapped)


def _present(names: Sequence[str], columns: Collection[str] | None) -> list[str]:
    return [name for name in names if columns is None or name in columns]


def _batch_rows(batches: Iterator[Any], wanted: list[str]) -> Iterator[tuple[int, Row]]:
    number = 0
    for whole in batches:
        batch = whole.select(wanted)
        batch.validate(full=True)
        for start in range(0, batch.num_rows, _BATCH):
            for row in batch.slice(start, _BATCH).to_pylist():
                number += 1
                yield number, row
