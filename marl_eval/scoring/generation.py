"""Reading one stored generation together with its follow-ups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from marl_eval.answers import AnswerFormat, ParsedAnswers, reader
from marl_eval.normalization import Key, normalize
from marl_eval.types import Completion

T = TypeVar("T")

GenerationReader = Callable[[Sequence[Completion]], ParsedAnswers]
"""From the stored lines of one generation, in order of stage, to what it holds."""


@lru_cache(maxsize=64)
def generation_reader(fmt: AnswerFormat, key: Key = normalize) -> GenerationReader:
    """Give the function that reads generations asked for in ``fmt``.

    Follow-ups fill in only what the generation itself lacks; the deviations are its own.
    """
    read = reader(fmt, key)
    again = reader(replace(fmt, reasoning=False, analysis=False), key)

    def read_lines(lines: Sequence[Completion]) -> ParsedAnswers:
        line = lines[0]
        parsed = read(line.text, line.reasoning, line.thinking_opened)
        for line in lines[1:]:
            more = again(line.text, line.reasoning, line.thinking_opened)
            parsed = parsed._replace(
                answers=_fill(parsed.answers, more.answers),
                confidences=_fill(parsed.confidences, more.confidences),
            )
        return parsed

    return read_lines


def _fill(have: Sequence[T | None], more: Sequence[T | None]) -> tuple[T | None, ...]:
    return tuple(b if a is None else a for a, b in zip(have, more, strict=True))
