"""The curve of recall against tokens: reading it both ways, and the area under it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.metric import Array
from marl_eval.recall_curve import area_within, curve, recall_within, tokens_to_reach

STEPS = st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.2]), min_size=1, max_size=5)
PLACES = st.floats(0, 1)

# It rises to 0.4 with the first 10 tokens, stays there for 10 more, and reaches 0.6 at 30.
TOKENS, RECALL = np.array([0.0, 10, 20, 30]), np.array([0.0, 0.4, 0.4, 0.6])


def corners(steps: list[float]) -> tuple[Array, Array]:
    """Make a curve of 10 tokens a generation that rises by these steps."""
    tokens = np.arange(len(steps) + 1, dtype=np.float64) * 10
    return tokens, np.concatenate([np.zeros(1), np.cumsum(steps)])


def test_the_corners_are_means_over_the_examples_that_count() -> None:
    # Two examples of three: recall at one and two generations, tokens of one, and that it counts.
    rows = np.array([[0.5, 1, 10, 1], [0.25, 0.5, 30, 1], [0, 0, 0, 0]])
    tokens, recall = curve(rows.sum(axis=0), [1, 2])
    assert tokens.tolist() == [0, 20, 40]
    assert recall.tolist() == [0, 0.375, 0.75]
    assert all(math.isnan(value) for value in curve(np.zeros(4), [1, 2])[1][1:])


@pytest.mark.parametrize(
    ("recall", "tokens"),
    [(0, 0), (0.1, 2.5), (0.4, 10), (0.5, 25), (0.6, 30), (0.61, math.nan)],
)
def test_a_recall_is_reached_at_its_first_place_on_the_curve(recall: float, tokens: float) -> None:
    found = float(tokens_to_reach(TOKENS, RECALL, np.array(recall)))
    assert found == pytest.approx(tokens, nan_ok=True)


@pytest.mark.parametrize(
    ("budget", "recall"), [(0, 0), (5, 0.2), (10, 0.4), (15, 0.4), (25, 0.5), (30, 0.6)]
)
def test_a_budget_buys_the_recall_at_its_place(budget: float, recall: float) -> None:
    found = float(recall_within(TOKENS, RECALL, np.array(float(budget))))
    assert found == pytest.approx(recall)


def test_beyond_its_end_nothing_is_known_but_for_rounding() -> None:
    for read in (recall_within, area_within):
        assert math.isnan(read(TOKENS, RECALL, np.array(30.1)))
        assert not math.isnan(read(TOKENS, RECALL, np.array(30 * (1 + 1e-14))))


@pytest.mark.parametrize(
    ("budget", "area"), [(10, 0.2), (20, (2 + 4) / 20), (30, (2 + 4 + 5) / 30), (5, 0.1)]
)
def test_the_area_is_the_mean_height_up_to_the_budget(budget: float, area: float) -> None:
    assert float(area_within(TOKENS, RECALL, np.array(float(budget)))) == pytest.approx(area)


@settings(deadline=None)
@given(steps=STEPS, share=PLACES)
def test_reading_the_curve_agrees_with_numpy(steps: list[float], share: float) -> None:
    tokens, recall = corners(steps)
    budget = share * tokens[-1]
    expected = np.interp(budget, tokens, recall)
    assert float(recall_within(tokens, recall, np.array(budget))) == pytest.approx(expected)
    if budget > 0:
        x = np.union1d(tokens[tokens < budget], budget)
        area = np.trapezoid(np.interp(x, tokens, recall), x) / budget
        assert float(area_within(tokens, recall, np.array(budget))) == pytest.approx(area)


@settings(deadline=None)
@given(steps=STEPS, share=PLACES)
def test_the_tokens_to_reach_a_recall_buy_it_and_less_does_not(
    steps: list[float], share: float
) -> None:
    tokens, recall = corners(steps)
    target = share * recall[-1]
    spent = float(tokens_to_reach(tokens, recall, np.array(target)))
    assert np.interp(spent, tokens, recall) == pytest.approx(target, abs=1e-9)
    assert spent < 1e-3 or np.interp(spent - 1e-3, tokens, recall) < target


def test_curves_may_be_stacked() -> None:
    tokens, recall = np.stack([TOKENS, 2 * TOKENS]), np.stack([RECALL, RECALL])
    assert tokens_to_reach(tokens, recall, np.full(2, 0.4)).tolist() == [10, 20]
    assert recall_within(tokens, recall, np.array([10.0, 10.0])).tolist() == [0.4, 0.2]
    assert area_within(tokens, recall, np.array([10.0, 20.0])) == pytest.approx([0.2, 0.2])
