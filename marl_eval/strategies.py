"""How K answers are obtained: in one generation, or pooled from K generations of one answer.

A strategy fixes two things: what one generation is asked for, and how many generations make one
answer set. ``sets`` (``-n``) asks for that many independent answer sets of every example.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from marl_eval.answers import AnswerFormat
from marl_eval.errors import UserError


class Strategy(StrEnum):
    """The ways to obtain an answer set."""

    MULTI = "multi"
    BEST_OF_K = "best-of-k"
    SINGLE = "single"


DEFAULT_K = {Strategy.MULTI: 3, Strategy.BEST_OF_K: 3, Strategy.SINGLE: 1}


@dataclass(frozen=True, slots=True)
class SetLayout:
    """How generations make up answer sets.

    An example has ``sets`` answer sets of ``k`` answers; each is made of ``members`` generations of
    ``k // members`` answers. Generation ``s`` of an example belongs to set ``s // members``.
    """

    k: int
    sets: int
    members: int

    @property
    def samples(self) -> int:
        """Generations of one example."""
        return self.sets * self.members


def set_layout(strategy: Strategy, k: int, sets: int) -> SetLayout:
    """Lay out ``sets`` answer sets of ``k`` answers.

    Raises:
        UserError: for fewer than one answer or set, or more than one answer from ``single``.
    """
    if k < 1:
        raise UserError(f"-k is the number of answers in a set and must be at least 1, not {k}.")
    if sets < 1:
        raise UserError(
            f"-n is the number of sets for a question and must be at least 1, not {sets}."
        )
    if strategy is Strategy.SINGLE and k != 1:
        raise UserError(
            f"The strategy 'single' asks for one answer, not {k}; use 'multi' for {k} answers in "
            f"one generation or 'best-of-k' for {k} generations."
        )
    return SetLayout(k=k, sets=sets, members=k if strategy is Strategy.BEST_OF_K else 1)


def generation_format(layout: SetLayout, fmt: AnswerFormat) -> AnswerFormat:
    """Give what one generation is asked for, out of the format of the whole set."""
    return replace(fmt, k=layout.k // layout.members)
