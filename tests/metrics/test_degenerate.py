"""What every metric gives where there is little or nothing to go by: never a flattering number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from math import log, sqrt
from typing import Any, NamedTuple

import pytest
from scipy.stats import foldnorm

from marl_eval.money import Price
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import M, W, metric_named, metrics_of, score_table, value

NAN = math.nan
SPREAD = sqrt(1 / 4 * 3 / 4 / 4)
"""The standard error of one right answer in four."""


def run(
    gold: Sequence[Sequence[Sequence[int]]], confidence: float | None, **known: Any
) -> ScoreTable:
    """Make a table of a run that knows everything, with one confidence throughout."""

    def everywhere(number: float | None) -> list[list[list[float | None]]]:
        return [
            [[None if grade == M else number for grade in set_] for set_ in example]
            for example in gold
        ]

    def classes(of: Callable[[int, int], int]) -> list[list[list[int]]]:
        return [
            [
                [M if grade == M else of(10 * row + i, grade) for i, grade in enumerate(set_)]
                for row, set_ in enumerate(example)
            ]
            for example in gold
        ]

    usual: dict[str, Any] = {
        "confidence": everywhere(confidence),
        "frequency": everywhere(1.0),
        "weights": [[0.75, 0.25]] * len(gold),
        "gold_size": [2] * len(gold),
        "probability": everywhere(0.0),
        "best_probability": [0.5] * len(gold),
        "truth": [[[int(grade == 0) for grade in set_] for set_ in example] for example in gold],
        "reference": "exclusive",
        "exclusive": True,
        "overlaps": [[0.5] * len(example) for example in gold],
        "price": Price(2, 8, "USD"),
        # Programs that compile if they are right; texts all differ, and all behave the same.
        "compiles": [[[grade >= 0 for grade in set_] for set_ in example] for example in gold],
        "programs": [
            classes(lambda place, grade: place),
            classes(lambda place, grade: grade + 9),
            classes(lambda place, grade: 0),
        ],
    }
    return score_table(gold, **(usual | known))


class Situation(NamedTuple):
    """A run, and what every metric of it should be: names (a pattern) to values."""

    table: ScoreTable
    expected: dict[str, float]


COSTS = {
    "prompt_tokens": 20 + 20,
    "tokens_per_example": 10 + 10,
    "reasoning_tokens": 6 + 6,
    "answer_tokens": (10 - 6) + (10 - 6),
    "money_per_example": (40 * 2 + 20 * 8) / 1e6,
    "overlap_3gram": 0.5,
    "overlap_4gram": 0.5 / 2,
    "overlap_jaccard": 0.5 / 3,
    "overlap_rouge_l": 0.5 / 4,
}
"""What two sets cost, whatever they hold."""

FOUND = "recall|capped_recall|precision|f1|correct_answers|mass_covered|(recall|correct|mass)@[24]"
FIRST = "pass@1|hit@[124]"
PATIENT = "DD.*|GTPA.*"
OF_STATED = "brier_answered|log_score|ece|smooth_ece|mce|ece_debiased|ece_equal_mass|sharpness"
BRIER_PARTS = "brier_(reliability|resolution|uncertainty)"
RANKED = "auroc|auroc_frequency|auprc|set_auroc"
OF_SETS = "set_ece|correct_bias|correct_error|sum_above_one"
OF_FREQUENCY = "(brier_answered|ece|smooth_ece|log_score)_frequency"
TEXT, SYNTAX, BEHAVIOUR = (f"distinct_programs_{w}" for w in ("text", "syntax", "behaviour"))
NO_RIGHT_ANSWER = "tokens_per_correct_answer|money_per_correct_answer|tokens_to_recall@.*"
RISKS = "aurc|aurc_frequency|risk@.*"
CERTAIN_AND_WRONG = -log(2.220446049250313e-16)

SITUATIONS = {
    "no answer": Situation(
        run([[[M, M], [M, M]], [[M, M], [M, M]]], None),
        COSTS
        | {
            f"{FOUND}|{FIRST}|{PATIENT}|answered|error_rate|compiles": 0,
            "distinct.*|effective_answers_[12]|recall_token_area": 0,
            f"multi_brier|multi_brier_frequency|set_brier|{RISKS}": 1,
            "probability_brier|probability_error|distribution_distance|format_ok": 1,
            "multi_brier_sum": 2,
            "regret": 0.5,
            f"{OF_STATED}|{BRIER_PARTS}|{RANKED}|{OF_SETS}|{OF_FREQUENCY}|conformal_.*": NAN,
            f"{NO_RIGHT_ANSWER}|tokens_per_distinct_answer|repeated_share": NAN,
        },
    ),
    "all right and sure of it": Situation(
        run(
            [[[0, 1], [0, 1]], [[0, 1], [0, 1]]],
            1.0,
            probability=[[[0.25, 0.25], [0.25, 0.25]]] * 2,
            exclusive=False,
        ),
        COSTS
        | {
            "recall|capped_recall|precision|f1|mass_covered|(recall|mass)@[24]": 1,
            f"{FIRST}|{PATIENT}|answered|format_ok|auprc|compiles|{BEHAVIOUR}.*": 1,
            "correct_answers|correct@[24]|distinct(_answers.*|@.*)|effective_answers_[12]": 2,
            f"{TEXT}|{SYNTAX}.*": 2,
            f"{TEXT}_of_all": 4,
            f"multi_brier.*|{OF_STATED}|{BRIER_PARTS}|{OF_FREQUENCY}|{RISKS}": 0,
            "set_brier|set_ece|correct_bias|correct_error|error_rate|repeated_share|regret": 0,
            "sum_above_one": 1,
            "probability_brier": (1 - 0.25) ** 2,
            "probability_error": 1 - 0.25,
            # |1 - 0.25| twice and |0 - 0.5| for any other answer: more than the most, which is 1.
            "distribution_distance": 1,
            "auroc|auroc_frequency|set_auroc": NAN,
            # One question in a half is too few for any threshold.
            "conformal_.*": NAN,
            "tokens_per_distinct_answer|tokens_per_correct_answer": 20 / 2,
            "money_per_correct_answer": (40 * 2 + 20 * 8) / 1e6 / 2,
            "recall_token_area": (0.5 + 1) / 2,
            # The first generation finds everything with its 10 tokens.
            **{f"tokens_to_recall@0.{tenths}": tenths for tenths in range(1, 10)},
        },
    ),
    "all wrong and sure of it": Situation(
        run([[[W, W], [W, W]], [[W, W], [W, W]]], 1.0),
        COSTS
        | {
            f"{FOUND}|{FIRST}|{PATIENT}|error_rate|repeated_share|recall_token_area|compiles": 0,
            f"answered|format_ok|sum_above_one|{SYNTAX}.*|{BEHAVIOUR}.*": 1,
            "multi_brier|multi_brier_frequency|set_brier|set_ece|brier_reliability": 1,
            "(brier_answered|ece|smooth_ece)(_frequency)?|mce|ece_debiased|ece_equal_mass": 1,
            "probability_brier|probability_error|distribution_distance": 1,
            RISKS: 1,
            "log_score|log_score_frequency": CERTAIN_AND_WRONG,
            "brier_resolution|brier_uncertainty|sharpness": 0,
            "multi_brier_sum|correct_bias|correct_error": 2,
            f"distinct_answers|distinct@2|{TEXT}": 2,
            f"distinct_answers_of_all|distinct@4|effective_answers_[12]|{TEXT}_of_all": 4,
            "regret": 0.5,
            "tokens_per_distinct_answer": 20 / 4,
            f"{RANKED}|{NO_RIGHT_ANSWER}|conformal_.*": NAN,
        },
    ),
    "one example with one answer": Situation(
        run([[[0]]], 0.75, gold_size=[1], weights=[[1]], probability=[[[0.5]]]),
        {
            "recall|capped_recall|precision|f1|correct_answers|mass_covered|pass@1|hit@1": 1,
            f"{PATIENT}|distinct_answers|answered|format_ok|auprc|compiles|distinct_programs.*": 1,
            "error_rate|repeated_share|regret|sum_above_one|multi_brier_frequency": 0,
            f"{OF_FREQUENCY}|{RISKS}": 0,
            "multi_brier|multi_brier_sum|brier_answered|brier_reliability|set_brier": 0.25**2,
            "brier_resolution|brier_uncertainty|sharpness": 0,
            "ece|smooth_ece|mce|ece_debiased|ece_equal_mass|set_ece|correct_error": 0.25,
            "correct_bias": -0.25,
            "log_score": -log(0.75),
            "probability_brier": 0.25**2,
            "probability_error": 0.25,
            "distribution_distance": (0.25 + 0.25) / 2,
            "auroc|auroc_frequency|set_auroc|conformal_.*|overlap_.*": NAN,
            "prompt_tokens": 20,
            "tokens_per_example|tokens_per_distinct_answer|tokens_per_correct_answer": 10,
            "reasoning_tokens": 6,
            "answer_tokens": 10 - 6,
            "money_per_example|money_per_correct_answer": (20 * 2 + 10 * 8) / 1e6,
        },
    ),
    "no confidence could be read": Situation(
        run([[[0, W], [0, W]], [[1, W], [1, W]]], None, frequency=[[[1, 0.5]] * 2] * 2),
        COSTS
        | {
            "recall|capped_recall|precision|f1|recall@[24]|compiles": 1 / 2,
            f"{TEXT}|{SYNTAX}.*": 2,
            f"{TEXT}_of_all": 4,
            f"{BEHAVIOUR}.*": 1,
            "mass_covered|mass@[24]": (0.75 + 0.25) / 2,
            f"correct_answers|correct@[24]|{FIRST}|answered|format_ok": 1,
            # Without a probability nothing belongs to the differential.
            f"{PATIENT}|error_rate|repeated_share": 0,
            "multi_brier|set_brier|probability_.*|distribution_distance": 1,
            "multi_brier_sum": 2,
            f"{OF_STATED}|{BRIER_PARTS}|auroc|auprc|set_auroc|{OF_SETS}|conformal_.*": NAN,
            # The first answers, by position, are right; the shares of these are 0.
            "aurc|risk@.*": 0,
            "aurc_frequency": 0,
            "(multi_brier|brier_answered)_frequency": 0.5**2 / 2,
            "(ece|smooth_ece)_frequency": 0.5 / 2,
            "log_score_frequency": log(2) / 2,
            "auroc_frequency": 1,
            "distinct_answers|distinct@2": 2,
            "distinct_answers_of_all|distinct@4": 3,
            "effective_answers_1": 2**1.5,
            "effective_answers_2": 1 / (2 / 4 * 2 / 4 + 2 * (1 / 4 * 1 / 4)),
            "regret": 0.5,
            "tokens_per_distinct_answer": 20 / 3,
            "tokens_per_correct_answer": 20,
            "money_per_correct_answer": (40 * 2 + 20 * 8) / 1e6,
            # From (0, 0) to (10, 1/2), then flat to (20, 1/2).
            "recall_token_area": (0.25 + 0.5) / 2,
            **{f"tokens_to_recall@0.{tenths}": 2 * tenths for tenths in range(1, 6)},
            "tokens_to_recall@0.[6-9]": NAN,
        },
    ),
    "every request failed": Situation(
        run([[[M, M], [M, M]]], None, failed=[[True, True]]), {"error_rate": 1, "(?!error_).*": NAN}
    ),
    "neither weights, probabilities, truth, texts nor tokens known": Situation(
        run(
            [[[0, W], [W, W]]],
            0.5,
            weights=[[]],
            best_probability=[None],
            truth=[[[None, None]] * 2],
            overlaps=[[None, None]],
            prompt_tokens=[[None, 20]],
            completion_tokens=[[10, None]],
            reasoning_tokens=[[None, None]],
        ),
        {
            "mass_covered|mass@[24]|GTPA.*|overlap_.*|probability_.*|distribution_distance": NAN,
            "regret|.*tokens.*|money_.*|recall_token_area|conformal_.*": NAN,
            "recall|capped_recall|precision|f1|DD.*|recall@2": (1 / 2 + 0) / 2,
            "correct_answers|pass@1|hit@[12]|correct@2|recall@4": 1 / 2,
            f"correct@4|hit@4|format_ok|answered|{BEHAVIOUR}.*": 1,
            "compiles": (1 / 2 + 0) / 2,
            SYNTAX: (2 + 1) / 2,
            f"{TEXT}|{SYNTAX}_of_all": 2,
            f"{TEXT}_of_all": 4,
            "error_rate|repeated_share|sum_above_one": 0,
            "distinct_answers|distinct@2": 2,
            "distinct_answers_of_all|distinct@4|effective_answers_[12]": 4,
            # Four answers at 0.5, one of them right.
            "multi_brier|brier_answered": 0.5**2,
            "multi_brier_sum": 2 * 0.5**2,
            "log_score": log(2),
            "ece|smooth_ece|mce|ece_equal_mass": 0.5 - 1 / 4,
            "ece_debiased": 0.25 - float(foldnorm.mean(0.25 / SPREAD, scale=SPREAD) - 0.25),
            "brier_reliability": 0.25**2,
            "brier_uncertainty": 1 / 4 * 3 / 4,
            "brier_resolution|sharpness": 0,
            "auroc|auroc_frequency|set_auroc": 1 / 2,
            "auprc": 1 / 4,
            f"{RISKS}": 1 / 2,
            # Both sets are certain, since 0.5 + 0.5 = 1; one holds a right answer.
            "set_brier|set_ece": 1 / 2,
            "correct_bias|correct_error": ((1 - 1) + (1 - 0)) / 2,
            "(multi_brier|brier_answered|ece|smooth_ece)_frequency": 3 / 4,
            "log_score_frequency": CERTAIN_AND_WRONG * 3 / 4,
        },
    ),
    "no gold answer": Situation(
        run([[[W, W], [W, M]]], 0.5, gold_size=[0], weights=[[]]),
        COSTS
        | {
            "mass_covered|mass@[24]": NAN,
            "recall|capped_recall|precision|f1|correct_answers|(recall|correct)@[24]": 0,
            f"{FIRST}|{PATIENT}|error_rate|repeated_share|recall_token_area|sum_above_one": 0,
            "compiles": 0,
            "answered": 3 / 4,
            f"format_ok|{SYNTAX}.*|{BEHAVIOUR}.*": 1,
            f"distinct_answers|distinct@2|{TEXT}": (2 + 1) / 2,
            f"distinct_answers_of_all|distinct@4|effective_answers_[12]|{TEXT}_of_all": 3,
            "tokens_per_distinct_answer": 20 / 3,
            "regret": 0.5,
            "multi_brier|probability_brier": (0.5**2 + (0.5**2 + 1) / 2) / 2,
            "multi_brier_sum": (2 * 0.5**2 + (0.5**2 + 1)) / 2,
            "probability_error": (0.5 + (0.5 + 1) / 2) / 2,
            "brier_answered|brier_reliability": 0.5**2,
            "log_score": log(2),
            "ece|smooth_ece|mce|ece_debiased|ece_equal_mass": 0.5,
            "brier_resolution|brier_uncertainty|sharpness": 0,
            f"set_brier|set_ece|correct_bias|correct_error|{RISKS}": 1,
            "distribution_distance|multi_brier_frequency": 1,
            "(brier_answered|ece|smooth_ece)_frequency": 1,
            "log_score_frequency": CERTAIN_AND_WRONG,
            f"{RANKED}|{NO_RIGHT_ANSWER}|conformal_.*": NAN,
        },
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS.values(), ids=list(SITUATIONS))
def test_every_metric_is_defined_or_stated_to_be_undefined(situation: Situation) -> None:
    for metric in metrics_of(situation.table.shape):
        expected = [v for n, v in situation.expected.items() if re.fullmatch(n, metric.name)]
        assert len(expected) == 1, metric.name
        found = value(metric, situation.table)
        assert found == pytest.approx(expected[0], abs=2e-6, nan_ok=True), metric.name


def test_a_run_that_asked_for_no_confidences_has_no_metric_of_them() -> None:
    table = score_table([[[0, W], [1, W]]])
    names = {metric.name for metric in metrics_of(table.shape)}
    assert {"recall", "hit@1", "answered", "tokens_per_example", "recall@2"} <= names
    assert not [name for name in names if re.match("multi_brier|ece|set_|risk|conformal", name)]


def test_examples_asked_for_one_answer_are_like_those_of_a_run_that_asked_for_one() -> None:
    shared: dict[str, Any] = {"gold_size": [2, 1], "exclusive": True}
    fewer = score_table(
        [[[0, M, M], [W, M, M]], [[0, M, M], [M, M, M]]],
        confidence=[[[0.6, None, None], [0.3, None, None]], [[0.9, None, None], [None] * 3]],
        asked=[1, 1],
        **shared,
    )
    one = score_table(
        [[[0], [W]], [[0], [M]]], confidence=[[[0.6], [0.3]], [[0.9], [None]]], **shared
    )
    others = {metric.name: metric for metric in metrics_of(one.shape) if metric.curve is None}
    for metric in metrics_of(fewer.shape):
        if metric.name in others:
            expected = value(others[metric.name], one)
            assert value(metric, fewer) == pytest.approx(expected, nan_ok=True), metric.name


def test_examples_that_were_asked_for_different_numbers_of_answers_count_the_same() -> None:
    table = score_table(
        [[[0, 1, W]], [[0, M, M]], [[M, M, M]]],
        confidence=[[[0.5, 0.4, 0.2]], [[0.8, None, None]], [[None, None, None]]],
        asked=[3, 1, 2],
        gold_size=[4, 4, 1],
    )
    losses = [0.5**2 + 0.6**2 + 0.2**2, 0.2**2, 1 + 1]
    expected = {
        "answered": (3 / 3 + 1 / 1 + 0 / 2) / 3,
        "capped_recall": (2 / 3 + 1 / 1 + 0 / 1) / 3,
        "multi_brier": (losses[0] / 3 + losses[1] / 1 + losses[2] / 2) / 3,
        "multi_brier_sum": sum(losses) / 3,
        # The second set is whole with its one answer.
        "set_brier": ((0.5 * 0.6 * 0.8) ** 2 + 0.2**2 + 1) / 3,
    }
    for name, worked_out in expected.items():
        found = value(metric_named(name, table.shape), table)
        assert found == pytest.approx(worked_out), name
