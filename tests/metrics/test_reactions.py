"""Which metrics do not react to what: every metric against every change that should leave it alone."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.metric import Array
from marl_eval.score_table import ScoreTable
from tests.metrics.drawing import tables
from tests.metrics.laws import assert_same
from tests.metrics.tables import W, changed, metrics_of, value

PER_ANSWER = [
    "gold", "same_as", "rank", "confidence", "weight", "truth", "probability",
    "derived", "compiles", "programs",
]  # fmt: skip
PER_SET = [
    "failed", "set_confidence", "strict",
    "prompt_tokens", "completion_tokens", "reasoning_tokens",
]  # fmt: skip


def each_array(table: ScoreTable, names: list[str], change: Any) -> ScoreTable:
    """Give the table with some of its arrays changed."""
    parts: dict[str, Any] = {
        name: {source: change(own) for source, own in getattr(table, name).items()}
        if name in ("derived", "programs")
        else change(getattr(table, name))
        for name in names
    }
    return replace(table, **parts)


def assert_reacts_only(table: ScoreTable, other: ScoreTable, allowed: str = "") -> None:
    """Check that all metrics but those whose names match ``allowed`` have one value for both."""
    for metric in metrics_of(table.shape):
        if not re.fullmatch(allowed, metric.name):
            assert_same(metric, value(metric, other), value(metric, table))


@settings(max_examples=12, deadline=None)
@given(table=tables(full=True), seed=st.integers(0, 99))
def test_classes_and_gold_answers_may_be_numbered_anyhow(table: ScoreTable, seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes, gold = rng.permutation(table.gold[0].size), rng.permutation(10)
    same_as = np.where(table.same_as >= 0, classes[np.maximum(table.same_as, 0)], table.same_as)
    numbered = np.where(table.gold >= 0, gold[np.maximum(table.gold, 0)], table.gold)
    assert_reacts_only(table, replace(table, same_as=same_as, gold=numbered))


@settings(max_examples=12, deadline=None)
@given(table=tables(full=True))
def test_only_overlap_reacts_to_the_order_of_an_examples_sets(table: ScoreTable) -> None:
    # Overlap compares neighbours.
    back = each_array(table, PER_ANSWER + PER_SET, lambda own: own[:, ::-1])
    assert_reacts_only(table, back, "overlap_.*")


def wrong_pairs(table: ScoreTable) -> list[tuple[int, int, int, int]]:
    """List the pairs of wrong answers: example, set and both positions."""
    return [
        (example, set_, one, other)
        for example, set_ in np.ndindex(*table.failed.shape)
        for one, other in combinations(range(table.shape.k), 2)
        if (table.gold[example, set_, [one, other]] == W).all()
    ]


@settings(max_examples=12, deadline=None)
@given(table=tables(full=True).filter(wrong_pairs), data=st.data())
def test_no_metric_reacts_to_an_exchange_of_wrong_answers_of_equal_confidence(
    table: ScoreTable, data: st.DataObject
) -> None:
    example, set_, one, other = data.draw(st.sampled_from(wrong_pairs(table)))

    def put(own: Array, from_: list[int], to: list[int]) -> Array:
        result = own.copy()
        result[example, set_, to] = own[example, set_, from_]
        return result

    equal = ["confidence", "truth", "derived", "compiles", "programs"]
    table = changed(each_array(table, equal, lambda own: put(own, [one], [other])))
    names = [name for name in PER_ANSWER if name != "rank"]
    exchanged = each_array(table, names, lambda own: put(own, [one, other], [other, one]))
    assert_reacts_only(table, changed(exchanged))


REACTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "strictness": ({"strict": False}, "format_ok"),
    "prompts": ({"prompt_tokens": 1e5}, "prompt_tokens|money_.*"),
    "tokens": (
        {"completion_tokens": 1e5},
        "tokens_.*|answer_tokens|reasoning_tokens|money_.*|recall_token_area",
    ),
    "reasoning": ({"reasoning_tokens": 1.0}, "reasoning_tokens|answer_tokens"),
    "texts": ({"overlaps": 0.25}, "overlap_.*"),
    "halves": ({"second_half": False}, "conformal_.*"),
    "true probabilities": (
        {"probability": 0.03, "best_probability": 0.99},
        "probability_.*|distribution_distance|regret",
    ),
    "the truth": ({"truth": 1.0}, "GTPA.*"),
    "syntax errors": ({"compiles": True}, "compiles"),
    "programs": ({"programs": 0}, "distinct_programs_.*"),
    "weights": ({"weight": 0.2, "weight_total": 1.0}, "mass.*"),
    "other sources": ({"derived": 0.6}, ".*_frequency"),
    "the size of the gold set": (
        {"gold_size": 9},
        "recall.*|capped_recall|f1|DDR|DDF1|tokens_to_recall.*",
    ),
}
"""What of a table is set to which value, and the metrics that may react to it."""


@pytest.mark.parametrize("what", REACTIONS)
@settings(max_examples=6, deadline=None)
@given(table=tables(full=True))
def test_only_its_own_metrics_react_to(what: str, table: ScoreTable) -> None:
    to, allowed = REACTIONS[what]
    parts: dict[str, Any] = {}
    for name, number in to.items():
        own = getattr(table, name)
        if isinstance(own, dict):
            parts[name] = {key: np.full_like(array, number) for key, array in own.items()}
        else:
            parts[name] = np.full_like(own, number)
    assert_reacts_only(table, replace(table, **parts), allowed)


CONFIDENCE_METRICS = (
    "multi_brier|multi_brier_sum|brier_.*|log_score|ece.*|smooth_ece|auroc|auprc|mce|sharpness|set_.*"
    "|correct_(bias|error)|sum_above_one|probability_.*|distribution_distance|aurc|risk@.*"
    "|conformal_.*|pass@1|hit@[0-9]+|DD.*|GTPA.*"
)


@settings(max_examples=12, deadline=None)
@given(table=tables(full=True))
def test_what_answers_cover_and_cost_does_not_react_to_confidences(table: ScoreTable) -> None:
    turned = changed(table, confidence=1 - table.confidence)
    assert_reacts_only(table, turned, f"({CONFIDENCE_METRICS})(?<!_frequency)")


@settings(max_examples=12, deadline=None)
@given(table=tables(full=True))
def test_no_metric_but_its_own_kind_reacts_to_a_monotone_change_of_confidences(
    table: ScoreTable,
) -> None:
    # What only ranks answers stays: AUROC, hits, risk, and the answers that rank first.
    halved = changed(table, confidence=table.confidence / 2 + 0.25)
    levels = {name: own / 2 + 0.25 for name, own in table.shape.levels.items() if name == "text"}
    shape = replace(table.shape, levels=dict(table.shape.levels) | levels)
    own = CONFIDENCE_METRICS.replace("|auroc|auprc", "").replace("|aurc|risk@.*", "")
    own = own.replace("|conformal_.*|pass@1|hit@[0-9]+", "")
    assert_reacts_only(table, replace(halved, shape=shape), f"({own})(?<!_frequency)")


def test_every_part_of_a_table_is_changed_by_some_test() -> None:
    exchanged = {*PER_ANSWER, *PER_SET, *(name for to, _ in REACTIONS.values() for name in to)}
    assert {f.name for f in fields(ScoreTable)} - exchanged == {"shape", "asked"}
