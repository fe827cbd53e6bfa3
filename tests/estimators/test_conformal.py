from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from marl_eval.estimators.conformal import conformal

Array = NDArray[np.float64]
TARGETS = ["0.5", "0.8", "0.9", "0.95"]

Question = list[tuple[int, bool]]
"""The level and the grade of each answer."""

LEVELS = 5
QUESTIONS = st.lists(
    st.lists(st.tuples(st.integers(0, LEVELS - 1), st.booleans()), max_size=4), max_size=24
)


def counted(halves: list[list[Question]], levels: int = LEVELS) -> tuple[Array, Array, Array]:
    best, answers = np.zeros((2, 2, levels))
    unheld = np.zeros(2)
    for half, questions in enumerate(halves):
        for question in questions:
            right = [level for level, good in question if good]
            if right:
                best[half, max(right)] += 1
            else:
                unheld[half] += 1
            for level, _ in question:
                answers[half, level] += 1
    return best, unheld, answers


def by_p_values(halves: list[list[Question]], target: Fraction) -> tuple[float, float] | None:
    """Keep an answer unless too few calibration scores are as low: the other way to say it."""
    held = size = Fraction(0)
    for calibration, test in (halves, halves[::-1]):
        scores = [max((level for level, good in q if good), default=-1) for q in calibration]
        if scores.count(-1) + 1 > (len(scores) + 1) * (1 - target):
            return None
        for question in test:
            kept = [
                good
                for level, good in question
                if Fraction(sum(score <= level for score in scores) + 1, len(scores) + 1)
                > 1 - target
            ]
            held += any(kept)
            size += len(kept)
    total = sum(len(half) for half in halves)
    return float(held / total), float(size / total)


def test_a_case_worked_by_hand() -> None:
    # Levels 0, 1, 2. Half 0 has scores 2, 2, 1, 0; half 1 has 2, 1, 1 and none. At 50 % each needs
    # ceil(5 / 2) = 3 scores: half 0 gives the threshold 1, half 1 also 1.
    best = np.array([[1.0, 1, 2], [0, 2, 1]])
    unheld = np.array([0.0, 1])
    answers = np.array([[3.0, 2, 2], [1, 3, 4]])
    found = conformal(best, unheld, answers, target=0.5)
    assert float(found.coverage) == pytest.approx((3 + 3) / 8)
    assert float(found.size) == pytest.approx((4 + 7) / 8)
    # At 60 % each still needs 3, at 61 % it needs 4, which half 1 does not have.
    assert float(conformal(best, unheld, answers, target=0.6).coverage) == pytest.approx(6 / 8)
    assert math.isnan(conformal(best, unheld, answers, target=0.61).coverage)


@settings(deadline=None)
@given(first=QUESTIONS, second=QUESTIONS, target=st.sampled_from(TARGETS))
def test_it_agrees_with_conformal_p_values(
    first: list[Question], second: list[Question], target: str
) -> None:
    expected = by_p_values([first, second], Fraction(target))
    found = conformal(*counted([first, second]), target=float(target))
    if expected is None:
        assert math.isnan(found.coverage)
        assert math.isnan(found.size)
    else:
        assert (float(found.coverage), float(found.size)) == pytest.approx(expected)


@pytest.mark.parametrize("target", TARGETS)
def test_the_count_needed_is_exact_for_every_number_of_questions(target: str) -> None:
    # Score l is held by one question of each half, so the coverage tells how many were asked for.
    for n in range(1, 400):
        needed = math.ceil(Fraction(target) * (n + 1))
        ones = np.ones((2, n))
        found = conformal(ones, np.zeros(2), ones, target=float(target))
        expected = needed / n if needed <= n else math.nan
        assert float(found.coverage) == pytest.approx(expected, nan_ok=True), n


