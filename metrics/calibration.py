"""Whether the confidences can be trusted, answer by answer.

An answer's confidence q is compared with whether it is in the gold set, y. A repeated right answer
is as right as the first: y is a fact about the answer, not about what it adds to the set. Each metric
is told for the stated confidences and, under a name that ends in the source, for those derived from
log-probabilities and from frequency among samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from marl_eval.confidence_statistics import (
    among_stated,
    at_levels,
    binned,
    by_level,
    noise_at_levels,
    noise_in_bins,
)
from marl_eval.estimators import ranked as by_rank
from marl_eval.estimators.binned import expected_calibration_error
from marl_eval.estimators.division import Array, over
from marl_eval.estimators.smooth import smooth_calibration_error
from marl_eval.metric import Metric, doc_of, metric
from marl_eval.score_table import ScoreTable, Shape, Source
from marl_eval.statistics import answers_stated, mean_over_sets, split_bins

_NO_EXAMPLE = "every request failed, or there is no example"
_ONE_CLASS = "the answers with a readable confidence are all right, or all wrong, or there are none"
_LEAST = np.finfo(np.float64).eps


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the calibration metrics of a run: those of the stated confidences, then of the others."""
    found: list[Metric] = []
    if not shape.graded:
        return found
    if shape.stated is not None:
        found = [*_of_source(shape.stated, "", shape), multi_brier_sum(shape.k)]
    for source in shape.derived:
        found += _of_source(source, f"_{source}", shape)
    return found


def _of_source(source: Source, suffix: str, shape: Shape) -> list[Metric]:
    """Give the metrics that compare sources of confidence."""
    levels = shape.levels[source]
    conditional = partial(among_stated, statistics=binned(source))
    ranked = partial(among_stated, statistics=by_level(source, len(levels)))
    return [
        _multi_brier(source, suffix),
        conditional(name=f"brier_answered{suffix}", better="lower", bounds=(0, 1), finish=_brier),
        _log_score(source, suffix),
        conditional(
            name=f"ece{suffix}",
            better="lower",
            bounds=(0, 1),
            finish=_ece,
            noise=noise_in_bins,
        ),
        ranked(
            name=f"smooth_ece{suffix}",
            better="lower",
            bounds=(0, 1),
            finish=partial(_smooth_ece, levels=levels),
            noise=partial(noise_at_levels, levels=levels),
        ),
        ranked(
            name=f"auroc{suffix}",
            better="higher",
            bounds=(0, 1),
            finish=_auroc,
            undefined=_ONE_CLASS,
        ),
    ]


def _loss(table: ScoreTable) -> Array:
    """Give (q - y)^2 of each answer asked for, 1 where it has no confidence, 0 elsewhere."""
    loss = np.where(np.isnan(table.confidence), 1, (table.confidence - table.right) ** 2)
    return np.where(table.places, loss, 0)


def _multi_brier(source: Source, suffix: str) -> Metric:
    def multi_brier(table: ScoreTable) -> Array:
        """Multi-Brier score of the set; an answer or a confidence that cannot be read counts as 1.

        multi_brier = mean over examples, and over the sets of each, of (1/K) * sum_i (q_i - y_i)^2.

        Range [0, 1]; 0 is best, 1 the worst, so that no failure can improve it. (Of frequencies among
        samples that holds answer by answer only: a lost answer changes the frequency of the others.)
        For the form over readable confidences alone see ``brier_answered``.
        Source: the multi-Brier term of multi-answer RLCR (arXiv:2603.24844); Brier 1950,
        doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
        Checked against: scikit-learn's brier_score_loss.
        """
        loss = _loss(table.trusting(source)).sum(axis=2)
        return mean_over_sets(loss / table.asked[:, None], table.valid)

    return metric(
        name=f"multi_brier{suffix}",
        better="lower",
        bounds=(0, 1),
        counted="examples",
        undefined=_NO_EXAMPLE,
    )(multi_brier)


def multi_brier_sum(most: int) -> Metric:
    """Make ``multi_brier_sum`` of sets of at most ``most`` answers."""

    def multi_brier_sum(table: ScoreTable) -> Array:
        """Multi-Brier score added up over the set; what cannot be read counts as 1.

        multi_brier_sum = mean over examples, and over the sets of each, of sum_i (q_i - y_i)^2.

        Range [0, K]; no failure can improve it. The released evaluator's ``set_brier`` has this form,
        but takes a missing confidence for 0 and a set without answers for perfect.
        Source: Puri et al. 2026, arXiv:2603.24844.
        Checked against: scikit-learn's brier_score_loss.
        """
        return mean_over_sets(_loss(table).sum(axis=2), table.valid)

    return metric(better="lower", bounds=(0, most), counted="examples", undefined=_NO_EXAMPLE)(
        multi_brier_sum
    )


