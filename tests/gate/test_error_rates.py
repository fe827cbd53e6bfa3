"""The gate's errors on simulated pairs of runs are rare, given enough examples."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from marl_eval.comparison.per_example import PerExample, metrics_by_name
from marl_eval.gate.check import Finding, judge
from marl_eval.gate.rules import parse_rules
from marl_eval.score_table import Shape

PAIRS = 1000
RESAMPLES = 200
SHAPE = Shape(k=3, sets=1, members=1, exclusive=False)
METRICS = metrics_by_name(SHAPE)
RECALL, TOKENS = METRICS["recall"], METRICS["tokens_per_correct_answer"]
TOLERANCE = 0.05


def side(found: NDArray[np.float64], tokens: NDArray[np.float64]) -> PerExample:
    """Give a run of which each example's share of right answers found, of three, is known."""
    ones = np.ones(len(found))
    rows = {
        RECALL.statistics: np.column_stack([found / 3, ones]),
        TOKENS.statistics: np.column_stack([tokens, found]),
    }
    return PerExample(
        name="simulated",
        shape=SHAPE,
        contents={str(number): b"" for number in range(len(found))},
        whole=ones > 0,
        metrics={"recall": RECALL, "tokens_per_correct_answer": TOKENS},
        rows=rows.__getitem__,
    )


def pair(seed: int, examples: int, drop: float) -> tuple[PerExample, PerExample]:
    """Simulate a run and its baseline; each example is as hard for both, and is found by 0.6 at best.

    The run's chance of finding a right answer is lower by the share ``drop``.
    """
    draw = np.random.default_rng([seed, examples])
    chance = draw.beta(3, 2, examples)
    one, other = (draw.binomial(3, p).astype(float) for p in (chance * (1 - drop), chance))
    tokens = (draw.normal(60, 10, examples) for _ in range(2))
    return side(one, next(tokens)), side(other, next(tokens))


def outcomes(rules: str, examples: int, drop: float, pairs: int = PAIRS) -> list[list[Finding]]:
    read = parse_rules(rules, "rules")
    return [judge(read, *pair(seed, examples, drop), resamples=RESAMPLES) for seed in range(pairs)]


def share(found: list[list[Finding]], outcome: str) -> float:
    """Give the share of the checks in which any rule had this outcome."""
    return float(np.mean([any(one.outcome == outcome for one in own) for own in found]))


WITH_TOLERANCE = f"recall >= {1 - TOLERANCE} * baseline"
WITHOUT = "recall >= baseline"
SEVERAL = f"{WITHOUT}\ntokens_per_correct_answer <= baseline\n{WITH_TOLERANCE}"


@pytest.mark.parametrize(
    ("rules", "examples"), [(WITH_TOLERANCE, 300), (WITHOUT, 300), (SEVERAL, 30), (SEVERAL, 300)]
)
def test_without_a_true_change_at_most_one_check_in_twenty_fails(rules: str, examples: int) -> None:
    assert share(outcomes(rules, examples, 0), "fail") <= 0.05


@cache
def adequate() -> int:
    """Give the number of examples that the gate asks for, told from few."""
    found = outcomes(WITH_TOLERANCE, 100, 0, pairs=100)
    told = [own[0].enough for own in found if own[0].enough is not None]
    assert len(told) > 50
    return int(np.median(told))


def test_a_drop_of_twice_the_tolerance_fails_nine_times_in_ten_with_the_examples_asked_for() -> (
    None
):
    found = outcomes(WITH_TOLERANCE, adequate(), 2 * TOLERANCE)
    assert share(found, "fail") >= 0.9


def test_with_the_examples_asked_for_and_no_change_it_is_not_too_few() -> None:
    found = outcomes(WITH_TOLERANCE, round(1.2 * adequate()), 0, pairs=200)
    assert share(found, "pass") >= 0.95


@pytest.mark.parametrize("drop", [0, TOLERANCE])
def test_with_few_of_the_examples_asked_for_it_says_that_they_are_too_few(drop: float) -> None:
    found = outcomes(WITH_TOLERANCE, adequate() // 30, drop, pairs=200)
    assert share(found, "too few examples") >= 0.8
    assert share(found, "fail") <= 0.05


def test_a_drop_of_the_tolerance_itself_fails_rarely_however_many_examples() -> None:
    found = outcomes(WITH_TOLERANCE, 3000, TOLERANCE, pairs=300)
    assert share(found, "fail") <= 0.05


def test_a_run_against_itself_passes_every_rule_that_allows_no_change() -> None:
    one, _ = pair(seed=0, examples=50, drop=0)
    rules = parse_rules("recall >= baseline\ntokens_per_correct_answer <= baseline", "r")
    assert [own.outcome for own in judge(rules, one, one)] == ["pass", "pass"]


def test_three_examples_that_all_drop_are_too_few_and_thirty_are_not() -> None:
    rules = parse_rules("recall >= baseline", "r")
    for examples, outcome in ((3, "too few examples"), (30, "fail")):
        tokens = np.full(examples, 50.0)
        worse, better = side(np.ones(examples), tokens), side(np.full(examples, 2.0), tokens)
        assert judge(rules, worse, better)[0].outcome == outcome
