"""Small score tables written by hand, ways to lose a part of them, and metrics of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from marl_eval.matching import WRONG
from marl_eval.metric import Array, Metric, Statistics
from marl_eval.money import Price
from marl_eval.plugins import load_metric_families
from marl_eval.score_table import (
    MISSING,
    OVERLAPS,
    PROGRAMS,
    SET,
    ScoreTable,
    Shape,
    set_confidence,
)

W, M = WRONG, MISSING
Cube = Sequence[Sequence[Sequence[int]]]
Stated = Sequence[Sequence[Sequence[float | None]]]
PerSet = Sequence[Sequence[float | None]]

_REFERENCES: list[Literal["exclusive", "independent"]] = ["exclusive", "independent"]


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
    reasoning_tokens: PerSet | None = None,
    members: int = 1,
    exclusive: bool = False,
    asked: Sequence[int] | None = None,
    weights: Sequence[Sequence[float]] | None = None,
    probability: Stated | None = None,
    best_probability: Sequence[float | None] | None = None,
    reference: Literal["exclusive", "independent"] | None = None,
    truth: Stated | None = None,
    second_half: Sequence[bool] | None = None,
    frequency: Stated | None = None,
    overlaps: Sequence[Sequence[float | None]] | None = None,
    price: Price | None = None,
    compiles: Cube | None = None,
    programs: Sequence[Cube] | None = None,
) -> ScoreTable:
    """Build a table from grades nested by example, set and position.

    By default no confidence was asked for; wrong answers all differ; the gold set is just large
    enough; nothing failed; everything is well formed; a set costs 20 prompt tokens and 10 more, the
    first 6 of them reasoning; examples lie in the two halves by turns. ``weights`` are those of each
    example's gold answers; ``overlaps`` [example, generation] are those of trigrams, of which the other
    three kinds are a half, a third and a quarter. ``programs`` are the classes by text, by syntax and by
    behaviour.
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
    classes = _by_first_place(classes)
    sizes = np.maximum(grades.max(axis=(1, 2)) + 1, 1) if gold_size is None else gold_size
    own = np.full(examples, k) if asked is None else np.array(asked, dtype=np.int64)
    rank = ranks(grades, stated)
    places = np.arange(k) < own[:, None, None]
    joint = set_confidence(stated, classes, rank, places, exclusive=exclusive)
    derived = {} if frequency is None else {"frequency": _floats(frequency, grades.shape)}
    grids = {}
    if confidence is not None:
        grids = {"text": _distinct(stated), SET: _distinct(joint)}
    grids.update({source: _distinct(values) for source, values in derived.items()})
    shape = Shape(
        k,
        sets,
        members,
        exclusive=exclusive,
        levels=grids,
        weighted=weights is not None,
        reference=reference,
        truth=truth is not None,
        overlap=overlaps is not None,
        price=price,
        programs=programs is not None,
    )
    alike = None if overlaps is None else _floats(overlaps, (examples, sets * members))
    best = np.full(examples, np.nan)
    if best_probability is not None:
        best = np.array(best_probability, dtype=np.float64)
    return ScoreTable(
        shape=shape,
        asked=own,
        gold=grades,
        same_as=classes,
        compiles=np.zeros(grades.shape, bool) if compiles is None else np.array(compiles) > 0,
        programs={
            name: _by_first_place(np.array(own, dtype=np.int64))
            for name, own in zip(PROGRAMS, programs or [], strict=programs is not None)
        },
        rank=rank,
        confidence=stated,
        derived=derived,
        gold_size=np.array(sizes, dtype=np.int64),
        weight=_weight(grades, weights),
        weight_total=np.array(
            [np.nan] * examples if weights is None else [sum(w) if w else np.nan for w in weights]
        ),
        truth=_floats(truth, grades.shape),
        probability=_floats(probability, grades.shape),
        best_probability=best,
        second_half=np.arange(examples) % 2 > 0 if second_half is None else np.array(second_half),
        failed=_per_set(failed, 0, examples, sets) > 0,
        set_confidence=joint,
        strict=_per_set(strict, 1, examples, sets) > 0,
        prompt_tokens=_per_set(prompt_tokens, 20, examples, sets),
        completion_tokens=_per_set(completion_tokens, 10, examples, sets),
        reasoning_tokens=_per_set(reasoning_tokens, 6, examples, sets),
        overlaps={}
        if alike is None
        else {name: alike / part for part, name in enumerate(OVERLAPS, start=1)},
    )


