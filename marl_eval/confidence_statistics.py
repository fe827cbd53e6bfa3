"""Statistics of confidences beside right and wrong, of which calibration metrics are finishes.

They are conditional on a readable confidence, so each ends in two statistics that tell how many of
the answers asked for have one.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from marl_eval.estimators.division import Array
from marl_eval.metric import Finish, Metric, Noise, Statistics, doc_of
from marl_eval.score_table import ScoreTable, Source
from marl_eval.statistics import (
    BINS,
    answers_stated,
    bin_sums,
    last_but_one,
    share_of_last,
    sparse,
)

NO_CONFIDENCE = "no answer has a readable confidence"


def among_stated(
    *,
    name: str,
    statistics: Statistics,
    finish: Finish,
    better: Literal["higher", "lower", "neither"],
    bounds: tuple[float, float],
    undefined: str = NO_CONFIDENCE,
    noise: Noise | None = None,
) -> Metric:
    """Make a metric over the answers with a confidence; ``answers_stated`` ends its statistics."""
    return Metric(
        name=name,
        statistics=statistics,
        finish=finish,
        better=better,
        bounds=bounds,
        counted="answers with a confidence",
        denominator=last_but_one,
        undefined=undefined,
        doc=doc_of(finish),
        share=share_of_last,
        noise=noise,
    )


@cache
def binned(source: Source) -> Statistics:
    """Add up what bins of confidence hold; see ``split_bins``."""

    def binned_table(table: ScoreTable) -> Array:
        own = table.trusting(source)
        return np.hstack([bin_sums(own.confidence, own.right, own.stated), answers_stated(own)])

    return binned_table


@cache
def by_level(source: Source, size: int) -> Statistics:
    """Count wrong and right answers at each of ``size`` levels of confidence."""

    def table_by_level(table: ScoreTable) -> csr_array[np.float64]:
        own = table.trusting(source)
        column = table.level(source)[own.stated] + own.right[own.stated] * size
        row = np.nonzero(own.stated)[0]
        counted = row, column, np.ones(len(row))
        return sparse(2 * size, [counted], answers_stated(own))

    return table_by_level


def at_levels(sums: Array) -> tuple[Array, Array]:
    """Give the counts of wrong and right answers at each level."""
    half = (sums.shape[-1] - 2) // 2
    return sums[..., :half], sums[..., half:-2]


def noise_in_bins(sums: Array, resampled: Array) -> Array:
    """Take the miscalibration out of resampled sums of ``binned``, and leave its sampling error.

    Each bin gets as many right answers as its confidences promise, give or take what the resample
    differs from the sample.
    """
    noise = resampled.copy()
    noise[..., 2 * BINS : 3 * BINS] += sums[BINS : 2 * BINS] - sums[2 * BINS : 3 * BINS]
    return noise


def noise_at_levels(sums: Array, resampled: Array, levels: Array) -> Array:
    """Take the miscalibration out of resampled sums of ``by_level``, and leave its sampling error."""
    size = len(levels)
    wrong, right = at_levels(sums)
    excess = right - levels * (wrong + right)
    noise = resampled.copy()
    noise[..., :size] += excess
    noise[..., size : 2 * size] -= excess
    return noise
