"""Answering only where confident, and sets large enough to hold a right answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
from scipy.sparse import csr_array

from marl_eval.estimators.conformal import conformal
from marl_eval.estimators.division import Array
from marl_eval.estimators.ranked import area_under_risk_coverage, risk_at_coverage
from marl_eval.metric import Metric, Statistics, doc_of
from marl_eval.score_table import ScoreTable, Shape, Source, some
from marl_eval.statistics import answers_stated, share_of_last, sparse

COVERAGES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
TARGETS = [0.8, 0.9, 0.95]
_NO_EXAMPLE = "every request failed, or there is no example"
_NO_THRESHOLD = (
    "too few questions have a right answer with a confidence to choose a threshold that would reach "
    "this coverage"
)


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the metrics of selective answering, and those of conformal sets."""
    if not shape.graded:
        return []
    found = [] if shape.stated is None else [*_selective(shape.stated), *_conformal(shape)]
    areas = [_area(source, f"_{source}") for source in shape.derived]
    return [*found, *areas]


def _selective(source: Source) -> list[Metric]:
    points = [
        Metric(
            name=f"risk@{coverage:g}",
            statistics=_top_answers(source),
            finish=partial(_risk, coverage=coverage),
            better="lower",
            bounds=(0, 1),
            counted="examples answered",
            denominator=partial(_answered, coverage=coverage),
            undefined=_NO_EXAMPLE,
            doc=doc_of(_risk),
            share=share_of_last,
            curve=("risk", coverage),
        )
        for coverage in COVERAGES
    ]
    return [_area(source, ""), *points]


def _area(source: Source, suffix: str) -> Metric:
    return Metric(
        name=f"aurc{suffix}",
        statistics=_top_answers(source),
        finish=_aurc,
        better="lower",
        bounds=(0, 1),
        counted="examples",
        denominator=_everything,
        undefined=_NO_EXAMPLE,
        doc=doc_of(_aurc),
        share=share_of_last,
    )


def _conformal(shape: Shape) -> list[Metric]:
    source = shape.stated
    assert source is not None
    made = partial(
        Metric,
        statistics=_scores(source),
        counted="examples",
        denominator=_questions,
        undefined=_NO_THRESHOLD,
        smooth=False,
        share=share_of_last,
    )
    coverages = [
        made(
            name=f"conformal_coverage@{target:g}",
            finish=partial(_conformal_coverage, target=target),
            better="neither",
            bounds=(0, 1),
            doc=doc_of(_conformal_coverage),
        )
        for target in TARGETS
    ]
    sizes = [
        made(
            name=f"conformal_size@{target:g}",
            finish=partial(_conformal_size, target=target),
            better="lower",
            bounds=(0, shape.k),
            doc=doc_of(_conformal_size),
        )
        for target in TARGETS
    ]
    return [*coverages, *sizes]


def _of_each_set(table: ScoreTable) -> Array:
    """Give what a set counts, float64[E, S]: the sets of an example count 1 together."""
    result: Array = table.valid / np.maximum(table.valid.sum(axis=1), 1)[:, None]
    return result


@cache
def _top_answers(source: Source) -> Statistics:
    """Count the first answers by confidence level: wrong, right; then those without confidence."""

    def top_answers(table: ScoreTable) -> csr_array[np.float64]:
        own = table.trusting(source)
        size = len(table.shape.levels[source])
        first = own.rank.argmin(axis=2)[:, :, None]
        confidence = np.take_along_axis(own.confidence, first, axis=2)[:, :, 0]
        right = np.take_along_axis(own.right, first, axis=2)[:, :, 0]
        weight = _of_each_set(own)
        stated = ~np.isnan(confidence) & own.valid
        level = np.take_along_axis(table.level(source), first, axis=2)[:, :, 0]
        column = level[stated] + right[stated] * size
        counted = np.nonzero(stated)[0], column, weight[stated]
        silent = np.where(stated, 0, weight)
        unstated = [(silent * ~right).sum(axis=1), (silent * right).sum(axis=1)]
        beside = np.column_stack([*unstated, answers_stated(own)])
        return sparse(2 * size, [counted], beside)

    return top_answers


def _tops(sums: Array) -> tuple[Array, Array, Array, Array]:
    half = (sums.shape[-1] - 4) // 2
    return sums[..., :half], sums[..., half:-4], sums[..., -4], sums[..., -3]


def _everything(sums: Array) -> Array:
    total: Array = sums[..., :-2].sum(axis=-1)
    return total


def _answered(sums: Array, coverage: float) -> Array:
    return coverage * _everything(sums)


