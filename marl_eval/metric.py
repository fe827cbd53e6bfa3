"""What a metric is: a sum of additive statistics, and a finish.

    statistics(table) -> float64[examples, d]
    finish(sums)      -> float64[...]            for sums float64[..., d]
    value             =  finish(statistics(table).sum(axis=0))

From this shape alone come intervals, comparisons, subgroups and the merging of shards, each written
once. A metric is an entry point of the group ``marl_eval.metrics``: a function that gives, for the
shape of a run, the metrics that fit it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from marl_eval.score_table import ScoreTable, Shape

Array = NDArray[np.float64]
Statistics = Callable[[ScoreTable], "Array | csr_array[np.float64]"]
Finish = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    ``bounds`` are the least and greatest value it can take. ``denominator`` gives, from a sum of
    statistics, how many ``counted`` things the value rests on. ``undefined`` says in words when the
    value is NaN. ``share`` gives, for a metric that leaves some answers out, the share of answers it
    rests on, from a sum of statistics.
    """

    name: str
    statistics: Statistics
    finish: Finish
    better: Literal["higher", "lower", "neither"]
    bounds: tuple[float, float]
    counted: str
    denominator: Finish
    undefined: str
    doc: str
    share: Finish | None = None

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]


MetricFamily = Callable[[Shape], Sequence[Metric]]


def ratio(sums: Array) -> Array:
    """Finish a metric of two statistics: the first sum over the second, NaN over zero."""
    total, count = sums[..., 0], sums[..., 1]
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def second(sums: Array) -> Array:
    """Give the denominator of a ``ratio``."""
    return sums[..., 1]


def metric(
    *,
    better: Literal["higher", "lower", "neither"],
    bounds: tuple[float, float],
    counted: str,
    undefined: str,
    name: str | None = None,
    finish: Finish = ratio,
    denominator: Finish = second,
    share: Finish | None = None,
) -> Callable[[Statistics], Metric]:
    """Make a metric of a statistics function, whose docstring becomes the metric's."""

    def wrap(statistics: Statistics) -> Metric:
        return Metric(
            name=name or statistics.__name__,
            statistics=statistics,
            finish=finish,
            better=better,
            bounds=bounds,
            counted=counted,
            denominator=denominator,
            undefined=undefined,
            doc=cleandoc(statistics.__doc__ or ""),
            share=share,
        )

    return wrap


def mean_over_sets(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> Array:
    """Give the statistics of a mean over examples of the mean over an example's sets.

    ``values`` is [examples, sets]; sets that are not ``valid`` (a request failed) are left out, and
    so are examples with no valid set. Returns float64[examples, 2].
    """
    sets = valid.sum(axis=1)
    total = np.where(valid, values, 0).sum(axis=1, dtype=np.float64)
    mean = np.divide(total, sets, out=np.zeros(len(sets)), where=sets > 0)
    return np.column_stack([mean, (sets > 0).astype(np.float64)])
