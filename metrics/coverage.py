"""How much of the gold set the answers cover.

Every example with an answered request counts: an answer that could not be read covers nothing. Two
answers that match the same gold answer cover it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marl_eval.metric import Array, Metric, mean_over_sets, metric, ratio
from marl_eval.score_table import ScoreTable, Shape, some

_NO_EXAMPLE = "every request failed, or there is no example"


def _first(sums: Array) -> Array:
    return ratio(sums[..., :2])


def _examples(sums: Array) -> Array:
    return sums[..., 1]


def _answered(sums: Array) -> Array:
    """Give the share of answers asked for that were given, from statistics 2 and 3."""
    return ratio(sums[..., 2:])


def _among_given(table: ScoreTable, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> Array:
    """Give the statistics of a mean over sets, and of the share of answers that it rests on."""
    given = (table.given & table.valid[:, :, None]).sum(axis=(1, 2))
    asked = table.valid.sum(axis=1) * table.shape.k
    return np.column_stack([mean_over_sets(values, valid), given, asked])


_conditional = partial(
    metric,
    better="higher",
    bounds=(0, 1),
    counted="examples",
    undefined=_NO_EXAMPLE,
    finish=_first,
    denominator=_examples,
    share=_answered,
)
"""Makes a metric whose statistics are those of ``_among_given``."""


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the coverage metrics of a run."""
    hits = [hit_at(k) for k in range(1, shape.k + 1)]
    return [recall, capped_recall, precision, correct_answers, pass_at_1, *hits]


@metric(better="higher", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def recall(table: ScoreTable) -> Array:
    """Share of the gold answers that the set names.

    recall = mean over examples, and over the sets of each, of |named gold answers| / |gold answers|.

    Range [0, 1]. With more gold answers than K it cannot reach 1; see ``capped_recall``. An example
    with no gold answer counts as 0.
    """
    size = np.maximum(table.gold_size, 1)[:, None]
    return mean_over_sets(table.named / size, table.valid)


@metric(better="higher", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def capped_recall(table: ScoreTable) -> Array:
    """Share of the gold answers named, out of those that K answers could name.

    capped_recall = mean of |named gold answers| / min(K, |gold answers|).

    Range [0, 1]; 1 is always attainable. An example with no gold answer counts as 0.
    Source: capped recall at k of BEIR (Thakur et al. 2021, arXiv:2104.08663).
    """
    most = np.clip(table.gold_size, 1, table.shape.k)[:, None]
    return mean_over_sets(table.named / most, table.valid)


@_conditional()
def precision(table: ScoreTable) -> Array:
    """Share of the given answers that are right, repetitions of a right answer counting as wrong.

    precision = mean of |named gold answers| / |answers given|.

    Range [0, 1]. A set without any answer counts as 0. Conditional on what was given: read it with
    its ``share``, the share of the answers asked for that were given.
    """
    given = np.maximum(table.given.sum(axis=2), 1)
    return _among_given(table, table.named / given, table.valid)


@metric(better="higher", bounds=(0, float("inf")), counted="examples", undefined=_NO_EXAMPLE)
def correct_answers(table: ScoreTable) -> Array:
    """Distinct right answers in a set.

    correct_answers = mean of |named gold answers|.

    Range [0, K]; may pass 1 where several answers are right. It is the quantity that the
    multi-answer RLVR reward adds up (arXiv:2603.24844).
    """
    return mean_over_sets(table.named, table.valid)


@_conditional(name="pass@1")
def pass_at_1(table: ScoreTable) -> Array:
    """Chance that the first answer of one generation is right.

    pass@1 = mean over examples and generations of 1[its answer of rank 1 is right], which is c/n of
    the unbiased estimator of Chen et al. 2021 (arXiv:2107.03374) for n generations, c of them right.

    Range [0, 1]. Within a generation answers rank by confidence, ties by position, missing ones last;
    so it is conditional on what was given: read it with its ``share``. For best-of-k it is about one
    of the k generations, where ``hit@1`` is about the pool of them.
    """
    examples, sets, k = table.gold.shape
    each = k // table.shape.members
    grade = table.gold.reshape(examples, sets * table.shape.members, each)
    rank = table.rank.reshape(grade.shape)
    top = np.take_along_axis(grade, rank.argmin(axis=2)[:, :, None], axis=2)[:, :, 0]
    return _among_given(table, top >= 0, np.repeat(table.valid, table.shape.members, axis=1))


def hit_at(k: int) -> Metric:
    """Make ``hit@k``: whether one of the first ``k`` answers of the set is right."""

    def statistics(table: ScoreTable) -> Array:
        """Chance that at least one of the first k answers of a set is right.

        hit@k = mean of 1[a right answer among the k of lowest rank]; "pass@k over the set".

        Range [0, 1], not falling in k. Answers rank by confidence where they have one, ties and the
        rest by position. Missing answers come last, as in the published protocol; so for k below K
        it is conditional on what was given: read it with its ``share``, the share of the answers
        asked for that were given.
        """
        among = table.right & (table.rank < k)
        return _among_given(table, some(among), table.valid)

    return _conditional(name=f"hit@{k}")(statistics)
