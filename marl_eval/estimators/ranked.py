"""What the order of confidences tells, from counts of wrong and right answers at each confidence.

``wrong`` and ``right`` are float64[..., L]: the answers at each of L distinct confidences, in ascending
order. Leading axes are free, and counts may be fractional. Every value here stays the same when all
counts are multiplied by one number. Answers of equal confidence are never told apart.
"""

from __future__ import annotations

import numpy as np

from marl_eval.estimators.division import Array, over


def auroc(wrong: Array, right: Array) -> Array:
    """Chance that a right answer has more confidence than a wrong one, half a chance for a tie.

    auroc = P(q_right > q_wrong) + P(q_right = q_wrong) / 2 over all pairs of a right and a wrong answer.

    Takes float64[..., L], gives float64[...]. Range [0, 1]; 0.5 tells nothing, and is what a single
    level gives. NaN unless there are both right and wrong answers (also for L = 0).
    Source: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    won = np.vecdot(right, np.cumsum(wrong, axis=-1) - wrong / 2)
    return over(won, wrong.sum(axis=-1) * right.sum(axis=-1))


def average_precision(wrong: Array, right: Array) -> Array:
    """Mean over right answers of the precision among the answers at least as confident.

    average_precision = sum_l (R_l - R_(l+1)) P_l, where R_l and P_l are recall and precision of keeping
    the answers of level l and above: the step-wise area under the precision-recall curve, without
    interpolation, a level being one threshold.

    Takes float64[..., L], gives float64[...]. Range (0, 1]; uninformative confidences give about the
    share of right answers, and a single level exactly that; nothing wrong gives 1. NaN without a right
    answer (also for L = 0).
    Source: the definition of scikit-learn's ``average_precision_score``; Davis and Goadrich 2006,
    doi:10.1145/1143844.1143874, for why not to interpolate.
    """
    found = np.cumsum(right[..., ::-1], axis=-1)[..., ::-1]
    kept = np.cumsum((wrong + right)[..., ::-1], axis=-1)[..., ::-1]
    precision = over(found, kept, empty=0.0)
    return over(np.vecdot(right, precision), right.sum(axis=-1))


def equal_mass_calibration_error(wrong: Array, right: Array, levels: Array, *, bins: int) -> Array:
    """Expected calibration error over bins that each hold the same number of answers.

    ece = sum_b (n_b / n) |mean confidence in b - share of right answers in b|, over ``bins`` bins by
    rank. A level is never split: with N_l answers below level l and m_l in it, it belongs to bin
    floor(bins (N_l + m_l / 2) / n), that of its middle rank. So many ties leave the bins uneven, and
    some of them empty. Without ties, and with ``bins`` dividing n, bin 0 is the first n / bins answers
    in order of confidence, and so on.

    Takes ``wrong`` and ``right`` float64[..., L] and ``levels`` float64[L], ascending, in [0, 1]; gives
    float64[...]. Range [0, 1]. A single level gives |confidence - accuracy|. NaN without an answer
    (also for L = 0). Biased upward, as with bins of equal width.
    Raises ValueError if ``bins`` is not positive.
    Source: Nguyen and O'Connor 2015, doi:10.18653/v1/D15-1182 (adaptive binning).
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; it must be at least 1")
    count = wrong + right
    n = count.sum(axis=-1)
    excess = levels * count - right
    middle = np.cumsum(count, axis=-1) - count / 2
    # A middle rank on the edge of a bin belongs above it; fractional counts must not round it below.
    place = middle * (bins / np.where(n > 0, n, 1))[..., None] + 1e-9
    cell = np.minimum(place.astype(np.intp), bins - 1)
    row = np.arange(n.size).reshape(*n.shape, 1)
    sums = np.bincount(
        (row * bins + cell).ravel(), weights=excess.ravel(), minlength=n.size * bins
    ).reshape(*n.shape, bins)
    return over(np.abs(sums).sum(axis=-1), n)


def area_under_risk_coverage(
    wrong: Array, right: Array, unstated_wrong: Array, unstated_right: Array
) -> Array:
    """Mean risk of answering only the most confident questions, over every share answered.

    With N the questions answered so far, in order of falling confidence, and W(N) the wrong ones
    expected among them, risk(c) = W(c n) / (c n) at coverage c, and
    area = integral over c in (0, 1] of risk(c) dc.

    Ties are answered in random order, so W is linear within a level. Questions without a confidence
    (``unstated_*``) are answered last, as one more tie. A level of m questions, w of them wrong, that
    begins at N_0 and W_0 adds w + (W_0 - w N_0 / m) log(1 + m / N_0) to n times the area; the first
    level adds w.

    The usual form is the mean of W(i) / i over i = 1..n, which reads the same curve at whole questions
    only. It differs by O(log(n) / n), changes when the data are duplicated, and is not defined for
    fractional counts; the integral has neither fault. On one wrong question, then one right one, the
    mean is (1 + 1/2) / 2 = 0.75 and the integral (1 + log 2) / 2 = 0.847.

    Takes ``wrong`` and ``right`` float64[..., L], ``unstated_*`` float64[...]; gives float64[...].
    Range [0, 1], 0 if and only if nothing is wrong. One level, or none, gives the overall risk. NaN
    without a question.
    Source: risk and coverage: Geifman and El-Yaniv 2017, arXiv:1705.08500; their area: Geifman, Uziel
    and El-Yaniv 2019, arXiv:1805.08206.
    """
    lost = _most_confident_first(wrong, unstated_wrong)
    size = lost + _most_confident_first(right, unstated_right)
    answered = np.cumsum(size, axis=-1)
    before = answered - size
    lost_before = np.cumsum(lost, axis=-1) - lost
    slope = lost_before - before * over(lost, size, empty=0.0)
    bend = slope * np.log1p(over(size, before, empty=0.0))
    return over((lost + bend).sum(axis=-1), answered[..., -1])


def risk_at_coverage(
    wrong: Array, right: Array, unstated_wrong: Array, unstated_right: Array, *, coverage: float
) -> Array:
    """Share of wrong answers when only the most confident ``coverage`` of the questions is answered.

    risk(c) = W(c n) / (c n), with W(N) the wrong ones expected among the first N questions in order of
    falling confidence. The level at the edge is taken in proportion, which is what a random order of
    its ties gives on average. Questions without a confidence (``unstated_*``) come last.

    Takes ``wrong`` and ``right`` float64[..., L], ``unstated_*`` float64[...]; gives float64[...].
    Range [0, 1]; at coverage 1 the overall risk. NaN without a question.
    Raises ValueError if ``coverage`` is not in (0, 1].
    Source: Geifman and El-Yaniv 2017, arXiv:1705.08500.
    """
    if not 0 < coverage <= 1:
        raise ValueError(f"coverage is {coverage}; it must be above 0 and at most 1")
    lost = _most_confident_first(wrong, unstated_wrong)
    size = lost + _most_confident_first(right, unstated_right)
    answered = np.cumsum(size, axis=-1)
    target = answered[..., -1:] * coverage
    share = np.clip(over(target - (answered - size), size, empty=0.0), 0, 1)
    return over(np.vecdot(lost, share), target[..., 0])


def _most_confident_first(counts: Array, unstated: Array) -> Array:
    """Put levels in falling order, then what has no confidence: float64[..., L + 1]."""
    return np.concatenate([counts[..., ::-1], unstated[..., None]], axis=-1)
