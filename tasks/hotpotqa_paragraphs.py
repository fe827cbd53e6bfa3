"""The paragraphs of a HotpotQA question: which are taken away, and how they are cut to a length.

What is drawn is decided by a hash of the seed and the question's id alone, so it does not depend on the
order of the questions, on how many are read or on the version of Python.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Removed = Literal["none", "0", "1", "2", "mixed"]

OUT = 2
"""How many paragraphs are taken away in all, unless none are."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph with its sentences; ``supporting`` are the places of those that the answer rests on.

    ``gold`` says that the answer rests on this paragraph, even if its sentences are not told.
    """

    title: str
    sentences: tuple[str, ...]
    supporting: frozenset[int]
    gold: bool

    def text(self) -> str:
        """Give the paragraph as it is shown: its title on a line of its own, then its sentences."""
        return "\n".join([self.title, " ".join(self.sentences)]).rstrip()


def drawn(paragraphs: Sequence[Paragraph], removed: Removed, seed: int, name: str) -> list[int]:
    """Draw the places of the paragraphs to take away from the question of that name (id).

    ``0``, ``1`` or ``2`` of them are gold and the rest of two are not; ``mixed`` draws that number,
    each as likely. Fewer that are not gold are taken if there are fewer.

    Raises:
        ValueError: if there are fewer gold paragraphs than the option could ask for.
    """
    if removed == "none":
        return []
    gold = [place for place, paragraph in enumerate(paragraphs) if paragraph.gold]
    others = [place for place, paragraph in enumerate(paragraphs) if not paragraph.gold]
    most = OUT if removed == "mixed" else int(removed)
    if len(gold) < most:
        raise ValueError(
            f"'context' holds {len(gold)} of the paragraphs in 'supporting_facts', fewer than the "
            f"{most} that removed={removed} takes away"
        )
    many = _hashed(seed, name, "how many") % (OUT + 1) if removed == "mixed" else most
    taken = _ranked(gold, seed, name)[:many] + _ranked(others, seed, name)[: OUT - many]
    return sorted(taken)


def _ranked(places: Sequence[int], seed: int, name: str) -> list[int]:
    return sorted(places, key=lambda place: _hashed(seed, name, str(place)))


def _hashed(seed: int, name: str, what: str) -> int:
    digest = hashlib.sha256(f"{seed}\n{name}\n{what}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest, "big")


def cut_to(paragraphs: Sequence[Paragraph], room: int) -> tuple[list[Paragraph], int]:
    """Cut whole sentences until ``joined`` has at most ``room`` characters; tell how many were cut.

    Each time the longest paragraph loses its last sentence that is not supporting; supporting ones go
    only when no others are left. Paragraphs without a sentence left go last, from the end.
    """
    kept = list(paragraphs)
    cut = 0
    while kept and len(joined(kept)) > room:
        place, sentence = _next_to_go(kept)
        if sentence is None:
            del kept[place]
        else:
            kept[place] = _without(kept[place], sentence)
            cut += 1
    return kept, cut


def joined(paragraphs: Sequence[Paragraph]) -> str:
    """Give the paragraphs as they are shown."""
    return "\n\n".join(paragraph.text() for paragraph in paragraphs)


def _next_to_go(paragraphs: Sequence[Paragraph]) -> tuple[int, int | None]:
    """Give the places of the paragraph and of its sentence to go next, None for the whole of it."""
    by_length = sorted(range(len(paragraphs)), key=lambda place: -len(paragraphs[place].text()))
    for spared in (True, False):
        for place in by_length:
            paragraph = paragraphs[place]
            for sentence in reversed(range(len(paragraph.sentences))):
                if not (spared and sentence in paragraph.supporting):
                    return place, sentence
    return len(paragraphs) - 1, None


def _without(paragraph: Paragraph, sentence: int) -> Paragraph:
    sentences = paragraph.sentences
    return replace(
        paragraph,
        sentences=sentences[:sentence] + sentences[sentence + 1 :],
        supporting=frozenset(i - (i > sentence) for i in paragraph.supporting if i != sentence),
    )
