"""Files of JSON lines that only grow: completions, failures and judgements.

A line counts once it ends in a newline; a torn last line is cut off by the next process that appends,
and its work done again. A line's key (id, example, sample, stage) comes first, which
``line_index`` relies on; the id is a hash of everything that was asked. A write that fails (a full
disk) is taken back to the last whole line.
"""

from __future__ import annotations

import contextlib
import os
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from marl_eval.errors import UserError, storage_error
from marl_eval.line_index import Index

_BUFFER = 1 << 20

Record = TypeVar("Record")
_SYNC_SECONDS = 5.0


def read_lines(path: Path, index: Index, rows: slice, record: type[Record]) -> list[Record]:
    """Read the lines at some rows of an index as records, in the index's order.

    Neighbouring lines are read at once.

    Raises:
        UserError: if a line is not such a record.
    """
    offsets, lengths = index.offset[rows], index.length[rows]
    if len(offsets) == 0:
        return []
    decode = msgspec.json.Decoder(record).decode_lines
    breaks = np.flatnonzero(offsets[1:] != offsets[:-1] + lengths[:-1]) + 1
    found: list[Record] = []
    with path.open("rb") as file:
        for first, last in zip([0, *breaks], [*breaks, len(offsets)], strict=True):
            start = int(offsets[first])
            end = int(offsets[last - 1] + lengths[last - 1])
            file.seek(start)
            try:
                found += decode(file.read(end - start))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise UserError(f"{path} is damaged near byte {start}: {error}.") from error
    return found


def line_offsets(path: Path) -> NDArray[np.int64]:
    """Give where each line of a file begins, and its end: int64[lines + 1]."""
    with path.open("rb", buffering=_BUFFER) as file:
        lengths = array("q", (len(line) for line in file))
    return np.concatenate(([0], np.cumsum(np.frombuffer(lengths, dtype=np.int64))))


def json_line(value: object) -> bytes:
    """Write a value as one line of JSON."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


class Appender:
    """Appends groups of records of one kind to a file, from its last whole line on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        self._end = _whole_lines(self._file)
        os.ftruncate(self._file, self._end)
        self._synced = time.monotonic()

    def append(self, records: Sequence[object]) -> None:
        """Store a group.

        Raises:
            StorageError: if it cannot be written; the file then ends where it did before.
        """
        data = b"".join(map(json_line, records))
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._end + written)
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._file)
                self._synced = time.monotonic()
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise storage_error(self._path, error) from error
        self._end += len(data)

    def close(self) -> None:
        """Make what was written safe and close the file."""
        with contextlib.suppress(OSError):
            os.fsync(self._file)
        os.close(self._file)


def _whole_lines(descriptor: int) -> int:
    """Give the length of a file up to the end of its last whole line, reading from its end."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - (1 << 16))
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
