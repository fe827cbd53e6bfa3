"""Metrics of answers worked by hand: small tables, and the arithmetic that gives each value."""

from __future__ import annotations

from math import exp, log
from typing import NamedTuple

from marl_eval.money import Price
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import M, W, score_table


class Example(NamedTuple):
    """A table, and what a metric of it should be."""

    table: ScoreTable
    expected: float


# Two questions with two sets of three answers each, of which the last one failed. The first question
# has two gold answers, of which its first set names both, with a wrong answer between; the second set
# gives that wrong answer again and another. The second question's set repeats a wrong answer.
QUESTIONS = score_table(
    [[[0, W, 1], [W, W, M]], [[W, W, 0], [M, M, M]]],
    same_as=[[[0, 10, 1], [10, 11, M]], [[12, 12, 0], [M, M, M]]],
    confidence=[[[0.8, 0.4, 0.2], [0.5, 0.3, None]], [[0.9, 0.1, None], [None, None, None]]],
    gold_size=[2, 1],
    failed=[[False, False], [False, True]],
    strict=[[True, False], [True, True]],
    overlaps=[[0.4, None], [0.9, None]],
)

MORE_GOLD_THAN_K = score_table([[[0, 1, W]], [[2, 2, W]]], gold_size=[5, 4])

# The third question's gold answers have no weight.
WEIGHTED = score_table(
    [[[1, W]], [[W, W]], [[0, 1]]], gold_size=[2, 1, 2], weights=[[0.6, 0.3], [0.5], []]
)

# Best of two: each answer of the two sets is a generation of its own.
POOLED = score_table(
    [[[W, 0], [0, 0]], [[M, 0], [W, W]]],
    confidence=[[[0.9, 0.2], [0.1, 0.7]], [[None, 0.3], [0.5, 0.5]]],
    members=2,
)

# The first patient's differential is {0, 1} and the pathology is 1, which the first set gives a
# probability below 0.01; the second set repeats it, and the probability of 0 cannot be read. The second
# patient's differential has four conditions; the pathology is not known.
PATIENTS = score_table(
    [[[0, W, 1], [1, 1, 0]], [[W, W, M], [M, M, M]]],
    confidence=[[[0.6, 0.3, 0.005], [0.5, 0.4, None]], [[0.2, 0.1, None], [None, None, None]]],
    gold_size=[2, 4],
    failed=[[False, False], [False, True]],
    weights=[[0.5, 0.5], [0.25, 0.25, 0.25, 0.25]],
    truth=[[[0, 0, 1], [1, 1, 0]], [[None] * 3] * 2],
)

# Six answers in all, of three kinds: one given three times, one twice, one once.
KINDS = score_table([[[W, W, W], [W, W, W]]], same_as=[[[1, 1, 1], [2, 2, 3]]])

# Of the second question the engine did not tell all reasoning; of the third a request failed.
COSTS = score_table(
    [[[0, W], [0, 1]], [[W, W], [M, M]], [[0, M], [M, M]]],
    same_as=[[[0, 5], [0, 1]], [[7, 7], [M, M]], [[0, M], [M, M]]],
    failed=[[False, False], [False, False], [False, True]],
    prompt_tokens=[[100, 100], [50, 50], [70, None]],
    completion_tokens=[[30, 20], [40, 10], [5, None]],
    reasoning_tokens=[[12, 8], [25, None], [1, None]],
    price=Price(2, 8, "USD"),
)

# Four generations of one answer. The first question has two gold answers, found once and twice; the
# second has one, found once, and another answer is given twice. Of four generations two can be drawn
# in 6 ways and three in 4; a thing found once is missed by 3 of the 6 and 1 of the 4, one found twice
# by 1 of the 6 and by none of the 4.
SAMPLES = score_table(
    [[[0], [1], [1], [W]], [[W], [W], [W], [0]]],
    same_as=[[[0], [1], [1], [5]], [[6], [6], [7], [0]]],
    gold_size=[2, 1],
    weights=[[0.75, 0.25], []],
)

# Three sets of three answers: two of them can be drawn in 3 ways, and one of those misses the second.
SETS = score_table([[[W, W, W], [W, 0, W], [W, W, W]]])

# Of the second question a generation failed: it tells nothing of two.
A_FAILURE = score_table(
    [[[W], [0]], [[0], [M]]], failed=[[False, False], [False, True]], weights=[[1], [1]]
)

# Two generations. The first question's name a gold answer each, of two, in 10 tokens; the second's
# both name the only one, in 30. So the corners of the curve are (20, 3/4) and (40, 1).
TWO_GENERATIONS = score_table(
    [[[0], [1]], [[0], [0]]], gold_size=[2, 1], completion_tokens=[[10, 10], [30, 30]]
)

