from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from marl_eval.score_table import BLOCK
from marl_eval.stats import Resampling, percentile_interval

Array = NDArray[np.float64]
SIZES = [1, 2, 50, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 100]


def all_weights(draws: Resampling) -> Array:
    """Give the weights of all examples, float64[resamples, examples]."""
    return draws.between(0, draws.examples)


@pytest.mark.parametrize("examples", SIZES)
def test_each_resample_has_as_many_draws_as_there_are_examples(examples: int) -> None:
    weights = all_weights(Resampling(examples, 20))
    assert weights.shape == (20, examples)
    assert (weights.sum(axis=1) == examples).all()
    assert (weights >= 0).all()
    assert (weights == np.floor(weights)).all()


@pytest.mark.parametrize("examples", SIZES)
def test_the_same_numbers_give_the_same_weights_in_whatever_pieces_they_are_asked(
    examples: int,
) -> None:
    expected = all_weights(Resampling(examples, 10, seed=3))
    draws = Resampling(examples, 10, seed=3)
    cuts = sorted({0, examples, *np.random.default_rng(examples).integers(0, examples, 9).tolist()})
    for first, last in [*pairwise(cuts)][::-1] + [(c, c) for c in cuts] + [(0, examples)]:
        np.testing.assert_array_equal(draws.between(first, last), expected[:, first:last])


def test_weights_do_not_depend_on_the_global_random_state() -> None:
    np.random.seed(1)
    first = all_weights(Resampling(100, 5))
    np.random.seed(2)
    np.testing.assert_array_equal(all_weights(Resampling(100, 5)), first)


def test_another_seed_gives_other_weights() -> None:
    first, second = all_weights(Resampling(50, 20, seed=0)), all_weights(Resampling(50, 20, seed=1))
    assert (first != second).any(axis=1).all()


def test_resamples_and_blocks_differ_from_each_other() -> None:
    weights = all_weights(Resampling(2 * BLOCK, 20))
    assert len(np.unique(weights, axis=0)) == 20
    assert (weights[:, :BLOCK] != weights[:, BLOCK:]).any(axis=1).all()


def test_no_two_draws_share_a_stream_of_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    make = np.random.default_rng

    def spy(seed: Any) -> np.random.Generator:
        generator = make(seed)
        states.append(str(generator.bit_generator.state))
        return generator

    monkeypatch.setattr(np.random, "default_rng", spy)
    all_weights(Resampling(3 * BLOCK, 2))
    assert len(states) >= 3
    assert len(set(states)) == len(states)


def test_no_resamples_give_no_weights() -> None:
    assert Resampling(BLOCK + 5, 0).between(BLOCK, BLOCK + 5).shape == (0, 5)


def test_no_examples_have_no_weights() -> None:
    assert Resampling(0, 7).between(0, 0).shape == (7, 0)


@pytest.mark.parametrize("examples", [40, 2 * BLOCK + 300])
def test_the_first_two_moments_are_those_of_a_multinomial(examples: int) -> None:
    resamples = 2000
    weights = all_weights(Resampling(examples, resamples, seed=11))

    def close(per_resample: Array, expected: float) -> None:
        error = per_resample.std(ddof=1) / math.sqrt(resamples)
        assert abs(per_resample.mean() - expected) < 5 * error

    # Each weight is binomial(n, 1/n): mean 1, variance 1 - 1/n; two of them covary by -1/n.
    error = math.sqrt((1 - 1 / examples) / resamples)
    assert np.abs(weights.mean(axis=0) - 1).max() < 5 * error
    close((weights**2).mean(axis=1), 2 - 1 / examples)
    close((weights[:, 1:] * weights[:, :-1]).mean(axis=1), 1 - 1 / examples)
    # The same over the whole width, within and across blocks.
    half = examples // 2
    first, second = weights[:, :half].sum(axis=1), weights[:, half:].sum(axis=1)
    share = half / examples
    close(first, examples * share)
    close((first - examples * share) ** 2, examples * share * (1 - share))
    close(
        (first - examples * share) * (second - examples * (1 - share)),
        -examples * share * (1 - share),
    )


