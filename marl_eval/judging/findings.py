"""What a judge found of the answers of a block of examples, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marl_eval.errors import UserError
from marl_eval.judging import Program
from marl_eval.judging.judgements import Findings, answer_hash
from marl_eval.scoring.vocabulary import NOTHING, Vocabulary, in_row
from marl_eval.types import Example

UNTOLD = -3
"""In place of a gold answer where the judge leaves the grade to the task's key."""


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """What was found of answers.

    Axes: G generations, A answers of each.

    - ``gold`` int64[G, A]: the gold answer it matches, ``matching.WRONG``, or ``UNTOLD``
    - ``kind`` int64[G, A]: equal for answers of one kind, below 0 where that is left to the key
    - ``program`` bool[G, A]: it is a program, and ``compiles`` bool[G, A]
    - ``text``, ``syntax``, ``behaviour`` int64[G, A]: equal for programs that are the same in it, below
      0 for what is no program. One that does not compile is like none but those of its text; one
      without a behaviour that could be seen, like those of its syntax.
    - ``isolation`` string[G * A]: null for what is no program
    """

    gold: NDArray[np.int64]
    kind: NDArray[np.int64]
    program: NDArray[np.bool_]
    compiles: NDArray[np.bool_]
    text: NDArray[np.int64]
    syntax: NDArray[np.int64]
    behaviour: NDArray[np.int64]
    isolation: pa.Array


def in_arrays(
    examples: Sequence[Example],
    findings: Sequence[Findings],
    vocabulary: Vocabulary,
    numbers: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> JudgedAnswers:
    """Look up what was found of each answer.

    ``numbers`` int64[G, A] are the answers in the vocabulary, ``rows`` int64[G, 1] their examples.

    Raises:
        UserError: if an answer has not been judged.
    """
    given = numbers != NOTHING
    different, place = np.unique(in_row(rows, numbers)[given], return_inverse=True)
    texts, keys = vocabulary.texts(), vocabulary.keys_by_number().tolist()
    kinds: dict[str, int] = {}
    classes: dict[tuple[str, str | int], int] = {}
    columns: list[list[int]] = []
    isolation: list[str | None] = []
    for own in different.tolist():
        row, number = own >> 32, own & 0xFFFFFFFF
        try:
            judged = findings[row][answer_hash(texts[number])]
        except KeyError:
            raise UserError(
                f"An answer to the example {examples[row].id!r} has not been judged: score the "
                f"run with 'marl-eval score'."
            ) from None
        kind = -1 if judged.kind is None else kinds.setdefault(judged.kind, len(kinds))
        program = judged.program
        same = [UNTOLD] * 3
        if program is not None:
            named = _same(program, keys[number])
            same = [classes.setdefault(name, len(classes)) for name in named]
        columns.append(
            [
                UNTOLD if judged.gold is None else judged.gold,
                kind,
                program is not None,
                program is not None and program.compiles,
                *same,
            ]
        )
        isolation.append(None if program is None else program.isolation)
    table = np.array(columns, dtype=np.int64).reshape(-1, 7)
    whole = np.full((*numbers.shape, 7), UNTOLD)
    whole[:, :, 2:4] = 0
    whole[given] = table[place]
    index = np.zeros(numbers.size, dtype=np.int64)
    index[given.reshape(-1)] = place
    gold, kind_, program_, compiles, text, syntax, behaviour = np.moveaxis(whole, 2, 0)
    return JudgedAnswers(
        gold=gold,
        kind=kind_,
        program=program_ > 0,
        compiles=compiles > 0,
        text=text,
        syntax=syntax,
        behaviour=behaviour,
        isolation=pa.array(isolation, pa.string()).take(pa.array(index, mask=~given.reshape(-1))),
    )


def _same(program: Program, key: int) -> list[tuple[str, str | int]]:
    """Give what names a program's class by text, by syntax and by behaviour."""
    text: tuple[str, str | int] = ("text", key)
    if not program.compiles:
        return [text, text, text]
    syntax = text if program.syntax is None else ("syntax", program.syntax)
    return [text, syntax, syntax if program.behaviour is None else ("run", program.behaviour)]
