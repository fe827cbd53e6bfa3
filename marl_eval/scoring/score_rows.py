"""Between the arrays of a block and its rows of ``scores.parquet``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marl_eval.estimators.overlap import overlaps
from marl_eval.judging.findings import JudgedAnswers
from marl_eval.score_table import (
    MISSING,
    OVERLAPS,
    PROGRAMS,
    SCHEMA,
    Array,
    ScoreTable,
    Shape,
    ranks,
    set_confidence,
)
from marl_eval.scoring.reading import Readings, Stages
from marl_eval.scoring.vocabulary import NOTHING
from marl_eval.strategies import SetLayout
from marl_eval.types import Completion, Example

_THINK_TAG = re.compile(r"</?think>")


@dataclass(frozen=True, slots=True)
class Graded:
    """A graded block.

    Axes: E examples, G generations of all of them, A answers of each generation; arrays of answers
    are [G, A], those of examples [E]. ``read`` and ``texts`` hold the answers, ``given`` says which
    there are; ``classes`` are equal within an example for answers that are the same. ``judged`` is
    what a judge found, None if there is none. See ``ScoreTable`` for the rest.
    """

    examples: Sequence[Example]
    generations: Sequence[Stages | None]
    read: Readings
    given: NDArray[np.bool_]
    texts: list[str]
    confidence: Array
    text_confidence: Array | None
    frequency: Array | None
    gold: NDArray[np.int64]
    classes: NDArray[np.int64]
    sizes: NDArray[np.int64]
    second_half: NDArray[np.bool_]
    weight: Array
    weight_total: Array
    probability: Array
    best_probability: Array
    truth: Array
    judged: JudgedAnswers | None


def lay_out(graded: Graded, layout: SetLayout, *, exclusive: bool, overlap: bool) -> pa.Table:
    """Lay out the rows of a block, one for each answer that a set of K has room for."""
    n, k, sets = len(graded.examples), layout.k, layout.sets
    each = k // layout.members
    cube = (n, sets, k)
    numbers = graded.read.numbers.reshape(-1)
    asked = np.array([k if e.asked is None else min(e.asked, k) for e in graded.examples])
    places = np.broadcast_to(np.arange(k) < asked[:, None, None], cube)
    missing = ~(graded.given.reshape(-1) & places.reshape(-1))
    confidence = np.where(missing, np.nan, graded.confidence.reshape(-1))
    gold = np.where(missing, MISSING, graded.gold.reshape(-1))
    rank = ranks(gold.reshape(cube), confidence.reshape(cube))
    same_as = np.where(missing, MISSING, _renumber(graded.classes, n).reshape(-1))
    absent = np.array([stages is None for stages in graded.generations])
    failed = (absent.repeat(each).reshape(cube) & places).any(axis=2)
    joint = set_confidence(
        confidence.reshape(cube), same_as.reshape(cube), rank, places, exclusive=exclusive
    )
    lines = [() if stages is None else stages for stages in graded.generations]
    overlapping = _overlaps(graded, layout.samples) if overlap else {}

    def of_example(values: Iterable[object], kind: pa.DataType | None = None) -> pa.Array:
        array = pa.array(values, kind, from_pandas=True)
        return array.take(pa.array(np.repeat(np.arange(n), sets * k)))

    def of_answer(values: Array | None) -> pa.Array:
        if values is None:
            return pa.nulls(n * sets * k, pa.float64())
        return pa.array(np.where(missing, np.nan, values.reshape(-1)), from_pandas=True)

    def of_generation(values: Iterable[object], kind: pa.DataType) -> pa.Array:
        return _on_first_rows(pa.array(values, kind, from_pandas=True), each)

    columns = {
        "example": of_example([e.id for e in graded.examples], pa.string()),
        "set": np.tile(np.repeat(np.arange(sets), k), n),
        "position": np.tile(np.arange(k), n * sets),
        "asked": places.reshape(-1),
        "sample": np.tile(np.repeat(np.arange(layout.samples), each), n),
        "answer": pa.array(graded.texts, pa.string()).take(
            pa.array(numbers, mask=numbers == NOTHING)
        ),
        "confidence": of_answer(graded.confidence),
        "confidence_text": of_answer(graded.text_confidence),
        "confidence_logprob": of_answer(graded.read.logprob),
        "confidence_frequency": of_answer(graded.frequency),
        "rank": rank.reshape(-1),
        "gold": pa.array(gold, mask=missing),
        "gold_weight": pa.array(graded.weight.reshape(-1), mask=_unweighted(graded, gold)),
        "truth": pa.array(
            (graded.truth.reshape(-1) > 0) & ~missing, mask=np.isnan(graded.truth.reshape(-1))
        ),
        "probability": of_answer(graded.probability),
        "same_as": pa.array(same_as, mask=missing),
        **_of_programs(graded, missing),
        "gold_size": of_example(graded.sizes),
        "weight_total": of_example(graded.weight_total),
        "best_probability": of_example(graded.best_probability),
        "second_half": of_example(graded.second_half),
        "failed": np.repeat(failed.reshape(-1), k),
        "set_confidence": _on_first_rows(pa.array(joint.reshape(-1), from_pandas=True), k),
        "strict": _on_first_rows(pa.array(graded.read.strict, mask=absent), each),
        "finish_reason": of_generation(
            [s[0].finish_reason if s else None for s in lines], pa.string()
        ),
        "deviations": of_generation(graded.read.deviations, pa.string()),
        "prompt_tokens": of_generation(
            [
                s[0].prompt_tokens if len(s) == 1 else _sum(x.prompt_tokens for x in s)
                for s in lines
            ],
            pa.int64(),
        ),
        "completion_tokens": of_generation(
            [
                s[0].completion_tokens if len(s) == 1 else _sum(x.completion_tokens for x in s)
                for s in lines
            ],
            pa.int64(),
        ),
        "reasoning_tokens": of_generation(
            [s[0].reasoning_tokens if s else None for s in lines], pa.int64()
        ),
        **{
            name: of_generation(overlapping[name], pa.float64())
            if overlapping
            else pa.nulls(n * sets * k, pa.float64())
            for name in OVERLAPS
        },
    }
    return pa.table(columns).cast(SCHEMA)


def _of_programs(graded: Graded, missing: NDArray[np.bool_]) -> dict[str, pa.Array]:
    """Give the columns of programs: all null where there are none."""
    names = ["compiles", *PROGRAMS, "isolation"]
    judged = graded.judged
    if judged is None:
        return {name: pa.nulls(len(missing), SCHEMA.field(name).type) for name in names}
    none = missing | ~judged.program.reshape(-1)
    columns = {"compiles": pa.array(judged.compiles.reshape(-1), mask=none)}
    for name, classes in zip(PROGRAMS, (judged.text, judged.syntax, judged.behaviour), strict=True):
        first = _renumber(classes, len(graded.examples)).reshape(-1)
        columns[name] = pa.array(first, mask=none)
    return columns | {"isolation": pc.if_else(pa.array(none), None, judged.isolation)}


def _on_first_rows(values: pa.Array, each: int) -> pa.Array:
    """Put each value on the first of ``each`` rows, null on the rest."""
    if each == 1:
        return values
    index = np.zeros((len(values), each), dtype=np.int64)
    index[:, 0] = np.arange(len(values))
    mask = np.ones(index.shape, dtype=np.bool_)
    mask[:, 0] = False
    return values.take(pa.array(index.reshape(-1), mask=mask.reshape(-1)))


def _unweighted(graded: Graded, gold: NDArray[np.int64]) -> NDArray[np.bool_]:
    each = gold.size // max(len(graded.examples), 1)
    return (gold < 0) | np.isnan(graded.weight_total).repeat(each)


def _renumber(classes: NDArray[np.int64], examples: int) -> NDArray[np.int64]:
    """Number the classes of each example by the place at which they first occur."""
    if classes.size == 0:
        return classes
    each = classes.size // examples
    row = np.repeat(np.arange(examples), each)
    _, first, inverse = np.unique(
        (row << 32) | classes.reshape(-1), return_index=True, return_inverse=True
    )
    result: NDArray[np.int64] = (first[inverse] - row * each).reshape(classes.shape)
    return result


def _sum(counts: Iterable[int | None]) -> int | None:
    """Add up token counts; None if one is not known or there are none."""
    total: int | None = None
    for count in counts:
        if count is None:
            return None
        total = count if total is None else total + count
    return total


def _overlaps(graded: Graded, samples: int) -> dict[str, Array]:
    """Compare each generation's reasoning with that of the example's next generation."""
    texts = []
    for stages, end in zip(graded.generations, graded.read.reasoning_end, strict=True):
        line = None if stages is None else stages[0]
        texts.append(None if line is None else reasoning_text(line, end))
    found = np.full((len(texts), len(OVERLAPS)), np.nan)
    for place in range(len(texts) - 1):
        one, other = texts[place], texts[place + 1]
        if (place + 1) % samples and one is not None and other is not None:
            found[place] = overlaps(one, other)
    return dict(zip(OVERLAPS, found.T, strict=True))


def reasoning_text(line: Completion, end: int) -> str:
    """Give a generation's reasoning, which ends at the character ``end`` of its text."""
    return line.reasoning or _THINK_TAG.sub(" ", line.text[:end])


