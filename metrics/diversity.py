"""How different the answers are from each other, in the task's own sense of "the same answer"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl_eval.metric import Array, Metric, mean_over_sets, metric
from marl_eval.score_table import MISSING, ScoreTable, Shape, distinct, every

_NO_EXAMPLE = "every request failed, or there is no example"


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the diversity metrics of a run."""
    if shape.sets == 1:
        return [distinct_answers]
    return [distinct_answers, distinct_answers_of_all]


@metric(better="higher", bounds=(0, float("inf")), counted="examples", undefined=_NO_EXAMPLE)
def distinct_answers(table: ScoreTable) -> Array:
    """Different answers in a set, right or wrong.

    distinct_answers = mean over examples, and over the sets of each, of the number of classes of
    equal answers among the K.

    Range [0, K]. Missing answers are none.
    """
    return mean_over_sets(distinct(table.same_as), table.valid)


@metric(better="higher", bounds=(0, float("inf")), counted="examples", undefined=_NO_EXAMPLE)
def distinct_answers_of_all(table: ScoreTable) -> Array:
    """Different answers to a question in all of its n sets together.

    distinct_answers_of_all = mean over examples of the number of classes of equal answers among all
    n * K.

    Range [0, n * K]. Examples of which a set failed are left out, having had fewer chances.
    """
    whole = every(table.valid)[:, None]
    examples, sets, k = table.same_as.shape
    pooled = np.where(whole[:, :, None], table.same_as, MISSING).reshape(examples, sets * k)
    return mean_over_sets(distinct(pooled)[:, None], whole)
