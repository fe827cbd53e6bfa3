"""Rows of questions with gold sets, and what must hold of each so that its numbers mean something."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from marl_eval.normalization import Key
from marl_eval.rows import Row, field, kind_of, read_rows, text, texts
from marl_eval.types import Example, Gold

FIELDS = ("id", "question", "gold", "distribution", "truth", "meta")
GOLD_FIELDS = ("answer", "aliases", "weight")

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Rules:
    """What the task says of its answers: ``key`` tells when two are the same.

    ``exclusive``: exactly one is right. ``graded``: some are right; otherwise there is no gold set.
    """

    key: Key
    exclusive: bool = False
    graded: bool = True


def read_questions(path: Path, rules: Rules) -> list[Example]:
    """Read a file of questions; a row without an id is called ``row-1`` or whatever its number is.

    Raises:
        UserError: with the place of each row that is wrong, all of them at once.
    """
    seen: set[str] = set()

    def make(row: Row) -> Example:
        example = _example(row, rules)
        if example.id in seen:
            raise ValueError(f"has the 'id' {example.id!r} of an earlier row")
        if example.id:
            seen.add(example.id)
        return example

    examples = read_rows(path, make)
    return [
        example if example.id else replace(example, id=f"row-{number}")
        for number, example in enumerate(examples, start=1)
    ]


def _example(row: Row, rules: Rules) -> Example:
    """Make an example, with an empty id where the row has none."""
    _check_names(row, FIELDS)
    question = text(row, "question")
    gold = _gold_set(row, rules) if rules.graded else _no_gold_set(row)
    return Example(
        id=_id(row),
        question=question,
        gold=gold,
        distribution=_distribution(row, gold, rules),
        meta=field(row, "meta", dict) if "meta" in row else {},
        truth=_named(text(row, "truth"), "truth", rules.key) if "truth" in row else None,
    )


def _check_names(row: Row, known: tuple[str, ...]) -> None:
    for name in row:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            raise ValueError(f"has the unknown field {name!r}; {hint}")


def _id(row: Row) -> str:
    if "id" not in row:
        return ""
    return str(row["id"]) if type(row["id"]) is int else text(row, "id")


def _no_gold_set(row: Row) -> tuple[Gold, ...]:
    for name in ("gold", "distribution", "truth"):
        if name in row and (name, row[name]) != ("gold", []):
            raise ValueError(
                f"has {name!r}, and the task is not graded: no answer is right or wrong"
            )
    return ()


def _gold_set(row: Row, rules: Rules) -> tuple[Gold, ...]:
    key = rules.key
    entries = field(row, "gold", list)
    if not entries:
        raise ValueError("'gold' is empty")
    gold = tuple(_gold(entry, key) for entry in entries)
    if rules.exclusive and len(gold) > 1:
        raise ValueError(
            f"'gold' has {len(gold)} answers, and the task is exclusive: one answer is right, and "
            f"its other names are its 'aliases'"
        )
    if len({one.weight is None for one in gold}) > 1:
        raise ValueError("'gold' has weights for some answers and not for all")
    names: dict[str, str] = {}
    for one in gold:
        if other := names.get(key(one.answer)):
            raise ValueError(f"'gold' has {other!r} and {one.answer!r}, which are the same answer")
        names[key(one.answer)] = one.answer
    return gold


def _gold(entry: Any, key: Key) -> Gold:
    if isinstance(entry, str):
        return Gold(_named(text({"gold": entry}, "gold"), "gold", key))
    if not isinstance(entry, Mapping):
        raise ValueError(f"'gold' holds {kind_of(entry)}, not only texts or objects")
    _check_names(entry, GOLD_FIELDS)
    aliases = texts(entry, "aliases", least=0) if "aliases" in entry else []
    return Gold(
        answer=_named(text(entry, "answer"), "answer", key),
        aliases=tuple(_named(alias, "aliases", key) for alias in aliases),
        weight=_weight(entry) if "weight" in entry else None,
    )


def _named(answer: str, name: str, key: Key) -> str:
    """See that an answer can be matched at all."""
    if not key(answer):
        raise ValueError(
            f"{name!r} holds {answer!r}, which nothing is left of without articles and punctuation; "
            f"'match: exact' takes it as it is"
        )
    return answer


def _weight(entry: Row) -> float:
    weight = field(entry, "weight", float)
    if not (math.isfinite(weight) and weight > 0):
        raise ValueError(f"'weight' is {weight:g}, not a number above 0")
    return weight


def _distribution(
    row: Row, gold: tuple[Gold, ...], rules: Rules
) -> tuple[tuple[str, float], ...] | None:
    key = rules.key
    if "distribution" not in row:
        return None
    listed = field(row, "distribution", dict)
    chances = {name: field(listed, name, float) for name in listed}
    names: dict[str, str] = {}
    for name, chance in chances.items():
        if not 0 <= chance <= 1:
            raise ValueError(f"'distribution' gives {name!r} {chance:g}, not a probability")
        if other := names.get(key(_named(name, "distribution", key))):
            raise ValueError(
                f"'distribution' has {other!r} and {name!r}, which are the same answer"
            )
        names[key(name)] = name
    for one in gold:
        if not chances.get(names.get(key(one.answer), ""), 0):
            raise ValueError(f"'distribution' holds {one.answer!r} of 'gold' to be impossible")
    total = sum(chances.values())
    if rules.exclusive and total > 1 + _ROUNDING:
        raise ValueError(
            f"'distribution' sums to {total:g}, and the task is exclusive: at most 1 is possible"
        )
    return tuple(chances.items())
