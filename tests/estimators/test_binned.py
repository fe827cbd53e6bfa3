from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss

from marl_eval.estimators.binned import (
    brier_decomposition,
    debiased_calibration_error,
    expected_calibration_error,
    maximum_calibration_error,
)

Array = NDArray[np.float64]
EDGES = (0.0, 0.25, 0.5, 0.75, 1.1)
Answers = list[tuple[float, int]]

HALVES = st.lists(
    st.tuples(st.floats(0, 1, allow_subnormal=False), st.integers(0, 1)), min_size=1, max_size=30
)


def bins(answers: Answers) -> list[Answers]:
    """Sort answers into four bins; some may be empty."""
    return [[(q, y) for q, y in answers if low <= q < high] for low, high in pairwise(EDGES)]


def sums(binned: list[Answers]) -> tuple[Array, Array, Array, Array, Array]:
    cells = [np.array(inside, dtype=np.float64).reshape(-1, 2).T for inside in binned]
    rows = [(len(q), q.sum(), y.sum(), (q * q).sum(), (q * y).sum()) for q, y in cells]
    count, q_sum, y_sum, qq_sum, qy_sum = np.array(rows, dtype=np.float64).T
    return count, q_sum, y_sum, qq_sum, qy_sum


def gaps(binned: list[Answers]) -> list[tuple[int, float]]:
    """Give, for each bin that holds an answer, how many and its |mean confidence - accuracy|."""
    full = [inside for inside in binned if inside]
    return [(len(b), abs(sum(q for q, _ in b) - sum(y for _, y in b)) / len(b)) for b in full]


def test_the_expected_error_weighs_each_gap_by_its_answers() -> None:
    # Three answers of mean 0.8, two right; one of 0.3, wrong.
    count, q, y = np.array([3.0, 0, 1]), np.array([2.4, 0, 0.3]), np.array([2.0, 0, 0])
    expected = 3 / 4 * (0.8 - 2 / 3) + 1 / 4 * 0.3
    assert float(expected_calibration_error(count, q, y)) == pytest.approx(expected)


def test_the_maximum_error_is_of_the_worst_bin_that_holds_an_answer() -> None:
    count, q, y = np.array([3.0, 0, 1]), np.array([2.4, 0, 0.3]), np.array([2.0, 0, 0])
    assert float(maximum_calibration_error(count, q, y)) == pytest.approx(0.3)


@given(answers=HALVES)
def test_the_errors_agree_with_plain_loops(answers: Answers) -> None:
    binned = bins(answers)
    count, q, y, *_ = sums(binned)
    expected = sum(n * gap for n, gap in gaps(binned)) / len(answers)
    assert float(expected_calibration_error(count, q, y)) == pytest.approx(expected)
    worst = max(gap for _, gap in gaps(binned))
    assert float(maximum_calibration_error(count, q, y)) == pytest.approx(worst)


def test_the_correction_of_a_calibrated_bin_is_the_mean_of_a_half_normal() -> None:
    # Four answers at 0.5, two right: gap 0, standard deviation sqrt(0.25 / 4) = 0.25.
    found = debiased_calibration_error(np.array([4.0]), np.array([2.0]), np.array([2.0]))
    assert float(found) == pytest.approx(-0.25 * math.sqrt(2 / math.pi))


def test_the_correction_of_a_bin_one_deviation_off_is_that_of_a_folded_normal() -> None:
    # Confidence 0.75, accuracy 0.5, deviation 0.25: E|Z + 1| = 2 phi(1) + 2 Phi(1) - 1 for a normal Z.
    phi, cdf = math.exp(-1 / 2) / math.sqrt(2 * math.pi), (1 + math.erf(1 / math.sqrt(2))) / 2
    folded = 0.25 * (2 * phi + 2 * cdf - 1)
    found = debiased_calibration_error(np.array([4.0]), np.array([3.0]), np.array([2.0]))
    assert float(found) == pytest.approx(0.25 - (folded - 0.25))


def test_a_bin_without_spread_is_not_corrected() -> None:
    all_right = np.array([5.0, 1, 3]), np.array([4.0, 0.5, 1.2]), np.array([5.0, 0, 0])
    assert float(debiased_calibration_error(*all_right)) == pytest.approx(
        float(expected_calibration_error(*all_right))
    )


@given(answers=HALVES)
def test_the_correction_never_adds(answers: Answers) -> None:
    count, q, y, *_ = sums(bins(answers))
    plain = float(expected_calibration_error(count, q, y))
    assert -1 <= float(debiased_calibration_error(count, q, y)) <= plain + 1e-12


def test_the_correction_does_not_move_a_bin_that_is_far_off() -> None:
    # Forty thousand answers, half of them right, at confidence 0: two hundred deviations away.
    count, q, y = np.array([40_000.0]), np.array([0.0]), np.array([20_000.0])
    assert float(debiased_calibration_error(count, q, y)) == 0.5


def some_bins(seed: int) -> list[Answers]:
    """Make bins of 2 to 40 answers, some calibrated and some not."""
    rng = np.random.default_rng(seed)
    made = []
    for low, high in pairwise(EDGES):
        q = rng.uniform(low, min(high, 1.0), size=int(rng.integers(2, 40)))
        y = rng.random(len(q)) < np.clip(q + rng.choice([0.0, 0.1]), 0, 1)
        made.append([(float(a), int(b)) for a, b in zip(q, y, strict=True)])
    return made


