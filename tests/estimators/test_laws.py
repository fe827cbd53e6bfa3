"""What holds for every estimator that is a finish of counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from marl_eval.estimators import binned, conformal, ranked, smooth
from tests.estimators.counts import Counts, counts

Array = NDArray[np.float64]
Finish = Callable[[Array, Array, Array], Array]


def of_bins(finish: Callable[[Array, Array, Array], Array]) -> Finish:
    """Take each level for a bin."""

    def wrapped(wrong: Array, right: Array, levels: Array) -> Array:
        count = wrong + right
        return finish(count, levels * count, right)

    return wrapped


def of_brier(part: str) -> Finish:
    def wrapped(wrong: Array, right: Array, levels: Array) -> Array:
        count = wrong + right
        sums = count, levels * count, right, levels**2 * count, levels * right
        value: Array = getattr(binned.brier_decomposition(*sums), part)
        return value

    return wrapped


def without_unstated(finish: Callable[[Array, Array, Array, Array], Array]) -> Finish:
    def wrapped(wrong: Array, right: Array, levels: Array) -> Array:
        nothing = np.zeros(wrong.shape[:-1])
        return finish(wrong, right, nothing, nothing)

    return wrapped


def of_conformal(part: str) -> Finish:
    """Take the same counts of questions for both halves."""

    def wrapped(wrong: Array, right: Array, levels: Array) -> Array:
        best = np.stack([right, right], axis=-2)
        answers = np.stack([wrong + right, right], axis=-2)
        obtained = conformal.conformal(best, np.zeros(best.shape[:-1]), answers, target=0.6)
        value: Array = getattr(obtained, part)
        return value

    return wrapped


SCALE_FREE: dict[str, Finish] = {
    "expected_calibration_error": of_bins(binned.expected_calibration_error),
    "maximum_calibration_error": of_bins(binned.maximum_calibration_error),
    "reliability": of_brier("reliability"),
    "resolution": of_brier("resolution"),
    "uncertainty": of_brier("uncertainty"),
    "auroc": lambda wrong, right, levels: ranked.auroc(wrong, right),
    "average_precision": lambda wrong, right, levels: ranked.average_precision(wrong, right),
    "equal_mass": partial(ranked.equal_mass_calibration_error, bins=3),
    "area_under_risk_coverage": without_unstated(ranked.area_under_risk_coverage),
    "risk_at_coverage": without_unstated(partial(ranked.risk_at_coverage, coverage=0.7)),
    "smooth_calibration_error": smooth.smooth_calibration_error,
}
SIZED: dict[str, Finish] = {
    "debiased_calibration_error": of_bins(binned.debiased_calibration_error),
    "conformal_coverage": of_conformal("coverage"),
    "conformal_size": of_conformal("size"),
}
EVERY = pytest.mark.parametrize(
    "finish", [*SCALE_FREE.values(), *SIZED.values()], ids=[*SCALE_FREE, *SIZED]
)
CLOSE = 2e-6  # the smooth calibration error is found to 1e-6


@EVERY
def test_nothing_counted_gives_nan(finish: Finish) -> None:
    levels = np.array([0.2, 0.5, 0.9])
    assert np.isnan(finish(np.zeros(3), np.zeros(3), levels))
    assert np.isnan(finish(np.zeros((2, 4, 3)), np.zeros((2, 4, 3)), levels)).all()


@EVERY
def test_no_level_gives_nan(finish: Finish) -> None:
    nothing = np.zeros((2, 0))
    assert np.isnan(finish(nothing, nothing, np.zeros(0))).all()
    assert np.isnan(finish(nothing[0], nothing[0], np.zeros(0)))


@EVERY
def test_an_empty_stack_gives_an_empty_result(finish: Finish) -> None:
    nothing = np.zeros((0, 3))
    assert finish(nothing, nothing, np.array([0.2, 0.5, 0.9])).shape == (0,)


@EVERY
def test_one_of_a_stack_that_counts_nothing_leaves_the_others_alone(finish: Finish) -> None:
    wrong, right = np.array([3.0, 2, 1]), np.array([2.0, 3, 5])
    levels = np.array([0.2, 0.5, 0.9])
    both = finish(np.stack([0 * wrong, wrong]), np.stack([0 * right, right]), levels)
    assert np.isnan(both[0])
    assert both[1] == pytest.approx(float(finish(wrong, right, levels)), abs=CLOSE)


@EVERY
def test_leading_axes_are_a_stack(finish: Finish) -> None:
    rng = np.random.default_rng(0)
    wrong, right = rng.integers(0, 6, size=(2, 2, 3, 5)).astype(np.float64)
    levels = np.array([0.0, 0.31, 0.5, 0.77, 1.0])
    stacked = finish(wrong, right, levels)
    assert stacked.shape == (2, 3)
    for place in np.ndindex(2, 3):
        alone = float(finish(wrong[place], right[place], levels))
        assert stacked[place] == pytest.approx(alone, abs=CLOSE, nan_ok=True)


@EVERY
@settings(deadline=None, max_examples=40)
@given(drawn=counts())
def test_a_level_without_answers_changes_nothing(finish: Finish, drawn: Counts) -> None:
    wrong, right, levels = drawn.arrays
    place = int(np.searchsorted(levels, 0.456789))
    padded = (
        np.insert(wrong, place, 0),
        np.insert(right, place, 0),
        np.insert(levels, place, 0.456789),
    )
    expected = float(finish(wrong, right, levels))
    assert float(finish(*padded)) == pytest.approx(expected, abs=CLOSE, nan_ok=True)


@pytest.mark.parametrize("finish", SCALE_FREE.values(), ids=SCALE_FREE)
@settings(deadline=None, max_examples=40)
@given(drawn=counts())
def test_multiplying_all_counts_changes_nothing(finish: Finish, drawn: Counts) -> None:
    wrong, right, levels = drawn.arrays
    expected = float(finish(wrong, right, levels))
    for factor in (0.1, 7.0, 1 / 49):
        scaled = float(finish(factor * wrong, factor * right, levels))
        assert scaled == pytest.approx(expected, abs=CLOSE, nan_ok=True)


@pytest.mark.parametrize("finish", SCALE_FREE.values(), ids=SCALE_FREE)
@settings(deadline=None, max_examples=40)
@given(drawn=counts())
def test_values_are_in_the_stated_range(finish: Finish, drawn: Counts) -> None:
    value = float(finish(*drawn.arrays))
    low = -0.75 if finish is SCALE_FREE["resolution"] else 0
    assert np.isnan(value) or low - 1e-12 <= value <= 1 + 1e-12
