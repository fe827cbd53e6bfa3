"""Intervals that correct for bias and skewness, and those where resampling shows no spread."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from marl_eval.errors import UserError
from marl_eval.stats import (
    GROUPS,
    Resampling,
    bca_interval,
    interval_method,
    interval_of_a_constant,
    interval_of_a_distance,
    jackknife_groups,
    percentile_interval,
)

Array = NDArray[np.float64]
Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

UNIFORM = np.linspace(0, 1, 1001)
SYMMETRIC = np.array([-1.0, 1.0])


def phi(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def test_without_bias_and_skewness_it_is_the_percentile_interval() -> None:
    assert bca_interval(0.5, UNIFORM, SYMMETRIC, 0.95) == pytest.approx((0.025, 0.975))


def test_the_bias_moves_both_ends() -> None:
    # 84.13 % of the resampled values lie below, which is one normal quantile: z0 = 1.
    found = bca_interval(phi(1), UNIFORM, SYMMETRIC, 0.95)
    assert found == pytest.approx((phi(1 + 1 - Z), phi(1 + 1 + Z)), abs=2e-3)


def test_the_skewness_moves_both_ends() -> None:
    # Left out in turn, groups give 0, 0 and 3. Their mean is 1, they fall short of it by 1, 1, -2:
    # a = (1 + 1 - 8) / (6 (1 + 1 + 4)^1.5).
    a = -6 / (6 * 6**1.5)
    found = bca_interval(0.5, UNIFORM, np.array([0.0, 0.0, 3.0]), 0.95)
    assert found == pytest.approx((phi(-Z / (1 + a * Z)), phi(Z / (1 - a * Z))), abs=1e-6)


def test_values_equal_to_the_one_computed_count_half() -> None:
    resampled = np.array([0.0, 1.0, 1.0, 2.0])
    # One below and two equal of four: the middle, so no bias.
    assert bca_interval(1, resampled, SYMMETRIC, 0.5) == pytest.approx(
        tuple(np.quantile(resampled, [0.25, 0.75]))
    )


def test_rounding_does_not_decide_whether_values_are_equal() -> None:
    value, others = 0.3, np.array([0.1, 0.2, 0.4, 0.5, 0.6])
    exact = bca_interval(value, np.append(others, [0.3] * 4), SYMMETRIC, 0.8)
    for near in (0.1 + 0.2, 0.3 - 5e-17):
        rounded = bca_interval(value, np.append(others, [near] * 4), SYMMETRIC, 0.8)
        assert rounded == pytest.approx(exact)


@pytest.mark.parametrize("value", [-1.0, 2.0])
def test_where_every_resample_is_on_one_side_it_is_the_percentile_interval(value: float) -> None:
    expected = percentile_interval(UNIFORM, 0.9)
    assert bca_interval(value, UNIFORM, np.array([0.0, 0.0, 3.0]), 0.9) == expected


def test_undefined_values_are_left_out() -> None:
    nan = [np.nan, np.inf]
    found = bca_interval(0.4, np.append(UNIFORM, nan), np.append([0.0, 0.0, 3.0], nan), 0.9)
    assert found == bca_interval(0.4, UNIFORM, np.array([0.0, 0.0, 3.0]), 0.9)


@pytest.mark.parametrize("resampled", [[], [np.nan, np.inf]])
def test_the_interval_of_nothing_is_undefined(resampled: list[float]) -> None:
    low, high = bca_interval(0.5, np.array(resampled, dtype=np.float64), SYMMETRIC, 0.95)
    assert math.isnan(low)
    assert math.isnan(high)


@pytest.mark.parametrize("without", [[], [np.nan], [0.5], [0.5, 0.5]])
def test_without_a_jackknife_the_bias_alone_is_corrected(without: list[float]) -> None:
    found = bca_interval(phi(0.5), UNIFORM, np.array(without, dtype=np.float64), 0.95)
    assert found == pytest.approx((phi(1 - Z), phi(1 + Z)), abs=2e-3)


@settings(deadline=None)
@given(
    value=st.floats(-2, 2),
    resampled=st.lists(st.floats(-1, 1), min_size=1, max_size=20),
    without=st.lists(st.floats(-1, 1), max_size=20),
    level=st.floats(0.5, 0.99),
)
def test_the_interval_lies_within_the_resampled_values(
    value: float, resampled: list[float], without: list[float], level: float
) -> None:
    low, high = bca_interval(value, np.array(resampled), np.array(without), level)
    assert min(resampled) - 1e-9 <= low <= high + 1e-9
    assert high <= max(resampled) + 1e-9


def bootstrapped(x: Array, y: Array, resamples: int) -> tuple[float, Array, Array]:
    """Give a ratio of sums, resampled and with each example left out."""
    weights = Resampling(len(x), resamples, seed=5).between(0, len(x))
    rest = 1 - jackknife_groups(len(x), 0, len(x))
    value = float(x.sum() / y.sum())
    return value, (weights @ x) / (weights @ y), (rest @ x) / (rest @ y)


@pytest.mark.parametrize("kind", ["mean", "ratio"])
def test_it_agrees_with_scipy(kind: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.exponential(size=60) ** 2
    y = x**0.5 + rng.uniform(0.5, 1.5, 60) if kind == "ratio" else np.ones(60)
    resamples = 20_000
    ours = bca_interval(*bootstrapped(x, y, resamples), 0.95)
    theirs = stats.bootstrap(
        (x, y),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        method="BCa",
        batch=2000,
        rng=np.random.default_rng(4),
    ).confidence_interval
    percentile = percentile_interval(bootstrapped(x, y, resamples)[1], 0.95)
    # What chance leaves between two bootstraps of this size, and what the correction does.
    noise = 0.03 * (theirs.high - theirs.low)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=noise)
    assert abs(ours[1] - percentile[1]) > noise


def test_the_correction_is_exactly_scipys_on_the_same_resamples() -> None:
    data = np.random.default_rng(0).gamma(1.0, size=50)
    value, resampled, without = bootstrapped(data, np.ones(50), 2000)
    z0 = stats.norm.ppf((resampled < value).mean() + (resampled == value).mean() / 2)
    short = without.mean() - without
    a = stats.skew(short) / (6 * math.sqrt(50))
    ends = [
        100 * stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
        for z in stats.norm.ppf([0.025, 0.975])
    ]
    assert bca_interval(value, resampled, without, 0.95) == pytest.approx(
        tuple(np.percentile(resampled, ends))
    )


def test_for_a_skewed_mean_it_misses_less_often_on_the_long_side() -> None:
    runs, examples = 200, 40
    data = np.random.default_rng(1).exponential(size=(runs, examples))
    weights = Resampling(examples, 1000).between(0, examples) / examples
    rest = (1 - jackknife_groups(examples, 0, examples)) / (examples - 1)
    missed = {"BCa": [0, 0], "percentile": [0, 0]}
    for own in data:
        ends = {
            "BCa": bca_interval(own.mean(), weights @ own, rest @ own, 0.9),
            "percentile": percentile_interval(weights @ own, 0.9),
        }
        for name, (low, high) in ends.items():
            missed[name][0] += low > 1
            missed[name][1] += high < 1
    # The mean of exponential draws is skewed, so that percentile intervals lie too low.
    assert missed["BCa"][1] < missed["percentile"][1]
    assert sum(missed["BCa"]) < stats.binom.ppf(0.999, runs, 0.14)


@pytest.mark.parametrize("examples", [0, 1, 7, GROUPS, GROUPS + 1, 3 * GROUPS + 50])
@pytest.mark.parametrize("piece", [1, 64, 10_000])
def test_every_example_is_in_exactly_one_group_of_the_jackknife(examples: int, piece: int) -> None:
    parts = [
        jackknife_groups(examples, first, min(first + piece, examples))
        for first in range(0, examples, piece)
    ]
    groups = np.hstack(parts) if parts else jackknife_groups(0, 0, 0)
    assert groups.shape == (min(GROUPS, max(examples, 1)), examples)
    assert set(np.unique(groups)) <= {0, 1}
    assert (groups.sum(axis=0) == 1).all()
    sizes = groups.sum(axis=1)
    assert sizes.max(initial=0) - sizes.min() <= 1


@pytest.mark.parametrize("examples", [2, 3, 10, 200, 5000])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_at_a_bound_it_is_the_interval_of_clopper_and_pearson(examples: int, level: float) -> None:
    for value in (0, 1):
        exact = stats.binomtest(value * examples, examples).proportion_ci(level, "exact")
        found = interval_of_a_constant(value, (0, 1), examples, level)
        assert found == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_between_the_bounds_it_reaches_towards_both() -> None:
    # Two examples: with probability 0.25 they agree by chance if half of all examples would.
    assert interval_of_a_constant(0.25, (0, 1), 2, 0.5) == pytest.approx((0.125, 0.625))
    assert interval_of_a_constant(3, (-1, 4), 2, 0.5) == pytest.approx((1, 3.5))


def test_it_narrows_with_the_number_of_examples() -> None:
    widths = [
        high - low
        for low, high in (interval_of_a_constant(0.5, (0, 1), n, 0.95) for n in (2, 5, 50, 5000))
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == pytest.approx(-math.log(0.025) / 5000, rel=1e-3)


def test_nothing_is_said_of_the_side_that_has_no_bound() -> None:
    low, high = interval_of_a_constant(3, (0, math.inf), 10, 0.95)
    assert 0 < low < 3
    assert math.isnan(high)


WIDE = np.linspace(0.2, 0.6, 1001)
"""Of which 95 % lie between 0.21 and 0.59."""

FAINT = np.linspace(0, 0.1, 1001)


def test_the_interval_of_a_distance_turns_the_resampled_values_around() -> None:
    found = interval_of_a_distance(0.3, WIDE, FAINT, (0, 1), 0.95)
    assert found == pytest.approx((2 * 0.3 - 0.59, 2 * 0.3 - 0.21))


def test_noise_that_alone_makes_such_a_distance_brings_the_lower_end_down() -> None:
    # 97.5 % of what noise makes is below 0.0975 or 0.26.
    found = interval_of_a_distance(0.4, WIDE, FAINT, (0, 1), 0.95)
    assert found == pytest.approx((0.8 - 0.59, 0.8 - 0.21))
    loud = np.linspace(0, 0.26 / 0.975, 1001)
    found = interval_of_a_distance(0.4, WIDE, loud, (0, 1), 0.95)
    assert found == pytest.approx((0.4 - 0.26, 0.8 - 0.21))


def test_the_interval_of_a_distance_stays_within_its_bounds() -> None:
    found = interval_of_a_distance(0.25, WIDE, FAINT, (0, 0.27), 0.95)
    assert found == (0, 0.27)


@pytest.mark.parametrize("noise", [[], [np.nan], [np.inf, np.nan]])
def test_where_noise_tells_nothing_the_lower_end_is_that_of_the_resamples(
    noise: list[float],
) -> None:
    found = interval_of_a_distance(0.3, WIDE, np.array(noise, dtype=np.float64), (0, 1), 0.95)
    assert found == pytest.approx((0.01, 0.39))


def test_a_kind_of_interval_is_named_in_any_case() -> None:
    assert interval_method("bca") == interval_method("BCA") == "BCa"
    assert interval_method("Percentile") == "percentile"
    with pytest.raises(UserError, match="did you mean 'percentile'"):
        interval_method("percentil")