@pytest.mark.parametrize("seed", range(4))
def test_the_debiased_error_agrees_with_resampling_accuracies(seed: int) -> None:
    count, q, y, *_ = sums(some_bins(seed))
    accuracy = y / count
    spread = np.sqrt(accuracy * (1 - accuracy) / count)
    drawn = np.random.default_rng(seed).normal(accuracy, spread, size=(200_000, len(count)))
    resampled = (count / count.sum() * np.abs(drawn - q / count)).sum(axis=1)
    plain = float(expected_calibration_error(count, q, y))
    error = resampled.std() / math.sqrt(len(resampled))
    assert float(debiased_calibration_error(count, q, y)) == pytest.approx(
        2 * plain - resampled.mean(), abs=4.5 * error
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_debiased_error_agrees_with_its_authors_package(seed: int) -> None:
    utils = pytest.importorskip(
        "calibration.utils", reason="the package uncertainty-calibration is not installed"
    )
    binned = some_bins(seed)
    count, q, y, *_ = sums(binned)
    np.random.seed(seed)
    theirs = utils.normal_debiased_ce(binned, power=1, resamples=20_000)
    # One resampled error spreads by less than 0.05 here, so the mean of 20,000 by less than 0.0004.
    assert float(debiased_calibration_error(count, q, y)) == pytest.approx(theirs, abs=0.0016)


def test_the_correction_leaves_59_percent_of_the_error_of_calibrated_bins() -> None:
    # The accuracies err by s, and the resampled ones by s sqrt(2): (2 - sqrt(2)) / 1 is left.
    rng = np.random.default_rng(0)
    confidence = np.array([0.3, 0.4, 0.5, 0.6, 0.7])
    y = rng.binomial(1000, confidence, size=(20_000, 5)).astype(np.float64)
    count = np.full_like(y, 1000.0)
    sums_ = count, count * confidence, y
    left = debiased_calibration_error(*sums_).mean() / expected_calibration_error(*sums_).mean()
    assert left == pytest.approx(2 - math.sqrt(2), abs=0.01)


def test_the_parts_of_a_brier_score_worked_by_hand() -> None:
    # Bin 1: 0.2 wrong, 0.4 right. Bin 2: 0.8 right, 0.8 right.
    parts = brier_decomposition(*sums([[(0.2, 0), (0.4, 1)], [(0.8, 1), (0.8, 1)]]))
    assert float(parts.reliability) == pytest.approx((0.3 - 0.5) ** 2 / 2 + (0.8 - 1) ** 2 / 2)
    # Between: (1/2 - 3/4)^2 and (1 - 3/4)^2. Within bin 1: variance 0.01, covariance 0.05.
    assert float(parts.resolution) == pytest.approx(0.0625 + (2 * 0.05 - 0.01) / 2)
    assert float(parts.uncertainty) == pytest.approx(3 / 4 * 1 / 4)


@settings(deadline=None)
@given(answers=HALVES)
def test_the_parts_add_up_to_the_brier_score(answers: Answers) -> None:
    parts = brier_decomposition(*sums(bins(answers)))
    total = float(parts.reliability - parts.resolution + parts.uncertainty)
    q, y = zip(*answers, strict=True)
    assert total == pytest.approx(sum((a - b) ** 2 for a, b in answers) / len(answers), abs=1e-14)
    assert total == pytest.approx(brier_score_loss(y, q, pos_label=1), abs=1e-14)


@given(answers=HALVES)
def test_the_parts_keep_their_bounds(answers: Answers) -> None:
    parts = brier_decomposition(*sums(bins(answers)))
    assert -1e-14 <= float(parts.reliability) <= 1
    assert -1e-14 <= float(parts.uncertainty) <= 0.25
    assert -0.75 - 1e-14 <= float(parts.resolution) <= float(parts.uncertainty) + 1e-14


def test_the_bounds_of_resolution_are_reached() -> None:
    contrary = brier_decomposition(*sums([[(0.0, 1), (1.0, 0)]]))
    assert float(contrary.resolution) == pytest.approx(-0.75)
    perfect = brier_decomposition(*sums([[(0.0, 0), (1.0, 1)]]))
    assert float(perfect.resolution) == pytest.approx(0.25)


def test_with_one_confidence_to_a_bin_the_resolution_is_murphys() -> None:
    binned: list[Answers] = [[(0.1, 0), (0.1, 1), (0.1, 0)], [(0.7, 1), (0.7, 0)]]
    murphy = 3 / 5 * (1 / 3 - 2 / 5) ** 2 + 2 / 5 * (1 / 2 - 2 / 5) ** 2
    assert float(brier_decomposition(*sums(binned)).resolution) == pytest.approx(murphy)


def test_all_right_leaves_no_uncertainty_and_nothing_to_resolve() -> None:
    parts = brier_decomposition(*sums([[(0.9, 1), (0.9, 1)], [(0.6, 1)]]))
    assert float(parts.uncertainty) == 0
    assert float(parts.resolution) == pytest.approx(0, abs=1e-15)
    assert float(parts.reliability) == pytest.approx((2 * 0.1**2 + 0.4**2) / 3)
