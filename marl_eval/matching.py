"""Which gold answer an answer matches."""

from __future__ import annotations

from collections.abc import Sequence

from marl_eval.normalization import Key, normalize
from marl_eval.types import Example

WRONG = -1
"""The grade of an answer that matches no gold answer."""


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
