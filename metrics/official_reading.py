"""How the released evaluators read a generation: unlike ours, and kept so for comparison.

An answer or a confidence is what stands between an opening tag and the next closing one, wherever in
the text, inside the reasoning too. Of one answer the last tag counts; of several, each number's last.
A confidence is a number in [0, 1], or one in (1, 100] divided by 100; among other words the first
number counts; anything else is none.

Source: the evaluation code of RLCR (arXiv:2507.16806) and of multi-answer RL (arXiv:2603.24844).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_MOST = 1000
"""Answers of one generation; higher numbers are passed over, where the original would make room."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One generation as the released evaluators read it.

    ``answers`` in order of their numbers, "" at a number that has none; ``confidences`` of the same
    numbers, None where there is none. ``stated`` is the confidence of the un-numbered tag, 0 if it
    cannot be read, and ``readable`` says whether it can. ``length`` is in characters.
    """

    answers: tuple[str, ...]
    confidences: tuple[float | None, ...]
    stated: float
    readable: bool
    length: int


def read_one(text: str) -> Reading:
    """Read a generation of one answer."""
    stated = confidence_in(last_tag(text, "confidence"))
    return Reading(
        answers=(last_tag(text, "answer"),),
        confidences=(stated or 0.0,),
        stated=stated or 0.0,
        readable=stated is not None,
        length=len(text),
    )


def read_several(text: str) -> Reading:
    """Read a generation of several answers."""
    answers, confidences = numbered_tags(text, "answer"), numbered_tags(text, "confidence")
    numbers = range(1, max(answers, default=0) + 1)
    stated = confidence_in(last_tag(text, "confidence"))
    return Reading(
        answers=tuple(answers.get(number, "").strip() for number in numbers),
        confidences=tuple(confidence_in(confidences.get(n, ""), insist=True) for n in numbers),
        stated=stated or 0.0,
        readable=stated is not None,
        length=len(text),
    )


def last_tag(text: str, name: str) -> str:
    """Give the content of the last closed tag without a number, "" if there is none."""
    opening, closing = f"<{name}>", f"</{name}>"
    content, place = "", 0
    while (first := text.find(opening, place)) >= 0:
        first += len(opening)
        last = text.find(closing, first)
        if last < 0:
            break
        content, place = text[first:last], last + len(closing)
    return content


def numbered_tags(text: str, name: str) -> dict[int, str]:
    """Give the content of each number's last closed tag.

    What stands inside a closed tag is not looked at. Time is linear in the text, which it would not
    be for a pattern that goes back to an earlier group.
    """
    ends: dict[str, list[tuple[int, int]]] = {}
    for tag in re.finditer(rf"</{name}(\d+)>", text):
        ends.setdefault(tag[1], []).append(tag.span())
    contents: dict[int, str] = {}
    place = 0
    for tag in re.finditer(rf"<{name}(\d+)>", text):
        if tag.start() < place:
            continue
        closings = ends.get(tag[1], [])
        next_one = bisect_left(closings, (tag.end(), 0))
        if next_one < len(closings):
            last, place = closings[next_one]
            digits = tag[1].lstrip("0")
            if 0 < len(digits) <= len(str(_MOST)) and int(digits) <= _MOST:
                contents[int(digits)] = text[tag.end() : last]
    return contents


def confidence_in(content: str, *, insist: bool = False) -> float | None:
    """Read a confidence; None if there is none in [0, 100].

    With ``insist``, as for numbered tags, the first number is looked for even where the whole is a
    number out of range: "1e3" is then 1.
    """
    try:
        value = _as_share(float(content))
    except ValueError:
        value, insist = None, True
    if value is None and insist:
        number = _NUMBER.search(content)
        return None if number is None else _as_share(float(number.group()))
    return value


def _as_share(value: float) -> float | None:
    if 0 <= value <= 1:
        return value
    return value / 100 if 1 < value <= 100 else None
