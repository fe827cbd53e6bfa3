"""Grading a block of examples: all of its answers at once, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marl_eval.answers import AnswerFormat
from marl_eval.judging.findings import UNTOLD, in_arrays
from marl_eval.judging.judgements import Findings
from marl_eval.matching import WRONG
from marl_eval.score_table import Array, Source
from marl_eval.scoring.reading import Reader, Readings, Stages, read_generations
from marl_eval.scoring.score_rows import Graded, lay_out
from marl_eval.scoring.vocabulary import EMPTY, NOTHING, Vocabulary, in_row, look_up
from marl_eval.strategies import SetLayout
from marl_eval.task import Task
from marl_eval.types import Completion, Example

_TOLD = 1 << 29
"""From here on count the kinds of answers that a judge told."""

_UNREAD = 1 << 30
"""From here on count the keys of answers that were graded elsewhere and cannot be read here."""

_ABSENT = (1 << 31) - 1
"""The class of answers that were not given: of none that was."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """What is needed to grade the generations of one run.

    ``fmt`` is the format of one generation. With ``strict``, a generation that deviates from the
    format at all holds no answers. ``stated`` is the source of the confidences by which answers
    rank, None where there are none. ``overlap``: compare the reasoning of generations. ``judged``:
    what a judge found of the answers is stored.
    """

    task: Task
    layout: SetLayout
    fmt: AnswerFormat
    exclusive: bool
    strict: bool
    stated: Source | None
    overlap: bool
    judged: bool = False


def grade_block(
    scorer: Scorer,
    examples: Sequence[Example],
    places: Sequence[tuple[int, int]],
    lines: Sequence[Completion],
    findings: Sequence[Findings] | None = None,
) -> pa.Table:
    """Grade the generations of some examples; give their rows of ``scores.parquet``.

    ``places`` says of each line which generation of the block it is (from 0) and its stage;
    ``findings`` are what a judge found of the answers of each example, if there is a judge.

    Raises:
        UserError: if an answer has not been judged, and there is a judge.
    """
    layout = scorer.layout
    generations = _by_generation(len(examples) * layout.samples, places, lines)
    vocabulary = Vocabulary(scorer.task.key)
    asked = _asked(scorer, examples)
    read = read_generations(
        Reader(scorer.fmt, scorer.task.key, scorer.strict), vocabulary, generations, asked
    )
    rows = np.repeat(np.arange(len(examples)), layout.samples)[:, None]
    gold = _grades(scorer, examples, vocabulary, read, rows)
    given = read.numbers != NOTHING
    judged = None
    if findings is not None:
        judged = in_arrays(examples, findings, vocabulary, read.numbers, rows)
        gold = np.where(judged.gold == UNTOLD, gold, judged.gold)
    _take_recorded(generations, asked, gold, given)
    keys = np.append(vocabulary.keys_by_number(), EMPTY)[read.numbers]
    sizes = np.array([len(example.gold) for example in examples], dtype=np.int64)
    # A recorded answer whose text we cannot read is like no other.
    unread = given & (read.numbers == NOTHING)
    keys[unread] = _UNREAD + np.flatnonzero(unread)
    kinds = keys if judged is None else np.where(judged.kind < 0, keys, _TOLD + judged.kind)
    # A recorded grade may say right where there is no gold answer.
    classes = np.where(gold >= 0, gold, np.maximum(sizes, 1)[rows] + kinds)
    classes[~given] = _ABSENT
    there = np.array([stages is not None for stages in generations])
    recorded = scorer.stated == "recorded"
    graded = Graded(
        examples=examples,
        generations=generations,
        read=read,
        given=given,
        texts=vocabulary.texts(),
        confidence=_recorded(generations, scorer.fmt.k) if recorded else read.stated,
        text_confidence=read.stated if recorded else None,
        frequency=_frequencies(rows, classes, given, there, layout) if layout.samples > 1 else None,
        gold=gold,
        classes=classes,
        sizes=sizes,
        second_half=np.array([_second_half(example.id) for example in examples], dtype=np.bool_),
        judged=judged,
        **_references(examples, vocabulary, rows, keys, gold, layout.k),
    )
    return lay_out(graded, layout, exclusive=scorer.exclusive, overlap=scorer.overlap)


def different_answers(
    scorer: Scorer,
    examples: Sequence[Example],
    places: Sequence[tuple[int, int]],
    lines: Sequence[Completion],
) -> list[list[str]]:
    """Give the different answers to each example, in the order in which they first occur.

    They are those that can be read leniently; see ``grade_block`` for the arguments.
    """
    samples = scorer.layout.samples
    generations = _by_generation(len(examples) * samples, places, lines)
    vocabulary = Vocabulary(scorer.task.key)
    reader = Reader(scorer.fmt, scorer.task.key, strict=False)
    read = read_generations(reader, vocabulary, generations, _asked(scorer, examples))
    texts = vocabulary.texts()
    numbers = read.numbers.reshape(len(examples), samples * scorer.fmt.k)
    return [
        list(dict.fromkeys(texts[number] for number in own if number != NOTHING))
        for own in numbers.tolist()
    ]


def _asked(scorer: Scorer, examples: Sequence[Example]) -> list[int | None]:
    """Say of each generation how many answers it was asked for; None: as always."""
    return [
        min(example.asked, scorer.fmt.k) if example.asked and scorer.layout.members == 1 else None
        for example in examples
        for _ in range(scorer.layout.samples)
    ]


def _by_generation(
    count: int, places: Sequence[tuple[int, int]], lines: Sequence[Completion]
) -> list[Stages | None]:
    """Put each generation's lines together; a follow-up without its generation is left out."""
    generations: list[list[Completion] | None] = [None] * count
    for (generation, stage), line in zip(places, lines, strict=True):
        earlier = generations[generation]
        if stage == 0:
            generations[generation] = [line]
        elif earlier is not None:
            earlier.append(line)
    return list(generations)


