"""Reading a set of answers back from generated text, strictly and leniently at once.

The reader never raises, whatever the text, and its time is linear in the length of the text. It
reads what a careful person would and lists every deviation it had to forgive; a text without
deviations is what a training reward accepts (``ParsedAnswers.strict``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from marl_eval.answers.confidence import exact_confidence, read_confidence
from marl_eval.answers.format import AnswerFormat
from marl_eval.matching import Key, normalize

DEVIATIONS = {
    "unfinished-reasoning": "the text ends inside the reasoning, so it holds no answer",
    "missing-reasoning": "reasoning was asked for and there is none",
    "missing-answer": "fewer answers than asked for",
    "missing-confidence": "an answer has no readable confidence",
    "missing-analysis": "an analysis was asked for and there is none",
    "repeated-answer": "two answers of the set are the same",
    "extra-answer": "more answers than asked for; the first K are kept",
    "extra-confidence": "a confidence that was not asked for",
    "repeated-tag": "a tag occurs again; its last content counts",
    "order": "the tags are not in the order asked for",
    "unclosed-tag": "a tag is not closed",
    "stray-tag": "a closing tag closes nothing",
    "tag-spelling": "a tag is written with capitals or spaces",
    "numbering": "a tag has a number where none was asked for, or none where one was",
    "confidence-percent": "a confidence in (1, 100] or with a percent sign was divided by 100",
    "confidence-text": "a confidence was read from among other text or as a fraction",
    "confidence-range": "a confidence is outside [0, 1] and was not used",
    "sum-above-one": "the confidences sum to more than 1",
}
"""Every deviation the reader knows, with what it means."""

_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
# A closing tag that the end of the text cut off.
_CUT_TAG = re.compile(r"<[ \t]{0,2}/?[A-Za-z]{0,10}[0-9]{0,6}\Z")
_UNFINISHED = ("unfinished-reasoning",)
_TAG = re.compile(
    r"<[ \t]{0,2}(/?)[ \t]{0,2}(answer|confidence|analysis)[ _\t]{0,2}([0-9]{0,6})[ \t]{0,2}>",
    re.IGNORECASE | re.ASCII,
)
# Sums of rounded decimals: 0.1 + 0.2 + 0.7 must not pass for more than 1.
_SUM_TOLERANCE = 1e-9


class ParsedAnswers(NamedTuple):
    """What one generation holds; a tuple, because millions of them are made.

    ``answers`` and ``confidences`` have one place for each of the K answers asked for, in order of
    their tags; None where one is missing. Confidences are in [0, 1]. ``deviations`` are keys of
    ``DEVIATIONS``, sorted. ``reasoning_end`` is the number of characters up to the end of the
    reasoning, 0 where the text has none.
    """

    answers: tuple[str | None, ...]
    confidences: tuple[float | None, ...]
    deviations: tuple[str, ...]
    reasoning_end: int

    @property
    def strict(self) -> bool:
        """Whether a training reward accepts the generation.

        That is: the reasoning is closed and not empty (if asked for); then the tags, exactly as
        asked for, each once, the confidences after each answer or after all answers, whatever
        text stands between the tags, with or without an analysis unless one was asked for; K
        answers, none empty, all distinct; every confidence a decimal number in [0, 1]; and, if asked
        for, their sum at most 1.
        """
        return not self.deviations


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
                    and not (fmt.sum_to_one and confidence and _above_one(confidences))
                ):
                    return ParsedAnswers(answers, confidences, (), start)
        if text.find(_THINK_OPEN, start) >= 0:
            return ParsedAnswers(nothing, nothing, _UNFINISHED, len(text))
        return _read_carefully(fmt, key, text, start, reasoned)

    return read


def _clean_pattern(fmt: AnswerFormat) -> re.Pattern[str]:
    """Match, from the end of the reasoning, a generation with nothing between its tags.

    It is a shortcut for the common case: whatever it refuses, ``_read_carefully`` reads.
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


def _above_one(confidences: tuple[float | None, ...]) -> bool:
    return sum(q for q in confidences if q is not None) > 1 + _SUM_TOLERANCE


_Element = tuple[str, int | None, str]
"""A tag's name, its number (None if it has none), and its content."""