def _aurc(sums: Array) -> Array:
    """Area under the risk-coverage curve of answering with the first answer of each set.

    aurc = integral over c in (0, 1] of the share of wrong answers among the share c of questions
    whose first answer has the most confidence; questions of one confidence in random order.

    Range [0, 1]; the share of wrong answers if the confidences tell nothing. Questions whose first
    answer has no readable confidence are answered last. A failure can put a better answer first: read
    it with its ``share``, the share of the answers asked for that have a confidence. The discrete form
    of the source differs by less than (1 + log n) / n.
    Source: Geifman, Uziel and El-Yaniv 2019, arXiv:1805.08206, of the curve of Geifman and El-Yaniv
    2017, arXiv:1705.08500.
    Checked against: numerical integration; a plain loop over questions.
    """
    return area_under_risk_coverage(*_tops(sums))


def _risk(sums: Array, coverage: float) -> Array:
    """Share of wrong answers among the questions answered most confidently.

    risk@c = share wrong among the share c of questions whose first answer has the most confidence;
    questions of one confidence in proportion.

    Range [0, 1]. Questions whose first answer has no readable confidence are answered last. A failure
    can put a better answer first: read it with its ``share``, as ``aurc``.
    Source: El-Yaniv and Wiener 2010, https://www.jmlr.org/papers/v11/el-yaniv10a.html.
    Checked against: a plain loop over questions.
    """
    return risk_at_coverage(*_tops(sums), coverage=coverage)


@cache
def _scores(source: Source) -> Statistics:
    """Count, for each half of the examples, what a conformal set is chosen and judged by."""

    def scores(table: ScoreTable) -> csr_array[np.float64]:
        size, examples = len(table.shape.levels[source]), len(table.gold)
        level = table.level(source)
        weight = _of_each_set(table)
        right = table.right & table.stated
        held = some(right)
        best = np.where(right, level, -1).max(axis=2)
        start = (table.second_half * size).astype(np.int64)
        example = np.broadcast_to(np.arange(examples)[:, None, None], table.gold.shape)
        scored = example[:, :, 0][held]
        once = table.stated & table.fresh
        answered = example[once]
        counted = [
            (scored, start[scored] + best[held], weight[held]),
            (
                answered,
                2 * size + start[answered] + level[once],
                np.broadcast_to(weight[:, :, None], once.shape)[once],
            ),
        ]
        unheld = np.zeros((examples, 2))
        unheld[np.arange(examples), table.second_half.astype(np.int64)] = (weight * ~held).sum(
            axis=1
        )
        return sparse(4 * size, counted, np.hstack([unheld, answers_stated(table)]))

    return scores


def _by_half(sums: Array) -> tuple[Array, Array, Array]:
    quarter = (sums.shape[-1] - 4) // 4
    shape = (*sums.shape[:-1], 2, quarter)
    best = sums[..., : 2 * quarter].reshape(shape)
    answers = sums[..., 2 * quarter : -4].reshape(shape)
    return best, sums[..., -4:-2], answers


def _questions(sums: Array) -> Array:
    best, unheld, _ = _by_half(sums)
    total: Array = best.sum(axis=(-1, -2)) + unheld.sum(axis=-1)
    return total


def _conformal_coverage(sums: Array, target: float) -> Array:
    """Share of questions whose split-conformal set holds a right answer.

    conformal_coverage@target = share of the questions of both halves whose set holds a right answer.
    The set of a question is its different answers with confidence of at least t; t is the largest
    confidence at which at least ceil((n + 1) * target) of the n questions of the other half of the
    examples have a right answer with that confidence or more.

    Range [0, 1]; at least the target in expectation, if examples are exchangeable. NaN where the
    answers given cover less than the target. The sets of one question count 1 together. The halves
    are fixed by a hash of the example's id. Conditional on readable confidences: read it with its
    ``share``.
    Source: Vovk et al. 2005, doi:10.1007/b106715; Angelopoulos and Bates 2021, arXiv:2107.07511.
    Checked against: a plain loop over questions; the guarantee, by simulation.
    """
    best, unheld, answers = _by_half(sums)
    return conformal(best, unheld, answers, target=target).coverage


def _conformal_size(sums: Array, target: float) -> Array:
    """Answers in a question's split-conformal set: what the target coverage costs.

    conformal_size@target = mean over the questions of both halves of the number of different answers
    in the sets of ``conformal_coverage@target``.

    Range [0, K]; smaller is better at the same target. NaN where the answers given cover less than
    the target. A wrong answer that is lost makes it smaller: read it with its ``share``.
    Source: Vovk et al. 2005, doi:10.1007/b106715; Angelopoulos and Bates 2021, arXiv:2107.07511.
    Checked against: a plain loop over questions.
    """
    best, unheld, answers = _by_half(sums)
    return conformal(best, unheld, answers, target=target).size
