"""Resampling of examples: the one mechanism behind every interval.

A bootstrap resample of n examples is a vector of multinomial weights, so all resamples of a metric
are one matrix product of weights with statistics. The example, with all of its generations, is the
unit, so intervals are clustered as they must be.

Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", doi:10.1214/aos/1176344552.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from marl_eval.errors import unknown
from marl_eval.score_table import BLOCK

Array = NDArray[np.float64]

DEFAULT_RESAMPLES = 1000

IntervalMethod = Literal["percentile", "BCa"]
DEFAULT_INTERVAL: IntervalMethod = "BCa"

GROUPS = 200
"""Most groups of examples that the jackknife leaves out in turn."""


def interval_method(name: str) -> IntervalMethod:
    """Give the kind of interval of that name, written in any case.

    Raises:
        UserError: if there is none.
    """
    for known in get_args(IntervalMethod):
        if known.lower() == name.lower():
            method: IntervalMethod = known
            return method
    raise unknown("kind of interval", name, get_args(IntervalMethod))


class Resampling:
    """Multinomial weights for ``examples`` examples, given out piece by piece.

    The weights depend on the three numbers alone, so two runs on the same examples get the same
    ones. Of each resample's draws a multinomial number falls in each block of ``BLOCK`` examples, and
    within a block draws are uniform: together that is exactly multinomial, and a block is drawn
    without the others.
    """

    def __init__(self, examples: int, resamples: int, seed: int = 0) -> None:
        self.examples = examples
        self.resamples = resamples
        self._seed = seed
        blocks = max(1, -(-examples // BLOCK))
        sizes = np.full(blocks, BLOCK)
        sizes[-1] = examples - BLOCK * (blocks - 1)
        rng = np.random.default_rng([seed, examples, 0])
        share = sizes / max(examples, 1)
        self._draws = rng.multinomial(examples, share / max(share.sum(), 1), size=resamples)
        self._last: tuple[int, Array] = -1, np.empty((resamples, 0))

    def between(self, first: int, last: int) -> Array:
        """Give the weights of the examples from ``first`` to ``last``, float64[resamples, examples]."""
        parts = [np.empty((self.resamples, 0))]
        for block in range(first // BLOCK, -(-last // BLOCK)):
            start = block * BLOCK
            parts.append(self._block(block)[:, max(first - start, 0) : last - start])
        return np.hstack(parts)

    def _block(self, block: int) -> Array:
        """Draw a block's weights; the last block is kept, since small pieces come in order."""
        if self._last[0] != block:
            size = min(BLOCK, self.examples - block * BLOCK)
            draws = self._draws[:, block]
            rng = np.random.default_rng([self._seed, self.examples, 1, block])
            place = rng.integers(0, size, size=int(draws.sum()), dtype=np.int32).astype(np.int64)
            place += np.repeat(np.arange(self.resamples) * size, draws)
            counts = np.bincount(place, minlength=self.resamples * size)
            self._last = block, counts.reshape(self.resamples, size).astype(np.float64)
        return self._last[1]


def jackknife_groups(examples: int, first: int, last: int) -> Array:
    """Say to which group each of the examples from ``first`` to ``last`` belongs.

    Returns float64[groups, last - first] of 0 and 1. There are at most ``GROUPS`` groups; up to
    that many examples each is a group of its own.
    """
    groups = min(GROUPS, max(examples, 1))
    own = np.arange(first, last) % groups
    result: Array = (own == np.arange(groups)[:, None]).astype(np.float64)
    return result


