"""Stated against true probabilities, where the true ones are known.

They are known exactly for generated tasks (the posterior), and as the data's claim where gold answers
have weights: the differential of DDXPlus, the share of people who gave an answer. p_i is the true
probability of the answer i, 0 for one that the distribution does not list. Weights that sum to more
than 1 are shares of their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from marl_eval.estimators.division import Array
from marl_eval.metric import Metric, metric
from marl_eval.score_table import ScoreTable, Shape, every
from marl_eval.statistics import mean_over_sets

_mean = partial(
    metric,
    better="lower",
    counted="examples",
    undefined="every request failed, or no example has known probabilities",
)


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the metrics against known probabilities: none where they are not known."""
    if shape.reference is None or not shape.graded:
        return []
    found: list[Metric] = []
    if shape.stated is not None:
        found = [probability_brier, probability_error]
        if shape.reference == "exclusive":
            found.append(distribution_distance)
    return [*found, regret(shape.k)]


def _known(table: ScoreTable) -> NDArray[np.bool_]:
    """bool[E, S]: valid sets of examples whose true probabilities are known."""
    return table.valid & ~np.isnan(table.best_probability)[:, None]


def _mean_over_answers(table: ScoreTable, losses: Array) -> Array:
    """Give the mean over the answers asked for; one without a confidence counts as 1."""
    stated = ~np.isnan(table.confidence)
    loss = np.where(table.places, np.where(stated, losses, 1), 0).sum(axis=2)
    return mean_over_sets(loss / table.asked[:, None], _known(table))


@_mean(bounds=(0, 1))
def probability_brier(table: ScoreTable) -> Array:
    """Mean squared difference between stated and true probabilities.

    probability_brier = mean over examples, and over the sets of each, of (1/K) * sum_i (q_i - p_i)^2;
    1 for an answer or a confidence that cannot be read.

    Range [0, 1]; 1 is the worst, so that no failure can improve it. It is what of the Brier score is
    the forecaster's doing: the rest, p (1 - p), is chance.
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2, with p in place of y.
    Checked against: a plain loop over answers.
    """
    return _mean_over_answers(table, (table.confidence - table.probability) ** 2)


@_mean(bounds=(0, 1))
def probability_error(table: ScoreTable) -> Array:
    """Mean distance between stated and true probabilities.

    probability_error = mean over examples, and over the sets of each, of (1/K) * sum_i |q_i - p_i|; 1
    for an answer or a confidence that cannot be read.

    Range [0, 1]; 1 is the worst, so that no failure can improve it. |q_i - p_i| is the total variation
    distance between the stated and the true distribution of whether answer i is right.
    Source: total variation distance, Levin and Peres 2017, section 4.1.
    Checked against: a plain loop over answers.
    """
    return _mean_over_answers(table, np.abs(table.confidence - table.probability))


@_mean(bounds=(0, 1))
def distribution_distance(table: ScoreTable) -> Array:
    """Total variation distance between the stated and the true distribution over answers.

    distribution_distance = mean over examples, and over the sets of each, of min(1, (1/2) [sum over
    different answers of |q_i - p_i| + |max(0, 1 - sum_i q_i) - (1 - sum_i p_i)|]), the last term
    being "any other answer"; 1 for a set that lacks an answer or a confidence.

    Range [0, 1]; 0 is best, 1 the worst, so that no failure can improve it. Only confidences that sum
    to more than 1, which are no distribution, could go beyond 1. Where one answer only is right. A
    distance over the answers named and "any other": it does not see how the rest is shared out.
    Source: total variation distance, Levin and Peres 2017, section 4.1.
    Checked against: a plain loop over answers.
    """
    stated = np.where(table.fresh, np.nan_to_num(table.confidence), 0)
    true = np.where(table.fresh, np.nan_to_num(table.probability), 0)
    rest = np.maximum(1 - stated.sum(axis=2), 0) - np.maximum(1 - true.sum(axis=2), 0)
    distance = (np.abs(stated - true).sum(axis=2) + np.abs(rest)) / 2
    whole = every(~np.isnan(table.confidence) | ~table.places)
    return mean_over_sets(np.where(whole, np.minimum(distance, 1), 1), _known(table))


def regret(most: int) -> Metric:
    """Make ``regret`` of sets of at most ``most`` answers."""

    def regret(table: ScoreTable) -> Array:
        """How many right answers fewer the set can expect than the best possible set.

        regret = mean over examples, and over the sets of each, of (sum of the K largest p) - (sum of
        p_i over the different answers given).

        Range [0, K]; 0 if and only if the set holds K most probable answers. Free of the chance of
        which answers turned out right. No failure can improve it.
        Source: regret of a decision, Savage 1951, doi:10.1080/01621459.1951.10500768.
        Checked against: a plain loop over answers.
        """
        expected = np.where(table.fresh, np.nan_to_num(table.probability), 0).sum(axis=2)
        lost = np.maximum(table.best_probability[:, None] - expected, 0)
        return mean_over_sets(np.nan_to_num(lost), _known(table))

    return _mean(bounds=(0, most))(regret)
