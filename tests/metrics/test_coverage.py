from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from marl_eval.metrics import coverage
from marl_eval.metrics.coverage import (
    capped_recall,
    correct_answers,
    hit_at,
    pass_at_1,
    precision,
    recall,
)
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
    mean_over_examples_and_sets,
    score_table,
    tables,
    tables_with_a_place,
    value,
)

# Two sets of three answers to each of three questions; the last set failed.
EXAMPLE = score_table(
    [
        [[0, W, 1], [0, 0, W]],
        [[3, M, M], [M, M, M]],
        [[W, 0, 0], [M, M, M]],
    ],
    confidence=[
        [[0.2, 0.9, 0.5], [0.6, 0.6, 0.6]],
        [[None, None, None], [None, None, None]],
        [[0.3, 0.4, None], [None, None, None]],
    ],
    gold_size=[2, 4, 1],
    failed=[[False, False], [False, False], [False, True]],
)


def named(table: ScoreTable, example: int, set_: int) -> int:
    found = set()
    for grade in table.gold[example, set_]:
        if grade >= 0:
            found.add(int(grade))
    return len(found)


def given_answers(table: ScoreTable, example: int, set_: int) -> int:
    return sum(1 for grade in table.gold[example, set_] if grade != M)


def test_recall_is_the_share_of_gold_answers_named() -> None:
    expected = ((2 / 2 + 1 / 2) / 2 + (1 / 4 + 0) / 2 + 1 / 1) / 3
    assert value(recall, EXAMPLE) == pytest.approx(expected)


def test_capped_recall_asks_for_no_more_than_k_answers() -> None:
    expected = ((2 / 2 + 1 / 2) / 2 + (1 / 3 + 0) / 2 + 1 / 1) / 3
    assert value(capped_recall, EXAMPLE) == pytest.approx(expected)


def test_precision_is_the_share_of_given_answers_that_name_a_new_gold_answer() -> None:
    expected = ((2 / 3 + 1 / 3) / 2 + (1 / 1 + 0) / 2 + 1 / 3) / 3
    assert value(precision, EXAMPLE) == pytest.approx(expected)


def test_correct_answers_counts_the_gold_answers_of_a_set() -> None:
    expected = ((2 + 1) / 2 + (1 + 0) / 2 + 1) / 3
    assert value(correct_answers, EXAMPLE) == pytest.approx(expected)


def test_pass_at_1_looks_at_the_most_confident_answer() -> None:
    # Of the first question the wrong answer is trusted most, then a tie goes to position 0.
    expected = ((0 + 1) / 2 + (1 + 0) / 2 + 1) / 3
    assert value(pass_at_1, EXAMPLE) == pytest.approx(expected)


def test_hit_at_k_looks_at_the_k_most_confident_answers() -> None:
    table = score_table(
        [[[0, W, W, 1]], [[W, W, 0, W]]],
        confidence=[[[0.1, 0.9, 0.5, 0.3]], [[0.4, 0.4, 0.4, None]]],
    )
    # The first right answer is third in the first set, and third in the second.
    assert [value(hit_at(k), table) for k in (1, 2, 3, 4)] == [0, 0, 1, 1]
    other = score_table([[[W, 0]], [[0, W]]], confidence=[[[0.2, 0.7]], [[0.2, 0.7]]])
    assert [value(hit_at(k), other) for k in (1, 2)] == [1 / 2, 1]


def test_without_confidences_answers_rank_by_position() -> None:
    table = score_table([[[W, 0, W]], [[0, W, W]]])
    assert [value(hit_at(k), table) for k in (1, 2, 3)] == [1 / 2, 1, 1]
    assert value(pass_at_1, table) == 1 / 2


def test_an_answer_without_confidence_ranks_below_those_that_have_one() -> None:
    table = score_table([[[0, W]]], confidence=[[[None, 0.0]]])
    assert [value(hit_at(k), table) for k in (1, 2)] == [0, 1]


@pytest.mark.parametrize(("right", "of"), [(0, 4), (1, 4), (3, 4), (4, 4)])
def test_pass_at_1_of_n_generations_is_the_share_that_are_right(right: int, of: int) -> None:
    grades = [[0]] * right + [[W]] * (of - right)
    assert value(pass_at_1, score_table([grades])) == right / of


def test_pass_at_1_of_a_pool_is_about_one_of_its_generations_and_hit_at_1_about_the_pool() -> None:
    pool = score_table(
        [[[0, W, W, W]]], confidence=[[[0.9, 0.1, 0.1, 0.1]]], gold_size=[1], members=4
    )
    assert value(pass_at_1, pool) == 1 / 4
    assert value(hit_at(1), pool) == 1


def test_an_unreadable_generation_of_a_pool_counts_as_wrong_in_pass_at_1() -> None:
    assert value(pass_at_1, score_table([[[M, 0]]], members=2)) == 1 / 2


