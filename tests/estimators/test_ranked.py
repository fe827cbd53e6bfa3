from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from sklearn.metrics import average_precision_score, roc_auc_score

from marl_eval.estimators.ranked import (
    area_under_risk_coverage,
    auroc,
    average_precision,
    equal_mass_calibration_error,
    risk_at_coverage,
)
from tests.estimators.counts import Answer, Counts, counts, one_by_one

Array = NDArray[np.float64]
UNSTATED = st.integers(0, 3).map(Fraction)


def whole(*values: float) -> Array:
    return np.array(values, dtype=np.float64)


def alone(value: Fraction | float) -> Array:
    return np.array(float(value))


def scikit_learn(answers: list[Answer]) -> tuple[list[int], list[float], list[float]]:
    return (
        [answer.right for answer in answers],
        [answer.confidence for answer in answers],
        [float(answer.weight) for answer in answers],
    )


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    # Wrong at 0.1, 0.5; right at 0.5, 0.7. Pairs won: 1, 1/2, 1, 1.
    assert float(auroc(whole(1, 1, 0), whole(0, 1, 1))) == pytest.approx(3.5 / 4)


@pytest.mark.parametrize("one_class", [(whole(1, 2), whole(0, 0)), (whole(0, 0), whole(1, 2))])
def test_auroc_of_one_class_is_nan(one_class: tuple[Array, Array]) -> None:
    assert math.isnan(auroc(*one_class))


def test_auroc_of_one_level_is_a_half() -> None:
    assert float(auroc(whole(3), whole(4))) == 0.5


@given(drawn=counts())
def test_auroc_agrees_with_scikit_learn_and_a_double_loop(drawn: Counts) -> None:
    wrong, right, _ = drawn.arrays
    assume(wrong.any() and right.any())
    answers = drawn.answers
    won, pairs = Fraction(0), Fraction(0)
    for a in (answer for answer in answers if answer.right):
        for b in (answer for answer in answers if not answer.right):
            pair = a.weight * b.weight
            pairs += pair
            won += pair * (
                Fraction(a.confidence > b.confidence) + Fraction(a.confidence == b.confidence) / 2
            )
    assert float(auroc(wrong, right)) == pytest.approx(float(won / pairs), abs=1e-14)
    truth, confidence, weight = scikit_learn(answers)
    theirs = roc_auc_score(truth, confidence, sample_weight=weight)
    assert float(auroc(wrong, right)) == pytest.approx(theirs, abs=1e-12)


def test_average_precision_worked_by_hand() -> None:
    # From the top: right; wrong; right and wrong tied. Recall 1/2 at precision 1, then 1 at 2/4.
    assert float(average_precision(whole(1, 1, 0), whole(1, 0, 1))) == pytest.approx(
        0.5 * 1 + 0.5 * 0.5
    )


def test_average_precision_without_a_wrong_answer_is_1_and_without_a_right_one_nan() -> None:
    assert float(average_precision(whole(0, 0), whole(2, 1))) == 1
    assert math.isnan(average_precision(whole(2, 1), whole(0, 0)))


def test_average_precision_of_one_level_is_the_share_of_right_answers() -> None:
    assert float(average_precision(whole(3), whole(1))) == 0.25


@given(drawn=counts())
def test_average_precision_agrees_with_scikit_learn(drawn: Counts) -> None:
    wrong, right, _ = drawn.arrays
    assume(right.any())
    truth, confidence, weight = scikit_learn(drawn.answers)
    theirs = average_precision_score(truth, confidence, sample_weight=weight)
    assert float(average_precision(wrong, right)) == pytest.approx(theirs, abs=1e-12)


def cut_by_middle_rank(drawn: Counts, bins: int) -> float:
    """Cut into bins in exact arithmetic, level by level."""
    total = sum(drawn.wrong, Fraction(0)) + sum(drawn.right, Fraction(0))
    excess = [0.0] * bins
    below = Fraction(0)
    for level, wrong, right in zip(drawn.levels, drawn.wrong, drawn.right, strict=True):
        mass = wrong + right
        if mass:
            cell = math.floor(bins * (below + mass / 2) / total)
            excess[cell] += level * float(mass) - float(right)
        below += mass
    return sum(abs(value) for value in excess) / float(total)


@given(drawn=counts(max_levels=10), bins=st.integers(1, 7))
def test_equal_mass_bins_agree_with_exact_arithmetic(drawn: Counts, bins: int) -> None:
    wrong, right, levels = drawn.arrays
    assume(wrong.any() or right.any())
    found = float(equal_mass_calibration_error(wrong, right, levels, bins=bins))
    assert found == pytest.approx(cut_by_middle_rank(drawn, bins), abs=1e-12)


