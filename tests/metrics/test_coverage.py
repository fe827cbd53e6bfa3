"""What is particular to coverage: ranks, pools of generations, repetitions and unreadable sets."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from marl_eval.metrics import coverage
from marl_eval.score_table import ScoreTable
from tests.metrics.drawing import tables, tables_with_a_place
from tests.metrics.tables import M, Place, W, lose, metric_named, score_table, value

BEGINNINGS = {
    "recall": "recall",
    "correct": "correct_answers",
    "mass": "mass_covered",
    "distinct": "distinct_answers",
}
OF_ALL_ANSWERS = ["recall", "capped_recall", "precision", "f1", "pass@1", "hit@1", "hit@2"]


def of(name: str, table: ScoreTable) -> float:
    """Give the value of a metric by its name."""
    return value(metric_named(name, table.shape), table)


def hits(table: ScoreTable) -> list[float]:
    """Give hit@1, hit@2 and so on to hit@K."""
    return [of(f"hit@{k}", table) for k in range(1, table.shape.k + 1)]


def test_hit_at_k_looks_at_the_k_most_confident_answers() -> None:
    table = score_table(
        [[[0, W, W, 1]], [[W, W, 0, W]]],
        confidence=[[[0.1, 0.9, 0.5, 0.3]], [[0.4, 0.4, 0.4, None]]],
    )
    # The first right answer is third in the first set, and third in the second.
    assert hits(table) == [0, 0, 1, 1]
    other = score_table([[[W, 0]], [[0, W]]], confidence=[[[0.2, 0.7]], [[0.2, 0.7]]])
    assert hits(other) == [1 / 2, 1]


def test_without_confidences_answers_rank_by_position() -> None:
    table = score_table([[[W, 0, W]], [[0, W, W]]])
    assert hits(table) == [1 / 2, 1, 1]
    assert of("pass@1", table) == 1 / 2


def test_an_answer_without_confidence_ranks_below_those_that_have_one() -> None:
    assert hits(score_table([[[0, W]]], confidence=[[[None, 0.0]]])) == [0, 1]


@pytest.mark.parametrize(("right", "of_all"), [(0, 4), (1, 4), (3, 4), (4, 4)])
def test_pass_at_1_of_n_generations_is_the_share_that_are_right(right: int, of_all: int) -> None:
    grades = [[0]] * right + [[W]] * (of_all - right)
    assert of("pass@1", score_table([grades])) == right / of_all


def test_pass_at_1_of_a_pool_is_about_one_of_its_generations_and_hit_at_1_about_the_pool() -> None:
    pool = score_table(
        [[[0, W, W, W]]], confidence=[[[0.9, 0.1, 0.1, 0.1]]], gold_size=[1], members=4
    )
    assert of("pass@1", pool) == 1 / 4
    assert of("hit@1", pool) == 1


def test_the_generations_of_a_pool_are_as_many_as_answers_were_asked_for() -> None:
    # Of the first question one generation was made, of the second all three.
    pools = score_table([[[0, M, M]], [[W, 0, W]]], members=3, asked=[1, 3])
    assert of("pass@1", pools) == pytest.approx((1 / 1 + 1 / 3) / 2)
    assert of("recall@1", pools) == pytest.approx((1 / 1 + 1 / 3) / 2)
    assert of("recall@2", pools) == pytest.approx(1 - 1 / 3)


def test_an_unreadable_generation_of_a_pool_counts_as_wrong_in_pass_at_1() -> None:
    assert of("pass@1", score_table([[[M, 0]]], members=2)) == 1 / 2


def test_a_repeated_right_answer_counts_once() -> None:
    # The published evaluator counted both answers of such a set as right.
    table = score_table([[[0, 0]]], gold_size=[2])
    assert of("recall", table) == 1 / 2
    assert of("capped_recall", table) == 1 / 2
    assert of("correct_answers", table) == 1
    assert of("precision", table) == 1 / 2


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


def test_an_example_without_gold_answers_counts_as_0() -> None:
    table = score_table([[[W, W]], [[0, 1]]], gold_size=[0, 2])
    for name in ("recall", "capped_recall", "precision", "f1"):
        assert of(name, table) == 1 / 2, name


def test_all_right_is_1_and_all_wrong_is_0() -> None:
    right, wrong = score_table([[[0, 1]]]), score_table([[[W, W]]])
    for name in OF_ALL_ANSWERS:
        assert (of(name, right), of(name, wrong)) == (1, 0), name


def test_recall_and_capped_recall_differ_only_with_more_gold_answers_than_asked_for() -> None:
    few, many = score_table([[[0, W]]], gold_size=[2]), score_table([[[0, W]]], gold_size=[5])
    assert of("recall", few) == of("capped_recall", few) == 1 / 2
    assert (of("recall", many), of("capped_recall", many)) == (1 / 5, 1 / 2)


def test_one_set_of_a_run_is_what_the_curves_over_samples_begin_with() -> None:
    table = score_table(
        [[[0, W], [1, 0]], [[W, W], [M, 0]]],
        gold_size=[3, 1],
        weights=[[0.5, 0.25, 0.25], [1]],
    )
    for curve, metric in BEGINNINGS.items():
        assert of(f"{curve}@2", table) == pytest.approx(of(metric, table)), curve


@settings(deadline=None, max_examples=30)
@given(table=tables(full=True).filter(lambda t: t.shape.members == 1 < t.shape.sets))
def test_one_set_begins_the_curves_whatever_the_run(table: ScoreTable) -> None:
    for curve, metric in BEGINNINGS.items():
        found = of(f"{curve}@{table.shape.k}", table)
        assert found == pytest.approx(of(metric, table), nan_ok=True), curve


@settings(deadline=None)
@given(drawn=tables_with_a_place(only=lambda t: t.right))
def test_losing_a_right_answer_never_raises_a_hit(drawn: tuple[ScoreTable, Place]) -> None:
    table, place = drawn
    for before, after in zip(hits(table), hits(lose(table, place)), strict=True):
        assert math.isnan(before) or after <= before + 1e-12


def names_it_alone(table: ScoreTable, place: Place) -> bool:
    example, set_, _ = place
    return bool((table.gold[example, set_] == table.gold[place]).sum() == 1)


@settings(deadline=None)
@given(
    drawn=tables_with_a_place(only=lambda t: t.right).filter(lambda drawn: names_it_alone(*drawn))
)
def test_losing_the_only_name_of_a_gold_answer_never_raises_precision(
    drawn: tuple[ScoreTable, Place],
) -> None:
    table, place = drawn
    before, after = of("precision", table), of("precision", lose(table, place))
    assert math.isnan(before) or after <= before + 1e-12


@settings(deadline=None)
@given(table=tables())
def test_hits_do_not_fall_in_k(table: ScoreTable) -> None:
    found = hits(table)
    assert math.isnan(found[0]) or found == sorted(found)
