"""The levels of isolation, by name, from the strongest."""

from __future__ import annotations

from marl_eval.errors import unknown

LEVELS = ("full", "filtered", "limits")
"""What each stands for is told in ``inside.walls``."""

SHARED = "+shared"
"""Follows the name of a level where a program was in one process with its tests, and so was able to
forge their outcome."""


def at_least(level: str) -> tuple[str, ...]:
    """Give the levels from the strongest down to ``level``.

    Raises:
        UserError: if there is no such level.
    """
    if level not in LEVELS:
        raise unknown("level of isolation", level, LEVELS)
    return LEVELS[: LEVELS.index(level) + 1]
