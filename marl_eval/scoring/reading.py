"""Reading the stored generations of a block of examples, most of them many at a time.

A generation whose tags are clean is read with one regular expression, and what else must hold of it
is checked for the whole block at once; the others are read one by one by ``marl_eval.answers``. Both
ways give the same.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp

import numpy as np
from numpy.typing import NDArray

from marl_eval.answers import AnswerFormat, ParsedAnswers
from marl_eval.answers.confidence import exact_confidence
from marl_eval.answers.parsing import clean_matcher
from marl_eval.normalization import Key
from marl_eval.score_table import Array
from marl_eval.scoring.generation import generation_reader
from marl_eval.scoring.vocabulary import NOTHING, Vocabulary
from marl_eval.types import Completion

Stages = Sequence[Completion]
"""A generation and the follow-ups that asked for what it lacked, in order of stage."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How generations are read: as asked for in ``fmt``, or not at all where not ``strict``ly so."""

    fmt: AnswerFormat
    key: Key
    strict: bool


@dataclass(frozen=True, slots=True)
class Readings:
    """What the generations of a block hold.

    Axes: G generations, A answers of each.

    - ``numbers`` int64[G, A]: of the answers in the vocabulary, ``NOTHING`` where none was given
    - ``stated`` float64[G, A]: confidences stated in the text, NaN if missing
    - ``logprob`` float64[G, A]: exp of the answer's summed log-probabilities, NaN if not known
    - ``strict`` bool[G], ``deviations``: of the format
    - ``reasoning_end``: characters up to the end of the reasoning
    """

    numbers: NDArray[np.int64]
    stated: Array
    logprob: Array
    strict: NDArray[np.bool_]
    deviations: list[str | None]
    reasoning_end: list[int]


def read_generations(
    reader: Reader,
    vocabulary: Vocabulary,
    generations: Sequence[Stages | None],
    asked: Sequence[int | None],
) -> Readings:
    """Read generations; ``asked`` says of each how many answers it was asked for, None: as always."""
    count, answers = len(generations), reader.fmt.k
    readings = Readings(
        numbers=np.full((count, answers), NOTHING),
        stated=np.full((count, answers), np.nan),
        logprob=np.full((count, answers), np.nan),
        strict=np.ones(count, dtype=np.bool_),
        deviations=[None if stages is None else "" for stages in generations],
        reasoning_end=[0] * count,
    )
    others = _read_clean(reader, vocabulary, generations, asked, readings)
    numbers: list[int] = []
    stated: list[float | None] = []
    for place in others:
        stages, own = generations[place], asked[place]
        assert stages is not None
        fmt = reader.fmt if own is None else replace(reader.fmt, k=own)
        parsed = generation_reader(fmt, reader.key)(stages)
        readings.deviations[place] = " ".join(parsed.deviations)
        readings.reasoning_end[place] = parsed.reasoning_end
        absent = (None,) * (answers - fmt.k)
        if parsed.deviations:
            readings.strict[place] = False
            if reader.strict:
                nothing = (None,) * fmt.k
                parsed = parsed._replace(answers=nothing, confidences=nothing, spans=nothing)
        numbers += [vocabulary[answer] for answer in parsed.answers + absent]
        stated += parsed.confidences + absent
        line = stages[0]
        if line.token_ends is not None and line.logprobs is not None:
            readings.logprob[place, : fmt.k] = _probabilities(
                parsed, line.text, line.token_ends, line.logprobs
            )
    readings.numbers[others] = np.array(numbers, dtype=np.int64).reshape(-1, answers)
    readings.stated[others] = np.array(stated, dtype=np.float64).reshape(-1, answers)
    return readings


def _read_clean(
    reader: Reader,
    vocabulary: Vocabulary,
    generations: Sequence[Stages | None],
    asked: Sequence[int | None],
    into: Readings,
) -> list[int]:
    """Read the generations that are exactly as asked; give the places of the others."""
    fmt = reader.fmt
    clean = clean_matcher(fmt)
    places: list[int] = []
    others: list[int] = []
    parts: list[str] = []
    for place, stages in enumerate(generations):
        if stages is None:
            continue
        line = stages[0]
        match = None
        if len(stages) == 1 and asked[place] is None and line.token_ends is None:
            match = clean(line.text, line.reasoning, line.thinking_opened)
        if match is None:
            others.append(place)
        else:
            places.append(place)
            parts += match.groups()
            into.reasoning_end[place] = match.pos
    step = 2 if fmt.confidence else 1
    texts = parts[::step]
    numbers = np.array([vocabulary[text] for text in texts], dtype=np.int64).reshape(-1, fmt.k)
    good = ~vocabulary.blank()[numbers].any(axis=1)
    if fmt.k > 1:
        keys = np.sort(vocabulary.keys_by_number()[numbers], axis=1)
        good &= (keys[:, 1:] != keys[:, :-1]).all(axis=1)
    where = np.array(places, dtype=np.int64)
    if fmt.confidence:
        stated = np.array(list(map(exact_confidence, parts[1::2])), dtype=np.float64)
        stated = stated.reshape(-1, fmt.k)
        good &= ~np.isnan(stated).any(axis=1)
        if fmt.sum_to_one:
            # A sum that rounding alone may have carried past 1 is for the careful reader to judge.
            good &= ~(stated.sum(axis=1) > 1)
        into.stated[where[good]] = stated[good]
    into.numbers[where[good]] = numbers[good]
    return sorted([*others, *where[~good].tolist()])


def _probabilities(
    parsed: ParsedAnswers, text: str, ends: Sequence[int], logprobs: Sequence[float]
) -> list[float]:
    """Give the probability of each answer's tokens, given all that was written before them.

    exp of the sum of the log-probabilities of the tokens that hold a character of the answer, the
    space around it left out. An answer that a follow-up gave has none: NaN.
    """
    result = []
    for span in parsed.spans:
        if span is None:
            result.append(float("nan"))
            continue
        content = text[span[0] : span[1]]
        first = span[0] + len(content) - len(content.lstrip())
        last = first + len(content.strip())
        begin, end = bisect_right(ends, first), bisect_right(ends, last - 1) + 1
        # Tokens of no width are parts of the character after them.
        while begin > 0 and ends[begin - 1] == (ends[begin - 2] if begin > 1 else 0):
            begin -= 1
        result.append(min(exp(sum(logprobs[begin:end])), 1.0))
    return result