def test_draws_fall_into_blocks_in_proportion_to_their_size() -> None:
    examples, resamples = 2 * BLOCK + 300, 4000
    weights = all_weights(Resampling(examples, resamples, seed=5))
    allocation = np.add.reduceat(weights, [0, BLOCK, 2 * BLOCK], axis=1)
    assert (allocation.sum(axis=1) == examples).all()
    share = np.array([BLOCK, BLOCK, 300]) / examples
    error = np.sqrt(examples * share * (1 - share) / resamples)
    assert (np.abs(allocation.mean(axis=0) - examples * share) < 5 * error).all()
    covariance = np.cov(allocation.T)
    expected = examples * (np.diag(share) - np.outer(share, share))
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)) * 2 / resamples)
    assert (np.abs(covariance - expected) < 5 * scale).all()


def test_a_percentile_interval_cuts_off_equal_tails() -> None:
    values = np.arange(101, dtype=np.float64)
    assert percentile_interval(values, 0.95) == pytest.approx((2.5, 97.5))
    assert percentile_interval(values[::-1], 0.5) == pytest.approx((25, 75))
    # Between two values it lies in proportion.
    assert percentile_interval(np.array([0.0, 1.0]), 0.9) == pytest.approx((0.05, 0.95))


def test_a_percentile_interval_leaves_out_what_is_undefined() -> None:
    values = np.array([np.nan, 3.0, np.inf, 1.0, np.nan, 2.0, -np.inf])
    assert percentile_interval(values, 0.5) == pytest.approx((1.5, 2.5))


@pytest.mark.parametrize("values", [[], [np.nan], [np.nan, np.inf]])
def test_a_percentile_interval_of_nothing_is_undefined(values: list[float]) -> None:
    low, high = percentile_interval(np.array(values, dtype=np.float64), 0.95)
    assert math.isnan(low)
    assert math.isnan(high)


@settings(deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    level=st.floats(0.01, 0.99),
)
def test_a_percentile_interval_lies_within_the_values(values: list[float], level: float) -> None:
    low, high = percentile_interval(np.array(values), level)
    slack = 1e-9 * max(1.0, max(map(abs, values)))
    assert min(values) - slack <= low <= high + slack
    assert high <= max(values) + slack


def bootstrap_means(data: Array, resamples: int, seed: int) -> Array:
    means: Array = all_weights(Resampling(len(data), resamples, seed)) @ data / len(data)
    return means


@pytest.mark.parametrize("examples", [300, BLOCK + 400])
def test_the_interval_of_a_mean_agrees_with_scipy_and_with_the_normal_one(examples: int) -> None:
    resamples = 4000
    data = np.random.default_rng(7).gamma(3.0, size=examples)
    low, high = percentile_interval(bootstrap_means(data, resamples, seed=2), 0.95)
    theirs = stats.bootstrap(
        (data,),
        np.mean,
        n_resamples=resamples,
        method="percentile",
        batch=500,
        rng=np.random.default_rng(3),
    ).confidence_interval
    deviation = data.std() / math.sqrt(examples)
    # Standard error of a quantile of R normal draws: sqrt(p (1 - p) / R) over the density there.
    z = stats.norm.ppf(0.975)
    error = deviation * math.sqrt(0.025 * 0.975 / resamples) / stats.norm.pdf(z)
    assert abs(low - theirs.low) < 5 * math.sqrt(2) * error
    assert abs(high - theirs.high) < 5 * math.sqrt(2) * error
    # The normal interval differs besides by the skewness, of the order of 1/n.
    skew = 3 * deviation / math.sqrt(examples)
    assert abs(low - (data.mean() - z * deviation)) < 5 * error + skew
    assert abs(high - (data.mean() + z * deviation)) < 5 * error + skew


def test_the_95_percent_interval_of_a_mean_covers_it_in_95_percent_of_runs() -> None:
    runs, examples = 300, 200
    answers = np.random.default_rng(0).binomial(3, 0.4, size=(examples, runs)) / 3
    means = all_weights(Resampling(examples, 1000)) @ answers / examples
    intervals = [percentile_interval(means[:, run], 0.95) for run in range(runs)]
    covered = sum(low <= 0.4 <= high for low, high in intervals)
    fewest, most = stats.binom.interval(0.999, runs, 0.95)
    assert fewest <= covered <= most
