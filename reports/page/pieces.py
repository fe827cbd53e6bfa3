"""Cutting a generation where its answers stand, so that they can be marked in place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from marl_eval.answers import AnswerFormat, reader
from marl_eval.answers.parsing import Reader
from marl_eval.inert import inert
from marl_eval.types import Completion

REASONING = -1
"""In place of the number of an answer, for a piece of text that is reasoning."""

Piece = tuple[str, int | None]
"""A piece of a text, and which answer of its generation it is (from 0), or ``REASONING``."""

Span = tuple[int, int, int]
"""Where a piece begins and ends, in characters, and what it is."""


def cut_lines(
    fmt: AnswerFormat, lines: Sequence[Completion], answers: Sequence[str | None]
) -> list[list[Piece]]:
    """Cut a generation and its follow-ups into pieces, one list for each line; no piece is empty.

    ``answers`` are those that were scored: what the text holds besides is left unmarked, and an
    answer that a follow-up gave is marked there. Every piece is inert.
    """
    open_ = list(enumerate(answers))
    cut = []
    for place, line in enumerate(lines):
        read = _reader(fmt) if place == 0 else _follow_up_reader(fmt)
        parsed = read(line.text, line.reasoning, line.thinking_opened)
        spans: list[Span] = []
        for number, answer in open_:
            span, text = parsed.spans[number], parsed.answers[number]
            if span is not None and text is not None and text.strip() == answer:
                spans.append((*_trimmed(line.text, *span), number))
        marked = {number for _, _, number in spans}
        open_ = [entry for entry in open_ if entry[0] not in marked]
        if parsed.reasoning_end:
            spans.append((0, parsed.reasoning_end, REASONING))
        cut.append(_cut(line.text, sorted(spans)))
    return cut


@lru_cache(maxsize=64)
def _reader(fmt: AnswerFormat) -> Reader:
    # When two answers are the same, which the key of a task says, moves none of them.
    return reader(fmt)


@lru_cache(maxsize=64)
def _follow_up_reader(fmt: AnswerFormat) -> Reader:
    return reader(replace(fmt, reasoning=False, analysis=False))


def _trimmed(text: str, first: int, end: int) -> tuple[int, int]:
    """Leave the space around an answer out of its mark."""
    content = text[first:end]
    first += len(content) - len(content.lstrip())
    return first, first + len(content.strip())


def _cut(text: str, spans: Sequence[Span]) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for first, end, what in spans:
        if first < at:
            continue
        pieces += [(inert(text[at:first]), None), (inert(text[first:end]), what)]
        at = end
    pieces.append((inert(text[at:]), None))
    return [piece for piece in pieces if piece[0]]
