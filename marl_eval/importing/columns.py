"""The plain layout: one row a generation, or one row an example with a list of generations.

Which column holds what is seen from its name, or told with ``--map field=column``. Where ``text`` is
a list, the other fields of a generation are lists of the same length. ``confidences``, ``grades`` and
``extracted`` (answers that were read from the text before) are one value for one answer, or a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar

from marl_eval.errors import UserError, unknown
from marl_eval.importing.generations import Choices, Generation, Recording, System
from marl_eval.importing.gold import read_gold
from marl_eval.importing.rows import Row, Source
from marl_eval.importing.values import (
    read_confidence,
    read_count,
    read_finish,
    read_grade,
    read_name,
    read_text,
)
from marl_eval.types import Example

T = TypeVar("T")

FIELDS: dict[str, tuple[str, ...]] = {
    "id": ("id", "example_id", "question_id"),
    "question": ("question", "problem", "prompt"),
    "gold": ("gold", "answers", "answer", "target"),
    "text": ("text", "completion", "response", "output", "generation"),
    "extracted": ("extracted",),
    "k": ("k",),
    "confidences": ("confidences", "confidence"),
    "grades": ("grades", "grade"),
    "prompt_tokens": ("prompt_tokens",),
    "completion_tokens": ("completion_tokens",),
    "reasoning": ("reasoning", "reasoning_content"),
    "finish_reason": ("finish_reason",),
}
"""Each field, with the names by which its column is known if it is not told."""

_OF_EXAMPLE = ("id", "question", "gold", "k")


def systems(source: Source, choices: Choices) -> list[System]:
    """Give the one system of a plain source.

    Raises:
        UserError: if a column that was named is not there, or there is no text.
    """
    if choices.system is not None:
        raise UserError(
            f"--system chooses among the systems of a released evaluator's file or the filters of "
            f"lm-eval's; {source.name} is neither."
        )
    chosen = choose_columns(source, FIELDS, choices.columns)
    if "text" not in chosen and "extracted" not in chosen:
        raise UserError(
            f"{source.name} has no column of texts; name it with --map text=COLUMN, where COLUMN is "
            f"one of {', '.join(source.columns)}."
        )
    if "id" not in chosen and "question" not in chosen:
        raise UserError(f"{source.name} has neither ids nor questions; name one with --map.")

    def recordings() -> Iterator[Recording]:
        for place, row in source.rows(set(chosen.values())):
            fields = {name: row.get(column) for name, column in chosen.items()}
            yield Recording(
                place,
                read_example(fields, place, aliases=choices.aliases),
                tuple(_generations(fields, place)),
            )

    return [System(source.name.rpartition(".")[0] or source.name, recordings, merge=True)]


def choose_columns(
    source: Source, fields: Mapping[str, Sequence[str]], told: Mapping[str, str]
) -> dict[str, str]:
    """Give the column of each field: the one told, or the first of its known names.

    A field told to be the column "" has none.

    Raises:
        UserError: for a field or a column that there is not.
    """
    for name, column in told.items():
        if name not in fields:
            raise unknown("field for --map named", name, fields)
        if column and column not in source.columns:
            raise unknown(f"column of {source.name} named", column, source.columns)
    usual = {
        name: next((known for known in known_names if known in source.columns), "")
        for name, known_names in fields.items()
    }
    return {name: column for name, column in {**usual, **told}.items() if column}


def read_example(
    fields: Row, place: str, *, aliases: bool, otherwise: str | None = None
) -> Example:
    """Read the example of a row from its fields id, question, gold and k.

    Where there is no id, it is ``otherwise``, or else made of the question.

    Raises:
        UserError: if a field is not what it should be.
    """
    question = read_text(fields.get("question"), f"{place}: the question")
    own = read_name(fields.get("id"), f"{place}: the id")
    if own is None and otherwise is None and question is None:
        raise UserError(f"{place} has neither an id nor a question.")
    if own is None:
        own = otherwise or sha256((question or "").encode()).hexdigest()[:16]
    asked = read_count(fields.get("k"), f"{place}: k")
    if asked == 0:
        raise UserError(f"{place}: k is 0, but at least 1 answer must be asked for.")
    return Example(
        id=own,
        question=question or "",
        gold=read_gold(fields.get("gold"), f"{place}: the gold set", aliases=aliases),
        asked=asked,
    )


def _generations(fields: Row, place: str) -> Iterator[Generation | None]:
    own = {name: value for name, value in fields.items() if name not in _OF_EXAMPLE}
    texts = own.get("text")
    if not isinstance(texts, list):
        yield _generation(own, place)
        return
    lists = {name: value for name, value in own.items() if value is not None}
    for name, values in lists.items():
        if not isinstance(values, list) or len(values) != len(texts):
            raise UserError(f"{place}: {name} must be a list of {len(texts)}, as the texts are.")
    for number in range(len(texts)):
        one = {name: values[number] for name, values in lists.items()}
        yield _generation(one, f"{place}, text {number + 1}")


def _generation(fields: Row, place: str) -> Generation | None:
    text = read_text(fields.get("text"), f"{place}: the text")
    answers = read_each(fields.get("extracted"), read_text, f"{place}: an extracted answer")
    if text is None and answers is None:
        return None
    return Generation(
        text=text,
        answers=answers,
        grades=read_each(fields.get("grades"), read_grade, f"{place}: a grade"),
        confidences=read_each(fields.get("confidences"), read_confidence, f"{place}: a confidence"),
        reasoning=read_text(fields.get("reasoning"), f"{place}: the reasoning"),
        prompt_tokens=read_count(fields.get("prompt_tokens"), f"{place}: prompt_tokens"),
        completion_tokens=read_count(
            fields.get("completion_tokens"), f"{place}: completion_tokens"
        ),
        finish_reason=read_finish(fields.get("finish_reason"), f"{place}: finish_reason"),
    )


def read_each(
    value: Any, read: Callable[[Any, str], T | None], place: str
) -> tuple[T | None, ...] | None:
    """Read one value for each answer: a list, or the value of the only answer.

    Raises:
        UserError: if one is not what it should be.
    """
    if value is None:
        return None
    values = value if isinstance(value, list) else [value]
    return tuple(read(one, place) for one in values) or None
