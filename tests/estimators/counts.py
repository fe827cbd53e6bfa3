"""Answers for the tests of estimators: one by one for plain loops, and as counts at each level."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Answer:
    confidence: float
    right: int
    weight: Fraction


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of wrong and right answers at each level; fractions, so that loops can be exact."""

    levels: tuple[float, ...]
    wrong: tuple[Fraction, ...]
    right: tuple[Fraction, ...]

    @property
    def arrays(self) -> tuple[Array, Array, Array]:
        return floats(self.wrong), floats(self.right), floats(self.levels)

    @property
    def answers(self) -> list[Answer]:
        cells = zip(self.levels, self.wrong, self.right, strict=True)
        both = [(q, y, (w, r)[y]) for q, w, r in cells for y in (0, 1)]
        return [Answer(q, y, weight) for q, y, weight in both if weight]


def floats(values: tuple[Fraction, ...] | tuple[float, ...]) -> Array:
    return np.array([float(value) for value in values], dtype=np.float64)


def one_by_one(confidence: Array, right: Array) -> tuple[Array, Array, Array]:
    """Give the counts of answers that all have different confidences."""
    order = np.argsort(confidence)
    y = right[order].astype(np.float64)
    return 1 - y, y, confidence[order]


@st.composite
def counts(draw: st.DrawFn, *, max_levels: int = 6, min_levels: int = 1) -> Counts:
    """Draw counts, some of them 0, whole or all multiplied by one fraction."""
    two_decimals = st.integers(0, 100).map(lambda percent: percent / 100)
    confidence = st.one_of(two_decimals, st.floats(0, 1, allow_subnormal=False))
    levels = draw(st.lists(confidence, min_size=min_levels, max_size=max_levels, unique=True))
    size = len(levels)
    whole = st.lists(st.integers(0, 4), min_size=size, max_size=size)
    unit = draw(st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(2, 7)]))
    wrong, right = (tuple(unit * count for count in draw(whole)) for _ in range(2))
    return Counts(tuple(sorted(levels)), wrong, right)
