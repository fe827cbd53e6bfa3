"""Whether the confidences can be trusted for the set as a whole.

The confidence that a set holds a right answer follows from those of its answers, each different one
counting once: if at most one answer is right, min(1, sum_i q_i); else, taking answers for
independent, 1 - prod_i (1 - q_i). Which of the two, the task says. It is told only of sets all of
whose answers have a confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from marl_eval.confidence_statistics import noise_in_bins
from marl_eval.estimators.binned import expected_calibration_error
from marl_eval.estimators.division import Array, over
from marl_eval.estimators.ranked import auroc
from marl_eval.metric import Metric, doc_of, metric
from marl_eval.score_table import SET, ScoreTable, Shape, some
from marl_eval.statistics import (
    bin_sums,
    last_but_one,
    mean_over_sets,
    share_of_last,
    sparse,
    split_bins,
)

_NO_EXAMPLE = "every request failed, or there is no example"
_NO_SET = "no set has a readable confidence for every answer"
_ONE_CLASS = (
    "the sets with all confidences all hold a right answer, or none does, or there are none"
)
_SUM_TOLERANCE = 1e-9

_conditional = partial(
    Metric,
    counted="sets with all confidences",
    denominator=last_but_one,
    share=share_of_last,
)
"""Makes a metric whose last two statistics are ``_coverage``."""


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the set-level calibration metrics of a run: none without stated confidences."""
    if shape.stated is None or not shape.graded:
        return []
    return [
        set_brier,
        _conditional(
            name="set_ece",
            statistics=_binned,
            finish=_set_ece,
            better="lower",
            bounds=(0, 1),
            undefined=_NO_SET,
            doc=doc_of(_set_ece),
            noise=noise_in_bins,
        ),
        _conditional(
            name="set_auroc",
            statistics=_by_level,
            finish=_set_auroc,
            better="higher",
            bounds=(0, 1),
            undefined=_ONE_CLASS,
            doc=doc_of(_set_auroc),
        ),
        _mean_of_sets(_correct_bias, "correct_bias", "neither", (-shape.k, shape.k)),
        _mean_of_sets(_correct_error, "correct_error", "lower", (0, shape.k)),
        _mean_of_sets(_sum_above_one, "sum_above_one", "lower" if shape.exclusive else "neither"),
    ]


