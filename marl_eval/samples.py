"""What the generations of an example have found, counted generation by generation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from marl_eval.score_table import ScoreTable

_EVERY = 32
_STEP = 1.25


def generations_drawn(samples: int) -> list[int]:
    """Give the numbers of generations at which curves are told: all up to 32, then by quarters."""
    points = list(range(1, min(samples, _EVERY) + 1))
    while points[-1] < samples:
        points.append(min(int(np.ceil(points[-1] * _STEP)), samples))
    return points


def valid_generations(table: ScoreTable) -> NDArray[np.bool_]:
    """bool[E, G]: the generations asked for, of sets that no failed request spoiled."""
    members = table.shape.members
    # Of a pool, each answer asked for is a generation.
    asked = np.arange(members) < np.maximum(table.asked, 1)[:, None, None]
    valid: NDArray[np.bool_] = table.valid[:, :, None] & asked
    return valid.reshape(len(valid), table.shape.samples)


def generations_made(table: ScoreTable) -> NDArray[np.int64]:
    """int64[E]: the number of those generations."""
    made: NDArray[np.int64] = valid_generations(table).sum(axis=1)
    return made


def found_in(table: ScoreTable, classes: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Count the generations of each example that give each class, int64[E, width].

    ``classes`` int64[E, S, K] are below ``width``; those below 0 are nothing.
    """
    counted = (classes >= 0) & table.valid[:, :, None]
    if table.shape.members == 1:
        # One generation may give a class twice; it counts once.
        counted &= table.fresh
    example = np.broadcast_to(np.arange(len(classes))[:, None, None], classes.shape)
    place = (example * width + classes)[counted]
    found: NDArray[np.int64] = np.bincount(place, minlength=len(classes) * width)
    return found.reshape(len(classes), width)


def gold_found_in(table: ScoreTable) -> NDArray[np.int64]:
    """Count the generations of each example that name each gold answer, int64[E, gold]."""
    return found_in(table, table.gold, max(int(table.gold.max(initial=0)) + 1, 1))
