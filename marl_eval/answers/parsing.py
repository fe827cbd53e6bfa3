"""Reading a set of answers back from generated text, strictly and leniently at once.

The reader never raises, whatever the text, and its time is linear in the length of the text. It
reads what a careful person would and lists every deviation it had to forgive; a text without
deviations is what a training reward accepts (``ParsedAnswers.strict``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from marl_eval.answers.confidence import exact_confidence
from marl_eval.answers.format import AnswerFormat
from marl_eval.answers.lenient import above_one, read_leniently
from marl_eval.answers.parsed import ParsedAnswers
from marl_eval.normalization import Key, normalize

_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
_UNFINISHED = ("unfinished-reasoning",)


def parse(
    fmt: AnswerFormat,
    text: str,
    *,
    reasoning: str | None = None,
    thinking_opened: bool = False,
    key: Key = normalize,
) -> ParsedAnswers:
    """Read the answers that ``text`` holds.

    Args:
        fmt: what was asked for.
        text: the generation; any text at all.
        reasoning: reasoning that the engine returned apart from the text.
        thinking_opened: the prompt ended inside the reasoning, so the text begins there.
        key: when two answers are the same (see ``matching``).

    Only text after the last ``</think>`` can hold answers.
    """
    return reader(fmt, key)(text, reasoning, thinking_opened)


Reader = Callable[[str, str | None, bool], ParsedAnswers]


@lru_cache(maxsize=64)
def reader(fmt: AnswerFormat, key: Key = normalize) -> Reader:
    """Give a function of (text, reasoning, thinking_opened) that does what ``parse`` does.

    For callers that read many texts of one format.
    """
    clean = _clean_pattern(fmt)
    k, confidence = fmt.k, fmt.confidence
    step = 2 if confidence else 1
    nothing: tuple[None, ...] = (None,) * k

    def read(text: str, reasoning: str | None, thinking_opened: bool) -> ParsedAnswers:
        close = text.rfind(_THINK_CLOSE)
        start = close + len(_THINK_CLOSE) if close >= 0 else 0
        if thinking_opened and close < 0 and reasoning is None:
            return ParsedAnswers(nothing, nothing, _UNFINISHED, len(text))
        reasoned = not fmt.reasoning or _has_reasoning(text, close, reasoning, thinking_opened)
        if reasoned:
            match = clean.match(text, start)
            if match is not None:
                groups = match.groups()
                answers = tuple([part.strip() for part in groups[::step]])
                stated = (
                    [exact_confidence(part) for part in groups[1::2]] if confidence else nothing
                )
                confidences = tuple(stated)
                if (
                    not (confidence and None in stated)
                    and all(answers)
                    and (k == 1 or len(set(map(key, answers))) == k)
                    and not (fmt.sum_to_one and confidence and above_one(confidences))
                ):
                    return ParsedAnswers(answers, confidences, (), start)
        if text.find(_THINK_OPEN, start) >= 0:
            return ParsedAnswers(nothing, nothing, _UNFINISHED, len(text))
        return read_leniently(fmt, key, text, start, reasoned)

    return read


def _clean_pattern(fmt: AnswerFormat) -> re.Pattern[str]:
    """Match, from the end of the reasoning, a generation with nothing between its tags.

    It is a shortcut for the common case: whatever it refuses, ``read_leniently`` reads.
    """
    pattern = r"\s*"
    for i in range(fmt.k):
        for name in ("answer", "confidence") if fmt.confidence else ("answer",):
            tag = name + fmt.suffix(i)
            pattern += rf"<{tag}>([^<]*)</{tag}>\s*"
    if fmt.analysis:
        pattern += r"<analysis>[^<]*</analysis>\s*"
    return re.compile(pattern + r"\Z")


def _has_reasoning(text: str, close: int, reasoning: str | None, thinking_opened: bool) -> bool:
    if reasoning is not None and reasoning.strip():
        return True
    if close < 0:
        return False
    if text.startswith(_THINK_OPEN) and text[len(_THINK_OPEN) : len(_THINK_OPEN) + 1].isalnum():
        return True
    opened = text.find(_THINK_OPEN, 0, close)
    if thinking_opened:
        opened = 0
    if opened < 0:
        return False
    inside = text[opened:close].replace(_THINK_OPEN, "").replace(_THINK_CLOSE, "")
    return bool(inside) and not inside.isspace()
