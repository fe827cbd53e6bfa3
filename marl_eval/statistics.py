"""The building blocks of which metrics make their statistics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from marl_eval.estimators.division import Array, over
from marl_eval.score_table import MISSING, ScoreTable, every

BINS = 10
"""Bins of equal width over [0, 1]; a value on an edge belongs to the bin above it, 1 to the last."""

_EDGES = np.arange(1, BINS) / BINS


def mean_over_sets(values: NDArray[np.generic], valid: NDArray[np.bool_]) -> Array:
    """Give the statistics of a mean over examples of the mean over an example's sets.

    ``values`` is [examples, sets]; sets that are not ``valid`` (a request failed) are left out, and
    so are examples with no valid set. Returns float64[examples, 2].
    """
    sets = valid.sum(axis=1)
    total = np.where(valid, values, 0).sum(axis=1, dtype=np.float64)
    mean = np.divide(total, sets, out=np.zeros(len(sets)), where=sets > 0)
    return np.column_stack([mean, (sets > 0).astype(np.float64)])


def pooled_sets(
    classes: NDArray[np.int64], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Put the answers of an example's sets together, where none of its sets failed.

    ``classes`` int64[examples, sets, answers] tells which answers are the same, ``MISSING`` where
    there is none; ``valid`` is bool[examples, sets].

    Returns:
        the examples of which no set failed, bool[examples, 1], and the classes of all their answers,
        int64[examples, sets * answers], all ``MISSING`` for the other examples.
    """
    whole = every(valid)[:, None]
    kept = np.where(whole[:, :, None], classes, MISSING)
    return whole, kept.reshape(len(kept), kept.shape[1] * kept.shape[2])


def bin_sums(confidence: Array, right: NDArray[np.bool_], stated: NDArray[np.bool_]) -> Array:
    """Give, for each bin of confidence, its count and the sums of q, y, q^2 and q y.

    The arguments are [examples, ...]; only what is ``stated`` counts. Returns
    float64[examples, 5 * BINS].
    """
    examples = len(confidence)
    q, y = confidence[stated], right[stated].astype(np.float64)
    place = np.nonzero(stated)[0] * BINS + np.searchsorted(_EDGES, q, side="right")
    columns = [
        np.bincount(place, weights=values, minlength=examples * BINS).reshape(examples, BINS)
        for values in (np.ones_like(q), q, y, q * q, q * y)
    ]
    return np.hstack(columns)


def split_bins(sums: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Take the sums of ``bin_sums`` apart again: count, q, y, q^2, q y, float64[..., BINS] each."""
    bins = sums.reshape(*sums.shape[:-1], 5, BINS)
    return (
        bins[..., 0, :], bins[..., 1, :], bins[..., 2, :], bins[..., 3, :], bins[..., 4, :]
    )  # fmt: skip


Counted = tuple[NDArray[np.int64], NDArray[np.int64], Array]
"""Values to be added up: the example, the column and the amount of each."""


def sparse(width: int, counted: Sequence[Counted], beside: Array) -> csr_array[np.float64]:
    """Add up values by example and column, with dense columns to the right of them.

    ``counted`` lie in the first ``width`` columns; ``beside`` is float64[examples, d]. Returns a
    sparse float64[examples, width + d].
    """
    examples, dense = beside.shape
    row, column = np.nonzero(beside)
    rows = np.concatenate([row, *(own for own, _, _ in counted)])
    columns = np.concatenate([width + column, *(own for _, own, _ in counted)])
    values = np.concatenate([beside[row, column], *(own for _, _, own in counted)])
    result: csr_array[np.float64] = csr_array(
        (values, (rows, columns)), shape=(examples, width + dense)
    )
    return result


def answers_given(table: ScoreTable, valid: NDArray[np.bool_]) -> Array:
    """Give two statistics of the ``valid`` sets: answers given, and answers asked for."""
    given = (table.given & valid[:, :, None]).sum(axis=(1, 2))
    return np.column_stack([given, valid.sum(axis=1) * table.asked]).astype(np.float64)


def answers_stated(table: ScoreTable) -> Array:
    """Give two statistics: answers with a confidence, and answers asked for."""
    asked = table.valid.sum(axis=1) * table.asked
    return np.column_stack([table.stated.sum(axis=(1, 2)), asked]).astype(np.float64)


def answers_ranked(table: ScoreTable) -> Array:
    """Give two statistics: answers that rank as was asked for, and answers asked for.

    Where confidences were asked for, those are the answers with one; else all that were given.
    """
    if table.shape.stated is None:
        return answers_given(table, table.valid)
    return answers_stated(table)


def share_of_last(sums: Array) -> Array:
    """Give the last statistic but one over the last: the share of what was asked for."""
    return over(sums[..., -2], sums[..., -1])


def last_but_one(sums: Array) -> Array:
    """Give the last statistic but one: what was counted."""
    return sums[..., -2]
