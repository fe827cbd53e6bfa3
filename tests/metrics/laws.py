"""Laws that every metric keeps. Each takes all metrics of a run, so that a table is changed once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from marl_eval.metric import Metric
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import M, changed, rows, take, value

Law = Callable[[Sequence[Metric], ScoreTable], None]


def values_lie_within_their_bounds(metrics: Sequence[Metric], table: ScoreTable) -> None:
    for metric in metrics:
        low, high = metric.bounds
        for sums in (rows(metric, table).sum(axis=0), *rows(metric, table)):
            found = float(metric.finish(sums))
            assert math.isnan(found) or low - 1e-12 <= found <= high + 1e-12, metric.name


def the_order_of_examples_does_not_matter(metrics: Sequence[Metric], table: ScoreTable) -> None:
    back = take(table, range(len(table.gold))[::-1])
    for metric in metrics:
        assert_same(metric, value(metric, back), value(metric, table))


def every_example_twice_gives_the_same_value(metrics: Sequence[Metric], table: ScoreTable) -> None:
    twice = take(table, [row for row in range(len(table.gold)) for _ in range(2)])
    for metric in metrics:
        assert_same(metric, value(metric, twice), value(metric, table))


def shards_add_up_to_the_whole(metrics: Sequence[Metric], table: ScoreTable) -> None:
    for cut in range(1, len(table.gold)):
        first, second = take(table, range(cut)), take(table, range(cut, len(table.gold)))
        for metric in metrics:
            sums = rows(metric, first).sum(axis=0) + rows(metric, second).sum(axis=0)
            assert_same(metric, sums, rows(metric, table).sum(axis=0))


def an_empty_shard_adds_nothing(metrics: Sequence[Metric], table: ScoreTable) -> None:
    empty = take(table, [])
    for metric in metrics:
        assert not rows(metric, empty).any(), metric.name


def a_stack_of_sums_finishes_as_they_do_one_by_one(
    metrics: Sequence[Metric], table: ScoreTable
) -> None:
    for metric in metrics:
        each = rows(metric, table)
        stack = np.stack([np.cumsum(each, axis=0), each])
        for finish in (metric.finish, metric.denominator, metric.share):
            if finish is not None:
                single = [[float(finish(sums)) for sums in part] for part in stack]
                assert_same(metric, finish(stack), single)


def what_a_failed_set_holds_does_not_matter(metrics: Sequence[Metric], table: ScoreTable) -> None:
    emptied = without_what_failed(table)
    for metric in metrics:
        assert_same(metric, value(metric, emptied), value(metric, table))


def without_what_failed(table: ScoreTable) -> ScoreTable:
    set_, answers = table.failed, table.failed[:, :, None]
    generation = np.repeat(set_, table.shape.members, axis=1)
    return changed(
        table,
        gold=np.where(answers, M, table.gold),
        same_as=np.where(answers, M, table.same_as),
        compiles=table.compiles & ~answers,
        programs={name: np.where(answers, M, own) for name, own in table.programs.items()},
        confidence=np.where(answers, np.nan, table.confidence),
        derived={name: np.where(answers, np.nan, own) for name, own in table.derived.items()},
        probability=np.where(answers, np.nan, table.probability),
        weight=np.where(answers, 0, table.weight),
        truth=np.where(answers & ~np.isnan(table.truth), 0, table.truth),
        strict=np.where(set_, True, table.strict),
        prompt_tokens=np.where(set_, np.nan, table.prompt_tokens),
        completion_tokens=np.where(set_, np.nan, table.completion_tokens),
        reasoning_tokens=np.where(set_, np.nan, table.reasoning_tokens),
        overlaps={name: np.where(generation, np.nan, own) for name, own in table.overlaps.items()},
    )


def an_example_of_failed_sets_alone_does_not_matter(
    metrics: Sequence[Metric], table: ScoreTable
) -> None:
    answered = [row for row in range(len(table.gold)) if not table.failed[row].all()]
    rest = take(table, answered)
    for metric in metrics:
        expected = value(metric, rest) if answered else math.nan
        assert_same(metric, value(metric, table), expected)


def assert_same(metric: Metric, actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12, err_msg=metric.name)


LAWS: list[Law] = [
    values_lie_within_their_bounds,
    the_order_of_examples_does_not_matter,
    every_example_twice_gives_the_same_value,
    shards_add_up_to_the_whole,
    an_empty_shard_adds_nothing,
    a_stack_of_sums_finishes_as_they_do_one_by_one,
    what_a_failed_set_holds_does_not_matter,
    an_example_of_failed_sets_alone_does_not_matter,
]


def law_name(law: Law) -> str:
    """Name a test after its law."""
    return law.__name__