def percentile_interval(values: Array, level: float) -> tuple[float, float]:
    """Give the central interval that holds ``level`` of the finite values; NaN if there are none.

    Range: within the values. Percentile method; for small samples it is somewhat too narrow.
    """
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bca_interval(
    value: float, resampled: Array, without: Array, level: float
) -> tuple[float, float]:
    """Give the bias-corrected and accelerated bootstrap interval.

    The ends are the quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of the resampled values, z being
    the normal quantiles of ``level``; z0 = Phi^-1(share of resampled values below ``value``, ties
    half); a = sum d^3 / (6 (sum d^2)^1.5), d being how much the value ``without`` each group of
    examples falls short of their mean.

    Range: within the resampled values. Where the correction is undefined (every resampled value on
    one side of ``value``), it is the percentile interval. Second-order accurate for smooth statistics.
    Source: Efron 1987, doi:10.1080/01621459.1987.10478410; groups: Efron and Tibshirani 1993, ch. 11.
    """
    finite = resampled[np.isfinite(resampled)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    # Sums in another order differ by rounding; that must not decide what is below.
    tied = np.isclose(finite, value, rtol=1e-9, atol=1e-12)
    below = ((~tied & (finite < value)).sum() + tied.sum() / 2) / len(finite)
    if not 0 < below < 1:
        return percentile_interval(finite, level)
    left_out = without[np.isfinite(without)]
    difference = left_out.mean() - left_out if len(left_out) else np.zeros(1)
    spread = (difference**2).sum() ** 1.5
    acceleration = (difference**3).sum() / (6 * spread) if spread > 0 else 0.0
    bias = ndtri(below)
    wanted = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(finite, ndtr(bias + wanted / (1 - acceleration * wanted)))
    return float(low), float(high)


def interval_of_a_distance(
    value: float, resampled: Array, noise: Array, bounds: tuple[float, float], level: float
) -> tuple[float, float]:
    """Give the interval of a distance from perfection, such as a calibration error.

    Sampling error pushes such a value up, and resampling pushes it up once more, so that the
    percentile interval lies above the truth. Here the resampled values are turned around:
    [2 v - high, 2 v - low], for their central interval [low, high]. The lower end is moved down to
    v less the ``level`` quantile of the values that ``noise`` alone makes, if that is lower. Both
    ends are kept within ``bounds``.
    Source: the basic bootstrap, Davison and Hinkley 1997, doi:10.1017/CBO9780511802843; the lower
    end inverts the test that the distance is 0, as in Vaicenavicius et al. 2019, arXiv:1902.06977.
    """
    low, high = percentile_interval(resampled, level)
    finite = noise[np.isfinite(noise)]
    lowest = 2 * value - high
    if len(finite) > 0:
        lowest = min(lowest, value - float(np.quantile(finite, (1 + level) / 2)))
    ends = np.clip([lowest, 2 * value - low], *bounds)
    return float(ends[0]), float(ends[1])


def interval_of_a_constant(
    value: float, bounds: tuple[float, float], examples: float, level: float
) -> tuple[float, float]:
    """Give the interval of a mean where every example has the same value.

    Resampling cannot widen such a sample. If a share p of all examples had this value, n of them
    would agree with probability p^n; so with confidence ``level`` p >= ((1 - level) / 2)^(1 / n), and
    the mean is within p value + (1 - p) bounds. At a bound it is the interval of Clopper and Pearson
    (doi:10.1093/biomet/26.4.404). NaN at the side of an infinite bound.
    """
    rest = 1 - ((1 - level) / 2) ** (1 / examples)
    low, high = (value + rest * (bound - value) for bound in bounds)
    return low if np.isfinite(low) else np.nan, high if np.isfinite(high) else np.nan


def standard_error(resampled: Array, examples: int) -> float:
    """Give the standard error that resampled values tell: their deviation times sqrt(n / (n - 1)).

    For a mean over n ``examples`` it is that of the t-test.
    """
    return float(resampled.std() * np.sqrt(examples / (examples - 1)))


def holm(p: Array) -> Array:
    """Correct p-values for the number of tests, so that one false finding among all is rare.

    In ascending order, corrected_i = max over j <= i of min(1, (m - j + 1) p_j), for m tests.
    ``p`` float64[m] without NaN; gives float64[m] in the same order. Holds whatever the tests depend
    on each other. Source: Holm 1979, https://www.jstor.org/stable/4615733.
    """
    order = np.argsort(p, kind="stable")
    steps = np.minimum(p[order] * np.arange(len(p), 0, -1), 1)
    result = np.empty_like(p)
    result[order] = np.maximum.accumulate(steps)
    return result
