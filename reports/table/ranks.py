"""Ranks with ties: a row is behind another only where their intervals say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from marl_eval.results import MetricResult

_HEADLINES = ["recall", "distinct_answers", "distinct_answers_of_all"]


class Bounded(Protocol):
    """A value with an interval."""

    @property
    def low(self) -> float | None:
        """The interval's lower end."""

    @property
    def high(self) -> float | None:
        """The interval's upper end."""

    @property
    def better(self) -> Literal["higher", "lower", "neither"]:
        """Which way is better."""


def headline(metrics: Sequence[Mapping[str, MetricResult]]) -> str | None:
    """Give the metric that rows are ranked by if nobody asks for another; None if there is none.

    It is recall, where answers are right or wrong; else the number of different answers, in a set or,
    for sets of one answer, in all.
    """
    for name in _HEADLINES:
        if any(name in own and own[name].value is not None for own in metrics):
            return name
    return None


def ranks(rows: Sequence[Bounded | None]) -> list[int | None]:
    """Rank rows: 1 + the number of rows whose interval lies wholly on the better side of this one's.

    Rows whose intervals overlap do not put each other back, so several may be first. A row without
    an interval has no rank, nor has any where neither way is better.
    """
    return [_rank(row, rows) for row in rows]


def _rank(row: Bounded | None, rows: Sequence[Bounded | None]) -> int | None:
    if row is None or row.low is None or row.high is None or row.better == "neither":
        return None
    ahead = 0
    for other in rows:
        if other is None or other.low is None or other.high is None:
            continue
        ahead += other.low > row.high if row.better == "higher" else other.high < row.low
    return 1 + ahead
