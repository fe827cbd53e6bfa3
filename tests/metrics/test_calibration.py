from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.metrics import brier_score_loss, roc_auc_score

from marl_eval.metrics import calibration
from marl_eval.metrics.calibration import auroc, brier_answered, ece, multi_brier
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import (
    LAWS_OF_FAILURES,
    LAWS_OF_SUMS,
    Law,
    M,
    Place,
    W,
    is_told_in_words,
    law_name,
    lose,
    lose_confidence,
    mean_over_examples_and_sets,
    rows,
    score_table,
    tables,
    tables_with_a_place,
    value,
)

CONDITIONAL = [brier_answered, ece, auroc]
EDGES = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]

EXAMPLE = score_table([[[0, W]], [[W, M]]], confidence=[[[0.8, 0.4]], [[0.9, None]]])


def answers_with_a_confidence(table: ScoreTable) -> tuple[list[float], list[int]]:
    confidences, right = [], []
    for example, set_, position in np.ndindex(table.gold.shape):
        q = float(table.confidence[example, set_, position])
        if not table.failed[example, set_] and not math.isnan(q):
            confidences.append(q)
            right.append(int(table.gold[example, set_, position] >= 0))
    return confidences, right


def direct_ece(confidences: list[float], right: list[int]) -> float:
    total = 0.0
    for low, high in pairwise(EDGES):
        inside = [
            i for i, q in enumerate(confidences) if low <= q < high or (high == 1.0 and q == 1.0)
        ]
        if inside:
            stated = sum(confidences[i] for i in inside) / len(inside)
            found = sum(right[i] for i in inside) / len(inside)
            total += len(inside) / len(confidences) * abs(stated - found)
    return total


def test_multi_brier_counts_an_answer_without_confidence_as_1() -> None:
    first = ((0.8 - 1) ** 2 + (0.4 - 0) ** 2) / 2
    second = ((0.9 - 0) ** 2 + 1) / 2
    assert value(multi_brier, EXAMPLE) == pytest.approx((first + second) / 2)


def test_brier_answered_is_over_readable_confidences_alone() -> None:
    expected = ((0.8 - 1) ** 2 + (0.4 - 0) ** 2 + (0.9 - 0) ** 2) / 3
    assert value(brier_answered, EXAMPLE) == pytest.approx(expected)


def test_ece_weighs_the_gap_of_each_bin_by_its_count() -> None:
    # One answer in each of three bins.
    assert value(ece, EXAMPLE) == pytest.approx((abs(0.8 - 1) + abs(0.4 - 0) + abs(0.9 - 0)) / 3)
    shared = score_table([[[0, W, W]]], confidence=[[[0.82, 0.88, 0.31]]])
    expected = 2 / 3 * abs((0.82 + 0.88) / 2 - 1 / 2) + 1 / 3 * abs(0.31 - 0)
    assert value(ece, shared) == pytest.approx(expected)


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    # The right answer beats one of two wrong ones.
    assert value(auroc, EXAMPLE) == 1 / 2
    ties = score_table([[[0, W, W, 0]]], confidence=[[[0.5, 0.5, 0.1, 0.7]]])
    assert value(auroc, ties) == (0.5 + 1 + 1 + 1) / 4


def test_conditional_metrics_carry_the_share_they_rest_on() -> None:
    for metric in CONDITIONAL:
        sums = rows(metric, EXAMPLE).sum(axis=0)
        assert metric.share is not None
        assert float(metric.share(sums)) == 3 / 4, metric.name
        assert float(metric.denominator(sums)) == 3, metric.name


@pytest.mark.parametrize("edge", EDGES[1:-1])
def test_an_edge_belongs_to_the_bin_above_it(edge: float) -> None:
    above = np.nextafter(edge, 1)
    together = score_table([[[0, W]]], confidence=[[[edge, above]]])
    assert value(ece, together) == pytest.approx(abs((edge + above) / 2 - 1 / 2))


