"""What answers cost in tokens, as the engine counted them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from marl_eval.metric import Array, Metric, mean_over_sets, metric
from marl_eval.score_table import MISSING, ScoreTable, Shape, distinct, every

_UNKNOWN = "the engine told no token counts"
_INFINITE = (0, float("inf"))


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the cost metrics of a run."""
    return [
        prompt_tokens,
        tokens_per_example,
        tokens_per_distinct_answer,
        tokens_per_correct_answer,
    ]


@metric(better="lower", bounds=_INFINITE, counted="examples", undefined=_UNKNOWN)
def prompt_tokens(table: ScoreTable) -> Array:
    """Prompt tokens of a question: all of its generations and follow-ups together.

    prompt_tokens = mean over examples of the sum over generations.

    Range [0, inf). A prompt that is sent several times is counted each time, whether or not the
    engine keeps it. Examples with a failed request are left out.
    """
    return _mean(table, table.prompt_tokens)


@metric(better="lower", bounds=_INFINITE, counted="examples", undefined=_UNKNOWN)
def tokens_per_example(table: ScoreTable) -> Array:
    """Generated tokens of a question: all of its generations and follow-ups together.

    tokens_per_example = mean over examples of the sum over generations.

    Range [0, inf). Examples with a failed request are left out.
    """
    return _mean(table, table.completion_tokens)


@metric(
    better="lower",
    bounds=_INFINITE,
    counted="distinct answers",
    undefined="there is no answer at all, or the engine told no token counts",
)
def tokens_per_distinct_answer(table: ScoreTable) -> Array:
    """Generated tokens for each different answer.

    tokens_per_distinct_answer = (sum over examples of generated tokens) / (sum over examples of the
    number of different answers to the question, all of its sets together).

    Range [0, inf). A ratio of sums, not a mean of ratios, so questions without an answer still cost.
    """
    return _per(table, table.same_as)


@metric(
    better="lower",
    bounds=_INFINITE,
    counted="distinct correct answers",
    undefined="no answer is right, or the engine told no token counts",
)
def tokens_per_correct_answer(table: ScoreTable) -> Array:
    """Generated tokens for each different right answer.

    tokens_per_correct_answer = (sum over examples of generated tokens) / (sum over examples of the
    number of gold answers named, all sets of the question together).

    Range [0, inf). A ratio of sums, so questions without a right answer still cost.
    """
    return _per(table, table.gold)


def _mean(table: ScoreTable, tokens: Array) -> Array:
    known = _known(table, tokens)
    return mean_over_sets(np.where(known, tokens.sum(axis=1), 0)[:, None], known[:, None])


def _per(table: ScoreTable, classes: NDArray[np.int64]) -> Array:
    known = _known(table, table.completion_tokens)
    tokens = np.where(known, table.completion_tokens.sum(axis=1), 0)
    pooled = np.where(known[:, None], _pooled(classes), MISSING)
    return np.column_stack([tokens, distinct(pooled).astype(np.float64)])


def _pooled(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join the sets of each example: int64[E, S * K]."""
    examples, sets, k = classes.shape
    return classes.reshape(examples, sets * k)


def _known(table: ScoreTable, tokens: Array) -> NDArray[np.bool_]:
    return every(table.valid & ~np.isnan(tokens))
