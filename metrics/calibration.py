"""Whether the stated confidences can be trusted, answer by answer.

An answer's confidence q is compared with whether it is in the gold set, y. A repeated right answer
is as right as the first: y is a fact about the answer, not about what it adds to the set.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from marl_eval.metric import Array, Metric, mean_over_sets, metric
from marl_eval.score_table import ScoreTable, Shape

BINS = 10
_EDGES = np.arange(1, BINS) / BINS
_NO_EXAMPLE = "every request failed, or there is no example"
_NO_CONFIDENCE = "no answer has a readable confidence"


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the calibration metrics of a run: none if no confidence was asked for."""
    return [multi_brier, brier_answered, ece, auroc] if shape.confidence else []


@metric(better="lower", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def multi_brier(table: ScoreTable) -> Array:
    """Multi-Brier score of the set; an answer or a confidence that cannot be read counts as 1.

    multi_brier = mean over examples, and over the sets of each, of (1/K) * sum_i (q_i - y_i)^2.

    Range [0, 1]; 0 is best, 1 the worst, so that no failure can improve it. For the form over
    readable confidences alone see ``brier_answered``.
    Source: the multi-Brier term of multi-answer RLCR (arXiv:2603.24844); Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    loss = np.where(np.isnan(table.confidence), 1, (table.confidence - table.right) ** 2)
    return mean_over_sets(loss.mean(axis=2), table.valid)


def _over(total: Array, count: Array) -> Array:
    """Divide; NaN where there is nothing to divide by."""
    result: Array = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return result


def _share(sums: Array) -> Array:
    """Give the share of answers asked for that have a confidence, from the last two statistics."""
    return _over(sums[..., -2], sums[..., -1])


def _counted(sums: Array) -> Array:
    return sums[..., -2]


_conditional = partial(
    metric,
    bounds=(0, 1),
    counted="answers with a confidence",
    denominator=_counted,
    share=_share,
)
"""Makes a metric over the answers with a confidence; its last two statistics are ``_coverage``."""


def _mean_of_counted(sums: Array) -> Array:
    return _over(sums[..., 0], sums[..., -2])


def _coverage(table: ScoreTable, stated: NDArray[np.bool_]) -> Array:
    """Give two statistics: answers with a confidence, and answers asked for."""
    asked = table.valid.sum(axis=1) * table.shape.k
    return np.column_stack([stated.sum(axis=(1, 2)), asked]).astype(np.float64)


def _stated(table: ScoreTable) -> NDArray[np.bool_]:
    return ~np.isnan(table.confidence) & table.valid[:, :, None]


@_conditional(better="lower", undefined=_NO_CONFIDENCE, finish=_mean_of_counted)
def brier_answered(table: ScoreTable) -> Array:
    """Brier score over the answers that have a readable confidence, and over no others.

    brier_answered = mean over those answers of (q - y)^2. Range [0, 1].

    Conditional on being readable: read it with its ``share``, the share of the answers asked for
    that it rests on. Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    stated = _stated(table)
    loss = np.where(stated, (table.confidence - table.right) ** 2, 0).sum(axis=(1, 2))
    return np.column_stack([loss, _coverage(table, stated)])


def _ece(sums: Array) -> Array:
    bins = sums[..., :-2].reshape(*sums.shape[:-1], 3, BINS)
    confidence, right, count = bins[..., 0, :], bins[..., 1, :], bins[..., 2, :]
    gap: Array = np.abs(confidence - right).sum(axis=-1)
    return _over(gap, count.sum(axis=-1))


@_conditional(better="lower", undefined=_NO_CONFIDENCE, finish=_ece)
def ece(table: ScoreTable) -> Array:
    """Expected calibration error over ten bins of equal width.

    ece = sum over bins b of (n_b / n) * |mean confidence in b - share of right answers in b|, over
    the answers that have a readable confidence; an edge belongs to the bin above it, 1 to the last.

    Range [0, 1]. Biased upward: a perfectly calibrated forecaster shows more than 0 in a finite
    sample. Conditional on being readable: read it with its ``share``.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; Guo et al. 2017, arXiv:1706.04599.
    """
    stated = _stated(table)
    n = len(stated)
    cell = np.searchsorted(_EDGES, np.nan_to_num(table.confidence), side="right")
    place = (np.arange(n)[:, None, None] * BINS + cell)[stated]

    def histogram(values: Array) -> Array:
        counts = np.bincount(place, weights=values, minlength=n * BINS)
        return counts.reshape(n, BINS).astype(np.float64)

    confidence, right = table.confidence[stated], table.right[stated].astype(np.float64)
    parts = [histogram(confidence), histogram(right), histogram(np.ones_like(right))]
    return np.hstack([*parts, _coverage(table, stated)])


def _auroc(sums: Array) -> Array:
    wrong, right = np.split(sums[..., :-2], 2, axis=-1)
    below = np.cumsum(wrong, axis=-1) - wrong
    won: Array = (right * (below + wrong / 2)).sum(axis=-1)
    return _over(won, wrong.sum(axis=-1) * right.sum(axis=-1))


@_conditional(
    better="higher",
    undefined="the answers with a readable confidence are all right, or all wrong, or there are none",
    finish=_auroc,
)
def auroc(table: ScoreTable) -> csr_array[np.float64]:
    """Chance that a right answer has more confidence than a wrong one, half a chance for a tie.

    auroc = P(q_right > q_wrong) + P(q_right = q_wrong) / 2 over all pairs of answers of the run, from
    the counts of right and wrong answers at each distinct confidence.

    Range [0, 1]; 0.5 tells nothing. Exact for up to 4,096 distinct confidences; beyond that they are
    compared on a grid of 1/4096. Conditional on being readable: read it with its ``share``.
    Source: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    stated = _stated(table)
    levels = table.shape.levels
    row = np.nonzero(stated)[0]
    level = np.clip(np.searchsorted(levels, table.confidence[stated]), 0, max(len(levels) - 1, 0))
    column = level + table.right[stated] * len(levels)
    n, width = len(stated), 2 * len(levels)
    counts = csr_array((np.ones(len(row)), (row, column)), shape=(n, width))
    coverage = _coverage(table, stated)
    rows = np.repeat(np.arange(n), 2)
    tail = csr_array((coverage.ravel(), (rows, np.tile([0, 1], n))), shape=(n, 2))
    joined: csr_array[np.float64] = hstack([counts, tail], format="csr")
    return joined
