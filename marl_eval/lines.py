"""Files of JSON lines that only grow: completions and failures.

A line counts once it ends in a newline; a torn last line is cut off by the next process that appends,
and its request asked again. A line's key (example, sample, stage) comes first, so that an index of a
file of any size is made without reading the texts; the id, a hash of everything that was asked, must
agree as well. A write that fails (a full disk) is taken back to the last whole line.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from marl_eval.errors import UserError, storage_error
from marl_eval.types import Completion, Failure, Request

_KEY = re.compile(
    rb'\{"id":"([0-9a-f]{16})[0-9a-f]{16}","example":([0-9]+),"sample":([0-9]+),"stage":([0-9]+),'
)
_BUFFER = 1 << 20
_SYNC_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Index:
    """Where each line of a file lies, in order of (example, sample, stage).

    ``code`` holds the three in one number; ``digest`` is the first half of the id as a number;
    ``offset`` and ``length`` are in bytes. 32 bytes a line.
    """

    code: NDArray[np.int64]
    digest: NDArray[np.uint64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.code)

    def holds(self, request: Request) -> bool:
        """Whether the request is there, asked in exactly the same way."""
        row = int(np.searchsorted(self.code, _code(request.example, request.sample, request.stage)))
        return row < len(self) and int(self.digest[row]) == int(request.id[:16], 16)

    def questions(self) -> int:
        """Count the lines of stage 0: those that answer the question itself."""
        return int(((self.code & 3) == 0).sum())

    def rows(self, first: int, last: int) -> slice:
        """Give the rows of the examples from ``first`` up to but not including ``last``."""
        start, stop = np.searchsorted(self.code, [_code(first, 0, 0), _code(last, 0, 0)])
        return slice(int(start), int(stop))

    def places(self, rows: slice, first: int, samples: int) -> list[tuple[int, int]]:
        """Give (generation, stage) of some rows, generations counted from example ``first`` on."""
        code = self.code[rows]
        generation = ((code >> 26) - first) * samples + ((code >> 2) & 0xFFFFFF)
        return list(zip(generation.tolist(), (code & 3).tolist(), strict=True))


def _code(example: int, sample: int, stage: int) -> int:
    return (example << 26) | (sample << 2) | stage


def index_lines(path: Path) -> Index:
    """Index a file of completions or failures; a missing file is an empty one.

    Lines that are torn or not of this kind are left out: they will be asked again. Where a request
    was written twice, its first line counts.
    """
    rows = array("Q")
    offset = 0
    with contextlib.suppress(FileNotFoundError), path.open("rb", buffering=_BUFFER) as file:
        for line in file:
            match = _KEY.match(line)
            if match is not None and line.endswith(b"}\n"):
                half_id, example, sample, stage = match.groups()
                code = _code(int(example), int(sample), int(stage))
                rows.extend((code, int(half_id, 16), offset, len(line)))
            offset += len(line)
    table = np.frombuffer(rows, dtype=np.uint64).reshape(-1, 4)
    table = table[np.lexsort((table[:, 2], table[:, 0]))]
    fresh = np.ones(len(table), dtype=np.bool_)
    fresh[1:] = table[1:, 0] != table[:-1, 0]
    code, digest, offsets, lengths = table[fresh].T
    return Index(
        code.astype(np.int64), digest.copy(), offsets.astype(np.int64), lengths.astype(np.int64)
    )


def read_lines(path: Path, index: Index, rows: slice) -> list[dict[str, Any]]:
    """Read the lines at some rows of an index, in the index's order.

    Neighbouring lines are read at once.

    Raises:
        UserError: if a line is not JSON.
    """
    offsets, lengths = index.offset[rows], index.length[rows]
    if len(offsets) == 0:
        return []
    breaks = np.flatnonzero(offsets[1:] != offsets[:-1] + lengths[:-1]) + 1
    lines: list[dict[str, Any]] = []
    with path.open("rb") as file:
        for first, last in zip([0, *breaks], [*breaks, len(offsets)], strict=True):
            start = int(offsets[first])
            end = int(offsets[last - 1] + lengths[last - 1])
            file.seek(start)
            for line in file.read(end - start).splitlines():
                try:
                    lines.append(orjson.loads(line))
                except orjson.JSONDecodeError as error:
                    raise UserError(f"{path} is damaged near byte {start}: {error}.") from error
    return lines


def line_offsets(path: Path) -> NDArray[np.int64]:
    """Give where each line of a file begins, and its end: int64[lines + 1]."""
    with path.open("rb", buffering=_BUFFER) as file:
        lengths = array("q", (len(line) for line in file))
    return np.concatenate(([0], np.cumsum(np.frombuffer(lengths, dtype=np.int64))))


def json_line(value: object) -> bytes:
    """Write a value as one line of JSON."""
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


class Appender:
    """Appends groups of completions or failures to one file, from its last whole line on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        self._end = _whole_lines(self._file)
        os.ftruncate(self._file, self._end)
        self._synced = time.monotonic()

    def append(self, records: Sequence[Completion | Failure]) -> None:
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
