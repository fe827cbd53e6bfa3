"""More on the stated confidences: other calibration errors, and what the Brier score is made of."""

from __future__ import annotations

from collections.abc import Sequence
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
from marl_eval.estimators import binned as by_bin
from marl_eval.estimators.division import Array, over
from marl_eval.estimators.ranked import average_precision, equal_mass_calibration_error
from marl_eval.metric import Metric
from marl_eval.score_table import Shape
from marl_eval.statistics import BINS, split_bins

_NO_RIGHT = "no right answer has a readable confidence"


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the further metrics of stated confidences: none if there are none."""
    source = shape.stated
    if source is None or not shape.graded:
        return []
    levels = shape.levels[source]
    conditional = partial(among_stated, statistics=binned(source))
    ranked = partial(among_stated, statistics=by_level(source, len(levels)))
    return [
        conditional(name="mce", better="lower", bounds=(0, 1), finish=_mce, noise=noise_in_bins),
        conditional(
            name="ece_debiased",
            better="lower",
            bounds=(-1, 1),
            finish=_ece_debiased,
            noise=noise_in_bins,
        ),
        ranked(
            name="ece_equal_mass",
            better="lower",
            bounds=(0, 1),
            finish=partial(_ece_equal_mass, levels=levels),
            noise=partial(noise_at_levels, levels=levels),
        ),
        ranked(name="auprc", better="higher", bounds=(0, 1), finish=_auprc, undefined=_NO_RIGHT),
        conditional(
            name="brier_reliability",
            better="lower",
            bounds=(0, 1),
            finish=_reliability,
            noise=noise_in_bins,
        ),
        conditional(
            name="brier_resolution", better="higher", bounds=(-0.0525, 0.25), finish=_resolution
        ),
        conditional(
            name="brier_uncertainty", better="neither", bounds=(0, 0.25), finish=_uncertainty
        ),
        conditional(name="sharpness", better="neither", bounds=(0, 0.25), finish=_sharpness),
    ]


def _mce(sums: Array) -> Array:
    """Maximum calibration error: the largest gap of any bin that holds an answer.

    mce = max over bins b of |mean confidence in b - share of right answers in b|, ten bins of equal
    width.

    Range [0, 1]. One answer in a bin of its own can decide it, so it is biased upward more than the
    ``ece``. Conditional on being readable: read it with its ``share``.
    Source: Naeini et al. 2015, doi:10.1609/aaai.v29i1.9602.
    Checked against: a plain loop over answers.
    """
    count, confidence, right, _, _ = split_bins(sums[..., :-2])
    return by_bin.maximum_calibration_error(count, confidence, right)


def _ece_debiased(sums: Array) -> Array:
    """Expected calibration error less its estimated bias.

    ece_debiased = ece - (E[ece*] - ece), where in ece* the share of right answers in each bin is
    redrawn from the normal distribution of its sampling error.

    Range (-1, 1). Below 0 where the gaps are smaller than chance makes them: not cut off there, for
    that would bring back a bias. Takes answers for independent. Conditional on being readable: read
    it with its ``share``.
    Source: Kumar, Liang and Ma 2019, arXiv:1909.10155.
    Checked against: the uncertainty-calibration package; Monte Carlo.
    """
    count, confidence, right, _, _ = split_bins(sums[..., :-2])
    return by_bin.debiased_calibration_error(count, confidence, right)


def _reliability(sums: Array) -> Array:
    """Reliability term of the Brier score: how far confidences are from the shares right. 0 is best.

    brier_reliability = sum over bins b of (n_b / n) (mean confidence in b - share right in b)^2, ten
    bins of equal width; brier_answered = reliability - resolution + uncertainty, exactly.

    Range [0, 1]. Biased upward like the ``ece``. Conditional on being readable: read it with its
    ``share``.
    Source: Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    Checked against: a plain loop over answers; the identity with brier_answered.
    """
    return by_bin.brier_decomposition(*split_bins(sums[..., :-2])).reliability


def _resolution(sums: Array) -> Array:
    """Resolution term of the Brier score: how much the confidences tell right from wrong.

    brier_resolution = sum over bins b of (n_b / n) (share right in b - share right)^2, plus what
    confidences vary together with right and wrong inside bins, less what they vary there by
    themselves; so brier_answered = reliability - resolution + uncertainty, exactly.

    Range [-0.0525, 0.25]: at most ``brier_uncertainty``, and below 0 only by what varies inside bins.
    Conditional on being readable: read it with its ``share``.
    Source: Murphy 1973; inside bins, Stephenson, Coelho and Jolliffe 2008, doi:10.1175/2007WAF2006116.1.
    Checked against: a plain loop over answers; the identity with brier_answered.
    """
    return by_bin.brier_decomposition(*split_bins(sums[..., :-2])).resolution


def _uncertainty(sums: Array) -> Array:
    """Uncertainty term of the Brier score: what no forecaster can help.

    brier_uncertainty = r (1 - r), r being the share of right answers among those with a readable
    confidence.

    Range [0, 0.25]. A property of the answers, not of the confidences. Conditional on being readable:
    read it with its ``share``.
    Source: Murphy 1973, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    Checked against: a plain loop over answers.
    """
    return by_bin.brier_decomposition(*split_bins(sums[..., :-2])).uncertainty


def _sharpness(sums: Array) -> Array:
    """Sharpness: how much the stated confidences vary.

    sharpness = mean over answers of (q - mean q)^2.

    Range [0, 0.25]. A property of the confidences alone: sharp and wrong is no virtue. Conditional on
    being readable: read it with its ``share``.
    Source: Gneiting, Balabdaoui and Raftery 2007, doi:10.1111/j.1467-9868.2007.00587.x; as a variance,
    Murphy and Winkler 1992, International Journal of Forecasting 7, 435-455.
    Checked against: numpy.var.
    """
    _, confidence, _, squares, _ = split_bins(sums[..., :-2])
    mean = over(confidence.sum(axis=-1), sums[..., -2])
    return np.maximum(over(squares.sum(axis=-1), sums[..., -2]) - mean**2, 0)


def _ece_equal_mass(sums: Array, levels: Array) -> Array:
    """Expected calibration error over ten bins that hold equally many answers.

    ece_equal_mass = sum over bins b of (n_b / n) * |mean confidence in b - share of right answers in
    b|; answers of one confidence stay together, in the bin of the middle of their ranks.

    Range [0, 1]. Biased upward like the ``ece``. Exact for up to 4,096 distinct confidences; beyond
    that they are taken to the nearest of a grid of 1/1024. Conditional on being readable: read it
    with its ``share``.
    Source: Nixon et al. 2019, arXiv:1904.01685.
    Checked against: sorting and cutting.
    """
    wrong, right = at_levels(sums)
    return equal_mass_calibration_error(wrong, right, levels, bins=BINS)


def _auprc(sums: Array) -> Array:
    """Area under the precision-recall curve of telling right answers by their confidence.

    auprc = sum over thresholds t, from the highest confidence down, of (recall_t - recall_before) *
    precision_t: average precision, one step for each distinct confidence.

    Range [0, 1]; the share of right answers tells nothing. Exact for up to 4,096 distinct
    confidences; beyond that they are taken to the nearest of a grid of 1/1024. Conditional on being
    readable: read it with its ``share``.
    Source: Davis and Goadrich 2006, doi:10.1145/1143844.1143874.
    Checked against: scikit-learn's average_precision_score.
    """
    return average_precision(*at_levels(sums))
