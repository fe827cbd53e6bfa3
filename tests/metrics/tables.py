"""Small score tables, plain loops to compare metrics with, and the laws that every metric keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import issparse

from marl_eval.matching import WRONG
from marl_eval.metric import Array, Metric
from marl_eval.score_table import MISSING, ScoreTable, Shape

W, M = WRONG, MISSING
Cube = Sequence[Sequence[Sequence[int]]]
Stated = Sequence[Sequence[Sequence[float | None]]]
PerSet = Sequence[Sequence[float | None]]


def score_table(
    gold: Cube,
    *,
    confidence: Stated | None = None,
    same_as: Cube | None = None,
    gold_size: Sequence[int] | None = None,
    failed: Sequence[Sequence[bool]] | None = None,
    strict: Sequence[Sequence[bool]] | None = None,
    prompt_tokens: PerSet | None = None,
    completion_tokens: PerSet | None = None,
    members: int = 1,
    levels: Sequence[float] | None = None,
) -> ScoreTable:
    """Build a table from grades nested by example, set and position.

    By default no confidence was asked for; wrong answers all differ; the gold set is just large
    enough; nothing failed; everything is well formed; a set costs 20 prompt tokens and 10 more.
    """
    grades = np.array(gold, dtype=np.int64)
    examples, sets, k = grades.shape
    stated = np.full(grades.shape, np.nan)
    if confidence is not None:
        stated = np.array(confidence, dtype=np.float64)
    stated[grades == M] = np.nan
    if same_as is None:
        alone = 1000 + np.arange(sets * k).reshape(1, sets, k)
        classes = np.where(grades == W, alone, grades)
    else:
        classes = np.array(same_as, dtype=np.int64)
    sizes = np.maximum(grades.max(axis=(1, 2)) + 1, 1) if gold_size is None else gold_size
    known = np.unique(stated[~np.isnan(stated)]) if levels is None else np.array(levels)
    return ScoreTable(
        shape=Shape(k, sets, members, confidence is not None, exclusive=False, levels=known),
        gold=grades,
        same_as=classes,
        rank=ranks(grades, stated),
        confidence=stated,
        gold_size=np.array(sizes, dtype=np.int64),
        failed=_per_set(failed, False, examples, sets, np.dtype(np.bool_)),
        strict=_per_set(strict, True, examples, sets, np.dtype(np.bool_)),
        prompt_tokens=_per_set(prompt_tokens, 20, examples, sets, np.dtype(np.float64)),
        completion_tokens=_per_set(completion_tokens, 10, examples, sets, np.dtype(np.float64)),
    )


def _per_set(
    values: Sequence[Sequence[object]] | None,
    default: object,
    examples: int,
    sets: int,
    kind: np.dtype[np.generic],
) -> NDArray[np.generic]:
    if values is None:
        return np.full((examples, sets), default, dtype=kind)
    return np.array(values, dtype=kind).reshape(examples, sets)


def ranks(gold: NDArray[np.int64], confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rank by confidence, ties by position; then answers without one; missing answers last."""
    result = np.empty_like(gold)
    for place in np.ndindex(gold.shape[:2]):
        grades, stated = gold[place], confidence[place]

        def order(
            i: int, grades: NDArray[np.int64] = grades, stated: NDArray[np.float64] = stated
        ) -> tuple[bool, bool, float, int]:
            silent = bool(np.isnan(stated[i]))
            return bool(grades[i] == M), silent, 0.0 if silent else -stated[i], i

        for rank, position in enumerate(sorted(range(len(grades)), key=order)):
            result[place][position] = rank
    return result


def take(table: ScoreTable, rows: Sequence[int]) -> ScoreTable:
    """Give the examples at these rows, in this order."""
    chosen = np.array(rows, dtype=np.int64)
    arrays = {f.name: getattr(table, f.name)[chosen] for f in fields(table) if f.name != "shape"}
    return replace(table, **arrays)


Place = tuple[int, int, int]


