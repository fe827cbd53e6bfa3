"""Whether the generations did what was asked of them, and whether they came at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl_eval.estimators.division import Array
from marl_eval.metric import Metric, metric
from marl_eval.score_table import ScoreTable, Shape
from marl_eval.statistics import mean_over_sets

_NO_EXAMPLE = "every request failed, or there is no example"


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the compliance metrics of a run."""
    return [format_ok, answered, error_rate]


@metric(better="higher", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def format_ok(table: ScoreTable) -> Array:
    """Share of sets whose every generation is strictly well formed, as a training reward asks.

    format_ok = mean over examples, and over the sets of each, of 1[every generation is strict].

    Range [0, 1]. See ``marl_eval.answers.ParsedAnswers.strict`` for what is well formed.
    Source: the format reward of Puri et al. 2026, arXiv:2603.24844, made stricter.
    Checked against: a plain loop over generations.
    """
    return mean_over_sets(table.strict, table.valid)


@metric(better="higher", bounds=(0, 1), counted="examples", undefined=_NO_EXAMPLE)
def answered(table: ScoreTable) -> Array:
    """Share of the answers asked for that were given, in whatever form they could be read.

    answered = mean over examples, and over the sets of each, of |answers given| / K.

    Range [0, 1].
    Source: the share that conditional metrics rest on.
    Checked against: a plain loop over sets.
    """
    return mean_over_sets(table.given.sum(axis=2) / table.asked[:, None], table.valid)


@metric(better="lower", bounds=(0, 1), counted="sets", undefined="there is no example")
def error_rate(table: ScoreTable) -> Array:
    """Share of sets that a failed or unfinished request spoiled.

    error_rate = (sets with a request that failed or was never finished) / (sets asked for).

    Range [0, 1]. Such sets are left out of every other metric: an error is not a wrong answer.
    Source: ``errors.jsonl`` and the completions that are not there.
    Checked against: a plain loop over sets.
    """
    sets = np.full(len(table.failed), table.failed.shape[1], dtype=np.float64)
    return np.column_stack([table.failed.sum(axis=1).astype(np.float64), sets])
