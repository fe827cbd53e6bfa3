"""Reducing an answer to the form in which two answers are compared."""

from __future__ import annotations

import re
import string
from collections.abc import Callable

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


def exact(text: str) -> str:
    """Keep an answer as it is written, but for the space around it."""
    return text.strip()


def name_key(text: str) -> str:
    """Reduce an answer as ``normalize`` does, but keep articles or punctuation that are all of it.

    The right answer can be "the", "The The" or "#". Only a blank text gives the empty string.
    """
    normal = normalize(text)
    if normal:
        return normal
    words = text.lower().split()
    return " ".join(" ".join(words).translate(_PUNCTUATION).split()) or " ".join(words)


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
