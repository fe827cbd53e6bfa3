from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from marl_eval.metrics import cost
from marl_eval.metrics.cost import (
    prompt_tokens,
    tokens_per_correct_answer,
    tokens_per_distinct_answer,
    tokens_per_example,
)
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import (
    LAWS_OF_FAILURES,
    LAWS_OF_SUMS,
    Law,
    M,
    W,
    is_told_in_words,
    law_name,
    mean,
    score_table,
    tables,
    value,
)

# Two sets each: answers in both; nothing readable; a failure; an engine that tells no counts.
EXAMPLE = score_table(
    [
        [[0, W], [0, 1]],
        [[M, M], [M, M]],
        [[0, 1], [M, M]],
        [[0, 1], [0, 1]],
    ],
    same_as=[
        [[0, 7], [0, 1]],
        [[M, M], [M, M]],
        [[0, 1], [M, M]],
        [[0, 1], [0, 1]],
    ],
    failed=[[False, False], [False, False], [False, True], [False, False]],
    prompt_tokens=[[100, 100], [40, 50], [70, None], [None, None]],
    completion_tokens=[[30, 20], [9, 1], [5, None], [8, None]],
)


def test_prompt_tokens_add_up_over_the_generations_of_a_question() -> None:
    assert value(prompt_tokens, EXAMPLE) == (200 + 90) / 2


def test_generated_tokens_add_up_over_the_generations_of_a_question() -> None:
    assert value(tokens_per_example, EXAMPLE) == (50 + 10) / 2


def test_a_question_without_an_answer_still_costs() -> None:
    assert value(tokens_per_distinct_answer, EXAMPLE) == (50 + 10) / 3
    assert value(tokens_per_correct_answer, EXAMPLE) == (50 + 10) / 2


def examples_with_known_tokens(table: ScoreTable, tokens: NDArray[np.float64]) -> Sequence[int]:
    usable = []
    for example in range(len(table.gold)):
        if not any(
            table.failed[example, set_] or math.isnan(tokens[example, set_])
            for set_ in range(table.shape.sets)
        ):
            usable.append(example)  # noqa: PERF401
    return usable


def per(table: ScoreTable, classes: NDArray[np.int64]) -> float:
    tokens, things = 0.0, 0
    for example in examples_with_known_tokens(table, table.completion_tokens):
        found = set()
        for set_ in range(table.shape.sets):
            tokens += table.completion_tokens[example, set_]
            for number in classes[example, set_]:
                if number >= 0:
                    found.add(int(number))
        things += len(found)
    return tokens / things if things else math.nan


@settings(deadline=None)
@given(table=tables())
def test_cost_agrees_with_plain_loops(table: ScoreTable) -> None:
    for metric, tokens in (
        (prompt_tokens, table.prompt_tokens),
        (tokens_per_example, table.completion_tokens),
    ):
        usable = examples_with_known_tokens(table, tokens)
        direct = mean([sum(tokens[example].tolist()) for example in usable])
        assert value(metric, table) == pytest.approx(direct, nan_ok=True), metric.name
    for metric, classes in (
        (tokens_per_distinct_answer, table.same_as),
        (tokens_per_correct_answer, table.gold),
    ):
        assert value(metric, table) == pytest.approx(per(table, classes), nan_ok=True), metric.name


@pytest.mark.parametrize("law", LAWS_OF_SUMS + LAWS_OF_FAILURES, ids=law_name)
@settings(deadline=None, max_examples=25)
@given(table=tables())
def test_in_cost(law: Law, table: ScoreTable) -> None:
    for metric in cost.metrics(table.shape):
        law(metric, table)


def test_an_answer_of_two_sets_is_paid_for_twice_and_counts_once() -> None:
    table = score_table([[[0], [0]]], completion_tokens=[[6, 6]])
    assert value(tokens_per_correct_answer, table) == 12
    assert value(tokens_per_distinct_answer, table) == 12


def test_cost_is_a_ratio_of_sums_and_not_a_mean_of_ratios() -> None:
    table = score_table([[[0, 1]], [[0, W]]], completion_tokens=[[10], [50]])
    assert value(tokens_per_correct_answer, table) == (10 + 50) / (2 + 1)


def test_an_engine_that_tells_no_counts_leaves_the_cost_undefined() -> None:
    table = score_table([[[0]]], prompt_tokens=[[None]], completion_tokens=[[None]])
    for metric in cost.metrics(table.shape):
        assert math.isnan(value(metric, table)), metric.name
        assert is_told_in_words(metric), metric.name


def test_there_is_no_cost_of_a_right_answer_where_none_is_right() -> None:
    table = score_table([[[W]], [[M]]])
    assert math.isnan(value(tokens_per_correct_answer, table))
    assert value(tokens_per_distinct_answer, table) == 20


def test_where_every_request_failed_the_cost_is_undefined() -> None:
    table = score_table([[[M]], [[M]]], failed=[[True], [True]])
    for metric in cost.metrics(table.shape):
        assert math.isnan(value(metric, table)), metric.name