# Any generation finds what both do, so the curve is flat from its first corner on: (10, 1/5), where
# 1/5 is the mean of 0, 0 and 3/5.
FLAT = score_table(
    [[[W, W, W]] * 2, [[W, W, W]] * 2, [[0, 1, 2]] * 2],
    gold_size=[5, 5, 5],
    completion_tokens=[[10, 10]] * 3,
)

# Two questions with two sets of three programs. Of the first question, the first set's two programs
# that compile differ in text alone, and the third is cut off; the second set repeats the first program,
# cut off in the same place again, and one that gives the same results by another way. Of the second
# question a set failed, and an answer of the other is missing.
PROGRAMS = score_table(
    [[[0, 0, W], [0, W, 0]], [[W, W, M], [M, M, M]]],
    failed=[[False, False], [False, True]],
    compiles=[[[1, 1, 0], [1, 0, 1]], [[1, 0, 0], [0, 0, 0]]],
    programs=[
        [[[1, 2, 3], [1, 3, 4]], [[1, 2, M], [M, M, M]]],
        [[[1, 1, 3], [1, 3, 4]], [[1, 2, M], [M, M, M]]],
        [[[1, 1, 3], [1, 3, 1]], [[1, 2, M], [M, M, M]]],
    ],
)

BY_HAND: dict[str, list[Example]] = {
    "recall": [
        Example(QUESTIONS, ((2 / 2 + 0 / 2) / 2 + 1 / 1) / 2),
        Example(MORE_GOLD_THAN_K, (2 / 5 + 1 / 4) / 2),
    ],
    "capped_recall": [
        Example(QUESTIONS, ((2 / 2 + 0 / 2) / 2 + 1 / 1) / 2),
        Example(MORE_GOLD_THAN_K, (2 / 3 + 1 / 3) / 2),
    ],
    "precision": [Example(QUESTIONS, ((2 / 3 + 0 / 2) / 2 + 1 / 3) / 2)],
    "f1": [Example(QUESTIONS, ((2 * 2 / (3 + 2) + 0) / 2 + 2 * 1 / (3 + 1)) / 2)],
    "correct_answers": [
        Example(QUESTIONS, ((2 + 0) / 2 + 1) / 2),
        Example(MORE_GOLD_THAN_K, (2 + 1) / 2),
    ],
    "mass_covered": [Example(WEIGHTED, (0.3 / (0.6 + 0.3) + 0 / 0.5) / 2)],
    "pass@1": [
        Example(QUESTIONS, ((1 + 0) / 2 + 0) / 2),
        Example(POOLED, ((1 / 2 + 2 / 2) / 2 + (1 / 2 + 0 / 2) / 2) / 2),
        Example(SAMPLES, (3 / 4 + 1 / 4) / 2),
    ],
    "hit@1": [
        Example(QUESTIONS, ((1 + 0) / 2 + 0) / 2),
        Example(POOLED, ((0 + 1) / 2 + (1 + 0) / 2) / 2),
    ],
    "hit@2": [
        Example(QUESTIONS, ((1 + 0) / 2 + 0) / 2),
        Example(POOLED, ((1 + 1) / 2 + (1 + 0) / 2) / 2),
    ],
    "hit@3": [Example(QUESTIONS, ((1 + 0) / 2 + 1) / 2), Example(SETS, (0 + 1 + 0) / 3)],
    "hit@6": [Example(SETS, 1 - 1 / 3)],
    "hit@9": [Example(SETS, 1)],
    "DDR": [Example(PATIENTS, ((1 / 2 + 1 / 2) / 2 + 0 / 4) / 2)],
    "DDP": [Example(PATIENTS, ((1 / 2 + 1 / 1) / 2 + 0 / 2) / 2)],
    "DDF1": [Example(PATIENTS, ((2 * 1 / (2 + 2) + 2 * 1 / (1 + 2)) / 2 + 0) / 2)],
    "GTPA@1": [Example(PATIENTS, (0 + 1) / 2)],
    "GTPA": [Example(PATIENTS, (0 + 1) / 2)],
    "recall@1": [Example(SAMPLES, ((1 / 4 + 2 / 4) / 2 + 1 / 4) / 2)],
    "recall@2": [
        Example(SAMPLES, (((1 - 3 / 6) + (1 - 1 / 6)) / 2 + (1 - 3 / 6)) / 2),
        Example(A_FAILURE, 1),
    ],
    "recall@3": [Example(SAMPLES, (((1 - 1 / 4) + 1) / 2 + (1 - 1 / 4)) / 2)],
    "correct@2": [Example(SAMPLES, ((1 - 3 / 6) + (1 - 1 / 6) + (1 - 3 / 6)) / 2)],
    "correct@3": [Example(SAMPLES, ((1 - 1 / 4) + 1 + (1 - 1 / 4)) / 2)],
    "pass@2": [Example(SAMPLES, (1 + (1 - 3 / 6)) / 2)],
    "pass@3": [Example(SAMPLES, (1 + (1 - 1 / 4)) / 2)],
    "distinct@2": [Example(SAMPLES, (1 - 3 / 6) + (1 - 1 / 6) + (1 - 3 / 6))],
    "distinct@3": [Example(SAMPLES, (1 - 1 / 4) + 1 + (1 - 1 / 4))],
    "mass@1": [Example(A_FAILURE, (1 / 2 + 1) / 2)],
    "mass@2": [
        Example(SAMPLES, 0.75 * (1 - 3 / 6) + 0.25 * (1 - 1 / 6)),
        Example(A_FAILURE, 1),
    ],
    "mass@3": [Example(SAMPLES, 0.75 * (1 - 1 / 4) + 0.25 * 1)],
    "distinct_answers": [Example(QUESTIONS, ((3 + 2) / 2 + 2) / 2)],
    "distinct_answers_of_all": [Example(QUESTIONS, 4), Example(KINDS, 3)],
    "repeated_share": [Example(QUESTIONS, (0 + 0 + 1) / (3 + 2 + 3)), Example(KINDS, (2 + 1) / 6)],
    "effective_answers_1": [
        Example(KINDS, exp(-(1 / 2 * log(1 / 2) + 1 / 3 * log(1 / 3) + 1 / 6 * log(1 / 6)))),
        Example(SAMPLES, 2**1.5),
    ],
    "effective_answers_2": [
        Example(KINDS, 1 / ((1 / 2) ** 2 + (1 / 3) ** 2 + (1 / 6) ** 2)),
        Example(QUESTIONS, 1 / (3 * (1 / 5) ** 2 + (2 / 5) ** 2)),
    ],
    "compiles": [Example(PROGRAMS, ((2 / 3 + 2 / 3) / 2 + 1 / 3) / 2)],
    "distinct_programs_text": [Example(PROGRAMS, ((3 + 3) / 2 + 2) / 2)],
    "distinct_programs_syntax": [Example(PROGRAMS, ((2 + 3) / 2 + 2) / 2)],
    "distinct_programs_behaviour": [Example(PROGRAMS, ((2 + 2) / 2 + 2) / 2)],
    "distinct_programs_text_of_all": [Example(PROGRAMS, 4)],
    "distinct_programs_syntax_of_all": [Example(PROGRAMS, 3)],
    "distinct_programs_behaviour_of_all": [Example(PROGRAMS, 2)],
    "overlap_3gram": [Example(QUESTIONS, 0.4)],
    "overlap_4gram": [Example(QUESTIONS, 0.4 / 2)],
    "overlap_jaccard": [Example(QUESTIONS, 0.4 / 3)],
    "overlap_rouge_l": [Example(QUESTIONS, 0.4 / 4)],
    "format_ok": [Example(QUESTIONS, ((1 + 0) / 2 + 1) / 2)],
    "answered": [Example(QUESTIONS, ((3 / 3 + 2 / 3) / 2 + 3 / 3) / 2)],
    "error_rate": [Example(QUESTIONS, 1 / 4)],
    "prompt_tokens": [Example(COSTS, ((100 + 100) + (50 + 50)) / 2)],
    "tokens_per_example": [Example(COSTS, ((30 + 20) + (40 + 10)) / 2)],
    "reasoning_tokens": [Example(COSTS, 12 + 8)],
    "answer_tokens": [Example(COSTS, (30 - 12) + (20 - 8))],
    "tokens_per_distinct_answer": [Example(COSTS, (50 + 50) / (3 + 1))],
    "tokens_per_correct_answer": [Example(COSTS, (50 + 50) / (2 + 0))],
    "money_per_example": [
        Example(COSTS, ((200 * 2 + 50 * 8) / 1e6 + (100 * 2 + 50 * 8) / 1e6) / 2)
    ],
    "money_per_correct_answer": [Example(COSTS, ((300 * 2 + 100 * 8) / 1e6) / 2)],
    "recall_token_area": [
        Example(TWO_GENERATIONS, (20 * (0 + 3 / 4) / 2 + 20 * (3 / 4 + 1) / 2) / 40)
    ],
    "tokens_to_recall@0.1": [Example(FLAT, 10 * 0.1 / 0.2)],
    "tokens_to_recall@0.2": [Example(FLAT, 10)],
    "tokens_to_recall@0.3": [Example(TWO_GENERATIONS, 20 * 0.3 / 0.75)],
    "tokens_to_recall@0.8": [Example(TWO_GENERATIONS, 20 + 20 * (0.8 - 0.75) / (1 - 0.75))],
}
