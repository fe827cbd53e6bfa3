"""Intervals and p-values keep their promise: a short form of ``benchmarks/interval_coverage.py``."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.interval_coverage import (
    CALIBRATED,
    METHODS,
    OVERCONFIDENT,
    System,
    all_metrics,
    equal_systems,
    holds,
    population,
    simulated_runs,
)
from marl_eval.metric import Metric

EXAMPLES, RUNS, RESAMPLES = 200, 160, 300
MEANS = ["recall", "multi_brier", "correct_error", "tokens_per_correct_answer"]
CHANCE = 1e-4
"""Chance that a share which is as it should be falls outside of what is allowed."""


def named(*names: str) -> list[Metric]:
    metrics = {metric.name: metric for metric in all_metrics()}
    return [metrics[name] for name in names]


def test_95_percent_intervals_hold_the_truth_in_95_percent_of_runs() -> None:
    metrics = named(*MEANS, "auroc")
    truth = population(metrics, OVERCONFIDENT, 100_000)
    runs = simulated_runs(metrics, OVERCONFIDENT, examples=EXAMPLES, runs=RUNS, resamples=RESAMPLES)
    found = list(runs)
    fewest, most = stats.binom.interval(1 - CHANCE, RUNS, 0.95)
    for metric in metrics:
        for column, method in enumerate(METHODS):
            ends = [run[metric.name][1][column] for run in found]
            held = sum(holds(own, truth[metric.name]) for own in ends)
            assert fewest <= held <= most, (metric.name, method)


@pytest.mark.parametrize("system", [CALIBRATED, OVERCONFIDENT])
def test_intervals_of_calibration_errors_hold_the_truth_whether_or_not_it_is_about_0(
    system: System,
) -> None:
    metrics = named("ece", "set_ece", "mce")
    truth = population(metrics, system, 100_000)
    runs = simulated_runs(metrics, system, examples=EXAMPLES, runs=RUNS, resamples=RESAMPLES)
    found = list(runs)
    for metric in metrics:
        held = sum(holds(run[metric.name][1][0], truth[metric.name]) for run in found)
        # 91 to 99 % are measured; percentile intervals, which lie above the truth, hold it in 0 to 88 %.
        assert held >= stats.binom.ppf(CHANCE, RUNS, 0.92), metric.name


def test_chance_makes_a_calibrated_system_look_miscalibrated_and_less_so_after_debiasing() -> None:
    metrics = named("ece", "ece_debiased", "brier_answered")
    truth = population(metrics, CALIBRATED, 100_000)
    runs = list(simulated_runs(metrics, CALIBRATED, examples=EXAMPLES, runs=40, resamples=0))
    bias = {name: np.mean([run[name][0] for run in runs]) - truth[name] for name in truth}
    assert truth["ece"] < 0.005
    assert bias["ece"] > 0.02
    assert 0 < bias["ece_debiased"] < 0.85 * bias["ece"]
    assert abs(bias["brier_answered"]) < 0.005


@pytest.fixture(scope="module")
def alarms() -> dict[str, list[float]]:
    """The p-values of each metric, and the least one after Holm's correction, of equal systems."""
    found: dict[str, list[float]] = {"any": []}
    metrics = named(*MEANS, "auroc", "ece")
    for pair in equal_systems(metrics, examples=EXAMPLES, pairs=RUNS, resamples=RESAMPLES):
        for name, one in pair.items():
            assert one.p is not None
            found.setdefault(name, []).append(one.p)
        found["any"].append(min(one.p_holm for one in pair.values() if one.p_holm is not None))
    return found


@pytest.mark.parametrize("name", [*MEANS, "auroc", "ece", "tokens_at_equal_recall"])
def test_equal_systems_are_called_different_in_5_percent_of_comparisons(
    alarms: dict[str, list[float]], name: str
) -> None:
    fewest, most = stats.binom.interval(1 - CHANCE, RUNS, 0.05)
    assert fewest <= sum(p <= 0.05 for p in alarms[name]) <= most
    assert stats.kstest(alarms[name], "uniform").pvalue > CHANCE


def test_after_holms_correction_any_metric_differs_in_at_most_5_percent(
    alarms: dict[str, list[float]],
) -> None:
    found = sum(p <= 0.05 for p in alarms["any"])
    assert found <= stats.binom.ppf(1 - CHANCE, RUNS, 0.05)
    uncorrected = np.array([alarms[name] for name in alarms if name != "any"]).min(axis=0)
    assert found < sum(uncorrected <= 0.05)
