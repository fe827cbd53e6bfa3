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
# The beginning of most texts, enough to know that the reasoning is not empty.
_REASONING = re.compile(r"<think>\s*[^\s<]")
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
    clean = clean_matcher(fmt)
    nothing: tuple[None, ...] = (None,) * fmt.k
    places = range(1, fmt.k * (2 if fmt.confidence else 1) + 1, 2 if fmt.confidence else 1)

    def read(text: str, reasoning: str | None, thinking_opened: bool) -> ParsedAnswers:
        match = clean(text, reasoning, thinking_opened)
        if match is not None:
            answers = tuple([match[place].strip() for place in places])
            confidences: tuple[float | None, ...] = nothing
            if fmt.confidence:
                confidences = tuple([exact_confidence(match[place + 1]) for place in places])
            if (
                not (fmt.confidence and None in confidences)
                and all(answers)
                and (fmt.k == 1 or len(set(map(key, answers))) == fmt.k)
                and not (fmt.sum_to_one and fmt.confidence and above_one(confidences))
            ):
                spans = tuple([match.span(place) for place in places])
                return ParsedAnswers(answers, confidences, (), match.pos, spans)
        close = text.rfind(_THINK_CLOSE)
        start = close + len(_THINK_CLOSE) if close >= 0 else 0
        opened = thinking_opened and close < 0 and reasoning is None
        if opened or text.find(_THINK_OPEN, start) >= 0:
            return ParsedAnswers(nothing, nothing, _UNFINISHED, len(text), nothing)
        reasoned = not fmt.reasoning or _has_reasoning(text, close, reasoning, thinking_opened)
        return read_leniently(fmt, key, text, start, reasoned)

    return read


CleanMatcher = Callable[[str, str | None, bool], "re.Match[str] | None"]


@lru_cache(maxsize=64)
def clean_matcher(fmt: AnswerFormat) -> CleanMatcher:
    """Give a function of (text, reasoning, thinking_opened) that matches a text with clean tags.

    The match starts at the end of the reasoning; its groups are the contents of the tags, in order.
    The text is as asked if, besides, no answer is empty, no two are the same, each confidence needs
    no forgiveness, and they sum to at most 1 where they must. None says nothing: ``reader`` reads
    such a text.
    """
    clean = _clean_pattern(fmt).match

    def match(text: str, reasoning: str | None, thinking_opened: bool) -> re.Match[str] | None:
        close = text.rfind(_THINK_CLOSE)
        if close < 0:
            if thinking_opened and reasoning is None:
                return None
            start = 0
        else:
            start = close + len(_THINK_CLOSE)
        if fmt.reasoning and not _has_reasoning(text, close, reasoning, thinking_opened):
            return None
        return clean(text, start)

    return match


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
    if _REASONING.match(text):
        return True
    opened = text.find(_THINK_OPEN, 0, close)
    if thinking_opened:
        opened = 0
    if opened < 0:
        return False
    inside = text[opened:close].replace(_THINK_OPEN, "").replace(_THINK_CLOSE, "")
    return bool(inside) and not inside.isspace()
