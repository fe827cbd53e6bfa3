"""The curve of recall against generated tokens, for one run.

It goes from (0, 0) through (tokens of s generations, recall of s generations) for every s that the run
allows, recall being the unbiased estimate of ``recall@k``, and is straight between: a point between
s and s + 1 generations is what one gets by making the one number or the other at random. It rests on
the examples that have all generations of the run, none failed, and all token counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl_eval.estimators.division import Array, over
from marl_eval.estimators.without_replacement import chance_found
from marl_eval.samples import generations_drawn, generations_made, gold_found_in
from marl_eval.score_table import ScoreTable, every

_TOLERANCE = 1e-12


def recall_and_tokens(table: ScoreTable) -> Array:
    """Give the statistics of the curve.

    float64[E, points + 2]: the recall of each example at each of ``generations_drawn``, its tokens
    for one generation, and whether it counts.
    """
    made, counts = generations_made(table)[:, None], gold_found_in(table)
    whole = made[:, 0] == table.shape.samples
    known = every(table.valid & ~np.isnan(table.completion_tokens)) & whole
    size = np.maximum(table.gold_size, 1)
    points = generations_drawn(table.shape.samples)
    recall = [chance_found(counts, made, drawn=drawn).sum(axis=1) / size for drawn in points]
    tokens = np.nan_to_num(table.completion_tokens).sum(axis=1) / table.shape.samples
    columns = np.column_stack([*recall, tokens, np.ones(len(size))])
    return np.where(known[:, None], columns, 0)


def curve(sums: Array, points: Sequence[int]) -> tuple[Array, Array]:
    """Give the curve's corners, its origin among them: (tokens, recall), float64[..., points + 1]."""
    mean = over(sums[..., :-1], np.broadcast_to(sums[..., -1:], sums[..., :-1].shape))
    start = np.zeros((*mean.shape[:-1], 1))
    tokens = np.concatenate([start, mean[..., -1:] * np.array(points, dtype=np.float64)], axis=-1)
    return tokens, np.concatenate([start, mean[..., :-1]], axis=-1)


def tokens_to_reach(tokens: Array, recall: Array, target: Array) -> Array:
    """Give the tokens at which the curve first reaches a recall; NaN if it does not.

    ``target`` float64[...] broadcasts against the curves.
    """
    # Where the curve is flat, or ends, rounding must not decide whether it got there.
    reached = recall >= target[..., None] * (1 - _TOLERANCE)
    after = np.maximum(reached.argmax(axis=-1), 1)[..., None]
    high, low = (np.take_along_axis(recall, after - step, axis=-1)[..., 0] for step in (0, 1))
    end, start = (np.take_along_axis(tokens, after - step, axis=-1)[..., 0] for step in (0, 1))
    part = np.minimum(over(np.maximum(target - low, 0), high - low, empty=0), 1)
    result: Array = np.where(reached.any(axis=-1), start + part * (end - start), np.nan)
    return result


def recall_within(tokens: Array, recall: Array, budget: Array) -> Array:
    """Give the recall at a budget of tokens; NaN beyond the curve's end."""
    spent = np.clip(budget[..., None] - tokens[..., :-1], 0, np.diff(tokens, axis=-1))
    slope = over(np.diff(recall, axis=-1), np.diff(tokens, axis=-1), empty=0)
    # The last corner lies at the budget itself up to rounding, where two runs have one budget.
    beyond = budget > tokens[..., -1] * (1 + _TOLERANCE)
    return np.where(beyond, np.nan, (spent * slope).sum(axis=-1))


def area_within(tokens: Array, recall: Array, budget: Array) -> Array:
    """Give the mean height of the curve up to a budget of tokens; NaN beyond its end.

    area = (1 / budget) * integral of recall over tokens from 0 to the budget. Range [0, 1].
    """
    spent = np.clip(budget[..., None] - tokens[..., :-1], 0, np.diff(tokens, axis=-1))
    slope = over(np.diff(recall, axis=-1), np.diff(tokens, axis=-1), empty=0)
    area = (spent * recall[..., :-1] + slope * spent**2 / 2).sum(axis=-1)
    beyond = budget > tokens[..., -1] * (1 + _TOLERANCE)
    return np.where(beyond, np.nan, over(area, budget))
