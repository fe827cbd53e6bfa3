"""Whether the generations did what was asked of them, and whether they came at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl_eval.metric import Array, Metric, mean_over_sets, metric
from marl_eval.score_table import ScoreTable, Shape

_NO_EXAMPLE = "every request failed, or there is no example"


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the compliance metrics of a run."""
    return [format_ok, answered, error_rate]


@metric(better="higher", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def format_ok(table: ScoreTable) -> Array:
    """Share of sets whose every generation is strictly well formed, as a training reward asks.

    Range [0, 1]. See ``marl_eval.answers.ParsedAnswers.strict`` for what is well formed.
    """
    return mean_over_sets(table.strict, table.valid)


@metric(better="higher", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def answered(table: ScoreTable) -> Array:
    """Share of the answers asked for that were given, in whatever form they could be read.

    answered = mean over examples, and over the sets of each, of |answers given| / K. Range [0, 1].
    """
    return mean_over_sets(table.given.mean(axis=2), table.valid)


@metric(better="lower", bounds=(0, 1), counted="sets", undefined="there is no example")
def error_rate(table: ScoreTable) -> Array:
    """Share of sets that a failed or unfinished request spoiled.

    They are left out of every other metric: an error is not a wrong answer. Range [0, 1].
    """
    sets = np.full(len(table.failed), table.failed.shape[1], dtype=np.float64)
    return np.column_stack([table.failed.sum(axis=1).astype(np.float64), sets])
