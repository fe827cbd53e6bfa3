"""Generations to learn the format from, written from gold answers.

``ranked`` answers are the heaviest gold answers of an example. ``drawn`` ones are drawn by weight, and a
share of them, ``repeats``, without regard to those given before, as by a model that only samples. Where
an example has too few gold answers, those of similar examples stand in, with a low confidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from random import Random

from marl_eval.answers import AnswerFormat, render
from marl_eval.errors import UserError
from marl_eval.training.settings import SftSettings
from marl_eval.types import Example, Gold

_SURE, _UNSURE = 0.9, 0.05
_MOST_TRIES = 100
_LIKE = 32
"""Other examples that are drawn, of which the one most alike lends an answer."""
_GRID = 20
"""Random confidences are multiples of one by this."""

_REASONING = "I weigh what the question tells, and name what fits it best."
_ANALYSIS = "The first answers fit best; what is left out of the question decides between them."


def gold_text(
    settings: SftSettings,
    fmt: AnswerFormat,
    example: Example,
    others: Sequence[Example],
    random: Random,
) -> str:
    """Write a generation for an example; ``others`` lend answers where it has too few."""
    drawn = _draw(settings, fmt, example, others, random)
    answers = [gold.answer for gold in drawn]
    stated = _confidences(fmt, drawn)
    if settings.confidences == "random":
        stated = _random_confidences(fmt, random)
    return render(
        fmt,
        answers,
        [f"{value:.2f}" for value in stated],
        reasoning=_restated(settings.restate, example) if settings.restate else _REASONING,
        analysis=_ANALYSIS,
    )


def _draw(
    settings: SftSettings,
    fmt: AnswerFormat,
    example: Example,
    others: Sequence[Example],
    random: Random,
) -> list[Gold]:
    """Choose the answers; those that stand in have a weight of 0."""
    given: list[Gold] = []
    for _ in range(fmt.k):
        left = [gold for gold in example.gold if gold not in given]
        if settings.answers == "ranked":
            own = max(left, key=_weight, default=None)
        else:
            among = example.gold if given and random.random() < settings.repeats else left
            own = random.choices(among, [_weight(g) for g in among])[0] if among else None
        given.append(own or _stand_in(fmt, example, others, given, random))
    return given


def _weight(gold: Gold) -> float:
    return 1.0 if gold.weight is None else gold.weight


def _stand_in(
    fmt: AnswerFormat,
    example: Example,
    others: Sequence[Example],
    given: Sequence[Gold],
    random: Random,
) -> Gold:
    """Give a gold answer of another example: of some drawn at random, the one most alike in words."""
    used = {name for g in (*example.gold, *given) for name in (g.answer, *g.aliases)}
    own = _words(example.question)
    for _ in range(_MOST_TRIES):
        drawn = [random.choice(others) for _ in range(_LIKE)]
        drawn.sort(key=lambda other: -len(own & _words(other.question)))
        for other in drawn:
            left = [gold for gold in other.gold if gold.answer not in used]
            if left:
                return Gold(random.choice(left).answer, weight=0.0)
    raise UserError(
        f"The task has fewer than {fmt.k} different right answers in all, so {fmt.k} different answers "
        f"cannot be shown: lower k."
    )


@lru_cache(maxsize=1 << 16)
def _words(text: str) -> frozenset[tuple[str, ...]]:
    """Give the pairs of neighbouring words of a text."""
    words = text.split()
    return frozenset(pairwise(words))


def _confidences(fmt: AnswerFormat, answers: Sequence[Gold]) -> list[float]:
    """Give what the weights say, in hundredths; rounded down where they may sum to at most 1."""
    stated = [
        _SURE if gold.weight is None else max(min(gold.weight, 1.0), _UNSURE) for gold in answers
    ]
    whole = max(1.0, sum(stated)) if fmt.sum_to_one else 1.0
    return [int(value / whole * 100) / 100 for value in stated]


def _random_confidences(fmt: AnswerFormat, random: Random) -> list[float]:
    """Draw confidences; where they may sum to at most 1, uniformly among those that do."""
    if not fmt.sum_to_one:
        return [random.randrange(1, _GRID) / _GRID for _ in range(fmt.k)]
    parts = [random.expovariate(1) for _ in range(fmt.k + 1)]
    whole = sum(parts)
    return [int(part / whole * _GRID) / _GRID for part in parts[: fmt.k]]


def _restated(pattern: str, example: Example) -> str:
    """Repeat what the pattern finds in the question: its first group, or all of it."""
    return ", ".join(
        match[match.re.groups and 1] for match in re.finditer(pattern, example.question)
    )