@settings(deadline=None)
@given(table=tables())
def test_coverage_agrees_with_plain_loops(table: ScoreTable) -> None:
    k, size = table.shape.k, table.gold_size
    expected = {
        "recall": lambda e, s: named(table, e, s) / size[e] if size[e] else 0,
        "capped_recall": lambda e, s: named(table, e, s) / min(k, size[e]) if size[e] else 0,
        "precision": lambda e, s: named(table, e, s) / max(given_answers(table, e, s), 1),
        "correct_answers": lambda e, s: named(table, e, s),
        "pass@1": lambda e, s: share_of_right_generations(table, e, s),
    }
    for first in range(1, k + 1):
        expected[f"hit@{first}"] = lambda e, s, first=first: any(
            table.gold[e, s, i] >= 0 and table.rank[e, s, i] < first for i in range(k)
        )
    metrics = coverage.metrics(table.shape)
    assert [metric.name for metric in metrics] == list(expected)
    for metric in metrics:
        direct = mean_over_examples_and_sets(table, expected[metric.name])
        assert value(metric, table) == pytest.approx(direct, nan_ok=True), metric.name


def share_of_right_generations(table: ScoreTable, example: int, set_: int) -> float:
    """Give c/n: how many generations of a set have a right answer first."""
    members = table.shape.members
    each = table.shape.k // members
    right = 0
    for member in range(members):
        places = range(member * each, (member + 1) * each)
        first = min(places, key=lambda i: int(table.rank[example, set_, i]))
        right += int(table.gold[example, set_, first] >= 0)
    return right / members


@pytest.mark.parametrize("law", LAWS_OF_SUMS + LAWS_OF_FAILURES, ids=law_name)
@settings(deadline=None, max_examples=25)
@given(table=tables())
def test_in_coverage(law: Law, table: ScoreTable) -> None:
    for metric in coverage.metrics(table.shape):
        law(metric, table)


def test_a_repeated_right_answer_counts_once() -> None:
    # The published evaluator counted both answers of such a set as right.
    table = score_table([[[0, 0]]], gold_size=[2])
    assert value(recall, table) == 1 / 2
    assert value(capped_recall, table) == 1 / 2
    assert value(correct_answers, table) == 1
    assert value(precision, table) == 1 / 2


def test_a_set_that_cannot_be_read_counts_as_0() -> None:
    readable = [[0, 1]]
    table = score_table([readable, [[M, M]]], gold_size=[2, 2])
    for metric in coverage.metrics(table.shape):
        whole = value(metric, score_table([readable], gold_size=[2]))
        assert value(metric, table) == whole / 2, metric.name


def test_a_failed_set_is_left_out() -> None:
    table = score_table([[[0], [M]], [[M], [M]]], failed=[[False, True], [True, True]])
    for metric in coverage.metrics(table.shape):
        assert value(metric, table) == 1, metric.name


def test_nothing_is_known_where_every_request_failed() -> None:
    table = score_table([[[M, M]], [[M, M]]], failed=[[True], [True]])
    for metric in coverage.metrics(table.shape):
        assert math.isnan(value(metric, table)), metric.name
        assert is_told_in_words(metric), metric.name


def test_an_example_without_gold_answers_counts_as_0() -> None:
    table = score_table([[[W, W]], [[0, 1]]], gold_size=[0, 2])
    for metric in (recall, capped_recall, precision):
        assert value(metric, table) == 1 / 2, metric.name


def test_all_right_is_1_and_all_wrong_is_0() -> None:
    right, wrong = score_table([[[0, 1]]]), score_table([[[W, W]]])
    for metric in (recall, capped_recall, precision, pass_at_1, hit_at(1), hit_at(2)):
        assert value(metric, right) == 1, metric.name
        assert value(metric, wrong) == 0, metric.name


@settings(deadline=None)
@given(drawn=tables_with_a_place())
def test_losing_an_answer_never_raises_coverage(drawn: tuple[ScoreTable, Place]) -> None:
    table, place = drawn
    less = lose(table, place)
    for metric in (recall, capped_recall, correct_answers, hit_at(table.shape.k)):
        before, after = value(metric, table), value(metric, less)
        assert math.isnan(before) or after <= before + 1e-12, metric.name


@settings(deadline=None)
@given(drawn=tables_with_a_place(only=lambda t: t.right))
def test_losing_a_right_answer_never_raises_a_hit(drawn: tuple[ScoreTable, Place]) -> None:
    table, place = drawn
    less = lose(table, place)
    for k in range(1, table.shape.k + 1):
        before, after = value(hit_at(k), table), value(hit_at(k), less)
        assert math.isnan(before) or after <= before + 1e-12, k


def names_it_alone(table: ScoreTable, place: Place) -> bool:
    example, set_, _ = place
    return (table.gold[example, set_] == table.gold[place]).sum() == 1


@settings(deadline=None)
@given(
    drawn=tables_with_a_place(only=lambda t: t.right).filter(lambda drawn: names_it_alone(*drawn))
)
def test_losing_the_only_name_of_a_gold_answer_never_raises_precision(
    drawn: tuple[ScoreTable, Place],
) -> None:
    table, place = drawn
    before, after = value(precision, table), value(precision, lose(table, place))
    assert math.isnan(before) or after <= before + 1e-12


@settings(deadline=None)
@given(table=tables())
def test_hits_do_not_fall_in_k(table: ScoreTable) -> None:
    hits = [value(hit_at(k), table) for k in range(1, table.shape.k + 1)]
    assert math.isnan(hits[0]) or hits == sorted(hits)
