"""How different the answers are from each other, in the task's own sense of "the same answer"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl_eval.estimators.diversity import distinct_k, hill_number
from marl_eval.estimators.division import Array
from marl_eval.metric import Metric, metric
from marl_eval.samples import valid_generations
from marl_eval.score_table import OVERLAPS, ScoreTable, Shape
from marl_eval.statistics import answers_given, mean_over_sets, pooled_sets, share_of_last

_NO_EXAMPLE = "every request failed, or there is no example"
_NO_PAIR = "no example has two generations with reasoning"

_OVERLAP = {
    "overlap_3gram": (
        "Overlap of the trigrams of words in two generations' reasoning.",
        "2 |A and B| / (|A| + |B|), A and B their trigrams with repetitions",
    ),
    "overlap_4gram": (
        "Overlap of the 4-grams of words in two generations' reasoning.",
        "2 |A and B| / (|A| + |B|), A and B their 4-grams with repetitions",
    ),
    "overlap_jaccard": (
        "Jaccard similarity of two generations' reasoning.",
        "|A and B| / |A or B|, A and B their different trigrams of words",
    ),
    "overlap_rouge_l": (
        "ROUGE-L of two generations' reasoning: how long a common subsequence of words they have.",
        "2 |LCS| / (words of one + words of the other)",
    ),
}


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the diversity metrics of a run."""
    found = [distinct_answers(shape.k), repeated_share]
    if shape.sets > 1:
        found.append(distinct_answers_of_all(shape.k * shape.sets))
    if shape.k * shape.sets > 1:
        found += [effective_answers(order, shape.k * shape.sets) for order in (1, 2)]
    return found + ([overlap(name) for name in OVERLAPS] if shape.overlap else [])


def distinct_answers(most: int) -> Metric:
    """Make ``distinct_answers`` of a set of at most ``most`` answers."""

    def distinct_answers(table: ScoreTable) -> Array:
        """Different answers in a set, right or wrong.

        distinct_answers = mean over examples, and over the sets of each, of the number of classes of
        equal answers among the K.

        Range [0, K]. Missing answers are none, so no failure can raise it.
        Source: distinct-k of NoveltyBench (Zhang et al. 2025, arXiv:2504.05228), the classes being
        the task's own.
        Checked against: a plain loop over sets of names.
        """
        return mean_over_sets(table.different, table.valid)

    return metric(better="higher", bounds=(0, most), counted="examples", undefined=_NO_EXAMPLE)(
        distinct_answers
    )


def distinct_answers_of_all(most: int) -> Metric:
    """Make ``distinct_answers_of_all`` of at most ``most`` answers to a question."""

    def distinct_answers_of_all(table: ScoreTable) -> Array:
        """Different answers to a question in all of its n sets together.

        distinct_answers_of_all = mean over examples of the number of classes of equal answers among
        all n * K.

        Range [0, n * K]. Examples of which a set failed are left out, having had fewer chances.
        Source: the "distinct answers among 30" of the published figures (arXiv:2603.24844).
        Checked against: a plain loop over sets of names.
        """
        whole, pooled = pooled_sets(table.same_as, table.valid)
        return mean_over_sets(distinct_k(pooled)[:, None], whole)

    return metric(better="higher", bounds=(0, most), counted="examples", undefined=_NO_EXAMPLE)(
        distinct_answers_of_all
    )


@metric(
    better="lower",
    bounds=(0, 1),
    counted="answers",
    undefined="no answer was given",
    share=share_of_last,
)
def repeated_share(table: ScoreTable) -> Array:
    """Share of the given answers that repeat another of their set.

    repeated_share = (sum over sets of answers given - different answers) / (sum of answers given).

    Range [0, 1). Over the answers given: read it with its ``share``, how many those are.
    Source: the complement of distinct-1 (Li et al. 2016, arXiv:1510.03055), for whole answers.
    Checked against: a plain loop over sets of names.
    """
    given = np.where(table.valid, table.given.sum(axis=2), 0).sum(axis=1)
    different = np.where(table.valid, table.different, 0).sum(axis=1)
    repeats = np.column_stack([given - different, given]).astype(np.float64)
    return np.hstack([repeats, answers_given(table, table.valid)])


def effective_answers(order: int, most: int) -> Metric:
    """Make ``effective_answers_1`` or ``_2``: the Hill number of that order."""
    formula = {
        1: "exp(-sum over classes of p log p), the exponential of Shannon's entropy",
        2: "1 / (sum over classes of p^2), the inverse of Simpson's index",
    }[order]

    def statistics(table: ScoreTable) -> Array:
        whole, pooled = pooled_sets(table.same_as, table.valid)
        examples, width = pooled.shape
        given = pooled >= 0
        place = (np.arange(examples)[:, None] * width + pooled)[given]
        counts = np.bincount(place, minlength=examples * width).reshape(examples, width)
        effective = hill_number(counts.astype(np.float64), order=order)
        mean = mean_over_sets(np.nan_to_num(effective)[:, None], whole)
        return np.hstack([mean, answers_given(table, np.repeat(whole, table.shape.sets, axis=1))])

    statistics.__doc__ = f"""Effective number of answers: the Hill number of order {order}.

    effective_answers_{order} = mean over examples of {formula}, p being a class's share of the
    answers given to the question, all sets together.

    Range [0, n * K]: the number of different answers if all are given equally often, less if some are
    given more often. An example without an answer counts as 0; one of which a set failed is left out.
    It rises where a repetition is lost: read it with its ``share``, the share of answers given.
    Source: Hill 1973, doi:10.2307/1934352.
    Checked against: scipy.stats.entropy; the Vendi score of the kernel of equality (arXiv:2210.02410).
    """
    return metric(
        name=f"effective_answers_{order}",
        better="higher",
        bounds=(0, most),
        counted="examples",
        undefined=_NO_EXAMPLE,
        share=share_of_last,
    )(statistics)


def overlap(name: str) -> Metric:
    """Make a metric of the overlap of reasoning."""
    what, formula = _OVERLAP[name]

    def statistics(table: ScoreTable) -> Array:
        valid = valid_generations(table)
        pair = np.zeros_like(valid)
        pair[:, :-1] = valid[:, :-1] & valid[:, 1:]
        values = table.overlaps[name]
        return mean_over_sets(values, pair & ~np.isnan(values))

    statistics.__doc__ = f"""{what}

    {name} = mean over examples, and over neighbouring generations of each, of
    {formula}.

    Range [0, 1]; 1 for the same text. Each generation is compared with the example's next one, so the
    pairs are independent generations of one question. Pairs without reasoning, and those of a set
    that failed, are left out. See ``estimators.overlap`` for the choices made.
    Source: the overlaps between single-answer generations in Puri et al. 2026, arXiv:2603.24844.
    Checked against: plain loops over n-grams; rouge-score for ROUGE-L.
    """
    return metric(name=name, better="lower", bounds=(0, 1), counted="examples", undefined=_NO_PAIR)(
        statistics
    )