def _grades(
    scorer: Scorer,
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    read: Readings,
    rows: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Give the index of the gold answer that each answer matches, or ``WRONG``: int64[G, A]."""
    if scorer.task.grade is None:
        return _match(examples, vocabulary, read.numbers, rows)
    gold = np.full(read.numbers.shape, WRONG)
    texts = vocabulary.texts()
    each = scorer.layout.samples
    for row, example in enumerate(examples):
        own = read.numbers[row * each : (row + 1) * each]
        there = own != NOTHING
        gold[row * each : (row + 1) * each][there] = scorer.task.grade(
            example, [texts[number] for number in own[there]]
        )
    return gold


def _take_recorded(
    generations: Sequence[Stages | None],
    asked: Sequence[int | None],
    gold: NDArray[np.int64],
    given: NDArray[np.bool_],
) -> None:
    """Put the grades that an import brought in place of ours.

    An answer that was graded there was given, also where its text cannot be read here. One that was
    right is the gold answer it matches, or else the first.
    """
    for place, (stages, own) in enumerate(zip(generations, asked, strict=True)):
        recorded = None if stages is None else stages[0].recorded
        if recorded is not None and recorded.grades is not None:
            for position, grade in enumerate(recorded.grades[: own or gold.shape[1]]):
                if grade is not None:
                    gold[place, position] = max(gold[place, position], 0) if grade else WRONG
                    given[place, position] = True


def _match(
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    numbers: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Match by key, as ``matching.match`` does: own names before aliases, earlier before later."""
    known: list[int] = []
    index: list[int] = []
    key_of = vocabulary.key_of
    for row, example in enumerate(examples):
        shifted = row << 32
        for place, gold in enumerate(example.gold):
            known.append(shifted | key_of(gold.answer))
            index.append(place)
        for place, gold in enumerate(example.gold):
            for alias in gold.aliases:
                known.append(shifted | key_of(alias))
                index.append(place)
    # The last number stands for NOTHING.
    keys = np.append(vocabulary.keys_by_number(), EMPTY)[numbers]
    found = look_up(in_row(rows, keys), known, np.array(index, dtype=np.int64), default=WRONG)
    found[keys == EMPTY] = WRONG
    return found


def _frequencies(
    rows: NDArray[np.int64],
    classes: NDArray[np.int64],
    given: NDArray[np.bool_],
    there: NDArray[np.bool_],
    layout: SetLayout,
) -> Array:
    """Give the share of an example's generations that give each answer, float64[G, A].

    Self-consistency: Wang et al. 2022, arXiv:2203.11171.
    """
    _, number = np.unique(in_row(rows, classes), return_inverse=True)
    number = number.reshape(classes.shape)
    sample = (np.arange(len(classes)) % layout.samples)[:, None]
    pairs = np.unique((number * layout.samples + sample)[given])
    generations = np.bincount(pairs // layout.samples, minlength=number.max(initial=0) + 1)
    made = there.reshape(-1, layout.samples).sum(axis=1)
    share = generations[number] / np.maximum(made, 1)[rows]
    result: Array = np.where(given, share, np.nan)
    return result


def _references(
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    rows: NDArray[np.int64],
    keys: NDArray[np.int64],
    gold: NDArray[np.int64],
    k: int,
) -> dict[str, Array]:
    """Give what the data knows beyond right and wrong: weights, true probabilities, the truth."""
    weights: list[float] = []
    offsets, totals, best, truth, wholes = [], [], [], [], []
    known: list[int] = []
    values: list[float] = []
    nan = float("nan")
    for row, example in enumerate(examples):
        offsets.append(len(weights))
        own = [gold.weight for gold in example.gold]
        weighted = any(weight is not None for weight in own)
        own_weights = [weight or 0.0 for weight in own] if weighted else [0.0] * len(own)
        weights += own_weights
        totals.append(sum(own_weights) if weighted else nan)
        # Weights that count people, say, are shares of their sum; a part of a distribution is not.
        whole = max(sum(own_weights), 1.0)
        wholes.append(whole)
        chances = [weight / whole for weight in own_weights] if weighted else []
        if example.distribution is not None:
            chances = [chance for _, chance in example.distribution]
            known += [(row << 32) | vocabulary.key_of(text) for text, _ in example.distribution]
            values += chances
        best.append(sum(sorted(chances, reverse=True)[: example.asked or k]) if chances else nan)
        truth.append(-1 if example.truth is None else vocabulary.key_of(example.truth))
    place = np.array(offsets, dtype=np.int64)[rows] + np.maximum(gold, 0)
    weight = np.append(np.array(weights), 0.0)[np.where(gold >= 0, place, -1)]
    true = np.array(truth, dtype=np.int64)[rows]
    exact = np.array([example.distribution is not None for example in examples])[rows]
    chance = look_up(in_row(rows, keys), known, np.array(values), default=0.0)
    listed = ~np.isnan(np.array(totals))[rows]
    return {
        "weight": weight,
        "weight_total": np.array(totals),
        "probability": np.where(
            exact, chance, np.where(listed, weight / np.array(wholes)[rows], np.nan)
        ),
        "best_probability": np.array(best),
        "truth": np.where(true < 0, np.nan, keys == true),
    }


def _recorded(generations: Sequence[Stages | None], answers: int) -> Array:
    """Give the confidences that an import brought, float64[G, A]."""
    result = np.full((len(generations), answers), np.nan)
    for place, stages in enumerate(generations):
        recorded = None if stages is None else stages[0].recorded
        if recorded is not None and recorded.confidences is not None:
            own = recorded.confidences[:answers]
            result[place, : len(own)] = np.array(own, dtype=np.float64)
    return result


def _second_half(example_id: str) -> bool:
    """Say in which half of the examples one is: a fair coin that only its id decides."""
    digest = blake2b(example_id.encode("utf-8", "surrogatepass"), digest_size=1).digest()
    return bool(digest[0] & 1)