def _by_first_place(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the classes of each example by the place at which they first occur."""
    result = classes.copy()
    for row, own in enumerate(classes.reshape(len(classes), -1).tolist()):
        places = [M if number < 0 else own.index(number) for number in own]
        result[row] = np.array(places).reshape(classes.shape[1:])
    return result


def _distinct(values: Array) -> Array:
    return np.unique(values[~np.isnan(values)])


def _floats(values: object, shape: tuple[int, ...]) -> Array:
    """Make an array of nested numbers, NaN for None; all NaN if there are none."""
    if values is None:
        return np.full(shape, np.nan)
    return np.array(values, dtype=np.float64).reshape(shape)


def _weight(gold: NDArray[np.int64], weights: Sequence[Sequence[float]] | None) -> Array:
    """Look up the weight of the gold answer that each answer matches, 0 for none."""
    result = np.zeros(gold.shape)
    for place in np.argwhere(gold >= 0).tolist() if weights is not None else []:
        own = (weights or [])[place[0]]
        index = int(gold[tuple(place)])
        result[tuple(place)] = own[index] if index < len(own) else 0
    return result


def _per_set(values: object, default: float, examples: int, sets: int) -> Array:
    return (
        np.full((examples, sets), default) if values is None else _floats(values, (examples, sets))
    )


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
    parts: dict[str, Any] = {}
    for name in (f.name for f in fields(table) if f.name != "shape"):
        own = getattr(table, name)
        parts[name] = (
            {n: a[chosen] for n, a in own.items()} if isinstance(own, dict) else own[chosen]
        )
    return replace(table, **parts)


Place = tuple[int, int, int]


def changed(table: ScoreTable, **parts: Any) -> ScoreTable:
    """Give the table with other grades or confidences, and what follows from them."""
    new = replace(table, **parts)
    rank = ranks(new.gold, new.confidence)
    joint = set_confidence(
        new.confidence, new.same_as, rank, new.places, exclusive=table.shape.exclusive
    )
    return replace(new, rank=rank, set_confidence=joint)


def lose(table: ScoreTable, place: Place) -> ScoreTable:
    """Give the table as it would be if the answer at a place could not be read."""
    gold, same_as = table.gold.copy(), table.same_as.copy()
    confidence, probability = table.confidence.copy(), table.probability.copy()
    weight, truth = table.weight.copy(), table.truth.copy()
    gold[place], same_as[place], confidence[place], probability[place] = M, M, np.nan, np.nan
    weight[place], truth[place] = 0, np.where(np.isnan(truth[place]), np.nan, 0)
    derived = {name: own.copy() for name, own in table.derived.items()}
    for own in derived.values():
        own[place] = np.nan
    compiles = table.compiles.copy()
    compiles[place] = False
    programs = {name: own.copy() for name, own in table.programs.items()}
    for classes in programs.values():
        classes[place] = M
    return changed(
        table,
        gold=gold,
        same_as=same_as,
        compiles=compiles,
        programs=programs,
        confidence=confidence,
        derived=derived,
        probability=probability,
        weight=weight,
        truth=truth,
        strict=_but(table.strict, place[:2]),
    )


def lose_confidence(table: ScoreTable, place: Place) -> ScoreTable:
    """Give the table as it would be if the confidence at a place could not be read."""
    confidence = table.confidence.copy()
    confidence[place] = np.nan
    return changed(table, confidence=confidence, strict=_but(table.strict, place[:2]))


def _but(strict: NDArray[np.bool_], place: tuple[int, int]) -> NDArray[np.bool_]:
    result = strict.copy()
    result[place] = False
    return result


def metrics_of(shape: Shape) -> list[Metric]:
    """Give the metrics of all installed families that fit a run."""
    return [metric for family in load_metric_families() for metric in family(shape)]


def metric_named(name: str, shape: Shape) -> Metric:
    """Give the metric of that name that fits a run."""
    (found,) = [metric for metric in metrics_of(shape) if metric.name == name]
    return found


def rows(metric: Metric, table: ScoreTable) -> Array:
    """Give a metric's statistics as a plain array, remembered with the table."""
    known: dict[Statistics, Array] = vars(table).setdefault("rows", {})
    if metric.statistics not in known:
        statistics = metric.statistics(table)
        plain: Array = statistics.toarray() if issparse(statistics) else statistics
        assert plain.dtype == np.float64
        assert len(plain) == len(table.gold)
        known[metric.statistics] = plain
    return known[metric.statistics]


def value(metric: Metric, table: ScoreTable) -> float:
    """Give the value of a metric."""
    return float(metric.finish(rows(metric, table).sum(axis=0)))


def share(metric: Metric, table: ScoreTable) -> float:
    """Give the share of the answers asked for that a metric rests on, 1 if it is about all of them."""
    return 1 if metric.share is None else float(metric.share(rows(metric, table).sum(axis=0)))


def is_told_in_words(metric: Metric) -> bool:
    """Whether a metric says what it is, what it counts and when it is undefined."""
    return bool(metric.summary and metric.counted and metric.undefined)


def full_shapes() -> list[Shape]:
    """Give runs that know all that can be known; between them they have every metric."""
    grid = np.array([0.5])
    return [
        Shape(
            k=3,
            sets=2,
            members=members,
            exclusive=True,
            levels={"text": grid, SET: grid, "frequency": grid},
            weighted=True,
            reference=reference,
            truth=True,
            overlap=True,
            price=Price(2, 8, "USD"),
            programs=True,
        )
        for members in (1, 3)
        for reference in _REFERENCES
    ]
