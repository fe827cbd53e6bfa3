"""What is particular to cost: ratios of sums, unknown counts, and the curve of recall over tokens."""

from __future__ import annotations

import math

from marl_eval.metrics import cost
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import M, W, is_told_in_words, metric_named, score_table, value


def of(name: str, table: ScoreTable) -> float:
    """Give the value of a metric by its name."""
    return value(metric_named(name, table.shape), table)


def test_a_question_without_an_answer_still_costs() -> None:
    table = score_table([[[0, W], [0, 1]], [[M, M], [M, M]]], completion_tokens=[[30, 20], [9, 1]])
    assert of("tokens_per_distinct_answer", table) == (50 + 10) / 3
    assert of("tokens_per_correct_answer", table) == (50 + 10) / 2


def test_an_answer_of_two_sets_is_paid_for_twice_and_counts_once() -> None:
    table = score_table([[[0], [0]]], completion_tokens=[[6, 6]])
    assert of("tokens_per_correct_answer", table) == 12
    assert of("tokens_per_distinct_answer", table) == 12


def test_cost_is_a_ratio_of_sums_and_not_a_mean_of_ratios() -> None:
    table = score_table([[[0, 1]], [[0, W]]], completion_tokens=[[10], [50]])
    assert of("tokens_per_correct_answer", table) == (10 + 50) / (2 + 1)


def test_a_question_of_which_a_request_failed_or_tokens_are_not_told_is_left_out() -> None:
    table = score_table(
        [[[0], [0]], [[0], [M]], [[0], [0]]],
        failed=[[False, False], [False, True], [False, False]],
        prompt_tokens=[[100, 100], [70, None], [None, 5]],
        completion_tokens=[[30, 20], [5, None], [8, None]],
    )
    assert of("prompt_tokens", table) == 100 + 100
    assert of("tokens_per_example", table) == 30 + 20


def test_an_engine_that_tells_no_counts_leaves_the_cost_undefined() -> None:
    table = score_table(
        [[[0]]], prompt_tokens=[[None]], completion_tokens=[[None]], reasoning_tokens=[[None]]
    )
    for metric in cost.metrics(table.shape):
        assert math.isnan(value(metric, table)), metric.name
        assert is_told_in_words(metric), metric.name


def test_there_is_no_cost_of_a_right_answer_where_none_is_right() -> None:
    table = score_table([[[W]], [[M]]])
    assert math.isnan(of("tokens_per_correct_answer", table))
    assert of("tokens_per_distinct_answer", table) == 20


def test_money_is_told_only_where_prices_were_given() -> None:
    names = {metric.name for metric in cost.metrics(score_table([[[0]]]).shape)}
    assert not any("money" in name for name in names)


def test_where_the_curve_is_flat_the_first_tokens_that_reach_a_recall_count() -> None:
    # Three generations: the first corner is at 1/2, and the others add nothing.
    table = score_table([[[0], [0], [0]]], gold_size=[2], completion_tokens=[[10, 10, 10]])
    assert of("tokens_to_recall@0.5", table) == 10
    assert math.isnan(of("tokens_to_recall@0.6", table))


def test_rounding_does_not_decide_whether_a_run_reaches_a_recall() -> None:
    # It is 1/5 as soon as a generation is made.
    table = score_table(
        [[[W, W, W]] * 2, [[W, W, W]] * 2, [[0, 1, 2]] * 2],
        gold_size=[5, 5, 5],
        completion_tokens=[[10, 10]] * 3,
    )
    assert (0 + 0 + 3 / 5) / 3 < 0.2
    assert of("tokens_to_recall@0.2", table) == 10


def test_the_curve_of_recall_has_no_point_but_its_own_where_there_is_one_generation() -> None:
    from marl_eval.metrics import efficiency

    assert efficiency.metrics(score_table([[[0, W]]]).shape) == []


def test_a_run_that_generated_no_token_has_no_area_under_its_curve() -> None:
    table = score_table([[[0], [0]]], completion_tokens=[[0, 0]])
    area = metric_named("recall_token_area", table.shape)
    assert math.isnan(value(area, table))
    assert "no token was generated" in area.undefined
