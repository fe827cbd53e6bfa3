"""DDXPlus's own metrics of a differential diagnosis, for tasks that know what turned out to be true.

The predicted differential of a set is its different answers, those with a stated probability below
0.01 left out, as the true one leaves out conditions below that. Where probabilities were asked for,
so are those whose probability cannot be read: no failure puts a condition in.
Source: Fansi Tchango et al. 2022, arXiv:2205.09148.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marl_eval.estimators.division import Array
from marl_eval.metric import Metric, metric
from marl_eval.score_table import ScoreTable, Shape, some
from marl_eval.statistics import answers_ranked, mean_over_sets, share_of_last

_NO_PATHOLOGY = "every request failed, or no patient's pathology is known"

LEAST = 0.01
"""Least probability of a condition that belongs to a differential."""

_mean = partial(
    metric,
    better="higher",
    bounds=(0, 1),
    counted="examples",
    undefined="every request failed, or there is no example",
)
_conditional = partial(_mean, share=share_of_last)
"""Makes a metric whose last two statistics are ``answers_ranked``."""


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give DDXPlus's metrics where the gold answers have weights and the truth is known."""
    fits = shape.graded and shape.truth and shape.weighted
    return [ddr, ddp, ddf1, gtpa_at_1, gtpa] if fits else []


def _predicted(table: ScoreTable) -> NDArray[np.bool_]:
    """Say which answers are of the predicted differential, bool[E, S, K]."""
    return table.fresh if table.shape.stated is None else table.fresh & (table.confidence >= LEAST)


def _found(table: ScoreTable) -> NDArray[np.int64]:
    found: NDArray[np.int64] = (_predicted(table) & table.right).sum(axis=2)
    return found


@_mean(name="DDR")
def ddr(table: ScoreTable) -> Array:
    """Recall of the differential: share of its conditions that the set predicts.

    DDR = mean over patients of |predicted and true| / |true|.

    Range [0, 1]. Unlike ``recall`` it leaves out answers with a stated probability below 0.01. No
    failure can improve it.
    Source: Fansi Tchango et al. 2022, arXiv:2205.09148.
    Checked against: a plain loop over sets of names.
    """
    return mean_over_sets(_found(table) / np.maximum(table.gold_size, 1)[:, None], table.valid)


@_conditional(name="DDP")
def ddp(table: ScoreTable) -> Array:
    """Precision of the differential: share of the predicted conditions that belong to it.

    DDP = mean over patients of |predicted and true| / |predicted|.

    Range [0, 1]. A set that predicts nothing counts as 0. What is not predicted cannot be wrong: read
    it with its ``share``, the answers given, and with a probability if one was asked for.
    Source: Fansi Tchango et al. 2022, arXiv:2205.09148.
    Checked against: a plain loop over sets of names.
    """
    predicted = np.maximum(_predicted(table).sum(axis=2), 1)
    return _with_share(table, mean_over_sets(_found(table) / predicted, table.valid))


@_conditional(name="DDF1")
def ddf1(table: ScoreTable) -> Array:
    """Harmonic mean of DDR and DDP of each patient, averaged.

    DDF1 = mean over patients of 2 |predicted and true| / (|predicted| + |true|).

    Range [0, 1]. A set that predicts nothing counts as 0. Read it with its ``share``, as DDP.
    Source: Fansi Tchango et al. 2022, arXiv:2205.09148.
    Checked against: a plain loop over sets of names.
    """
    size = _predicted(table).sum(axis=2) + np.maximum(table.gold_size, 1)[:, None]
    return _with_share(table, mean_over_sets(2 * _found(table) / size, table.valid))


@_conditional(name="GTPA@1", undefined=_NO_PATHOLOGY)
def gtpa_at_1(table: ScoreTable) -> Array:
    """Whether the first answer is the ground-truth pathology.

    GTPA@1 = mean over patients of 1[the predicted answer of rank 1 is the pathology].

    Range [0, 1]. Patients whose pathology is not known are left out. A failure can put a better answer
    first: read it with its ``share``, as DDP.
    Source: Fansi Tchango et al. 2022, arXiv:2205.09148.
    Checked against: a plain loop over ranked answers.
    """
    return _with_share(table, _truth_among(table, _predicted(table) & (table.rank == 0)))


@_mean(name="GTPA", undefined=_NO_PATHOLOGY)
def gtpa(table: ScoreTable) -> Array:
    """Whether the ground-truth pathology is anywhere in the predicted differential.

    GTPA = mean over patients of 1[the pathology is among the predicted answers].

    Range [0, 1]. Patients whose pathology is not known are left out. No failure can improve it.
    Source: Fansi Tchango et al. 2022, arXiv:2205.09148.
    Checked against: a plain loop over ranked answers.
    """
    return _truth_among(table, _predicted(table))


def _with_share(table: ScoreTable, mean: Array) -> Array:
    return np.column_stack([mean, answers_ranked(table)])


def _truth_among(table: ScoreTable, answers: NDArray[np.bool_]) -> Array:
    return mean_over_sets(some(answers & (table.truth > 0)), table.valid & table.truth_known)
