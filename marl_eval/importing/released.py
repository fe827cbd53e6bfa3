"""The layout in which the released evaluators of RLCR and multi-answer RL keep what they evaluated.

One row an example, and for each system the columns ``SYSTEM-output_0``, ``SYSTEM-output_1`` … with
its generations, ``SYSTEM-evals`` with their grades and ``SYSTEM-confidence_levels`` with the
confidences read from the un-numbered tag. For generations of one answer the latter two are lists of
one value a generation (a single confidence where a classifier gave it, however many there are). For
generations of several answers the grades are a list for each generation, or for the only one the list
itself; the confidences are then no confidences of the answers, and are left to be read from the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from marl_eval.errors import UserError, unknown
from marl_eval.importing.columns import choose_columns, read_each, read_example
from marl_eval.importing.generations import Choices, Generation, Recording, System
from marl_eval.importing.rows import Source
from marl_eval.importing.values import read_confidence, read_grade, read_text

_OUTPUT = re.compile(r"(.+)-output_([0-9]+)", re.DOTALL)
_NUMBERED = re.compile(r"<answer[0-9]")

_FIELDS = {
    "id": ("id",),
    "question": ("question", "problem", "prompt"),
    "gold": ("answers", "answer"),
}


def matches(columns: tuple[str, ...]) -> bool:
    """Whether a file with these columns has this layout."""
    return any(_OUTPUT.fullmatch(name) for name in columns)


def systems(source: Source, choices: Choices) -> list[System]:
    """Give the systems that were evaluated, in the order of their columns.

    Raises:
        UserError: if the one chosen is not there.
    """
    outputs: dict[str, list[tuple[int, str]]] = {}
    for column in source.columns:
        if match := _OUTPUT.fullmatch(column):
            outputs.setdefault(match[1], []).append((int(match[2]), column))
    if not outputs:
        raise UserError(
            f"{source.name} has no column SYSTEM-output_0, so it is not of layout rlcr."
        )
    if choices.system is not None:
        if choices.system not in outputs:
            raise unknown(f"system in {source.name} named", choices.system, outputs)
        outputs = {choices.system: outputs[choices.system]}
    chosen = choose_columns(source, _FIELDS, choices.columns)
    return [
        _system(source, name, [column for _, column in sorted(found)], chosen, choices)
        for name, found in outputs.items()
    ]


def _system(
    source: Source, name: str, outputs: list[str], chosen: dict[str, str], choices: Choices
) -> System:
    grades, levels = f"{name}-evals", f"{name}-confidence_levels"

    def recordings() -> Iterator[Recording]:
        wanted = {*chosen.values(), *outputs, grades, levels}
        for number, (place, row) in enumerate(source.rows(wanted)):
            fields = {field: row.get(column) for field, column in chosen.items()}
            example = read_example(fields, place, aliases=choices.aliases, otherwise=str(number))
            texts = [read_text(row.get(c), f"{place}: {c}") for c in outputs]
            generations = _generations(texts, row.get(grades), row.get(levels), place, name)
            yield Recording(place, example, tuple(generations))

    return System(name, recordings, merge=False)


def _generations(
    texts: list[str | None], grades: Any, levels: Any, place: str, name: str
) -> Iterator[Generation | None]:
    graded = _by_generation(grades, len(texts), f"{place}: {name}-evals")
    stated = _by_generation(levels, len(texts), f"{place}: {name}-confidence_levels")
    for text, own_grades, own_levels in zip(texts, graded, stated, strict=True):
        if text is None:
            yield None
            continue
        several = _is_set(text, own_grades)
        yield Generation(
            text=text,
            grades=read_each(own_grades, read_grade, f"{place}: {name}-evals"),
            confidences=None
            if several
            else read_each(own_levels, read_confidence, f"{place}: {name}-confidence_levels"),
        )


def _is_set(text: str, grades: Any) -> bool:
    """Whether a generation was judged as one of several answers."""
    if isinstance(grades, list) and len(grades) != 1:
        return True
    return _NUMBERED.search(text) is not None and "<answer>" not in text


def _by_generation(values: Any, count: int, place: str) -> list[Any]:
    """Give what belongs to each generation, None where nothing does."""
    if values is None:
        return [None] * count
    if not isinstance(values, list):
        raise UserError(f"{place} is not a list.")
    if count == 1 and not any(isinstance(value, list) for value in values):
        return [values]
    if len(values) > count:
        raise UserError(f"{place} has {len(values)} entries for {count} generations.")
    return [*values, *[None] * (count - len(values))]
