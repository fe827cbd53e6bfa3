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

from marl_eval.estimators.division import over
from marl_eval.score_table import ScoreTable, Shape

Array = NDArray[np.float64]
Statistics = Callable[[ScoreTable], "Array | csr_array[np.float64]"]
Finish = Callable[[Array], Array]
Noise = Callable[[Array, Array], Array]
"""From sums and resampled sums to what resampling would give of a sample that is perfect but for its
sampling error: how large a distance from perfection noise alone makes."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    ``bounds`` are the least and greatest value it can take. ``denominator`` gives, from a sum of
    statistics, how many ``counted`` things the value rests on. ``undefined`` says in words when the
    value is NaN. ``share`` gives, for a metric that leaves some answers out, the share of answers it
    rests on, from a sum of statistics. ``curve`` names the curve that the metric is a point of, and
    where on it. ``noise`` is given for a distance from perfection, which sampling error pushes up.
    A metric that is not ``smooth`` in the sums, such as one that rests on a quantile, has percentile
    intervals. Metrics that share one ``statistics`` function have it computed once.
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
    curve: tuple[str, float] | None = None
    noise: Noise | None = None
    smooth: bool = True

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.partition("\n")[0]


MetricFamily = Callable[[Shape], Sequence[Metric]]


def ratio(sums: Array) -> Array:
    """Finish a metric of two statistics: the first sum over the second, NaN over zero."""
    return over(sums[..., 0], sums[..., 1])


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
            name=name or str(getattr(statistics, "__name__", "")),
            statistics=statistics,
            finish=finish,
            better=better,
            bounds=bounds,
            counted=counted,
            denominator=denominator,
            undefined=undefined,
            doc=doc_of(statistics),
            share=share,
        )

    return wrap


def doc_of(function: Callable[..., object]) -> str:
    """Give the docstring of a function, or of the one that a partial of it calls."""
    return cleandoc(getattr(function, "func", function).__doc__ or "")
