"""Calibration from sums over bins of confidence.

An answer has a stated confidence q in [0, 1] and is right (y = 1) or wrong (y = 0). For B bins the sums
are float64[..., B]: ``count`` (answers), ``q_sum``, ``y_sum``, ``qq_sum`` (of q^2) and ``qy_sum`` (of
q * y). Leading axes are free, and counts may be fractional: weights of a bootstrap, or sets that count
as 1/n. In the formulas n_b, q_b and y_b are the count, the mean confidence and the share of right
answers of bin b; n, q and y are the same over all bins.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import erfc

from marl_eval.estimators.division import Array, over


def expected_calibration_error(count: Array, q_sum: Array, y_sum: Array) -> Array:
    """Mean gap between confidence and accuracy, each bin weighted by its answers.

    ece = sum_b (n_b / n) |q_b - y_b| = sum_b |q_sum_b - y_sum_b| / n.

    Takes float64[..., B], gives float64[...]. Range [0, 1]. NaN without an answer (also for B = 0).
    Biased upward: the chance gap of each bin counts as an error; see ``debiased_calibration_error``.
    Source: Naeini, Cooper and Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602.
    """
    return over(np.abs(q_sum - y_sum).sum(axis=-1), count.sum(axis=-1))


def maximum_calibration_error(count: Array, q_sum: Array, y_sum: Array) -> Array:
    """Largest gap between confidence and accuracy among the bins that hold an answer.

    mce = max over b with n_b > 0 of |q_b - y_b|.

    Takes float64[..., B], gives float64[...]. Range [0, 1]. NaN without an answer (also for B = 0).
    A bin of one answer weighs as much as a full one, so it is noisy and grows with B.
    Source: Naeini, Cooper and Hauskrecht 2015, doi:10.1609/aaai.v29i1.9602.
    """
    gap = np.abs(over(q_sum - y_sum, count, empty=0.0))
    largest = gap.max(axis=-1, initial=0.0)
    return np.where((count > 0).any(axis=-1), largest, np.nan)


def debiased_calibration_error(count: Array, q_sum: Array, y_sum: Array) -> Array:
    """Expected calibration error less an estimate of its upward bias.

    debiased = ece - sum_b (n_b / n) (E|q_b - Y_b| - |q_b - y_b|), with
    Y_b normal of mean y_b and variance s_b^2 = y_b (1 - y_b) / n_b.

    |q_b - Y_b| is a folded normal, whose mean is known, so with d = |q_b - y_b| the bias of a bin is
    s_b sqrt(2/pi) exp(-d^2 / (2 s_b^2)) - d erfc(d / (s_b sqrt 2)), and no sampling is needed.

    Takes float64[..., B], gives float64[...]; at most the ``expected_calibration_error``. It takes
    away less than the whole bias: if every bin is calibrated, 2 - sqrt(2) = 59 % of it is left on
    average, since the gap of a bin is itself taken for the truth. It can be below 0, and is not cut off
    there, as that would raise the bias again. A bin whose answers are all right, or all wrong, or one
    alone, shows no variance and is not corrected. ``count`` must be in answers: this is the one
    correction here that depends on n. NaN without an answer (also for B = 0).
    Source: Kumar, Liang and Ma 2019, "Verified Uncertainty Calibration", arXiv:1909.10155 (their l1
    form, with its resampling replaced by the mean).
    """
    distance = np.abs(over(q_sum - y_sum, count, empty=0.0))
    accuracy = over(y_sum, count, empty=0.0)
    # Rounding can put an accuracy a hair above 1.
    spread = np.sqrt(np.maximum(over(accuracy * (1 - accuracy), count, empty=0.0), 0))
    # Without spread the ratio is taken as 0; both terms of the bias are then multiplied by 0.
    z = over(distance, spread, empty=0.0)
    away = np.where(spread > 0, distance, 0.0) * erfc(z / np.sqrt(2))
    # Past 38 the density underflows to 0 all the same, and the square could overflow.
    bias = spread * np.sqrt(2 / np.pi) * np.exp(-(np.minimum(z, 38) ** 2) / 2) - away
    return over((count * (distance - bias)).sum(axis=-1), count.sum(axis=-1))


class BrierDecomposition(NamedTuple):
    """The parts of a Brier score: reliability - resolution + uncertainty, float64[...] each."""

    reliability: Array
    resolution: Array
    uncertainty: Array


def brier_decomposition(
    count: Array, q_sum: Array, y_sum: Array, qq_sum: Array, qy_sum: Array
) -> BrierDecomposition:
    """Brier score in three parts: how far off, how telling, and how uncertain the question is.

    brier = (1/n) sum (q - y)^2 = reliability - resolution + uncertainty, exactly, where
    reliability = sum_b (n_b / n) (q_b - y_b)^2,
    resolution = sum_b (n_b / n) ((y_b - y)^2 - var_b(q) + 2 cov_b(q, y)),
    uncertainty = y (1 - y),
    and var_b and cov_b are the population variance and covariance inside bin b.

    The resolution is the generalised one: Murphy's, plus what the confidences tell, or spoil, within a
    bin. Without these two terms the parts would not add up when a bin holds different confidences.

    Takes float64[..., B], gives float64[...] each. Range: reliability [0, 1], 0 is best; resolution
    [-3/4, 1/4], at most the uncertainty, greatest is best; uncertainty [0, 1/4]. All right or all
    wrong: uncertainty 0, and resolution at most 0. NaN without an answer (also for B = 0). Reliability
    is biased upward in a finite sample.
    Source: Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; generalised resolution:
    Stephenson, Coelho and Jolliffe 2008, doi:10.1175/2007WAF2006116.1.
    """
    n = count.sum(axis=-1)
    right = over(y_sum.sum(axis=-1), n)
    q_mean, y_mean = over(q_sum, count, empty=0.0), over(y_sum, count, empty=0.0)
    reliability = over(((q_sum - y_sum) * (q_mean - y_mean)).sum(axis=-1), n)
    between = count * (y_mean - right[..., None]) ** 2
    within = 2 * (qy_sum - q_sum * y_mean) - (qq_sum - q_sum * q_mean)
    resolution = over((between + within).sum(axis=-1), n)
    return BrierDecomposition(reliability, resolution, right * (1 - right))