@pytest.mark.parametrize(("n", "bins"), [(10, 5), (60, 10), (60, 60), (7, 1)])
def test_without_ties_equal_mass_bins_are_equal_shares_of_the_sorted_answers(
    n: int, bins: int
) -> None:
    rng = np.random.default_rng(n)
    confidence = rng.random(n)
    right = (rng.random(n) < 0.4).astype(np.float64)
    order = np.argsort(confidence)
    parts = np.array_split(order, bins)
    direct = sum(
        len(part) / n * abs(confidence[part].mean() - right[part].mean()) for part in parts
    )
    found = equal_mass_calibration_error(*one_by_one(confidence, right), bins=bins)
    assert float(found) == pytest.approx(direct)


def test_a_tie_is_never_split_between_equal_mass_bins() -> None:
    # Seven of eight answers share a confidence: both bins could claim them, one gets them.
    wrong, right, levels = whole(1, 4), whole(0, 3), whole(0.1, 0.6)
    expected = (1 * 0.1 + abs(7 * 0.6 - 3)) / 8
    assert float(equal_mass_calibration_error(wrong, right, levels, bins=2)) == pytest.approx(
        expected
    )


def test_a_middle_rank_on_an_edge_belongs_to_the_bin_above_whatever_the_unit() -> None:
    # Three equal masses and two bins: the middle one is on the edge, and goes with the upper one.
    levels = whole(0.1, 0.4, 0.9)
    expected = (0.1 + abs(0.4 + 0.9 - 2)) / 3
    for unit in (1, 1 / 3, 0.1, 1 / 7, 1e-3, 12345.678):
        wrong, right = unit * whole(1, 0, 0), unit * whole(0, 1, 1)
        found = float(equal_mass_calibration_error(wrong, right, levels, bins=2))
        assert found == pytest.approx(expected), unit


