"""Metrics of confidences worked by hand: small tables, and the arithmetic that gives each value."""

from __future__ import annotations

from math import log, pi, sqrt

from marl_eval.score_table import ScoreTable
from tests.metrics.by_hand_answers import QUESTIONS, Example
from tests.metrics.tables import M, W, score_table

# 0.82 (right) and 0.88 (wrong) share a bin, 0.31 (wrong) is alone.
SHARED_BIN = score_table([[[0, W, W]]], confidence=[[[0.82, 0.88, 0.31]]])

TIES = score_table([[[0, W, W, 0]]], confidence=[[[0.5, 0.5, 0.1, 0.7]]])

# Four answers at 0.5, two of them right: no gap, but one is expected by chance.
BY_CHANCE = score_table([[[0, W]], [[0, W]]], confidence=[[[0.5, 0.5]]] * 2)

# Twenty answers from 0.00 to 0.95, every other one right: ten bins of two neighbours.
TWENTY = score_table([[[W, 0]]] * 10, confidence=[[[i / 10, i / 10 + 0.05]] for i in range(10)])

ONE_LEVEL = score_table([[[0, W]]], confidence=[[[0.8, 0.8]]])
ALL_TOO_SURE = score_table([[[W, W]]], confidence=[[[0.8, 0.4]]])

# The sums are 0.7 and 0.4; 0.6, the repeated answer once; 0.65.
EXCLUSIVE = score_table(
    [[[0, W]], [[W, W]], [[0, 0]], [[W, W]]],
    confidence=[[[0.5, 0.2]], [[0.3, 0.1]], [[0.6, 0.6]], [[0.4, 0.25]]],
    exclusive=True,
)
INDEPENDENT = score_table(
    [[[0, 1]], [[W, W]]], confidence=[[[0.5, 0.2]], [[0.5, 0.5]]], exclusive=False
)

# The third set lacks an answer; of the fourth question the true probabilities are not known.
PROBABILITIES = score_table(
    [[[0, W]], [[W, W]], [[0, M]], [[0, W]]],
    confidence=[[[0.5, 0.2]], [[0.3, 0.1]], [[0.9, None]], [[0.5, 0.5]]],
    probability=[[[0.6, 0.1]], [[0.3, 0.0]], [[0.7, None]], [[None, None]]],
    best_probability=[0.9, 0.8, 1.0, None],
    reference="exclusive",
)
MORE_THAN_CERTAIN = score_table(
    [[[W, W]]],
    confidence=[[[0.9, 0.8]]],
    probability=[[[0.0, 0.0]]],
    best_probability=[1.0],
    reference="exclusive",
)

# First answers: the surest is wrong, the next one right.
WRONG_FIRST = score_table([[[W]], [[0]]], confidence=[[[0.9]], [[0.5]]])
# The same as two sets of one question, each counting half.
TWO_SETS = score_table([[[W], [0]]], confidence=[[[0.9], [0.5]]])
# Of the two at 0.5 one is wrong; the one without a confidence is wrong and comes last.
TIED_FIRST = score_table([[[W]], [[0]], [[W]]], confidence=[[[0.5]], [[0.5]], [[None]]])


def conformal(first: list[float], second: list[float]) -> ScoreTable:
    """Make a table of questions with a right answer of these confidences and a wrong one of 0.62."""
    scores = first + second
    return score_table(
        [[[0, W]]] * len(scores),
        confidence=[[[score, 0.62]] for score in scores],
        second_half=[False] * len(first) + [True] * len(second),
    )


# For 80 % of four each half needs ceil(0.8 * 5) = 4 scores, so its threshold is the lowest one.
FOUR_EACH = conformal([0.9, 0.8, 0.7, 0.6], [0.95, 0.85, 0.75, 0.65])
# For 90 % of nine each half needs ceil(0.9 * 10) = 9 scores.
NINE_EACH = conformal([i / 100 for i in range(51, 60)], [i / 100 for i in range(53, 62)])