@pytest.mark.parametrize("edge", EDGES[1:-1])
def test_the_number_just_below_an_edge_belongs_to_the_bin_below_it(edge: float) -> None:
    below = float(np.nextafter(edge, 0))
    apart = score_table([[[0, W]]], confidence=[[[edge, below]]])
    assert value(ece, apart) == pytest.approx((abs(edge - 1) + abs(below - 0)) / 2)


def test_a_confidence_of_1_belongs_to_the_last_bin() -> None:
    table = score_table([[[0, W]]], confidence=[[[1.0, 0.95]]])
    assert value(ece, table) == pytest.approx(abs((1 + 0.95) / 2 - 1 / 2))


@settings(deadline=None)
@given(table=tables())
def test_multi_brier_agrees_with_plain_loops(table: ScoreTable) -> None:
    def loss(example: int, set_: int) -> float:
        total = 0.0
        for position in range(table.shape.k):
            q = float(table.confidence[example, set_, position])
            y = int(table.gold[example, set_, position] >= 0)
            total += 1 if math.isnan(q) else (q - y) ** 2
        return total / table.shape.k

    direct = mean_over_examples_and_sets(table, loss)
    assert value(multi_brier, table) == pytest.approx(direct, nan_ok=True)


@settings(deadline=None)
@given(table=tables())
def test_conditional_metrics_agree_with_scikit_learn_and_plain_loops(table: ScoreTable) -> None:
    confidences, right = answers_with_a_confidence(table)
    if not confidences:
        assert all(math.isnan(value(metric, table)) for metric in CONDITIONAL)
        return
    brier = sum((q - y) ** 2 for q, y in zip(confidences, right, strict=True)) / len(right)
    assert value(brier_answered, table) == pytest.approx(brier)
    assert value(brier_answered, table) == pytest.approx(
        brier_score_loss(right, confidences, pos_label=1)
    )
    assert value(ece, table) == pytest.approx(direct_ece(confidences, right))
    if 0 < sum(right) < len(right):
        assert value(auroc, table) == pytest.approx(roc_auc_score(right, confidences))
    else:
        assert math.isnan(value(auroc, table))
    share = len(confidences) / (int((~table.failed).sum()) * table.shape.k)
    for metric in CONDITIONAL:
        sums = rows(metric, table).sum(axis=0)
        assert metric.share is not None
        assert float(metric.denominator(sums)) == len(confidences), metric.name
        assert float(metric.share(sums)) == pytest.approx(share), metric.name


def large_table(examples: int, k: int) -> ScoreTable:
    """Make a table of confidences that are all different and somewhat informative."""
    rng = np.random.default_rng(0)
    confidence = rng.random((examples, 1, k))
    gold = np.where(rng.random(confidence.shape) < confidence**2, 0, W)
    return score_table(gold.tolist(), confidence=confidence.tolist())


def test_a_large_table_agrees_with_scikit_learn() -> None:
    table = large_table(1000, 4)
    confidences, right = answers_with_a_confidence(table)
    assert value(brier_answered, table) == pytest.approx(brier_score_loss(right, confidences))
    assert value(multi_brier, table) == pytest.approx(brier_score_loss(right, confidences))
    assert value(auroc, table) == pytest.approx(roc_auc_score(right, confidences), abs=1e-12)
    assert value(ece, table) == pytest.approx(direct_ece(confidences, right), abs=1e-12)


def test_auroc_on_a_grid_is_close_to_the_exact_one() -> None:
    table = large_table(1500, 4)
    confidences, right = answers_with_a_confidence(table)
    coarse = replace(table, shape=replace(table.shape, levels=np.linspace(0, 1, 4097)))
    assert value(auroc, coarse) == pytest.approx(roc_auc_score(right, confidences), abs=1e-4)


