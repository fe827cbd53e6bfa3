"""Split-conformal answer sets: how many answers it takes to hold a right one as often as promised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from marl_eval.estimators.division import Array, over


class Conformal(NamedTuple):
    """What conformal answer sets obtained: share of questions held and answers in a set."""

    coverage: Array
    size: Array


def conformal(best: Array, unheld: Array, answers: Array, *, target: float) -> Conformal:
    """Coverage obtained, and answers needed, by conformal answer sets that promise ``target``.

    The score of a question is the highest confidence among its right answers. The threshold t of a
    calibration half of n questions is the greatest level at which
    #{scores >= t} >= target (n + 1), that is, at least ceil(target (n + 1)) of them.
    The set of a question of the other half is its answers with confidence at least t, and
    coverage = share of questions with score >= t, size = answers with confidence >= t per question.
    Each half calibrates the other once, so every question is tested once and counts once.

    If the questions are exchangeable, the expected coverage is at least ``target``; without ties it is
    ceil(target (n + 1)) / (n + 1), and ties (few distinct confidences) raise it.

    Takes, for L levels in ascending order and two halves, ``best`` float64[..., 2, L]: the questions
    whose score is that level; ``unheld`` float64[..., 2]: the questions without a score, as none of
    their right answers has a confidence; ``answers`` float64[..., 2, L]: the answers stated at each
    level. Gives float64[...] each. Range: coverage [0, 1], size from 0 to the mean number of answers
    with a confidence. Counts may be fractional (several sets of a question, each counted in part): the
    question under test counts as 1. The count of questions matters, as the + 1 is a finite-sample
    correction: n >= target / (1 - target) is needed.

    NaN (both) if a half has too few questions with a score, so that no level would do: also for a half
    without questions, and for L = 0. Raises ValueError if ``target`` is not strictly between 0 and 1.
    Source: Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715; Angelopoulos and Bates 2021,
    arXiv:2107.07511.
    """
    if not 0 < target < 1:
        raise ValueError(f"target is {target}; it must be above 0 and below 1")
    questions = best.sum(axis=-1) + unheld
    kept = _at_least(best)
    # A count that equals what is needed must not fall short of it by rounding.
    needed = (target - 1e-9) * (questions + 1)
    # Counts fall as the level rises, so the levels that do are the first ones.
    levels_that_do = (kept >= needed[..., None]).sum(axis=-1)
    threshold = np.maximum(levels_that_do - 1, 0)[..., ::-1, None]

    def tested(counts: Array) -> Array:
        if counts.shape[-1] == 0:
            return np.zeros(questions.shape[:-1])
        held: Array = np.take_along_axis(counts, threshold, axis=-1)[..., 0].sum(axis=-1)
        return held

    total = np.where((levels_that_do > 0).all(axis=-1), questions.sum(axis=-1), 0)
    return Conformal(over(tested(kept), total), over(tested(_at_least(answers)), total))


def _at_least(counts: Array) -> Array:
    """Sum the counts at each level and above."""
    result: Array = np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]
    return result