def _log_score(source: Source, suffix: str) -> Metric:
    def log_score(table: ScoreTable) -> Array:
        """Logarithmic score over the answers that have a readable confidence.

        log_score = mean over those answers of -[y log q + (1 - y) log(1 - q)], in nats.

        Range [0, 36.05]: q is kept 2.2e-16 away from 0 and 1, as scikit-learn does, for else one
        certain and wrong answer would make it infinite. Conditional on being readable: read it with
        its ``share``.
        Source: Good 1952, doi:10.1111/j.2517-6161.1952.tb00104.x.
        Checked against: scikit-learn's log_loss.
        """
        own = table.trusting(source)
        q = np.clip(np.where(own.stated, own.confidence, 0.5), _LEAST, 1 - _LEAST)
        loss = np.where(own.stated, -np.log(np.where(own.right, q, 1 - q)), 0)
        return np.column_stack([loss.sum(axis=(1, 2)), answers_stated(own)])

    return replace(
        among_stated(
            name=f"log_score{suffix}",
            statistics=log_score,
            finish=_first_of_counted,
            better="lower",
            bounds=(0, -np.log(_LEAST)),
        ),
        doc=doc_of(log_score),
    )


def _first_of_counted(sums: Array) -> Array:
    return over(sums[..., 0], sums[..., -2])


def _brier(sums: Array) -> Array:
    """Brier score over the answers that have a readable confidence, and over no others.

    brier_answered = mean over those answers of (q - y)^2.

    Range [0, 1]. Conditional on being readable: read it with its ``share``, the share of the answers
    asked for that it rests on.
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    Checked against: scikit-learn's brier_score_loss.
    """
    _, _, right, squares, products = split_bins(sums[..., :-2])
    return over((squares - 2 * products + right).sum(axis=-1), sums[..., -2])


def _ece(sums: Array) -> Array:
    """Expected calibration error over ten bins of equal width.

    ece = sum over bins b of (n_b / n) * |mean confidence in b - share of right answers in b|, over
    the answers that have a readable confidence; an edge belongs to the bin above it, 1 to the last.

    Range [0, 1]. Biased upward: a perfectly calibrated forecaster shows more than 0 in a finite
    sample; see ``ece_debiased``. Conditional on being readable: read it with its ``share``.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602; Guo et al. 2017, arXiv:1706.04599.
    Checked against: a plain loop over answers; the released evaluator's figures.
    """
    count, confidence, right, _, _ = split_bins(sums[..., :-2])
    return expected_calibration_error(count, confidence, right)


def _smooth_ece(sums: Array, levels: Array) -> Array:
    """Smooth expected calibration error, which needs no bins.

    smooth_ece = the width s at which the integral over t of |mean of K_s(t, q) (y - q)| equals s, K_s
    being a Gaussian kernel of that width, reflected at 0 and 1.

    Range [0, 1]. Consistent: near 0 if and only if the confidences are near calibrated ones. Beyond
    4,096 distinct confidences they are taken to the nearest of a grid of 1/1024. Conditional on being
    readable: read it with its ``share``.
    Source: Blasiok and Nakkiran 2023, arXiv:2309.12236.
    Checked against: the authors' package relplot; a plain double loop.
    """
    wrong, right = at_levels(sums)
    return smooth_calibration_error(wrong, right, levels)


def _auroc(sums: Array) -> Array:
    """Chance that a right answer has more confidence than a wrong one, half a chance for a tie.

    auroc = P(q_right > q_wrong) + P(q_right = q_wrong) / 2 over all pairs of answers of the run, from
    the counts of right and wrong answers at each distinct confidence.

    Range [0, 1]; 0.5 tells nothing. Exact for up to 4,096 distinct confidences; beyond that they are
    taken to the nearest of a grid of 1/1024. Conditional on being readable: read it with its
    ``share``.
    Source: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    Checked against: scikit-learn's roc_auc_score.
    """
    return by_rank.auroc(*at_levels(sums))
