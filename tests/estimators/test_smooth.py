from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from numpy.typing import NDArray
from scipy.optimize import brentq

from marl_eval.estimators.smooth import smooth_calibration_error
from tests.estimators.counts import Counts, counts, one_by_one

Array = NDArray[np.float64]


def levels_and_counts(*cells: tuple[float, int, int]) -> tuple[Array, Array, Array]:
    levels, wrong, right = np.array(cells, dtype=np.float64).T
    return wrong, right, levels


def directly(wrong: Array, right: Array, levels: Array, points: int = 4001) -> float:
    """Sum the images of every residual at every point, and search the fixed point."""
    residual = (right - levels * (wrong + right)) / (wrong + right).sum()
    x = np.linspace(0, 1, points)

    def smoothed(width: float) -> float:
        height = np.zeros(points)
        reach = math.ceil(4 * width) + 1
        for (q, mass), turn in product(
            zip(levels, residual, strict=True), range(-reach, reach + 1)
        ):
            for image in (2 * turn + q, 2 * turn - q):
                height += mass * np.exp(-(((x - image) / width) ** 2) / 2)
        return float(np.trapezoid(np.abs(height), x)) / (width * math.sqrt(2 * math.pi))

    narrow = 3 / points
    if smoothed(narrow) < narrow:
        return narrow
    return float(brentq(lambda width: smoothed(width) - width, narrow, 1 + 1e-6, xtol=1e-9))


@settings(deadline=None, max_examples=30)
@given(drawn=counts())
def test_it_agrees_with_a_direct_sum_of_reflected_gaussians(drawn: Counts) -> None:
    wrong, right, levels = drawn.arrays
    assume(wrong.any() or right.any())
    expected = directly(wrong, right, levels)
    assume(expected > 0.003)
    assert float(smooth_calibration_error(wrong, right, levels)) == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize("n", [20, 100])
def test_it_agrees_with_a_direct_sum_where_every_confidence_differs(n: int) -> None:
    rng = np.random.default_rng(n)
    confidence = rng.random(n)
    arrays = one_by_one(confidence, np.where(rng.random(n) < confidence**1.5, 1.0, 0.0))
    found = float(smooth_calibration_error(*arrays))
    assert found == pytest.approx(directly(*arrays), abs=1e-5)


@pytest.mark.parametrize("apart", [0.0002, 0.0005, 0.001])
@pytest.mark.parametrize("error", [0.01, 0.1, 0.45])
def test_below_the_grid_it_is_still_close(apart: float, error: float) -> None:
    # Three levels between two nodes of the grid, their errors cancelling: the worst for a grid.
    levels = 0.5003 + apart * np.array([-1.0, 0, 1])
    count = np.array([1e6, 2e6, 1e6])
    right = count * (levels + error * np.array([1, -1, 1]))
    expected = directly(count - right, right, levels, points=40_001)
    found = float(smooth_calibration_error(count - right, right, levels))
    assert found == pytest.approx(expected, abs=3e-4)


@pytest.mark.parametrize("decimals", [1, 2, 3, 6, 15])
def test_it_is_the_fixed_point_of_its_authors_package(
    decimals: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    relplot = pytest.importorskip("relplot", reason="the package relplot is not installed")
    monkeypatch.setattr(relplot.config, "smECE_mesh_pts", 20_000)
    rng = np.random.default_rng(decimals)
    confidence = np.round(rng.random(1500), decimals)
    right = (rng.random(1500) < confidence**1.5).astype(np.float64)
    levels, place = np.unique(confidence, return_inverse=True)
    wrong, good = (np.bincount(place, weights=y, minlength=len(levels)) for y in (1 - right, right))
    # Theirs gives half the weight to an answer at exactly 0 or 1, and less to one beside it.
    weight = np.where((levels == 0) | (levels == 1), 0.5, 1.0)
    width = float(smooth_calibration_error(weight * wrong, weight * good, levels))
    assert relplot.smECE_sigma(confidence, right, width) == pytest.approx(width, abs=1e-4)


@pytest.mark.parametrize(
    ("level", "wrong", "right"), [(0.7, 1, 1), (0.0, 2, 1), (1.0, 3, 0), (0.3, 0, 2)]
)
def test_one_level_gives_its_own_gap(level: float, wrong: int, right: int) -> None:
    found = float(smooth_calibration_error(*levels_and_counts((level, wrong, right))))
    assert found == pytest.approx(abs(level - right / (wrong + right)), abs=2e-6)


def test_calibrated_levels_give_0() -> None:
    calibrated = levels_and_counts((0.0, 5, 0), (0.25, 3, 1), (0.8, 1, 4), (1.0, 0, 2))
    assert float(smooth_calibration_error(*calibrated)) == pytest.approx(0, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(drawn=counts())
def test_it_is_between_the_gap_of_the_means_and_the_mean_of_the_gaps(drawn: Counts) -> None:
    wrong, right, levels = drawn.arrays
    n = (wrong + right).sum()
    assume(n > 0)
    residual = (right - levels * (wrong + right)) / n
    found = float(smooth_calibration_error(wrong, right, levels))
    # The grid's own error for small values, as the docstring has it.
    slack = 2e-6 if found > 0.003 else 3e-4
    assert abs(residual.sum()) - slack <= found <= np.abs(residual).sum() + slack


def test_errors_of_opposite_sign_cancel_nearby_and_not_far_apart() -> None:
    # Both are off by 0.4 at each of two levels; in bins of equal width both could look the same.
    near = smooth_calibration_error(*levels_and_counts((0.49, 1, 9), (0.51, 9, 1)))
    far = smooth_calibration_error(*levels_and_counts((0.1, 5, 5), (0.9, 5, 5)))
    assert float(near) < 0.1
    assert float(far) > 0.3


def test_a_confidence_that_moves_a_little_moves_it_a_little() -> None:
    # An edge of equal-width bins lies between: there the plain error jumps.
    below = smooth_calibration_error(*levels_and_counts((0.1999, 1, 3), (0.21, 6, 1)))
    above = smooth_calibration_error(*levels_and_counts((0.2001, 1, 3), (0.21, 6, 1)))
    assert float(above) == pytest.approx(float(below), abs=2e-4)


@settings(deadline=None, max_examples=40)
@given(drawn=counts())
def test_turning_every_question_round_changes_nothing(drawn: Counts) -> None:
    wrong, right, levels = drawn.arrays
    turned = right[::-1], wrong[::-1], 1 - levels[::-1]
    expected = float(smooth_calibration_error(wrong, right, levels))
    found = float(smooth_calibration_error(*turned))
    assert found == pytest.approx(expected, abs=3e-6, nan_ok=True)