def _read_carefully(
    fmt: AnswerFormat, key: Key, text: str, start: int, reasoned: bool
) -> ParsedAnswers:
    found: set[str] = set() if reasoned else {"missing-reasoning"}
    elements = _elements(text, start, found)
    placed = _place(fmt, elements, found)
    slots: dict[tuple[str, int], str] = {}
    for name, place, content in placed:
        if (name, place) in slots:
            found.add("repeated-tag")
        slots[name, place] = content
    answers = tuple(slots.get(("answer", i)) or None for i in range(fmt.k))
    confidences: list[float | None] = [None] * fmt.k
    if fmt.confidence:
        for i in range(fmt.k):
            stated = slots.get(("confidence", i))
            if stated is not None:
                confidences[i], deviation = read_confidence(stated)
                if deviation is not None:
                    found.add(deviation)
            if confidences[i] is None:
                found.add("missing-confidence")
    given = [key(answer) for answer in answers if answer is not None]
    if len(given) < fmt.k:
        found.add("missing-answer")
    if len(set(given)) < len(given):
        found.add("repeated-answer")
    if fmt.analysis and ("analysis", 0) not in slots:
        found.add("missing-analysis")
    if fmt.sum_to_one and _above_one(tuple(confidences)):
        found.add("sum-above-one")
    if not _in_order(fmt, list(slots)):
        found.add("order")
    return ParsedAnswers(answers, tuple(confidences), tuple(sorted(found)), start)


def _elements(text: str, start: int, found: set[str]) -> list[_Element]:
    """Cut the text into tags with their contents, noting what was wrong with the tags."""
    elements: list[_Element] = []
    opened: tuple[str, str] | None = None
    begin = 0
    for tag in _TAG.finditer(text, start):
        whole, slash, name, number = tag.group(0, 1, 2, 3)
        plain = len(whole) == len(slash) + len(name) + len(number) + 2
        if not (plain and name.islower()) or (len(number) > 1 and number.startswith("0")):
            found.add("tag-spelling")
            name = name.lower()
        if slash:
            if opened is None:
                found.add("stray-tag")
                continue
            if opened != (name, number):
                found.add("stray-tag")
            elements.append(_element(opened, text[begin : tag.start()]))
            opened = None
        else:
            if opened is not None:
                found.add("unclosed-tag")
                elements.append(_element(opened, text[begin : tag.start()]))
            opened = name, number
            begin = tag.end()
    if opened is not None:
        found.add("unclosed-tag")
        elements.append(_element(opened, _first_paragraph(text[begin:])))
    return elements


def _element(opened: tuple[str, str], content: str) -> _Element:
    name, number = opened
    return name, int(number) if number else None, content.strip()


def _first_paragraph(rest: str) -> str:
    """Give what an unclosed last tag most likely holds: a fenced block whole, else one line."""
    rest = rest.strip()
    held = rest if rest.startswith("```") else rest.partition("\n")[0]
    return _CUT_TAG.sub("", held).rstrip()


def _place(
    fmt: AnswerFormat, elements: list[_Element], found: set[str]
) -> list[tuple[str, int, str]]:
    """Give each tag its place in the set (from 0), leaving out those that have none.

    Tags without a number, where there should be one, count up: answers in their order, a confidence
    with the answer before it, or in its own order if all answers come first.
    """
    unnumbered = [name for name, number, _ in elements if number is None and name != "analysis"]
    answers_first = unnumbered == sorted(unnumbered)
    counts = {"answer": 0, "confidence": 0}
    placed: list[tuple[str, int, str]] = []
    for name, number, content in elements:
        if name == "analysis":
            if number is not None:
                found.add("numbering")
            placed.append((name, 0, content))
            continue
        if name == "confidence" and not fmt.confidence:
            found.add("extra-confidence")
            continue
        if (number is None) == (fmt.k > 1):
            found.add("numbering")
        if number is not None:
            place = number - 1
        elif fmt.k == 1:
            place = 0
        else:
            counts[name] += 1
            own = counts[name] if name == "answer" or answers_first else counts["answer"]
            place = max(own - 1, 0)
        if 0 <= place < fmt.k:
            placed.append((name, place, content))
        else:
            found.add(f"extra-{name}")
    return placed


def _in_order(fmt: AnswerFormat, seen: list[tuple[str, int]]) -> bool:
    """Whether the tags that are there follow each other as asked for, or as the split layout has them.

    In the split layout all answers come before all confidences, the analysis between or after them.
    """
    if seen in _layouts(fmt):
        return True
    there = set(seen)
    return any([tag for tag in layout if tag in there] == seen for layout in _layouts(fmt))


@lru_cache(maxsize=64)
def _layouts(fmt: AnswerFormat) -> list[list[tuple[str, int]]]:
    answers = [("answer", i) for i in range(fmt.k)]
    confidences = [("confidence", i) for i in range(fmt.k)] if fmt.confidence else []
    pairs = [tag for i in range(fmt.k) for tag in (answers[i : i + 1] + confidences[i : i + 1])]
    analysis = [("analysis", 0)]
    return [
        pairs,
        answers + confidences,
        pairs + analysis,
        answers + analysis + confidences,
        answers + confidences + analysis,
    ]
