"""What is particular to DDXPlus's metrics: which answers are predicted, and whose pathology is known."""

from __future__ import annotations

import math

import pytest

from marl_eval.score_table import ScoreTable
from tests.metrics.tables import M, W, metric_named, metrics_of, score_table, value


def of(name: str, table: ScoreTable) -> float:
    """Give the value of a metric by its name."""
    return value(metric_named(name, table.shape), table)


def patient(gold: list[int], probability: list[float | None] | None) -> ScoreTable:
    """Make a table of one patient with the differential {0, 1}, of which 0 is the pathology."""
    return score_table(
        [[gold]],
        confidence=None if probability is None else [[probability]],
        gold_size=[2],
        weights=[[0.5, 0.5]],
        truth=[[[int(grade == 0) for grade in gold]]],
    )


@pytest.mark.parametrize(("probability", "predicted"), [(0.01, 1), (0.0099, 0), (None, 0), (1, 1)])
def test_a_condition_is_predicted_from_a_probability_of_1_percent_on(
    probability: float | None, predicted: int
) -> None:
    table = patient([0], [probability])
    for name in ("DDP", "GTPA", "GTPA@1"):
        assert of(name, table) == predicted, name
    assert of("DDR", table) == predicted / 2


def test_where_no_probabilities_were_asked_for_every_answer_is_predicted() -> None:
    table = patient([W, 0], None)
    assert (of("DDR", table), of("DDP", table)) == (1 / 2, 1 / 2)
    assert (of("GTPA", table), of("GTPA@1", table)) == (1, 0)


def test_a_condition_named_twice_is_predicted_once_with_its_higher_probability() -> None:
    table = patient([0, 0, W], [0.001, 0.6, 0.3])
    assert of("DDP", table) == 1 / 2
    assert of("DDF1", table) == 2 * 1 / (2 + 2)


def test_a_patient_who_got_no_answer_counts_as_0_where_the_pathology_is_known() -> None:
    table = patient([M, M], [None, None])
    for name in ("DDR", "DDP", "DDF1", "GTPA@1", "GTPA"):
        assert of(name, table) == 0, name


def test_where_no_pathology_is_known_nothing_is_said_of_it() -> None:
    table = score_table([[[0]]], weights=[[1]], truth=[[[None]]])
    for name in ("GTPA@1", "GTPA"):
        assert math.isnan(of(name, table)), name
        assert "pathology" in metric_named(name, table.shape).undefined
    assert of("DDR", table) == 1


def test_only_runs_that_know_weights_and_the_truth_have_them() -> None:
    names = {metric.name for metric in metrics_of(score_table([[[0]]], weights=[[1]]).shape)}
    assert "mass_covered" in names
    assert names.isdisjoint({"DDR", "DDP", "DDF1", "GTPA@1", "GTPA"})
