"""Where each completion, failure or judgement lies in a file of JSON lines.

A line's key (id, example, sample, stage) comes first, in a form that ``lines.Appender`` fixes, so the
keys of a file of any size are read from the first bytes of its lines, all lines at once, without
reading the texts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marl_eval.types import Request

Bytes = NDArray[np.uint8]

_CHUNK, _AT_ONCE = 1 << 24, 1 << 14
_NEWLINE, _BRACE, _ZERO = 10, 125, 48
_HEAD, _ID_LENGTH = b'{"id":"', 32
_AFTER = [b'","example":', b',"sample":', b',"stage":', b","]
_DIGITS = 10
_LONGEST_KEY = len(_HEAD) + _ID_LENGTH + sum(map(len, _AFTER)) + 3 * _DIGITS
_HEXADECIMAL = np.full(256, 255, dtype=np.uint8)
_HEXADECIMAL[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16)


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

    def holds_id(self, rows: slice, id: str) -> bool:
        """Whether one of the lines at some rows has this id."""
        return bool((self.digest[rows] == np.uint64(int(id[:16], 16))).any())

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

    def examples(self, rows: slice) -> NDArray[np.int64]:
        """Give the example of each of some rows, int64[rows]."""
        return self.code[rows] >> 26

    def places(self, rows: slice, first: int, samples: int) -> list[tuple[int, int]]:
        """Give (generation, stage) of some rows, generations counted from example ``first`` on."""
        code = self.code[rows]
        generation = ((code >> 26) - first) * samples + ((code >> 2) & 0xFFFFFF)
        return list(zip(generation.tolist(), (code & 3).tolist(), strict=True))


def _code(example: int, sample: int, stage: int) -> int:
    return (example << 26) | (sample << 2) | stage


def index_lines(path: Path) -> Index:
    """Index a file of completions, failures or judgements; a missing file is an empty one.

    Lines that are torn or not of this kind are left out: they will be asked again. Where a request
    was written twice, its first line counts.
    """
    parts = [np.empty((4, 0), dtype=np.int64)]
    if path.exists() and os.path.getsize(path) > 0:
        data = np.memmap(path, dtype=np.uint8, mode="r")
        start, size = 0, _CHUNK
        while start < len(data):
            ends = np.flatnonzero(data[start : start + size] == _NEWLINE) + start + 1
            if len(ends) > 0:
                begins = np.concatenate(([start], ends[:-1]))
                for some in range(0, len(ends), _AT_ONCE):
                    these = slice(some, some + _AT_ONCE)
                    parts.append(_keys(data, begins[these], ends[these]))
                start, size = int(ends[-1]), _CHUNK
            elif start + size < len(data):
                size *= 2
            else:
                break
    table = np.hstack(parts)
    table = table[:, np.lexsort((table[2], table[0]))]
    fresh = np.ones(table.shape[1], dtype=np.bool_)
    fresh[1:] = table[0, 1:] != table[0, :-1]
    code, digest, offset, length = table[:, fresh]
    return Index(code, digest.view(np.uint64), offset, length)


def _keys(data: Bytes, begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Read the keys of the lines from ``begins`` to ``ends``, those that have one.

    Returns int64[4, lines]: code, digest, offset and length.
    """
    place = np.minimum(begins[:, None] + np.arange(_LONGEST_KEY), len(data) - 1)
    heads = data[place]
    last = len(_HEAD) + _ID_LENGTH
    good = (heads[:, : len(_HEAD)] == np.frombuffer(_HEAD, dtype=np.uint8)).all(axis=1)
    good &= data[np.maximum(ends - 2, 0)] == _BRACE
    nibbles = _HEXADECIMAL[heads[:, len(_HEAD) : last]]
    good &= (nibbles < 16).all(axis=1)
    digest = np.zeros(len(begins), dtype=np.uint64)
    for column in range(16):
        digest = (digest << np.uint64(4)) | nibbles[:, column]
    at = np.full(len(begins), last)
    numbers = []
    for literal in _AFTER[:-1]:
        at = _pass(heads, at, literal, good)
        number, at = _number(heads, at, good)
        numbers.append(number)
    _pass(heads, at, _AFTER[-1], good)
    good &= at < ends - begins
    example, sample, stage = numbers
    code = (example << 26) | (sample << 2) | stage
    return np.stack([code, digest.view(np.int64), begins, ends - begins])[:, good]


def _pass(
    heads: Bytes, at: NDArray[np.int64], literal: bytes, good: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Step over a literal; a line without it is not ``good``."""
    rows = np.arange(len(at))
    for byte in literal:
        good &= heads[rows, np.minimum(at, _LONGEST_KEY - 1)] == byte
        at = at + 1
    return at


def _number(
    heads: Bytes, at: NDArray[np.int64], good: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read a number of at least one digit, and step over it."""
    rows = np.arange(len(at))
    number = np.zeros(len(at), dtype=np.int64)
    going = np.ones(len(at), dtype=np.bool_)
    for count in range(_DIGITS):
        digit = heads[rows, np.minimum(at, _LONGEST_KEY - 1)].astype(np.int64) - _ZERO
        going = going & (digit >= 0) & (digit <= 9)
        if count == 0:
            good &= going
        if not going.any():
            break
        number = np.where(going, number * 10 + digit, number)
        at = at + going
    return number, at
