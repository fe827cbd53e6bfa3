"""Every metric on tables small enough to work out by hand."""

from __future__ import annotations

import re

import pytest

from tests.metrics import by_hand_answers, by_hand_confidences
from tests.metrics.by_hand_answers import QUESTIONS, Example
from tests.metrics.tables import full_shapes, metric_named, metrics_of, rows, value

BY_HAND = by_hand_answers.BY_HAND | by_hand_confidences.BY_HAND
CASES = [(name, example) for name, examples in BY_HAND.items() for example in examples]

POINT = re.compile("@[0-9.]+$")

WITHIN = {"smooth_ece": 1e-5, "smooth_ece_frequency": 1e-5}
"""A width is found by bisection; all else is arithmetic."""


@pytest.mark.parametrize(("name", "example"), CASES, ids=[name for name, _ in CASES])
def test_a_metric_is_what_was_worked_out(name: str, example: Example) -> None:
    metric = metric_named(name, example.table.shape)
    found = value(metric, example.table)
    assert found == pytest.approx(example.expected, rel=0, abs=WITHIN.get(name, 1e-12))


def test_every_metric_was_worked_out_and_every_curve_at_two_points() -> None:
    points = [POINT.sub("@", name) for name in BY_HAND]
    missing = [
        metric.name
        for shape in full_shapes()
        for metric in metrics_of(shape)
        if metric.name not in BY_HAND and points.count(POINT.sub("@", metric.name)) < 2
    ]
    assert missing == []


COUNTED = {
    "examples": 2,
    "examples answered": 2,
    "answers": 3 + 2 + 3,
    "answers with a confidence": 3 + 2 + 2,
    "sets": 4,
    "sets with all confidences": 1,
    "distinct answers": 4,
    "distinct correct answers": 2,
}
"""How many of what the metrics of ``QUESTIONS`` count."""

WHOLE = re.compile(
    ".*@6|distinct_answers_of_all|effective_answers_[12]|overlap_.*|recall_token_area"
    "|tokens_to_recall@.*|(prompt|reasoning|answer)_tokens|tokens_per_example"
)
"""Metrics that leave out the second question, of which a set failed."""


def test_the_denominator_is_the_number_of_what_was_counted() -> None:
    for metric in metrics_of(QUESTIONS.shape):
        left_out = WHOLE.fullmatch(metric.name) is not None
        found = float(metric.denominator(rows(metric, QUESTIONS).sum(axis=0)))
        part = metric.curve[1] if metric.counted == "examples answered" and metric.curve else 1
        assert found == pytest.approx(part * (COUNTED[metric.counted] - left_out)), metric.name


def test_a_curve_of_mass_says_that_it_needs_weights() -> None:
    shape = by_hand_answers.SAMPLES.shape
    assert "weights" in metric_named("mass@2", shape).undefined
    assert "weights" not in metric_named("recall@2", shape).undefined
