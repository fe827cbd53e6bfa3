"""What is particular to diversity: what counts as the same answer, and which sets are pooled."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from marl_eval.metrics import diversity
from marl_eval.score_table import ScoreTable
from tests.metrics.drawing import tables
from tests.metrics.tables import M, W, metric_named, score_table, value


def of(name: str, table: ScoreTable) -> float:
    """Give the value of a metric by its name."""
    return value(metric_named(name, table.shape), table)


def names(table: ScoreTable) -> list[str]:
    """List the diversity metrics that fit a run."""
    return [metric.name for metric in diversity.metrics(table.shape)]


def test_repetitions_of_a_wrong_answer_count_once() -> None:
    assert of("distinct_answers", score_table([[[W, W, W]]], same_as=[[[4, 4, 4]]])) == 1


def test_an_answer_may_be_the_same_in_two_sets() -> None:
    table = score_table([[[0, W], [0, W]]], same_as=[[[0, 5], [0, 6]]])
    assert of("distinct_answers", table) == 2
    assert of("distinct_answers_of_all", table) == 3


def test_an_example_with_a_failed_set_had_fewer_chances_and_is_left_out_of_the_pool() -> None:
    table = score_table([[[0], [1]], [[0], [M]]], failed=[[False, False], [False, True]])
    assert of("distinct_answers_of_all", table) == 2
    assert of("effective_answers_1", table) == pytest.approx(2)
    assert of("distinct_answers", table) == 1


def test_a_set_that_cannot_be_read_has_no_answers() -> None:
    table = score_table([[[M, M, M]]])
    assert of("distinct_answers", table) == of("effective_answers_2", table) == 0
    assert math.isnan(of("repeated_share", table))


def test_one_set_is_counted_once_under_one_name() -> None:
    assert names(score_table([[[0]]])) == ["distinct_answers", "repeated_share"]
    effective = ["effective_answers_1", "effective_answers_2"]
    assert names(score_table([[[0, 1]]])) == ["distinct_answers", "repeated_share", *effective]
    assert "distinct_answers_of_all" in names(score_table([[[0], [1]]]))


def test_overlap_compares_neighbours_of_one_example_only() -> None:
    table = score_table(
        [[[0], [0], [0]], [[0], [0], [0]]],
        overlaps=[[0.2, 0.4, None], [0.6, 0.9, None]],
        failed=[[False, False, False], [False, False, True]],
    )
    assert of("overlap_3gram", table) == pytest.approx(((0.2 + 0.4) / 2 + 0.6) / 2)


@settings(deadline=None, max_examples=50)
@given(table=tables().filter(lambda t: t.shape.sets > 1))
def test_an_effective_number_of_answers_is_at_most_the_number_of_distinct_ones(
    table: ScoreTable,
) -> None:
    found = [
        of(name, table)
        for name in ("effective_answers_2", "effective_answers_1", "distinct_answers_of_all")
    ]
    assert math.isnan(found[0]) or found == sorted(found) or found == pytest.approx(sorted(found))
