"""The levels of isolation, by name, from the strongest."""

from __future__ import annotations

from marl_eval.errors import unknown

LEVELS = ("full", "filtered", "limits")
"""What each stands for is told in ``inside.walls``."""

KEEPS = {
    "full": "a program has no network, no files but Python's own and an empty scratch directory, no "
    "other process to see, and cannot start any",
    "filtered": "a program cannot start processes, open sockets or change files; it can read what "
    "the user may read (as root: what nobody may read)",
    "limits": "a program is held only in time and memory; it can do what the user may do (as root: "
    "what nobody may do)",
}
"""What each level keeps a program from."""

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
