from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from marl_eval.metrics import diversity
from marl_eval.metrics.diversity import distinct_answers, distinct_answers_of_all
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import (
    LAWS_OF_FAILURES,
    LAWS_OF_SUMS,
    Law,
    M,
    Place,
    W,
    is_told_in_words,
    law_name,
    lose,
    mean,
    mean_over_examples_and_sets,
    score_table,
    tables,
    tables_with_a_place,
    value,
)

EXAMPLE = score_table(
    [[[0, W, W], [0, W, M]], [[W, W, W], [M, M, M]]],
    same_as=[[[0, 1, 1], [0, 2, M]], [[5, 6, 7], [M, M, M]]],
)


def test_distinct_answers_counts_the_classes_of_a_set() -> None:
    assert value(distinct_answers, EXAMPLE) == ((2 + 2) / 2 + (3 + 0) / 2) / 2


def test_distinct_answers_of_all_counts_the_classes_of_all_sets_together() -> None:
    assert value(distinct_answers_of_all, EXAMPLE) == (3 + 3) / 2


def classes(table: ScoreTable, example: int, sets: list[int]) -> int:
    found = set()
    for set_ in sets:
        for same_as in table.same_as[example, set_]:
            if same_as != M:
                found.add(int(same_as))
    return len(found)


@settings(deadline=None)
@given(table=tables())
def test_diversity_agrees_with_plain_loops(table: ScoreTable) -> None:
    in_a_set = mean_over_examples_and_sets(table, lambda e, s: classes(table, e, [s]))
    of_all = mean(
        [
            classes(table, example, list(range(table.shape.sets)))
            for example in range(len(table.gold))
            if not table.failed[example].any()
        ]
    )
    assert value(distinct_answers, table) == pytest.approx(in_a_set, nan_ok=True)
    assert value(distinct_answers_of_all, table) == pytest.approx(of_all, nan_ok=True)


@pytest.mark.parametrize("law", LAWS_OF_SUMS + LAWS_OF_FAILURES, ids=law_name)
@settings(deadline=None, max_examples=25)
@given(table=tables())
def test_in_diversity(law: Law, table: ScoreTable) -> None:
    for metric in (distinct_answers, distinct_answers_of_all):
        law(metric, table)


@settings(deadline=None)
@given(table=tables())
def test_a_set_has_no_more_distinct_answers_than_k(table: ScoreTable) -> None:
    in_a_set, of_all = value(distinct_answers, table), value(distinct_answers_of_all, table)
    assert math.isnan(in_a_set) or 0 <= in_a_set <= table.shape.k
    assert math.isnan(of_all) or 0 <= of_all <= table.shape.k * table.shape.sets


@settings(deadline=None)
@given(drawn=tables_with_a_place())
def test_losing_an_answer_never_raises_diversity(drawn: tuple[ScoreTable, Place]) -> None:
    table, place = drawn
    for metric in (distinct_answers, distinct_answers_of_all):
        before, after = value(metric, table), value(metric, lose(table, place))
        assert math.isnan(before) or after <= before, metric.name


def test_one_set_is_counted_once_under_one_name() -> None:
    assert diversity.metrics(score_table([[[0, 1]]]).shape) == [distinct_answers]
    assert diversity.metrics(score_table([[[0], [1]]]).shape) == [
        distinct_answers,
        distinct_answers_of_all,
    ]


def test_repetitions_of_a_wrong_answer_count_once() -> None:
    table = score_table([[[W, W, W]]], same_as=[[[4, 4, 4]]])
    assert value(distinct_answers, table) == 1


def test_an_example_with_a_failed_set_had_fewer_chances_and_is_left_out_of_the_pool() -> None:
    table = score_table([[[0], [1]], [[0], [M]]], failed=[[False, False], [False, True]])
    assert value(distinct_answers_of_all, table) == 2
    assert value(distinct_answers, table) == 1


def test_a_set_that_cannot_be_read_has_no_answers() -> None:
    assert value(distinct_answers, score_table([[[M, M]]])) == 0


def test_nothing_is_known_where_every_request_failed() -> None:
    table = score_table([[[M], [M]]], failed=[[True, True]])
    for metric in (distinct_answers, distinct_answers_of_all):
        assert math.isnan(value(metric, table)), metric.name
        assert is_told_in_words(metric), metric.name