def read_columns(shape: Shape) -> list[str]:
    """Give the columns that ``read_block`` needs."""
    names = [
        "rank", "gold", "same_as", "gold_size", "second_half", "failed", "strict", "asked",
        "prompt_tokens", "completion_tokens", "reasoning_tokens",
    ]  # fmt: skip
    if shape.stated is not None:
        names += ["confidence", "set_confidence"]
    names += [f"confidence_{source}" for source in shape.derived]
    names += ["gold_weight", "weight_total"] if shape.weighted else []
    names += ["probability", "best_probability"] if shape.reference else []
    names += ["truth"] if shape.truth else []
    names += ["compiles", *PROGRAMS] if shape.programs else []
    return names + (OVERLAPS if shape.overlap else [])


def read_block(rows: pa.Table, shape: Shape) -> ScoreTable:
    """Make the arrays of one group of rows of ``scores.parquet``, of ``read_columns`` at least."""
    k, sets = shape.k, shape.sets
    size = len(rows) // (sets * k)

    def cube(name: str, missing: float) -> Array:
        if name not in rows.column_names:
            return np.full((size, sets, k), missing)
        column = rows.column(name).cast(pa.float64()).fill_null(missing).to_numpy()
        result: Array = column.reshape(-1, sets, k)
        return result

    def whole(name: str, missing: int) -> NDArray[np.int64]:
        return cube(name, missing).astype(np.int64)

    generated = cube("strict", np.nan)
    asked = cube("asked", 1)

    def tokens(name: str) -> Array:
        """Add up the generations of a set; NaN where one that was asked for does not tell."""
        per = np.where(asked > 0, cube(name, np.nan), 0)[:, :, :: k // shape.members]
        result: Array = per.sum(axis=2)
        return result

    return ScoreTable(
        shape=shape,
        asked=(asked[:, 0] > 0).sum(axis=1),
        gold=whole("gold", MISSING),
        same_as=whole("same_as", MISSING),
        compiles=cube("compiles", 0) > 0,
        programs={name: whole(name, MISSING) for name in (PROGRAMS if shape.programs else [])},
        rank=whole("rank", 0),
        confidence=cube("confidence", np.nan),
        derived={source: cube(f"confidence_{source}", np.nan) for source in shape.derived},
        gold_size=whole("gold_size", 0)[:, 0, 0],
        weight=cube("gold_weight", 0),
        weight_total=cube("weight_total", np.nan)[:, 0, 0],
        truth=cube("truth", np.nan),
        probability=cube("probability", np.nan),
        best_probability=cube("best_probability", np.nan)[:, 0, 0],
        second_half=cube("second_half", 0)[:, 0, 0] > 0,
        failed=cube("failed", 0)[:, :, 0] > 0,
        set_confidence=cube("set_confidence", np.nan)[:, :, 0],
        strict=np.where(np.isnan(generated), 1, generated).min(axis=2) > 0,
        prompt_tokens=tokens("prompt_tokens"),
        completion_tokens=tokens("completion_tokens"),
        reasoning_tokens=tokens("reasoning_tokens"),
        overlaps={
            name: cube(name, np.nan).reshape(size, shape.samples, k // shape.members)[:, :, 0]
            for name in (OVERLAPS if shape.overlap else [])
        },
    )
