"""What a recorded system was asked for, as far as its generations show it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from marl_eval.importing.generations import Generation, Recording

_NUMBER = re.compile(r"<answer([0-9]{1,4})>")
_THINK_CLOSE = "</think>"


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass over a system's generations shows.

    ``k`` is the number of answers that most generations hold, of those that hold any (the larger of
    equally frequent ones), and ``held`` counts the generations by their number of answers; ``asked``
    is the largest number that was said to be asked for, 0 if none was. ``tagged`` says whether any
    text has a confidence in tags, ``reasoning`` whether there is any; ``graded`` and ``stated``
    whether any grade or confidence was recorded.
    """

    k: int
    held: Counter[int]
    asked: int
    tagged: bool
    reasoning: bool
    graded: bool
    stated: bool

    def above(self, k: int) -> int:
        """Count the generations that hold more than ``k`` answers."""
        return sum(count for number, count in self.held.items() if number > k)


def survey(recordings: Iterable[Recording]) -> Survey:
    """Go through a system's generations once."""
    held: Counter[int] = Counter()
    asked = 0
    tagged = reasoning = graded = stated = False
    for recording in recordings:
        asked = max(asked, recording.example.asked or 0)
        for generation in recording.generations:
            if generation is None:
                continue
            held[answers_held(generation)] += 1
            text = generation.text or ""
            tagged |= "<confidence" in text
            reasoning |= _THINK_CLOSE in text or bool(generation.reasoning)
            graded |= any(grade is not None for grade in generation.grades or ())
            stated |= any(q is not None for q in generation.confidences or ())
    del held[0]
    most = max(held, key=lambda number: (held[number], number), default=1)
    return Survey(most, held, asked, tagged, reasoning, graded, stated)


def answers_held(generation: Generation) -> int:
    """Count the answers of a generation: as they were recorded, or else as its tags number them."""
    recorded = (generation.answers, generation.grades, generation.confidences)
    most = max(len(values or ()) for values in recorded)
    if most > 0:
        return most
    text = generation.text or ""
    text = text[text.rfind(_THINK_CLOSE) + 1 :]
    numbers = [int(number) for number in _NUMBER.findall(text)]
    return max(numbers, default=int("<answer>" in text))
