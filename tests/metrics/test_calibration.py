"""What is particular to confidences: bins and their edges, ties, and what cannot be read."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from marl_eval.score_table import ScoreTable
from tests.metrics.tables import (
    M,
    W,
    metric_named,
    metrics_of,
    rows,
    score_table,
    share,
    value,
)

CONDITIONAL = [
    "brier_answered",
    "log_score",
    "ece",
    "smooth_ece",
    "mce",
    "ece_debiased",
    "sharpness",
]
EDGES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


def of(name: str, table: ScoreTable) -> float:
    """Give the value of a metric by its name."""
    return value(metric_named(name, table.shape), table)


@pytest.mark.parametrize("edge", EDGES)
def test_an_edge_belongs_to_the_bin_above_it(edge: float) -> None:
    above = float(np.nextafter(edge, 1))
    together = score_table([[[0, W]]], confidence=[[[edge, above]]])
    assert of("ece", together) == pytest.approx(abs((edge + above) / 2 - 1 / 2))


@pytest.mark.parametrize("edge", EDGES)
def test_the_number_just_below_an_edge_belongs_to_the_bin_below_it(edge: float) -> None:
    below = float(np.nextafter(edge, 0))
    apart = score_table([[[0, W]]], confidence=[[[edge, below]]])
    assert of("ece", apart) == pytest.approx((abs(edge - 1) + abs(below - 0)) / 2)


def test_a_confidence_of_1_belongs_to_the_last_bin() -> None:
    table = score_table([[[0, W]]], confidence=[[[1.0, 0.95]]])
    assert of("ece", table) == pytest.approx(abs((1 + 0.95) / 2 - 1 / 2))


def test_a_set_whose_confidences_add_up_to_an_edge_belongs_above_it() -> None:
    # In floating point 0.1 + 0.7 is below 0.8.
    table = score_table(
        [[[0, W]], [[W, W]]], confidence=[[[0.1, 0.7]], [[0.8, 0.0]]], exclusive=True
    )
    assert of("set_ece", table) == pytest.approx(abs(0.8 - 1 / 2))


def test_sets_of_the_same_confidences_tie_whatever_their_order() -> None:
    # In floating point 0.1 + 0.2 + 0.3 is above 0.3 + 0.2 + 0.1.
    confidence = [[[0.1, 0.2, 0.3]], [[0.3, 0.2, 0.1]]]
    for gold in ([[[0, W, W]], [[W, W, W]]], [[[W, W, W]], [[0, W, W]]]):
        table = score_table(gold, confidence=confidence, exclusive=True)
        assert of("set_auroc", table) == 1 / 2


def test_confidences_one_step_of_floating_point_apart_are_told_apart() -> None:
    for low in (0.1, 0.25, 0.3, 0.45, 0.6, 0.85):
        table = score_table([[[0, W]]], confidence=[[[float(np.nextafter(low, 1)), low]]])
        assert of("auroc", table) == 1, low


def test_a_perfect_forecast_has_no_loss_and_the_opposite_has_the_most() -> None:
    perfect = score_table([[[0, W]]], confidence=[[[1.0, 0.0]]])
    opposite = score_table([[[0, W]]], confidence=[[[0.0, 1.0]]])
    for name in ("multi_brier", "brier_answered", "ece", "set_brier"):
        assert of(name, perfect) == 0, name
    for name in ("multi_brier", "brier_answered", "ece", "mce"):
        assert of(name, opposite) == 1, name
    assert (of("auroc", perfect), of("auroc", opposite)) == (1, 0)


def test_without_any_readable_confidence_only_what_counts_it_as_the_worst_is_known() -> None:
    table = score_table([[[0, W]], [[M, M]]], confidence=[[[None, None]], [[None, None]]])
    assert (of("multi_brier", table), of("set_brier", table)) == (1, 1)
    for name in CONDITIONAL:
        assert math.isnan(of(name, table)), name
        assert share(metric_named(name, table.shape), table) == 0, name


@pytest.mark.parametrize("grade", [0, W])
def test_auroc_is_undefined_where_all_answers_are_alike(grade: int) -> None:
    table = score_table([[[grade, grade]]], confidence=[[[0.2, 0.7]]])
    assert math.isnan(of("auroc", table))
    assert not math.isnan(of("ece", table))


def test_a_failed_set_is_left_out() -> None:
    failed = score_table(
        [[[0, W]], [[W, 0]]],
        confidence=[[[0.7, 0.2]], [[1.0, 0.0]]],
        failed=[[False], [True]],
    )
    alone = score_table([[[0, W]]], confidence=[[[0.7, 0.2]]])
    for metric in metrics_of(alone.shape):
        if metric.name != "error_rate":
            expected = value(metric, alone)
            found = of(metric.name, failed)
            assert found == pytest.approx(expected, nan_ok=True), metric.name


def test_a_set_that_cannot_be_read_is_the_worst() -> None:
    # The published evaluator gave such a set the best possible score.
    table = score_table([[[M, M, M]]], confidence=[[[None, None, None]]])
    assert (of("multi_brier", table), of("multi_brier_sum", table)) == (1, 3)


def test_confidences_are_those_of_the_answers_and_not_all_0() -> None:
    # The published evaluator read every confidence of a set as 0, and so an AUROC of 0.5.
    table = score_table([[[0, 1, W]]], confidence=[[[0.9, 0.6, 0.1]]])
    assert of("auroc", table) == 1
    assert of("ece", table) == pytest.approx((0.1 + 0.4 + 0.1) / 3)


def test_a_repetition_of_a_right_answer_is_as_right_as_the_first() -> None:
    table = score_table([[[0, 0]]], confidence=[[[1.0, 1.0]]])
    assert of("multi_brier", table) == 0


def test_a_repeated_answer_counts_once_for_its_set_with_the_confidence_of_its_best_rank() -> None:
    table = score_table([[[0, 0, W]]], confidence=[[[0.2, 0.5, 0.1]]], exclusive=True)
    assert of("set_brier", table) == pytest.approx((0.5 + 0.1 - 1) ** 2)
    assert of("correct_bias", table) == pytest.approx(0.5 + 0.1 - 1)


def test_another_source_ranks_answers_by_its_own_confidences() -> None:
    # The text trusts the wrong answer, the frequencies the right one.
    table = score_table(
        [[[0, W]], [[0, W]]],
        confidence=[[[0.1, 0.9]], [[0.1, 0.9]]],
        frequency=[[[1.0, 0.5]], [[1.0, 0.5]]],
    )
    assert (of("aurc", table), of("aurc_frequency", table)) == (1, 0)
    assert (of("auroc", table), of("auroc_frequency", table)) == (0, 1)


@pytest.mark.parametrize("name", ["ece", "smooth_ece", "mce", "set_ece", "ece_frequency"])
def test_the_noise_of_a_calibration_error_has_no_error_but_that_of_the_sample(name: str) -> None:
    table = score_table(
        [[[0, W], [W, 0]], [[W, W], [0, W]], [[0, 0], [W, W]]],
        confidence=[[[0.9, 0.2], [0.3, 0.1]], [[0.9, 0.2], [0.3, 0.3]], [[0.5, 0.45], [0.9, 0.1]]],
        frequency=[[[0.5, 1.0], [1.0, 0.5]]] * 3,
        gold_size=[2, 2, 2],
    )
    metric = metric_named(name, table.shape)
    assert metric.noise is not None
    sums = rows(metric, table).sum(axis=0)
    resampled = np.array([2, 0, 1]) @ rows(metric, table)
    assert float(metric.finish(sums)) > 0.01
    # Of the sample itself nothing is left; of a resample only what it differs by.
    assert float(metric.finish(metric.noise(sums, sums))) == pytest.approx(0, abs=1e-5)
    left = metric.noise(sums, resampled) - metric.noise(sums, sums)
    assert left == pytest.approx(resampled - sums)


def test_imported_confidences_are_the_stated_ones_and_the_text_is_another_source() -> None:
    own = score_table([[[0, W]]], confidence=[[[0.8, 0.3]]])
    levels = {
        "recorded" if name == "text" else name: grid for name, grid in own.shape.levels.items()
    }
    imported = replace(
        own,
        shape=replace(own.shape, levels=levels | {"text": np.array([0.5])}),
        derived={"text": np.array([[[0.5, 0.5]]])},
    )
    assert of("brier_answered", imported) == of("brier_answered", own)
    assert of("brier_answered_text", imported) == 0.5**2