@pytest.mark.parametrize(("ties", "target"), [(False, 0.8), (False, 0.9), (True, 0.9)])
def test_exchangeable_questions_are_covered_as_promised(ties: bool, target: float) -> None:
    runs, n = 4000, 40
    rng = np.random.default_rng(5)
    scores = rng.random((runs, 2, n))
    if ties:
        level = np.floor(scores * 4).astype(np.intp)
        levels = 4
    else:
        level = scores.reshape(runs, -1).argsort(axis=1).argsort(axis=1).reshape(runs, 2, n)
        levels = 2 * n
    best = np.zeros((runs, 2, levels))
    np.add.at(best, (*np.indices(level.shape)[:2], level), 1)
    coverage = conformal(best, np.zeros((runs, 2)), best, target=target).coverage
    error = 5 * coverage.std() / math.sqrt(runs)
    promised = math.ceil(target * (n + 1)) / (n + 1)
    if ties:
        assert coverage.mean() > promised + error
    else:
        assert coverage.mean() == pytest.approx(promised, abs=error)
        assert promised >= target


@settings(deadline=None)
@given(
    halves=st.tuples(QUESTIONS, QUESTIONS),
    low=st.sampled_from(TARGETS),
    high=st.sampled_from(TARGETS),
)
def test_a_higher_target_takes_no_fewer_answers(
    halves: tuple[list[Question], list[Question]], low: str, high: str
) -> None:
    low, high = sorted([low, high])
    sums = counted(list(halves))
    less, more = (conformal(*sums, target=float(target)) for target in (low, high))
    assert math.isnan(more.size) or float(less.size) <= float(more.size)
    assert math.isnan(more.coverage) or float(less.coverage) <= float(more.coverage)


@settings(deadline=None)
@given(halves=st.tuples(QUESTIONS, QUESTIONS))
def test_exchanging_the_halves_changes_nothing(
    halves: tuple[list[Question], list[Question]],
) -> None:
    best, unheld, answers = counted(list(halves))
    here = conformal(best, unheld, answers, target=0.8)
    there = conformal(best[::-1], unheld[::-1], answers[::-1], target=0.8)
    assert np.array(here) == pytest.approx(np.array(there), nan_ok=True)


@pytest.mark.parametrize("sets", [3, 9, 17])
def test_sets_that_count_in_part_add_up_to_their_questions(sets: int) -> None:
    # Nine questions of each half, the fewest for 90 %, each once more in ``sets`` equal parts.
    level = np.array([0, 1, 1, 2, 2, 2, 3, 3, 3])
    whole = np.tile(np.bincount(level, minlength=4).astype(np.float64), (2, 1))
    parts = np.zeros((2, 4))
    for place in list(level) * sets:
        parts[:, place] += 1 / sets
    expected = conformal(whole, np.zeros(2), 2 * whole, target=0.9)
    found = conformal(parts, np.zeros(2), 2 * parts, target=0.9)
    assert float(expected.coverage) == 1
    assert np.array(found) == pytest.approx(np.array(expected))


def test_halves_of_different_size_count_by_their_questions() -> None:
    # Half 0: four questions at the upper level. Half 1: one at each level, so its threshold at 50 %
    # is the lower one (2 of 2 are needed), and half 0's the upper one.
    best = np.array([[0.0, 4], [1, 1]])
    found = conformal(best, np.zeros(2), best, target=0.5)
    assert float(found.coverage) == pytest.approx((4 + 1) / 6)


def test_a_half_without_questions_gives_nan() -> None:
    best = np.array([[1.0, 4], [0, 0]])
    found = conformal(best, np.zeros(2), best, target=0.5)
    assert math.isnan(found.coverage)
    assert math.isnan(found.size)


def test_questions_without_any_level_give_nan() -> None:
    nothing = np.zeros((3, 2, 0))
    found = conformal(nothing, np.full((3, 2), 10.0), nothing, target=0.5)
    assert np.isnan(found.coverage).all()
    assert np.isnan(found.size).all()


def test_one_level_keeps_every_answer() -> None:
    found = conformal(
        np.array([[9.0], [8]]), np.array([0.0, 2]), np.array([[20.0], [30]]), target=0.5
    )
    assert float(found.coverage) == pytest.approx(17 / 19)
    assert float(found.size) == pytest.approx(50 / 19)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.5, math.nan])
def test_a_target_that_no_threshold_can_mean_is_refused(target: float) -> None:
    ones = np.ones((2, 1))
    with pytest.raises(ValueError, match="above 0 and below 1"):
        conformal(ones, np.zeros(2), ones, target=target)