@pytest.mark.parametrize("bins", [0, -1])
def test_equal_mass_needs_a_bin(bins: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        equal_mass_calibration_error(whole(1), whole(1), whole(0.5), bins=bins)


def groups(drawn: Counts, lost: Fraction, won: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Give (wrong, size) of each tie, in the order of answering."""
    stated = zip(reversed(drawn.wrong), reversed(drawn.right), strict=True)
    return [(w, w + r) for w, r in [*stated, (lost, won)] if w + r]


def integrated(ties: list[tuple[Fraction, Fraction]]) -> float:
    """Integrate the risk numerically, tie by tie."""
    total, answered, wrong = 0.0, 0.0, 0.0
    for w, m in ((float(w), float(m)) for w, m in ties):
        start, lost, slope = answered, wrong, w / m

        def risk(x: float, start: float = start, lost: float = lost, slope: float = slope) -> float:
            return (lost + slope * x) / (start + x) if start + x else slope

        total += quad(risk, 0, m)[0]
        answered, wrong = answered + m, wrong + w
    return total / answered


@settings(deadline=None)
@given(drawn=counts(), lost=UNSTATED, won=UNSTATED)
def test_the_area_agrees_with_numerical_integration(
    drawn: Counts, lost: Fraction, won: Fraction
) -> None:
    ties = groups(drawn, lost, won)
    assume(ties)
    wrong, right, _ = drawn.arrays
    found = area_under_risk_coverage(wrong, right, alone(lost), alone(won))
    assert float(found) == pytest.approx(integrated(ties), abs=1e-9)


def test_the_area_of_two_answers_worked_by_hand() -> None:
    nothing = alone(0)
    wrong_first = area_under_risk_coverage(whole(0, 1), whole(1, 0), nothing, nothing)
    assert float(wrong_first) == pytest.approx((1 + math.log(2)) / 2)
    right_first = area_under_risk_coverage(whole(1, 0), whole(0, 1), nothing, nothing)
    assert float(right_first) == pytest.approx((1 - math.log(2)) / 2)


def test_a_tie_counts_as_the_mean_over_its_orders() -> None:
    # One right answer above, four tied ones of which one is wrong, then a wrong one below.
    nothing = alone(0)
    tied = area_under_risk_coverage(whole(1, 1, 0), whole(0, 3, 1), nothing, nothing)
    orders = []
    for order in permutations([1.0, 0.0, 0.0, 0.0]):
        wrong = whole(1, *order, 0)
        orders.append(float(area_under_risk_coverage(wrong, 1 - wrong, nothing, nothing)))
    assert float(tied) == pytest.approx(np.mean(orders))


def test_the_area_is_what_the_mean_at_whole_answers_tends_to() -> None:
    right = np.random.default_rng(0).random(50) < np.linspace(0.2, 0.9, 50)
    nothing = alone(0)
    wrong = 1 - right.astype(np.float64)
    area = float(area_under_risk_coverage(wrong, 1 - wrong, nothing, nothing))
    gaps = []
    for copies in (1, 100):
        first_to_last = np.repeat(wrong[::-1], copies)
        at_whole = np.mean(np.cumsum(first_to_last) / np.arange(1, len(first_to_last) + 1))
        gaps.append(abs(float(at_whole) - area))
    assert gaps[0] > 0.001
    assert gaps[1] < gaps[0] / 30


def test_questions_without_a_confidence_are_answered_last() -> None:
    stated = area_under_risk_coverage(whole(1, 0), whole(0, 2), alone(1), alone(3))
    lowest = area_under_risk_coverage(whole(1, 1, 0), whole(3, 0, 2), alone(0), alone(0))
    assert float(stated) == pytest.approx(float(lowest))


def test_without_any_confidence_every_risk_is_the_overall_one() -> None:
    none = np.zeros(0)
    lost, won = alone(1), alone(3)
    assert float(area_under_risk_coverage(none, none, lost, won)) == 0.25
    assert float(risk_at_coverage(none, none, lost, won, coverage=0.3)) == pytest.approx(0.25)


def test_all_right_has_no_risk_and_all_wrong_nothing_but() -> None:
    some, nothing = whole(2, 1), whole(0, 0)
    for wrong, right, expected in ((nothing, some, 0), (some, nothing, 1)):
        none = alone(0)
        assert float(area_under_risk_coverage(wrong, right, none, none)) == pytest.approx(expected)
        assert float(risk_at_coverage(wrong, right, none, none, coverage=0.4)) == pytest.approx(
            expected
        )


def test_the_risk_at_a_coverage_takes_ties_in_proportion() -> None:
    # From the top: one right; four tied, one of them wrong; one wrong without a confidence.
    def risk(coverage: float) -> float:
        unstated = alone(1), alone(0)
        return float(risk_at_coverage(whole(1, 0), whole(3, 1), *unstated, coverage=coverage))

    assert risk(1 / 6) == 0
    assert risk(3 / 6) == pytest.approx(2 * (1 / 4) / 3)
    assert risk(5 / 6) == pytest.approx(1 / 5)
    assert risk(5.5 / 6) == pytest.approx(1.5 / 5.5)
    assert risk(1) == pytest.approx(2 / 6)


def exact_risk(ties: list[tuple[Fraction, Fraction]], coverage: Fraction) -> Fraction:
    target = coverage * sum((size for _, size in ties), Fraction(0))
    left, lost = target, Fraction(0)
    for wrong, size in ties:
        taken = min(size, left)
        lost += wrong * taken / size
        left -= taken
    return lost / target


@given(
    drawn=counts(),
    lost=UNSTATED,
    won=UNSTATED,
    coverage=st.sampled_from(
        [Fraction(1, 10), Fraction(1, 3), Fraction(1, 2), Fraction(9, 10), Fraction(1)]
    ),
)
def test_the_risk_agrees_with_exact_arithmetic(
    drawn: Counts, lost: Fraction, won: Fraction, coverage: Fraction
) -> None:
    ties = groups(drawn, lost, won)
    assume(ties)
    wrong, right, _ = drawn.arrays
    unstated = alone(lost), alone(won)
    found = risk_at_coverage(wrong, right, *unstated, coverage=float(coverage))
    assert float(found) == pytest.approx(float(exact_risk(ties, coverage)), abs=1e-12)


def test_the_area_is_the_mean_of_the_risk_over_coverage() -> None:
    rng = np.random.default_rng(1)
    wrong, right = rng.integers(0, 5, size=(2, 8)).astype(np.float64)
    unstated = alone(2), alone(1)
    middles = (np.arange(4000) + 0.5) / 4000
    risks = [float(risk_at_coverage(wrong, right, *unstated, coverage=c)) for c in middles]
    area = float(area_under_risk_coverage(wrong, right, *unstated))
    assert area == pytest.approx(np.mean(risks), abs=1e-5)


@pytest.mark.parametrize("coverage", [0.0, -0.1, 1.1, math.nan])
def test_a_coverage_outside_its_range_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        risk_at_coverage(whole(1), whole(1), alone(0), alone(0), coverage=coverage)
