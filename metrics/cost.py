"""What answers cost in tokens, as the engine counted them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marl_eval.estimators.diversity import distinct_k
from marl_eval.estimators.division import Array
from marl_eval.metric import Metric, metric
from marl_eval.money import Price
from marl_eval.score_table import MISSING, ScoreTable, Shape, every
from marl_eval.statistics import mean_over_sets

_UNKNOWN = "the engine told no token counts"
_NO_REASONING = "the engine did not tell which tokens are reasoning"
_INFINITE = (0, float("inf"))
_MILLION = 1e6

_cost = partial(metric, better="lower", bounds=_INFINITE)


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the cost metrics of a run, those in money only where prices were given."""
    found = [
        prompt_tokens,
        tokens_per_example,
        reasoning_tokens,
        answer_tokens,
        tokens_per_distinct_answer,
    ]
    if shape.graded:
        found.append(tokens_per_correct_answer)
    if shape.price is not None:
        found.append(money_per_example(shape.price))
        if shape.graded:
            found.append(money_per_correct_answer(shape.price))
    return found


@_cost(counted="examples", undefined=_UNKNOWN)
def prompt_tokens(table: ScoreTable) -> Array:
    """Prompt tokens of a question: all of its generations and follow-ups together.

    prompt_tokens = mean over examples of the sum over generations.

    Range [0, inf). A prompt that is sent several times is counted each time, whether or not the
    engine keeps it. Examples with a failed request are left out.
    Source: the engine's own count.
    Checked against: a plain loop over completions.
    """
    return _mean(table, table.prompt_tokens)


@_cost(counted="examples", undefined=_UNKNOWN)
def tokens_per_example(table: ScoreTable) -> Array:
    """Generated tokens of a question: all of its generations and follow-ups together.

    tokens_per_example = mean over examples of the sum over generations.

    Range [0, inf). Examples with a failed request are left out.
    Source: the engine's own count.
    Checked against: a plain loop over completions.
    """
    return _mean(table, table.completion_tokens)


@_cost(counted="examples", undefined=_NO_REASONING)
def reasoning_tokens(table: ScoreTable) -> Array:
    """Generated tokens of a question up to the end of the reasoning, all generations together.

    reasoning_tokens = mean over examples of the sum over generations.

    Range [0, tokens_per_example]. Examples with a failed request are left out, and those of which the
    engine did not tell.
    Source: the engine's own count.
    Checked against: a plain loop over completions.
    """
    return _mean(table, table.reasoning_tokens)


@_cost(counted="examples", undefined=_NO_REASONING)
def answer_tokens(table: ScoreTable) -> Array:
    """Generated tokens of a question after the reasoning: answers, confidences and what is around.

    answer_tokens = mean over examples of the sum over generations of (generated tokens - reasoning
    tokens).

    Range [0, tokens_per_example]. Follow-ups count whole. Examples with a failed request are left
    out, and those of which the engine did not tell.
    Source: the engine's own count.
    Checked against: a plain loop over completions.
    """
    return _mean(table, table.completion_tokens - table.reasoning_tokens)


@_cost(
    counted="distinct answers",
    undefined="there is no answer at all, or the engine told no token counts",
)
def tokens_per_distinct_answer(table: ScoreTable) -> Array:
    """Generated tokens for each different answer.

    tokens_per_distinct_answer = (sum over examples of generated tokens) / (sum over examples of the
    number of different answers to the question, all of its sets together).

    Range [0, inf). A ratio of sums, not a mean of ratios, so questions without an answer still cost.
    Source: cost per item found, as a ratio estimator (Cochran 1977, chapter 6).
    Checked against: a plain loop over completions.
    """
    return _per(table, table.completion_tokens, table.same_as)


@_cost(
    counted="distinct correct answers",
    undefined="no answer is right, or the engine told no token counts",
)
def tokens_per_correct_answer(table: ScoreTable) -> Array:
    """Generated tokens for each different right answer.

    tokens_per_correct_answer = (sum over examples of generated tokens) / (sum over examples of the
    number of gold answers named, all sets of the question together).

    Range [0, inf). A ratio of sums, so questions without a right answer still cost.
    Source: cost per item found, as a ratio estimator (Cochran 1977, chapter 6).
    Checked against: a plain loop over completions.
    """
    return _per(table, table.completion_tokens, table.gold)


def money_per_example(price: Price) -> Metric:
    """Make ``money_per_example`` from the price of tokens."""

    def money_per_example(table: ScoreTable) -> Array:
        """Money for the tokens of a question, by the price table that was given.

        money_per_example = mean over examples of (prompt tokens * price + generated tokens * price).

        Range [0, inf), in the ``currency`` of the price table. Every prompt sent is paid in full.
        Examples with a failed request are left out.
        Source: the user's price table.
        Checked against: a plain loop over completions.
        """
        return _mean(table, _money(table, price))

    return _cost(counted="examples", undefined=_UNKNOWN)(money_per_example)


def money_per_correct_answer(price: Price) -> Metric:
    """Make ``money_per_correct_answer`` from the price of tokens."""

    def money_per_correct_answer(table: ScoreTable) -> Array:
        """Money for each different right answer, by the price table that was given.

        money_per_correct_answer = (sum over examples of money) / (sum over examples of the number of
        gold answers named, all sets of the question together).

        Range [0, inf), in the ``currency`` of the price table. A ratio of sums, so questions without
        a right answer still cost.
        Source: the user's price table.
        Checked against: a plain loop over completions.
        """
        return _per(table, _money(table, price), table.gold)

    return _cost(
        counted="distinct correct answers",
        undefined="no answer is right, or the engine told no token counts",
    )(money_per_correct_answer)


def _money(table: ScoreTable, price: Price) -> Array:
    return table.prompt_tokens * (price.prompt / _MILLION) + table.completion_tokens * (
        price.completion / _MILLION
    )


def _mean(table: ScoreTable, tokens: Array) -> Array:
    known = _known(table, tokens)
    return mean_over_sets(np.where(known, tokens.sum(axis=1), 0)[:, None], known[:, None])


def _per(table: ScoreTable, spent: Array, classes: NDArray[np.int64]) -> Array:
    known = _known(table, spent)
    total = np.where(known, spent.sum(axis=1), 0)
    pooled = np.where(known[:, None], _pooled(classes), MISSING)
    return np.column_stack([total, distinct_k(pooled).astype(np.float64)])


def _pooled(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Join the sets of each example: int64[E, S * K]."""
    examples, sets, k = classes.shape
    return classes.reshape(examples, sets * k)


def _known(table: ScoreTable, tokens: Array) -> NDArray[np.bool_]:
    return every(table.valid & ~np.isnan(tokens))
