"""Reading what a careful person would from a generation that is not quite as asked.

Every deviation that is forgiven is named. Time is linear in the text: it is gone through once for its
tags, and each tag's content is looked at once.
"""

from __future__ import annotations

import re
from functools import lru_cache

from marl_eval.answers.confidence import exact_confidence, read_confidence
from marl_eval.answers.format import AnswerFormat, Form
from marl_eval.answers.parsed import ParsedAnswers
from marl_eval.normalization import Key

# A closing tag that the end of the text cut off; no program ends in the second.
_CUT_TAG = re.compile(r"<[ \t]{0,2}/?[A-Za-z]{0,10}[0-9]{0,6}\Z")
_CUT_CLOSING_TAG = re.compile(r"<(?:/[A-Za-z]{0,10}[0-9]{0,6})?\Z")
_TAG = re.compile(
    r"<[ \t]{0,2}(/?)[ \t]{0,2}(answer|confidence|analysis)[ _\t]{0,2}([0-9]{0,6})[ \t]{0,2}>",
    re.IGNORECASE | re.ASCII,
)
# In a program "low < answer > high" is no tag.
_TIGHT_TAG = re.compile(
    r"<(/?)(answer|confidence|analysis)_?([0-9]{0,6})>", re.IGNORECASE | re.ASCII
)
_FENCE = re.compile(r"^[ \t]{0,3}```", re.MULTILINE)
# Sums of rounded decimals: 0.1 + 0.2 + 0.7 must not pass for more than 1.
_SUM_TOLERANCE = 1e-9

_Element = tuple[str, int | None, str, int]
"""A tag's name, its number (None if it has none), its content, and where that begins."""


def above_one(confidences: tuple[float | None, ...]) -> bool:
    """Whether the confidences sum to more than 1."""
    return sum(q for q in confidences if q is not None) > 1 + _SUM_TOLERANCE


def read_leniently(
    fmt: AnswerFormat, key: Key, text: str, start: int, reasoned: bool
) -> ParsedAnswers:
    """Read the answers from ``start`` on; ``reasoned`` says that the reasoning is as asked."""
    found: set[str] = set() if reasoned else {"missing-reasoning"}
    elements = _elements(fmt.form, text, start, found)
    if fmt.form == "program" and all(name != "answer" for name, _, _, _ in elements):
        fenced = _fenced(fmt, text, start)
        if fenced:
            found.add("no-tags")
            elements = fenced + elements
    placed = _place(fmt, elements, found)
    slots: dict[tuple[str, int], str] = {}
    begins: dict[tuple[str, int], int] = {}
    for name, place, content, begin in placed:
        if (name, place) in slots:
            found.add("repeated-tag")
        slots[name, place], begins[name, place] = content, begin
    answers = tuple(slots.get(("answer", i)) or None for i in range(fmt.k))
    confidences: list[float | None] = [None] * fmt.k
    if fmt.confidence:
        for i in range(fmt.k):
            stated = slots.get(("confidence", i))
            if stated is not None:
                confidences[i] = exact_confidence(stated)
                if confidences[i] is None:
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
    if fmt.sum_to_one and above_one(tuple(confidences)):
        found.add("sum-above-one")
    if not _in_order(fmt, list(slots)):
        found.add("order")
    spans = [_span(text, begins["answer", i], a) if a else None for i, a in enumerate(answers)]
    return ParsedAnswers(answers, tuple(confidences), tuple(sorted(found)), start, tuple(spans))


def _span(text: str, begin: int, content: str) -> tuple[int, int]:
    first = text.index(content, begin)
    return first, first + len(content)


def _elements(form: Form, text: str, start: int, found: set[str]) -> list[_Element]:
    """Cut the text into tags with their contents, noting what was wrong with the tags."""
    tags = _TAG if form == "short" else _TIGHT_TAG
    elements: list[_Element] = []
    opened: tuple[str, str] | None = None
    begin = 0
    for tag in tags.finditer(text, start):
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
            elements.append(_element(opened, text[begin : tag.start()], begin))
            opened = None
        else:
            if opened is not None:
                found.add("unclosed-tag")
                elements.append(_element(opened, text[begin : tag.start()], begin))
            opened = name, number
            begin = tag.end()
    if opened is not None:
        found.add("unclosed-tag")
        whole = form != "short" and opened[0] == "answer"
        rest = _all_of_it(text[begin:]) if whole else _first_paragraph(text[begin:])
        elements.append(_element(opened, rest, begin))
    return elements


def _fenced(fmt: AnswerFormat, text: str, start: int) -> list[_Element]:
    """Give the programs that stand in fences where no tag holds any, in their order.

    For one program it is the whole text: which of several fences holds it, is for the task to say.
    """
    marks = [mark.span() for mark in _FENCE.finditer(text, start)]
    if fmt.k == 1:
        return [("answer", None, text[start:].strip(), start)] if marks else []
    elements: list[_Element] = []
    for place, (opening, _) in enumerate(marks[: 2 * fmt.k : 2]):
        closing = marks[2 * place + 1][1] if 2 * place + 1 < len(marks) else len(text)
        elements.append(("answer", place + 1, text[opening:closing].strip(), opening))
    return elements


def _element(opened: tuple[str, str], content: str, begin: int) -> _Element:
    name, number = opened
    return name, int(number) if number else None, content.strip(), begin


def _all_of_it(rest: str) -> str:
    """Give what an unclosed last answer that is a program, or a long text, most likely holds."""
    return _CUT_CLOSING_TAG.sub("", rest.rstrip())


def _first_paragraph(rest: str) -> str:
    """Give what an unclosed last tag most likely holds: a fenced block whole, else one line."""
    rest = rest.strip()
    held = rest if rest.startswith("```") else rest.partition("\n")[0]
    return _CUT_TAG.sub("", held).rstrip()


def _place(
    fmt: AnswerFormat, elements: list[_Element], found: set[str]
) -> list[tuple[str, int, str, int]]:
    """Give each tag its place in the set (from 0), leaving out those that have none.

    Tags without a number, where there should be one, count up: answers in their order, a confidence
    with the answer before it, or in its own order if all answers come first.
    """
    unnumbered = [name for name, number, _, _ in elements if number is None and name != "analysis"]
    answers_first = unnumbered == sorted(unnumbered)
    counts = {"answer": 0, "confidence": 0}
    placed: list[tuple[str, int, str, int]] = []
    for name, number, content, begin in elements:
        if name == "analysis":
            if number is not None:
                found.add("numbering")
            placed.append((name, 0, content, begin))
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
            placed.append((name, place, content, begin))
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
