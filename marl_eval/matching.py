"""When two texts are the same answer, and which gold answer an answer matches."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marl_eval.types import Example

WRONG = -1
"""The grade of an answer that matches no gold answer."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_LONGEST_KNOWN, _MOST_KNOWN = 256, 1 << 16

Key = Callable[[str], str]
"""A task's notion of equality: two answers are the same if and only if their keys are equal."""


def normalize(text: str) -> str:
    """Reduce an answer to what SQuAD's exact match compares.

    Lower case, no ASCII punctuation, no articles (a, an, the), single spaces. Runs in time linear
    in the text, and gives the empty string for a text of punctuation and articles alone.

    Source: Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text",
    arXiv:1606.05250 (its evaluation script).
    """
    return _KNOWN[text]


class _Known(dict[str, str]):
    """Remembers what short texts normalise to: a run asks for the same few over and over."""

    def __missing__(self, text: str) -> str:
        normal = " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())
        if len(text) <= _LONGEST_KNOWN:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[text] = normal
        return normal


_KNOWN = _Known()


def match(example: Example, answers: Sequence[str], key: Key = normalize) -> list[int]:
    """Grade answers: for each, the index of the gold answer it matches, or ``WRONG``.

    An answer matches a gold answer if its key equals that of the gold answer or of one of its
    aliases; a gold answer's own name goes before aliases, and of several gold answers with the same
    key the first counts. An answer with an empty key matches nothing.
    """
    return match_keys(example, [key(answer) for answer in answers], key)


def match_keys(example: Example, keys: Sequence[str], key: Key = normalize) -> list[int]:
    """Grade answers of which the keys are known; see ``match``."""
    known: dict[str, int] = {}
    aliases: list[tuple[str, int]] = []
    for index, gold in enumerate(example.gold):
        known.setdefault(key(gold.answer), index)
        if gold.aliases:
            aliases += [(alias, index) for alias in gold.aliases]
    for alias, index in aliases:
        known.setdefault(key(alias), index)
    known.pop("", None)
    return [known.get(own, WRONG) for own in keys]
