"""Merging what several annotators of AmbigNQ wrote into one gold answer for each reading.

Two kinds of annotation meet. An annotator who saw no ambiguity answers the question as it stands; one
who saw several readings puts each into words and answers it. Strings are compared as answers are
(``name_key``). The rules, in this order:

1. Readings that share a string, or that are worded alike, have the same answer, whoever wrote them. So
   two names that one reading lists are never two answers. (In about one gold answer of a hundred this
   joins readings that have other strings besides, such as a year and two dates in it.)
2. Whoever saw no ambiguity speaks of one reading, the question as it stands. If a string written for it
   names an answer of rule 1, or is a list of which every part does ("1983 and 2011"), then what is new
   in it becomes one more name of the first answer that is named. It does not make one answer of what
   others held apart: for such a question the data often lists the answers of all readings.
3. If no string does, they are one gold answer more.

So an answer is right if any annotator holds it to be right, and recall counts the readings that any of
them saw. (The official score takes for each prediction the annotator that it agrees with most.) A list
within one string stays one answer: almost all commas are those of dates and places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from marl_eval.normalization import name_key
from marl_eval.types import Gold

_LIST = re.compile(r"\s*(?:[,;&]|\band\b|\bor\b)\s*")
# A comma without a space after it, but not one that sets off thousands.
_TIGHT_COMMA = re.compile(r",(?=\w)(?!(?<=\d,)\d{3}(?!\d))")


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading in words, or None for the question as it stands, and the strings of its answer."""

    question: str | None
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """A gold answer with the readings that it answers, in words; none for the question as it stands."""

    gold: Gold
    questions: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """Readings with one answer: what is written of each, by its key."""

    names: dict[str, str]
    questions: dict[str, str]


def merge(readings: Sequence[Reading]) -> list[Merged]:
    """Give the gold answers in the order in which they were first written."""
    groups: list[_Group] = []
    for reading in readings:
        if reading.question is not None:
            own = {name_key(reading.question): reading.question.strip()}
            _join(groups, _Group(_names(reading.answers), own))
    plain = _names(text for r in readings if r.question is None for text in r.answers)
    if plain:
        owner = {key: group for group in groups for key in group.names}
        named = [group for text in plain.values() for group in _named(text, owner)]
        if not named:
            named = [_Group({}, {})]
            groups += named
        named[0].names.update({key: text for key, text in plain.items() if key not in owner})
    return [Merged(_gold(group.names), tuple(group.questions.values())) for group in groups]


def _join(groups: list[_Group], new: _Group) -> None:
    """Add a reading: to the first group with the same answer, together with all other such groups."""
    same = [
        group
        for group in groups
        if _share(group.names, new.names) or _share(group.questions, new.questions)
    ]
    if not same:
        groups.append(new)
        return
    first = same[0]
    for other in (*same[1:], new):
        first.names = {**first.names, **_without(other.names, first.names)}
        first.questions = {**first.questions, **_without(other.questions, first.questions)}
    groups[:] = [group for group in groups if group is first or group not in same]


def _named(text: str, owner: Mapping[str, _Group]) -> list[_Group]:
    """Give the groups that a text names, as it is or by every part of the list that it is."""
    if name_key(text) in owner:
        return [owner[name_key(text)]]
    parts = [name_key(part) for part in _LIST.split(text) if part]
    return [owner[part] for part in parts] if all(part in owner for part in parts) else []


def _names(texts: Iterable[str]) -> dict[str, str]:
    """Map the key of each text to it; one that lacks a space after a comma is there with it too."""
    names: dict[str, str] = {}
    for text in texts:
        names.setdefault(name_key(text), text.strip())
        spaced = _TIGHT_COMMA.sub(", ", text)
        names.setdefault(name_key(spaced), spaced.strip())
    return names


def _gold(names: Mapping[str, str]) -> Gold:
    answer, *aliases = names.values()
    return Gold(answer, tuple(aliases))


def _share(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return not one.keys().isdisjoint(other)


def _without(one: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {key: text for key, text in one.items() if key not in known}