@metric(better="lower", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def set_brier(table: ScoreTable) -> Array:
    """Brier score of the confidence that the set holds a right answer.

    set_brier = mean over examples, and over the sets of each, of (Q - Y)^2, Q being the confidence
    of the set and Y whether one of its answers is right; 1 for a set that lacks an answer or a
    confidence.

    Range [0, 1]; 0 is best, 1 the worst, so that no failure can improve it.
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2, of the event "covered".
    Checked against: scikit-learn's brier_score_loss.
    """
    held, stated = some(table.right), ~np.isnan(table.set_confidence)
    return mean_over_sets(np.where(stated, (table.set_confidence - held) ** 2, 1), table.valid)


def _stated(table: ScoreTable) -> NDArray[np.bool_]:
    """bool[E, S]: valid sets all of whose answers have a confidence."""
    return ~np.isnan(table.set_confidence) & table.valid


def _coverage(table: ScoreTable) -> Array:
    """Give two statistics: sets with all confidences, and sets that did not fail."""
    stated = _stated(table).sum(axis=1)
    return np.column_stack([stated, table.valid.sum(axis=1)]).astype(np.float64)


def _binned(table: ScoreTable) -> Array:
    sums = bin_sums(table.set_confidence, some(table.right), _stated(table))
    return np.hstack([sums, _coverage(table)])


def _by_level(table: ScoreTable) -> csr_array[np.float64]:
    """Count, at each level of the set's confidence, sets without and with a right answer."""
    stated, size = _stated(table), len(table.shape.levels[SET])
    held = some(table.right)[stated]
    column = table.level(SET)[stated] + held * size
    row = np.nonzero(stated)[0]
    return sparse(2 * size, [(row, column, np.ones(len(row)))], _coverage(table))


def _set_ece(sums: Array) -> Array:
    """Expected calibration error of the confidence that the set holds a right answer.

    set_ece = sum over bins b of (n_b / n) * |mean Q in b - share of sets in b that hold a right
    answer|, ten bins of equal width, an edge belonging to the bin above it.

    Range [0, 1]. Biased upward like the ``ece``. Conditional on sets all of whose answers have a
    confidence: read it with its ``share``.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602.
    Checked against: a plain loop over sets.
    """
    count, confidence, held, _, _ = split_bins(sums[..., :-2])
    return expected_calibration_error(count, confidence, held)


def _set_auroc(sums: Array) -> Array:
    """Chance that a set with a right answer has more confidence than one without, half for a tie.

    set_auroc = P(Q_held > Q_unheld) + P(Q_held = Q_unheld) / 2 over all pairs of sets of the run.

    Range [0, 1]; 0.5 tells nothing. Exact for up to 4,096 distinct set confidences; beyond that they
    are taken to the nearest of a grid of 1/1024. Conditional on sets all of whose answers have a
    confidence: read it with its ``share``.
    Source: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    Checked against: scikit-learn's roc_auc_score.
    """
    half = (sums.shape[-1] - 2) // 2
    return auroc(sums[..., :half], sums[..., half:-2])


def _mean_of_sets(
    of: Callable[[ScoreTable], Array],
    name: str,
    better: Literal["higher", "lower", "neither"],
    bounds: tuple[float, float] = (0, 1),
) -> Metric:
    """Make the mean of a value over the sets with all confidences, each set counting the same."""
    return _conditional(
        name=name,
        statistics=partial(_total, of=of),
        finish=_mean,
        better=better,
        bounds=bounds,
        undefined=_NO_SET,
        doc=doc_of(of),
    )


def _total(table: ScoreTable, *, of: Callable[[ScoreTable], Array]) -> Array:
    total = np.where(_stated(table), of(table), 0).sum(axis=1)
    return np.column_stack([total, _coverage(table)])


def _mean(sums: Array) -> Array:
    return over(sums[..., 0], sums[..., -2])


def _excess(table: ScoreTable) -> Array:
    """Give the expected number of right answers less their number, float64[E, S]."""
    expected: Array = np.where(table.fresh, np.nan_to_num(table.confidence), 0).sum(axis=2)
    return expected - table.named


def _correct_bias(table: ScoreTable) -> Array:
    """How many more right answers the confidences promise than there are.

    correct_bias = mean over sets of [sum_i q_i - number of right answers], each different answer
    counting once.

    Range [-K, K]; 0 is best, above it is over-confidence. Conditional on sets all of whose answers
    have a confidence: read it with its ``share``.
    Source: calibration in the large, Cox 1958, doi:10.1093/biomet/45.3-4.562, of the count of right
    answers.
    Checked against: a plain loop over sets.
    """
    return _excess(table)


def _correct_error(table: ScoreTable) -> Array:
    """How far the promised number of right answers is from their number.

    correct_error = mean over sets of |sum_i q_i - number of right answers|, each different answer
    counting once.

    Range [0, K]. Above 0 even for perfect confidences, since answers are right or wrong as a whole.
    Conditional on sets all of whose answers have a confidence: read it with its ``share``.
    Source: mean absolute error of the count of right answers.
    Checked against: a plain loop over sets.
    """
    return np.abs(_excess(table))


def _sum_above_one(table: ScoreTable) -> Array:
    """Share of sets whose confidences sum to more than 1.

    sum_above_one = mean over sets of 1[sum_i q_i > 1 + 1e-9], repeated answers included.

    Range [0, 1]. Where one answer at most is right, such confidences contradict themselves; where
    several are, they need not. Conditional on sets all of whose answers have a confidence: read it
    with its ``share``.
    Source: the constraint of the medical set-up in Puri et al. 2026, arXiv:2603.24844.
    Checked against: a plain loop over sets.
    """
    above: Array = (np.nansum(table.confidence, axis=2) > 1 + _SUM_TOLERANCE).astype(np.float64)
    return above
