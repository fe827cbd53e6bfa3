"""What is particular to selective answering: ties, sets that count in part, and thresholds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.score_table import ScoreTable
from tests.metrics.tables import M, W, metric_named, score_table, value


def of(name: str, table: ScoreTable) -> float:
    """Give the value of a metric by its name."""
    return value(metric_named(name, table.shape), table)


def one_answer_each(right: list[bool]) -> ScoreTable:
    """Make a table of questions with an answer each, the surest first."""
    n = len(right)
    return score_table(
        [[[0 if good else W]] for good in right], confidence=[[[1 - i / n]] for i in range(n)]
    )


@settings(deadline=None)
@given(right=st.lists(st.booleans(), min_size=1, max_size=30))
def test_the_area_is_near_the_mean_of_the_risks_at_whole_questions(right: list[bool]) -> None:
    n = len(right)
    discrete = sum(right[:i].count(False) / i for i in range(1, n + 1)) / n
    assert abs(of("aurc", one_answer_each(right)) - discrete) < (1 + math.log(n)) / n + 1e-12


@settings(deadline=None)
@given(right=st.lists(st.booleans(), min_size=1, max_size=12))
def test_confidences_that_are_all_the_same_give_the_share_of_wrong_answers(
    right: list[bool],
) -> None:
    table = score_table([[[0 if good else W]] for good in right], confidence=[[[0.5]]] * len(right))
    wrong = right.count(False) / len(right)
    for name in ("aurc", "risk@0.1", "risk@0.5", "risk@1"):
        assert of(name, table) == pytest.approx(wrong), name


def test_a_question_without_an_answer_is_wrong_and_answered_last() -> None:
    table = score_table([[[0]], [[M]]], confidence=[[[0.1]], [[None]]])
    assert (of("risk@0.5", table), of("risk@1", table)) == (0, 1 / 2)


def test_the_three_sets_of_a_question_count_one_together() -> None:
    # Four questions a half: 80 % needs ceil(0.8 * 5) = 4 of them, so all twelve thirds.
    confidence = [[[0.9], [0.7], [0.5]]] * 8
    table = score_table([[[0]] * 3] * 8, confidence=confidence)
    assert of("conformal_coverage@0.8", table) == 1
    assert of("conformal_size@0.8", table) == 1
    lost = [[[0], [0], [M]], *[[[0]] * 3] * 7]
    fewer = score_table(lost, confidence=[[[0.9], [0.7], [None]], *confidence[1:]])
    assert math.isnan(of("conformal_coverage@0.8", fewer))


def test_a_repeated_answer_is_in_a_conformal_set_once() -> None:
    table = score_table([[[0, 0, W]]] * 8, confidence=[[[0.9, 0.8, 0.1]]] * 8)
    assert of("conformal_size@0.8", table) == 1


def test_an_answer_without_a_confidence_is_in_no_conformal_set() -> None:
    table = score_table([[[0, W]]] * 8, confidence=[[[0.9, None]]] * 8)
    assert of("conformal_size@0.8", table) == 1


def test_a_right_answer_without_a_confidence_cannot_set_a_threshold() -> None:
    table = score_table([[[0, W]]] * 8, confidence=[[[None, 0.9]]] * 8)
    for name in ("conformal_coverage@0.8", "conformal_size@0.8"):
        assert math.isnan(of(name, table)), name
        assert "too few questions" in metric_named(name, table.shape).undefined
