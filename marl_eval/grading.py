"""Grading a block of stored generations: parse, pool, grade, rank, lay out as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from marl_eval.generation import GenerationReader
from marl_eval.matching import match_keys
from marl_eval.score_table import MISSING, SCHEMA
from marl_eval.strategies import SetLayout
from marl_eval.task import Task
from marl_eval.types import Example

Summary = tuple[bool | None, str | None, str | None, int | None, int | None, int | None]
"""Of one generation: strict, finish_reason, deviations, and its three counts of tokens."""

_ABSENT: Summary = (None, None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Scorer:
    """What is needed to grade the generations of one run."""

    layout: SetLayout
    read: GenerationReader
    task: Task
    strict: bool


@dataclass(slots=True)
class _Graded:
    """The columns of a block while it is being graded: one entry an answer, or a generation."""

    answers: list[str | None] = field(default_factory=list)
    confidences: list[float | None] = field(default_factory=list)
    gold: list[int] = field(default_factory=list)
    weights: list[float | None] = field(default_factory=list)
    same_as: list[int] = field(default_factory=list)
    generations: list[Summary] = field(default_factory=list)


def grade_block(
    scorer: Scorer,
    examples: Sequence[Example],
    places: Sequence[tuple[int, int]],
    lines: Sequence[dict[str, Any]],
) -> pa.Table:
    """Grade the generations of some examples.

    ``places`` says of each line which generation of the block it is (from 0) and its stage.
    """
    layout = scorer.layout
    samples = layout.samples
    absent = (None,) * (layout.k // layout.members)
    given: Sequence[str | None]
    stated: Sequence[float | None]
    stages: list[list[dict[str, Any]] | None] = [None] * (len(examples) * samples)
    for (generation, stage), line in zip(places, lines, strict=True):
        earlier = stages[generation]
        if stage == 0:
            stages[generation] = [line]
        elif earlier is not None:
            earlier.append(line)
    graded = _Graded()
    for row, example in enumerate(examples):
        answers: list[str | None] = []
        for of_generation in stages[row * samples : (row + 1) * samples]:
            if of_generation is None:
                given, stated, summary = absent, absent, _ABSENT
            else:
                given, stated, summary = _read_generation(scorer, of_generation)
            answers += given
            graded.confidences += stated
            graded.generations.append(summary)
        gold, same_as = _grade_example(scorer, example, answers)
        graded.answers += answers
        graded.gold += gold
        graded.same_as += same_as
        graded.weights += [example.gold[g].weight if g >= 0 else None for g in gold]
    return _table(layout, examples, graded)


def _read_generation(
    scorer: Scorer, stages: list[dict[str, Any]]
) -> tuple[
    Sequence[str | None],
    Sequence[float | None],
    Summary,
]:
    """Read one generation with the follow-ups that asked for what it lacked."""
    line = stages[0]
    parsed = scorer.read(stages)
    answers, confidences = parsed.answers, parsed.confidences
    if scorer.strict and not parsed.strict:
        answers = confidences = (None,) * len(answers)
    if len(stages) == 1:
        prompt_tokens, completion_tokens = line["prompt_tokens"], line["completion_tokens"]
    else:
        prompt_tokens = sum(stage["prompt_tokens"] for stage in stages)
        completion_tokens = sum(stage["completion_tokens"] for stage in stages)
    summary = (
        parsed.strict,
        line["finish_reason"],
        " ".join(parsed.deviations),
        prompt_tokens,
        completion_tokens,
        line["reasoning_tokens"],
    )
    return answers, confidences, summary


def _grade_example(
    scorer: Scorer, example: Example, answers: Sequence[str | None]
) -> tuple[list[int], list[int]]:
    """Grade all answers of an example, and number the classes of those that are the same.

    Answers that match the same gold answer are the same; so are wrong ones with equal keys.
    """
    given = [answer for answer in answers if answer is not None]
    key = scorer.task.key
    keys = [key(answer) for answer in given]
    if scorer.task.grade is None:
        graded = match_keys(example, keys, key)
    else:
        graded = list(scorer.task.grade(example, given))
    classes: dict[int | str, int] = {}
    same = [
        classes.setdefault(grade if grade >= 0 else own, len(classes))
        for own, grade in zip(keys, graded, strict=True)
    ]
    if len(given) == len(answers):
        return graded, same
    rest = iter(zip(graded, same, strict=True))
    pairs = [(MISSING, MISSING) if a is None else next(rest) for a in answers]
    return [grade for grade, _ in pairs], [number for _, number in pairs]


def _table(layout: SetLayout, examples: Sequence[Example], graded: _Graded) -> pa.Table:
    """Lay out the rows of a block, one for each answer asked for."""
    n, k, sets, members = len(examples), layout.k, layout.sets, layout.members
    each = n * sets * k
    answers = pa.array(graded.answers, pa.string())
    gold = np.array(graded.gold)
    missing = gold == MISSING
    confidence = np.array(graded.confidences, dtype=np.float64)
    confidence[missing] = np.nan
    trust = np.where(missing, -2, np.where(np.isnan(confidence), -1, confidence))
    order = np.argsort(-trust.reshape(-1, k), axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    per_generation = k // members
    strict, finish, deviations, prompt, completion, reasoning = zip(
        *graded.generations, strict=True
    )
    failed = np.array([value is None for value in strict]).reshape(-1, members).any(axis=1)

    def once(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        """Put a value of each generation on its first row only."""
        spread: list[object] = [None] * each
        spread[::per_generation] = values
        return pa.array(spread, kind)

    columns = {
        "example": pa.array([e.id for e in examples], pa.string()).take(
            pa.array(np.repeat(np.arange(n), sets * k))
        ),
        "set": np.tile(np.repeat(np.arange(sets), k), n),
        "position": np.tile(np.arange(k), n * sets),
        "sample": np.tile(np.repeat(np.arange(layout.samples), per_generation), n),
        "answer": answers,
        "confidence": pa.array(confidence, from_pandas=True),
        "rank": rank.ravel(),
        "gold": pa.array(gold, mask=missing),
        "gold_weight": pa.array(graded.weights, pa.float64()),
        "same_as": pa.array(np.array(graded.same_as), mask=missing),
        "gold_size": np.repeat([len(e.gold) for e in examples], sets * k),
        "failed": np.repeat(failed, k),
        "strict": once(strict, pa.bool_()),
        "finish_reason": once(finish, pa.string()),
        "deviations": once(deviations, pa.string()),
        "prompt_tokens": once(prompt, pa.int64()),
        "completion_tokens": once(completion, pa.int64()),
        "reasoning_tokens": once(reasoning, pa.int64()),
    }
    return pa.table(columns).cast(SCHEMA)
