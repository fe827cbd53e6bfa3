"""Numbers in place of texts, so that a block of answers is compared as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from marl_eval.normalization import Key

T = TypeVar("T", np.int64, np.float64)

EMPTY = 0
"""The number of the empty key, which names nothing."""

NOTHING = -1
"""In place of the number of an answer that was not given."""


class Vocabulary(dict[str | None, int]):
    """Numbers the distinct answers of a block, and the keys they reduce to.

    ``vocabulary[text]`` is the number of a text, surrounding space left out of account by its key;
    ``vocabulary[None]`` is ``NOTHING``.
    """

    def __init__(self, key: Key) -> None:
        super().__init__({None: NOTHING})
        self._key = key
        self._texts: list[str] = []
        self._keys: list[int] = []
        self._numbers: dict[str, int] = {"": EMPTY}

    def __missing__(self, raw: str | None) -> int:
        assert raw is not None
        number = self[raw] = len(self._texts)
        text = raw.strip()
        self._texts.append(text)
        self._keys.append(self._numbers.setdefault(self._key(text), len(self._numbers)))
        return number

    def key_of(self, text: str) -> int:
        """Give the number of a text's key."""
        return self._keys[self[text]]

    def texts(self) -> list[str]:
        """Give the distinct texts by number, without the space around them."""
        return self._texts

    def keys_by_number(self) -> NDArray[np.int64]:
        """Give the number of each distinct text's key, int64[texts]."""
        return np.array(self._keys, dtype=np.int64)

    def blank(self) -> NDArray[np.bool_]:
        """Say which distinct texts are empty, bool[texts]."""
        return np.array([not text for text in self._texts], dtype=np.bool_)


def in_row(rows: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give one number for a row of the block together with a key or class."""
    result: NDArray[np.int64] = (rows << 32) | keys
    return result


def look_up(
    wanted: NDArray[np.int64], known: Sequence[int], values: NDArray[T], *, default: float
) -> NDArray[T]:
    """Give the value of the first known number that equals each wanted one, else ``default``."""
    result = np.full(wanted.shape, default, dtype=values.dtype)
    if len(known) == 0:
        return result
    numbers, first = np.unique(np.array(known, dtype=np.int64), return_index=True)
    place = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
    found = numbers[place] == wanted
    result[found] = values[first][place[found]]
    return result
