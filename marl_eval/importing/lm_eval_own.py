"""Samples of our own tasks inside lm-eval (``marl_eval.lm_eval_tasks``).

Each line has in its ``doc`` the whole example and what the run was asked for, so nothing has to be
guessed, and the scores are those that lm-eval was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import msgspec
import orjson

from marl_eval.answers import AnswerFormat
from marl_eval.backends.endings import opens_thinking
from marl_eval.errors import UserError
from marl_eval.importing.generations import Choices, Generation, Recording, System
from marl_eval.importing.rows import Row, Source
from marl_eval.importing.values import read_text
from marl_eval.strategies import SetLayout
from marl_eval.types import Example

_SAMPLING = {"temperature": "temperature", "top_p": "top_p", "max_gen_toks": "max_tokens"}
"""What lm-eval calls the settings that its ``--gen_kwargs`` may have changed."""

_PARTS = ("schema_version", "settings", "task", "prompt")


def told_by(row: Row) -> Mapping[str, Any] | None:
    """Give what a line tells of the run that it belongs to; None for anybody else's task."""
    doc = row.get("doc")
    run = doc.get("run") if isinstance(doc, dict) and "example" in doc else None
    return run if isinstance(run, dict) and "layout" in run and "format" in run else None


def own_system(source: Source, name: str, choices: Choices) -> System:
    """Give the one system of a file of samples of one of our tasks.

    Raises:
        UserError: if lines are of different runs or damaged, or columns were named.
    """
    if choices.columns or choices.system is not None:
        raise UserError(f"{source.name} tells itself what it holds; leave out --map and --system.")
    first: tuple[bytes, dict[str, Any]] | None = None
    for place, row in source.rows():
        told = told_by(row)
        same = None if told is None else orjson.dumps([told, _arguments(row, place)[1]])
        if first is None and told is not None and same is not None:
            first = same, _record(told, _arguments(row, place)[1], place)
        if first is None or same != first[0]:
            raise UserError(f"{place} is of another run than the lines before it; import it apart.")
    if first is None:
        raise UserError(f"{source.name} holds no lines.")
    record = first[1]

    def recordings() -> Iterator[Recording]:
        for place, row in source.rows():
            yield Recording(place, _example(row, place), _generations(row, record["layout"], place))

    return System(name, recordings, merge=False, told=record)


def _record(told: Mapping[str, Any], drawn: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Give what ``run.json`` is to tell, with the sampling that was used in the end."""
    try:
        record: dict[str, Any] = {name: told[name] for name in _PARTS}
        record["layout"] = asdict(SetLayout(**told["layout"]))
        record["format"] = asdict(AnswerFormat(**told["format"]))
        record["settings"] = {
            **told["settings"],
            **{ours: drawn[theirs] for theirs, ours in _SAMPLING.items() if theirs in drawn},
        }
        for name in ("name", "version", "split", "exclusive"):
            told["task"][name]
        told["prompt"]["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{place}: what it tells of its run is damaged ({error}).") from error
    return record


def _arguments(row: Row, place: str) -> tuple[str, Mapping[str, Any]]:
    """Give the prompt and what lm-eval was told of the generation."""
    try:
        (first,) = row["arguments"].values()
        prompt, drawn = first["arg_0"], first["arg_1"]
        return prompt if isinstance(prompt, str) else str(prompt[0]), dict(drawn)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"{place}: arguments are not those of one generation.") from error


def _example(row: Row, place: str) -> Example:
    try:
        return msgspec.convert(row["doc"]["example"], Example)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise UserError(f"{place}: its example is damaged ({error}).") from error


def _generations(row: Row, layout: Mapping[str, Any], place: str) -> tuple[Generation, ...]:
    prompt, _ = _arguments(row, place)
    texts = row["resps"][0] if isinstance(row["resps"], list) and row["resps"] else None
    if not isinstance(texts, list):
        raise UserError(f"{place}: resps is not a list of lists of texts.")
    asked = SetLayout(**layout).samples
    return tuple(
        Generation(
            text=read_text(text, f"{place}: text {number} of resps"),
            # A conversation that a server makes into a prompt shows nothing of how that ends.
            thinking_opened=opens_thinking(prompt),
        )
        for number, text in enumerate(texts[:asked], start=1)
    )