def lose(table: ScoreTable, place: Place) -> ScoreTable:
    """Give the table as it would be if the answer at a place could not be read."""
    gold, same_as = table.gold.copy(), table.same_as.copy()
    confidence = table.confidence.copy()
    gold[place], same_as[place], confidence[place] = M, M, np.nan
    return replace(
        table,
        gold=gold,
        same_as=same_as,
        confidence=confidence,
        rank=ranks(gold, confidence),
        strict=_but(table.strict, place[:2]),
    )


def lose_confidence(table: ScoreTable, place: Place) -> ScoreTable:
    """Give the table as it would be if the confidence at a place could not be read."""
    confidence = table.confidence.copy()
    confidence[place] = np.nan
    return replace(
        table,
        confidence=confidence,
        rank=ranks(table.gold, confidence),
        strict=_but(table.strict, place[:2]),
    )


def _but(strict: NDArray[np.bool_], place: tuple[int, int]) -> NDArray[np.bool_]:
    result = strict.copy()
    result[place] = False
    return result


_CONFIDENCES = [0.5, 0.0, 1.0, 0.1, 0.3, 0.7, 0.05, 0.29, 0.85, np.nan, np.nan]
_TOKENS = [7, 0, 30, 400, np.nan]


@st.composite
def tables(draw: st.DrawFn) -> ScoreTable:
    """Draw tables of 1-6 examples, 1-3 sets and 1-4 answers, with everything that can go wrong."""
    examples, sets, k = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    members = draw(st.sampled_from([1, k]))
    cube, per_set = (examples, sets, k), (examples, sets)
    size = _choices(draw, [1, 2, 3, 0], (examples,))
    kind = _choices(draw, [0, 1, 2, -1, -2, M * 10], cube)
    in_gold = (kind >= 0) & (kind < size[:, None, None])
    missing = kind == M * 10
    return score_table(
        np.where(missing, M, np.where(in_gold, kind, W)).tolist(),
        confidence=_choices(draw, _CONFIDENCES, cube).tolist(),
        same_as=np.where(missing, M, np.where(in_gold, kind, 10 + kind)).tolist(),
        gold_size=size.tolist(),
        failed=_choices(draw, [False, False, False, True], per_set).tolist(),
        strict=_choices(draw, [True, False], per_set).tolist(),
        prompt_tokens=_choices(draw, _TOKENS, per_set).tolist(),
        completion_tokens=_choices(draw, _TOKENS, per_set).tolist(),
        members=members,
    )


def _choices(draw: st.DrawFn, among: Sequence[float], shape: tuple[int, ...]) -> NDArray[Any]:
    """Draw an array of some of these values, the first one being the simplest.

    Bytes are drawn for it: hypothesis takes ten times as long over a list.
    """
    size = math.prod(shape)
    drawn = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype=np.uint8)
    chosen: NDArray[Any] = np.array(among)[drawn % len(among)].reshape(shape)
    return chosen


@st.composite
def tables_with_a_place(
    draw: st.DrawFn, only: Callable[[ScoreTable], NDArray[np.bool_]] = lambda t: t.given
) -> tuple[ScoreTable, Place]:
    """Draw a table and the place of one of its answers: one of those in the mask ``only``."""
    table = draw(tables().filter(lambda t: bool(only(t).any())))
    example, set_, position = draw(st.sampled_from(np.argwhere(only(table)).tolist()))
    return table, (example, set_, position)


def rows(metric: Metric, table: ScoreTable) -> Array:
    """Give a metric's statistics as a plain array."""
    statistics = metric.statistics(table)
    plain: Array = statistics.toarray() if issparse(statistics) else statistics
    assert plain.dtype == np.float64
    assert len(plain) == len(table.gold)
    return plain


def value(metric: Metric, table: ScoreTable) -> float:
    """Give the value of a metric."""
    return float(metric.finish(rows(metric, table).sum(axis=0)))


def mean(values: Sequence[float]) -> float:
    """Give the mean, NaN of nothing."""
    return sum(values) / len(values) if values else math.nan


