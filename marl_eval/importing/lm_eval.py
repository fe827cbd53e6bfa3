"""The ``samples_*.jsonl`` files of lm-eval's harness (``--log_samples``).

One line a document and filter: ``arguments`` hold the prompt, ``resps`` the generations, and
``filtered_resps`` what the filter read from them. Each filter is imported as a system of its own. A
metric that is 0 or 1 is the grade of a generation, if it is the only one of its document; otherwise
the metric tells of all of them together, and the answers are graded by their texts. Samples of our
own tasks (``lm_eval_own``) tell more and need none of that.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from marl_eval.errors import UserError, unknown
from marl_eval.importing.columns import read_example
from marl_eval.importing.generations import Choices, Generation, Recording, System
from marl_eval.importing.lm_eval_own import own_system, told_by
from marl_eval.importing.rows import Row, Source
from marl_eval.importing.values import read_grade, read_text

_NEEDED = ("doc_id", "arguments", "resps")
_GRADES = ("exact_match", "acc", "em", "pass@1")
_FOUND_NOTHING = "[invalid]"
"""What lm-eval's filters give for a text from which they could read nothing."""


def matches(columns: tuple[str, ...]) -> bool:
    """Whether a file with these columns has this layout."""
    return all(name in columns for name in _NEEDED)


def systems(source: Source, choices: Choices) -> list[System]:
    """Give a system for each filter, in their order; one system if there is one filter.

    Raises:
        UserError: if the one chosen is not there, or a column that was named.
    """
    if not matches(source.columns):
        raise UserError(
            f"{source.name} lacks one of {', '.join(_NEEDED)}, so it is not of layout lm-eval."
        )
    name = source.name.rpartition(".")[0] or source.name
    _, first = next(source.rows())
    if told_by(first) is not None:
        return [own_system(source, name, choices)]
    for field, column in choices.columns.items():
        if field != "grades":
            raise unknown("field for --map of layout lm-eval named", field, ["grades"])
        if column and column not in source.columns:
            raise unknown(f"column of {source.name} named", column, source.columns)
    filters = list(dict.fromkeys(_filter(row) for _, row in source.rows()))
    if choices.system is not None:
        if choices.system not in filters:
            raise unknown(f"filter in {source.name} named", choices.system, filters)
        filters = [choices.system]
    usual = next((metric for metric in _GRADES if metric in source.columns), "")
    grades = choices.columns.get("grades", usual)
    if len(filters) == 1:
        return [_system(source, name, filters[0], grades, choices)]
    return [_system(source, wanted, wanted, grades, choices) for wanted in filters]


def _filter(row: Row) -> str:
    return str(row.get("filter", "none"))


def _system(source: Source, name: str, wanted: str, grades: str, choices: Choices) -> System:
    def recordings() -> Iterator[Recording]:
        for place, row in source.rows():
            if _filter(row) == wanted:
                fields = {
                    "id": row["doc_id"],
                    "question": _prompt(row, place),
                    "gold": _target(row.get("target")),
                }
                example = read_example(fields, place, aliases=choices.aliases)
                yield Recording(place, example, tuple(_generations(row, grades, place)))

    return System(name, recordings, merge=False)


def _prompt(row: Row, place: str) -> Any:
    """Give the prompt of a generation request: the first of its two arguments."""
    arguments = row["arguments"]
    requests = list(arguments.values()) if isinstance(arguments, dict) else arguments
    first = requests[0] if isinstance(requests, list) and requests else None
    pair = list(first.values()) if isinstance(first, dict) else first
    if not isinstance(pair, list) or len(pair) < 2 or not isinstance(pair[1], dict):
        raise UserError(
            f"{place} is no generation: lm-eval measured the likelihood of given texts there."
        )
    prompt = pair[0]
    return prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt


def _target(value: Any) -> Any:
    """Give the gold answers; lm-eval writes a list of them as Python would show it."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            listed = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value
        if listed and all(isinstance(entry, str) for entry in listed):
            return listed
    return value


def _generations(row: Row, grades: str, place: str) -> Iterator[Generation]:
    texts, filtered = _first(row["resps"]), _first(row.get("filtered_resps"))
    if not isinstance(texts, list):
        raise UserError(f"{place}: resps is not a list of lists of texts.")
    if not isinstance(filtered, list):
        filtered = [filtered]
    read = filtered if len(filtered) == len(texts) else [None] * len(texts)
    grade = None
    if len(texts) == 1 and grades:
        grade = read_grade(row.get(grades), f"{place}: {grades}")
    for number, (text, answer) in enumerate(zip(texts, read, strict=True), start=1):
        extracted = read_text(answer, f"{place}: filtered_resps")
        yield Generation(
            text=read_text(text, f"{place}: text {number} of resps"),
            answers=None if extracted in (None, _FOUND_NOTHING) else (extracted,),
            grades=None if grade is None else (grade,),
        )


def _first(value: Any) -> Any:
    """Give what belongs to the first request of a document, which is the only one of a generation."""
    return value[0] if isinstance(value, list) and value else None