# Two generations. One right answer and one wrong; twice the right one; two different wrong ones.
FREQUENCIES = score_table(
    [[[0], [W]], [[0], [0]], [[W], [W]]],
    frequency=[[[1 / 2], [1 / 2]], [[2 / 2], [2 / 2]], [[1 / 2], [1 / 2]]],
)

LOSSES = [
    (0.8 - 1) ** 2 + 0.4**2 + (0.2 - 1) ** 2,
    0.5**2 + 0.3**2 + 1,
    0.9**2 + 0.1**2 + 1,
]
"""What the three sets of ``QUESTIONS`` lose; an answer without a confidence loses 1."""

BY_HAND: dict[str, list[Example]] = {
    "multi_brier": [Example(QUESTIONS, ((LOSSES[0] / 3 + LOSSES[1] / 3) / 2 + LOSSES[2] / 3) / 2)],
    "multi_brier_sum": [Example(QUESTIONS, ((LOSSES[0] + LOSSES[1]) / 2 + LOSSES[2]) / 2)],
    "brier_answered": [
        Example(QUESTIONS, (0.2**2 + 0.4**2 + 0.8**2 + 0.5**2 + 0.3**2 + 0.9**2 + 0.1**2) / 7)
    ],
    "log_score": [
        Example(
            QUESTIONS,
            -(log(0.8) + log(0.6) + log(0.2) + log(0.5) + log(0.7) + log(0.1) + log(0.9)) / 7,
        )
    ],
    "ece": [
        Example(QUESTIONS, (0.2 + 0.4 + 0.8 + 0.5 + 0.3 + 0.9 + 0.1) / 7),
        Example(SHARED_BIN, (2 * abs(0.85 - 1 / 2) + 0.31) / 3),
    ],
    "smooth_ece": [
        Example(ONE_LEVEL, abs(0.8 - 1 / 2)),
        Example(ALL_TOO_SURE, (0.8 + 0.4) / 2),
    ],
    "auroc": [
        Example(QUESTIONS, (4 + 1) / (2 * 5)),
        Example(TIES, ((1 / 2 + 1) + (1 + 1)) / (2 * 2)),
    ],
    "mce": [Example(QUESTIONS, 0.9), Example(SHARED_BIN, abs(0.85 - 1 / 2))],
    "ece_debiased": [
        Example(BY_CHANCE, 0 - sqrt(1 / 2 * 1 / 2 / 4) * sqrt(2 / pi)),
        Example(QUESTIONS, (0.2 + 0.4 + 0.8 + 0.5 + 0.3 + 0.9 + 0.1) / 7),
    ],
    "ece_equal_mass": [
        Example(TWENTY, sum(abs(i / 10 + (i / 10 + 0.05) - 1) for i in range(10)) / 20),
        Example(SHARED_BIN, (abs(0.82 - 1) + 0.88 + 0.31) / 3),
    ],
    "auprc": [Example(QUESTIONS, (1 / 2 + 2 / 6) / 2), Example(TIES, (1 / 1 + 2 / 3) / 2)],
    "brier_reliability": [Example(SHARED_BIN, (2 * (0.85 - 1 / 2) ** 2 + 0.31**2) / 3)],
    "brier_resolution": [
        Example(
            SHARED_BIN,
            (2 * (1 / 2 - 1 / 3) ** 2 + (0 - 1 / 3) ** 2) / 3
            + 2 / 3 * (2 * (0.82 / 2 - 0.85 / 2) - 0.03**2),
        )
    ],
    "brier_uncertainty": [
        Example(SHARED_BIN, 1 / 3 * 2 / 3),
        Example(QUESTIONS, 2 / 7 * 5 / 7),
    ],
    "sharpness": [Example(ALL_TOO_SURE, (0.2**2 + 0.2**2) / 2)],
    "set_brier": [
        Example(QUESTIONS, (((1 - 0.2 * 0.6 * 0.8 - 1) ** 2 + 1) / 2 + 1) / 2),
        Example(EXCLUSIVE, (0.3**2 + 0.4**2 + 0.4**2 + 0.65**2) / 4),
        Example(INDEPENDENT, ((1 - 0.5 * 0.8 - 1) ** 2 + (1 - 0.5 * 0.5) ** 2) / 2),
    ],
    "set_ece": [Example(EXCLUSIVE, (0.3 + 0.4 + 2 * abs(0.625 - 1 / 2)) / 4)],
    "set_auroc": [Example(EXCLUSIVE, (2 + 1) / (2 * 2))],
    "correct_bias": [
        Example(EXCLUSIVE, ((0.7 - 1) + (0.4 - 0) + (0.6 - 1) + (0.65 - 0)) / 4),
        Example(INDEPENDENT, ((0.7 - 2) + (1 - 0)) / 2),
    ],
    "correct_error": [Example(EXCLUSIVE, (0.3 + 0.4 + 0.4 + 0.65) / 4)],
    "sum_above_one": [Example(EXCLUSIVE, 1 / 4), Example(INDEPENDENT, 0)],
    "probability_brier": [
        Example(PROBABILITIES, ((0.1**2 + 0.1**2) / 2 + (0 + 0.1**2) / 2 + (0.2**2 + 1) / 2) / 3)
    ],
    "probability_error": [
        Example(PROBABILITIES, ((0.1 + 0.1) / 2 + (0 + 0.1) / 2 + (0.2 + 1) / 2) / 3)
    ],
    "distribution_distance": [
        Example(
            PROBABILITIES,
            ((0.1 + 0.1 + abs(0.3 - 0.3)) / 2 + (0 + 0.1 + abs(0.6 - 0.7)) / 2 + 1) / 3,
        ),
        Example(MORE_THAN_CERTAIN, min(1, (0.9 + 0.8 + abs(0 - 1)) / 2)),
    ],
    "regret": [Example(PROBABILITIES, ((0.9 - 0.7) + (0.8 - 0.3) + (1.0 - 0.7)) / 3)],
    "aurc": [
        Example(WRONG_FIRST, (1 + log(2)) / 2),
        Example(TWO_SETS, (1 + log(2)) / 2),
        Example(TIED_FIRST, (2 * 1 / 2 + (1 - log(3 / 2))) / 3),
    ],
    "risk@0.5": [Example(WRONG_FIRST, 1), Example(TWO_SETS, 1), Example(TIED_FIRST, 1 / 2)],
    "risk@0.8": [Example(WRONG_FIRST, 1 / 1.6), Example(TIED_FIRST, (1 + 0.4) / 2.4)],
    "risk@1": [Example(WRONG_FIRST, 1 / 2), Example(TIED_FIRST, 2 / 3)],
    "conformal_coverage@0.8": [Example(FOUR_EACH, (3 + 4) / 8)],
    "conformal_coverage@0.9": [Example(NINE_EACH, (7 + 9) / 18)],
    "conformal_size@0.8": [Example(FOUR_EACH, (3 + (4 + 4)) / 8)],
    "conformal_size@0.9": [Example(NINE_EACH, ((7 + 9) + (9 + 9)) / 18)],
    "multi_brier_frequency": [
        Example(FREQUENCIES, ((1 / 4 + 1 / 4) / 2 + 0 + (1 / 4 + 1 / 4) / 2) / 3)
    ],
    "brier_answered_frequency": [Example(FREQUENCIES, 4 * (1 / 4) / 6)],
    "log_score_frequency": [Example(FREQUENCIES, 4 * log(2) / 6)],
    "ece_frequency": [Example(FREQUENCIES, 4 * abs(1 / 2 - 1 / 4) / 6)],
    "smooth_ece_frequency": [Example(FREQUENCIES, 4 * abs(1 / 2 - 1 / 4) / 6)],
    "auroc_frequency": [Example(FREQUENCIES, (3 * 1 / 2 + 3 + 3) / (3 * 3))],
    "aurc_frequency": [Example(FREQUENCIES, 3 / 4 * (2 - log(3)) / 3)],
}