def mean_over_examples_and_sets(table: ScoreTable, of: Callable[[int, int], float]) -> float:
    """Give the mean over examples of the mean over their sets that did not fail, by plain loops."""
    means = []
    for example in range(len(table.gold)):
        values = [
            float(of(example, set_))
            for set_ in range(table.shape.sets)
            if not table.failed[example, set_]
        ]
        if values:
            means.append(mean(values))
    return mean(means)


Law = Callable[[Metric, ScoreTable], None]


def values_lie_within_their_bounds(metric: Metric, table: ScoreTable) -> None:
    low, high = metric.bounds
    for sums in (rows(metric, table).sum(axis=0), *rows(metric, table)):
        found = float(metric.finish(sums))
        assert math.isnan(found) or low - 1e-12 <= found <= high + 1e-12, metric.name


def the_order_of_examples_does_not_matter(metric: Metric, table: ScoreTable) -> None:
    back = take(table, range(len(table.gold))[::-1])
    _assert_same(metric, value(metric, back), value(metric, table))


def every_example_twice_gives_the_same_value(metric: Metric, table: ScoreTable) -> None:
    twice = take(table, [row for row in range(len(table.gold)) for _ in range(2)])
    _assert_same(metric, value(metric, twice), value(metric, table))


def shards_add_up_to_the_whole(metric: Metric, table: ScoreTable) -> None:
    whole = rows(metric, table).sum(axis=0)
    for cut in range(1, len(table.gold)):
        first = rows(metric, take(table, range(cut))).sum(axis=0)
        second = rows(metric, take(table, range(cut, len(table.gold)))).sum(axis=0)
        _assert_same(metric, first + second, whole)


def an_empty_shard_adds_nothing(metric: Metric, table: ScoreTable) -> None:
    assert not rows(metric, take(table, [])).any(), metric.name


def a_stack_of_sums_finishes_as_they_do_one_by_one(metric: Metric, table: ScoreTable) -> None:
    each = rows(metric, table)
    stack = np.stack([np.cumsum(each, axis=0), each])
    for finish in (metric.finish, metric.denominator, metric.share):
        if finish is not None:
            single = [[float(finish(sums)) for sums in part] for part in stack]
            _assert_same(metric, finish(stack), single)


def what_a_failed_set_holds_does_not_matter(metric: Metric, table: ScoreTable) -> None:
    failed = table.failed
    gold = np.where(failed[:, :, None], M, table.gold)
    confidence = np.where(failed[:, :, None], np.nan, table.confidence)
    emptied = replace(
        table,
        gold=gold,
        same_as=np.where(failed[:, :, None], M, table.same_as),
        confidence=confidence,
        rank=ranks(gold, confidence),
        strict=np.where(failed, True, table.strict),
        prompt_tokens=np.where(failed, np.nan, table.prompt_tokens),
        completion_tokens=np.where(failed, np.nan, table.completion_tokens),
    )
    _assert_same(metric, value(metric, emptied), value(metric, table))


def an_example_of_failed_sets_alone_does_not_matter(metric: Metric, table: ScoreTable) -> None:
    answered = [row for row in range(len(table.gold)) if not table.failed[row].all()]
    if not answered:
        assert math.isnan(value(metric, table)), metric.name
        return
    _assert_same(metric, value(metric, take(table, answered)), value(metric, table))


def _assert_same(metric: Metric, actual: object, expected: object) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12, err_msg=metric.name)


LAWS_OF_SUMS: list[Law] = [
    values_lie_within_their_bounds,
    the_order_of_examples_does_not_matter,
    every_example_twice_gives_the_same_value,
    shards_add_up_to_the_whole,
    an_empty_shard_adds_nothing,
    a_stack_of_sums_finishes_as_they_do_one_by_one,
]
LAWS_OF_FAILURES: list[Law] = [
    what_a_failed_set_holds_does_not_matter,
    an_example_of_failed_sets_alone_does_not_matter,
]


def law_name(law: Law) -> str:
    """Name a test after its law."""
    return law.__name__


def is_told_in_words(metric: Metric) -> bool:
    """Whether a metric says what it is, what it counts and when it is undefined."""
    return bool(metric.summary and metric.counted and metric.undefined)
