"""The grades of a run as arrays, and their long form on disk (``scores.parquet``).

The file has one row for each answer asked for, in order of example, set and position, also where no
answer was given; so its rows reshape into arrays [examples, sets, positions]. It is written and read
in groups of ``BLOCK`` examples, which keeps memory flat however long the run is.

Columns of ``scores.parquet``:

    example            id of the example
    set, position      which answer set, which answer of it (both from 0)
    sample             which generation the answer came from
    answer             the answer as given, null if missing
    confidence         in [0, 1], null if missing
    rank               0 for the most confident answer of its set (ties by position)
    gold               index of the gold answer it matches, -1 for a wrong one, null if missing
    gold_weight        weight of that gold answer, null if it has none
    same_as            equal numbers within an example: the task takes the answers for the same
    gold_size          number of gold answers of the example
    failed             a request of this set failed: the set counts as an error, not as wrong
    strict, finish_reason, deviations, prompt_tokens, completion_tokens, reasoning_tokens
                       of the generation, on its first row only, so that sums over rows are right
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BLOCK = 1024
"""Examples in one group of rows."""

MISSING = -2
"""In place of a grade where no answer was given; a wrong one is ``matching.WRONG``."""

SCHEMA = pa.schema(
    [
        ("example", pa.string()),
        ("set", pa.int32()),
        ("position", pa.int32()),
        ("sample", pa.int32()),
        ("answer", pa.string()),
        ("confidence", pa.float64()),
        ("rank", pa.int32()),
        ("gold", pa.int32()),
        ("gold_weight", pa.float64()),
        ("same_as", pa.int32()),
        ("gold_size", pa.int32()),
        ("failed", pa.bool_()),
        ("strict", pa.bool_()),
        ("finish_reason", pa.string()),
        ("deviations", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("reasoning_tokens", pa.int64()),
    ]
)
_READ = [
    "confidence", "rank", "gold", "same_as", "gold_size", "failed", "strict",
    "prompt_tokens", "completion_tokens",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """What is the same for every example of a run.

    ``k`` answers in a set, ``sets`` sets, ``members`` generations in a set; whether answers have
    ``confidence``; whether exactly one answer is right (``exclusive``); ``levels``, the distinct
    confidences of the whole run in ascending order, float64[levels].
    """

    k: int
    sets: int
    members: int
    confidence: bool
    exclusive: bool
    levels: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The grades of a block of examples.

    Axes: E examples, S sets, K positions.

    - ``gold`` int64[E, S, K]: index of the matched gold answer, ``WRONG`` or ``MISSING``
    - ``same_as`` int64[E, S, K]: equal within an example if the answers are the same; ``MISSING``
    - ``rank`` int64[E, S, K]: 0 for the answer to be trusted most; a permutation in each set
    - ``confidence`` float64[E, S, K]: in [0, 1], NaN if missing
    - ``gold_size`` int64[E]: number of gold answers
    - ``failed`` bool[E, S]: a request failed, so that the set is an error
    - ``strict`` bool[E, S]: every generation of the set is strictly well formed
    - ``prompt_tokens``, ``completion_tokens`` float64[E, S]: NaN if unknown
    """

    shape: Shape
    gold: NDArray[np.int64]
    same_as: NDArray[np.int64]
    rank: NDArray[np.int64]
    confidence: NDArray[np.float64]
    gold_size: NDArray[np.int64]
    failed: NDArray[np.bool_]
    strict: NDArray[np.bool_]
    prompt_tokens: NDArray[np.float64]
    completion_tokens: NDArray[np.float64]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """bool[E, S]: the sets that no failed request spoiled."""
        return ~self.failed

    @property
    def given(self) -> NDArray[np.bool_]:
        """bool[E, S, K]: the places at which an answer was given."""
        given: NDArray[np.bool_] = self.gold != MISSING
        return given

    @property
    def named(self) -> NDArray[np.int64]:
        """int64[E, S]: how many different gold answers the set names."""
        return distinct(self.gold)

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool[E, S, K]: the answers that are in the gold set, repetitions among them."""
        return self.gold >= 0


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the distinct values that are at least 0 along the last axis."""
    ordered = np.sort(values, axis=-1)
    new = ordered[..., 1:] != ordered[..., :-1]
    counted = (ordered[..., 1:] >= 0) & new
    result: NDArray[np.int64] = counted.sum(axis=-1) + (ordered[..., 0] >= 0)
    return result


def some(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any is true along the last axis."""
    result: NDArray[np.bool_] = np.logical_or.reduce(mask, axis=-1)
    return result


def every(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether all are true along the last axis."""
    result: NDArray[np.bool_] = np.logical_and.reduce(mask, axis=-1)
    return result


def read_block(rows: pa.Table, shape: Shape) -> ScoreTable:
    """Make the arrays of one group of rows of ``scores.parquet``."""
    k, sets = shape.k, shape.sets

    def cube(name: str, missing: float) -> NDArray[np.float64]:
        column = rows.column(name).cast(pa.float64()).fill_null(missing).to_numpy()
        result: NDArray[np.float64] = column.reshape(-1, sets, k)
        return result

    def whole(name: str, missing: int) -> NDArray[np.int64]:
        return cube(name, missing).astype(np.int64)

    generated = cube("strict", np.nan)
    return ScoreTable(
        shape=shape,
        gold=whole("gold", MISSING),
        same_as=whole("same_as", MISSING),
        rank=whole("rank", 0),
        confidence=cube("confidence", np.nan),
        gold_size=whole("gold_size", 0)[:, 0, 0],
        failed=cube("failed", 0)[:, :, 0] > 0,
        strict=np.where(np.isnan(generated), 1, generated).min(axis=2) > 0,
        prompt_tokens=_per_set(cube("prompt_tokens", np.nan)),
        completion_tokens=_per_set(cube("completion_tokens", np.nan)),
    )


def _per_set(tokens: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up the generations of a set; NaN where no generation tells its tokens."""
    known = ~np.isnan(tokens)
    total = np.where(known, tokens, 0).sum(axis=2)
    return np.where(known.any(axis=2), total, np.nan)


READ_COLUMNS = _READ
"""The columns that ``read_block`` needs."""