def test_a_perfect_forecast_has_no_loss_and_the_opposite_has_the_most() -> None:
    perfect = score_table([[[0, W]]], confidence=[[[1.0, 0.0]]])
    opposite = score_table([[[0, W]]], confidence=[[[0.0, 1.0]]])
    for metric in (multi_brier, brier_answered, ece):
        assert value(metric, perfect) == 0, metric.name
        assert value(metric, opposite) == 1, metric.name
    assert value(auroc, perfect) == 1
    assert value(auroc, opposite) == 0


@pytest.mark.parametrize("law", LAWS_OF_SUMS + LAWS_OF_FAILURES, ids=law_name)
@settings(deadline=None, max_examples=25)
@given(table=tables())
def test_in_calibration(law: Law, table: ScoreTable) -> None:
    for metric in calibration.metrics(table.shape):
        law(metric, table)


def test_a_run_without_confidences_has_no_calibration() -> None:
    assert calibration.metrics(score_table([[[0]]]).shape) == []


def test_without_any_readable_confidence_only_multi_brier_is_known() -> None:
    table = score_table([[[0, W]], [[M, M]]], confidence=[[[None, None]], [[None, None]]])
    assert value(multi_brier, table) == 1
    for metric in CONDITIONAL:
        sums = rows(metric, table).sum(axis=0)
        assert math.isnan(value(metric, table)), metric.name
        assert is_told_in_words(metric), metric.name
        assert metric.share is not None
        assert float(metric.share(sums)) == 0, metric.name


@pytest.mark.parametrize("grade", [0, W])
def test_auroc_is_undefined_where_all_answers_are_alike(grade: int) -> None:
    table = score_table([[[grade, grade]]], confidence=[[[0.2, 0.7]]])
    assert math.isnan(value(auroc, table))
    assert not math.isnan(value(ece, table))


def test_nothing_is_known_where_every_request_failed() -> None:
    table = score_table([[[M]], [[M]]], confidence=[[[None]], [[None]]], failed=[[True], [True]])
    for metric in calibration.metrics(table.shape):
        assert math.isnan(value(metric, table)), metric.name


def test_a_failed_set_is_left_out() -> None:
    failed = score_table(
        [[[0, W]], [[W, 0]]],
        confidence=[[[0.7, 0.2]], [[1.0, 0.0]]],
        failed=[[False], [True]],
    )
    alone = score_table([[[0, W]]], confidence=[[[0.7, 0.2]]])
    for metric in calibration.metrics(alone.shape):
        assert value(metric, failed) == pytest.approx(value(metric, alone)), metric.name


def test_a_set_that_cannot_be_read_is_the_worst() -> None:
    # The published evaluator gave such a set the best possible score.
    table = score_table([[[M, M, M]]], confidence=[[[None, None, None]]])
    assert value(multi_brier, table) == 1


def test_confidences_are_those_of_the_answers_and_not_all_0() -> None:
    # The published evaluator read every confidence of a set as 0, and so an AUROC of 0.5.
    table = score_table([[[0, 1, W]]], confidence=[[[0.9, 0.6, 0.1]]])
    assert value(auroc, table) == 1
    assert value(ece, table) == pytest.approx((0.1 + 0.4 + 0.1) / 3)


def test_a_repetition_of_a_right_answer_is_as_right_as_the_first() -> None:
    table = score_table([[[0, 0]]], confidence=[[[1.0, 1.0]]])
    assert value(multi_brier, table) == 0


@settings(deadline=None)
@given(drawn=tables_with_a_place())
def test_an_unreadable_answer_never_lowers_multi_brier(drawn: tuple[ScoreTable, Place]) -> None:
    table, place = drawn
    before = value(multi_brier, table)
    assert math.isnan(before) or value(multi_brier, lose(table, place)) >= before - 1e-12


@settings(deadline=None)
@given(drawn=tables_with_a_place())
def test_an_unreadable_confidence_never_lowers_multi_brier(
    drawn: tuple[ScoreTable, Place],
) -> None:
    table, place = drawn
    before = value(multi_brier, table)
    assert math.isnan(before) or value(multi_brier, lose_confidence(table, place)) >= before - 1e-12
