"""No failure can improve a headline, and no other metric without a share that tells of it."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings

from marl_eval.metric import Metric
from marl_eval.score_table import ScoreTable
from tests.metrics.drawing import tables_with_a_place
from tests.metrics.tables import (
    M,
    Place,
    W,
    full_shapes,
    lose,
    lose_confidence,
    metric_named,
    metrics_of,
    score_table,
    share,
    value,
)

HEADLINES = re.compile(
    r"recall|capped_recall|correct_answers|mass_covered|(recall|correct|mass|pass|distinct)@[2-6]"
    r"|hit@6|distinct_answers|compiles|distinct_programs_(text|syntax|behaviour)|DDR|GTPA|multi_brier(_sum|_frequency)?|set_brier|regret"
    r"|probability_(brier|error)|distribution_distance|recall_token_area"
)
"""Metrics whose docstrings promise that no failure can improve them."""


def promises(metric: Metric) -> bool:
    """Whether the docstring says that no failure can improve the metric."""
    return (
        re.search(r"no failure can (improve|raise)", " ".join(metric.doc.split()), re.I) is not None
    )


def gain(metric: Metric, table: ScoreTable, less: ScoreTable) -> float:
    """Give by how much a metric is better after a loss, 0 if one of the values is undefined."""
    change = value(metric, less) - value(metric, table)
    better = {"higher": change, "lower": -change, "neither": 0.0}[metric.better]
    return 0 if math.isnan(better) else better


def check_every_metric(table: ScoreTable, less: ScoreTable) -> None:
    for metric in metrics_of(table.shape):
        if promises(metric):
            assert math.isnan(value(metric, table)) or not math.isnan(value(metric, less))
        if promises(metric) or share(metric, less) == 1:
            assert gain(metric, table, less) <= 1e-9, metric.name


@settings(max_examples=60, deadline=None)
@given(drawn=tables_with_a_place(full=True))
def test_losing_an_answer_improves_no_metric_unless_its_share_falls_below_1(
    drawn: tuple[ScoreTable, Place],
) -> None:
    table, place = drawn
    check_every_metric(table, lose(table, place))


@settings(max_examples=60, deadline=None)
@given(drawn=tables_with_a_place(only=lambda table: ~np.isnan(table.confidence), full=True))
def test_losing_a_confidence_improves_no_metric_unless_its_share_falls_below_1(
    drawn: tuple[ScoreTable, Place],
) -> None:
    table, place = drawn
    check_every_metric(table, lose_confidence(table, place))


def test_every_headline_promises_it() -> None:
    for shape in full_shapes():
        for metric in metrics_of(shape):
            if HEADLINES.fullmatch(metric.name):
                assert promises(metric), metric.name


def test_a_failure_can_improve_what_is_conditional_and_its_share_says_so() -> None:
    whole = score_table([[[W, 0]]], confidence=[[[0.9, 0.4]]])
    answer, confidence = lose(whole, (0, 0, 0)), lose_confidence(whole, (0, 0, 0))
    for name in ("hit@1", "pass@1", "brier_answered", "ece", "aurc", "risk@0.5"):
        metric = metric_named(name, whole.shape)
        for less in (answer, confidence):
            assert gain(metric, whole, less) > 0, name
            assert (share(metric, whole), share(metric, less)) == (1, 1 / 2), name
    precision = metric_named("precision", whole.shape)
    assert gain(precision, whole, answer) > 0
    assert share(precision, answer) == 1 / 2


def test_a_repetition_that_is_lost_makes_answers_more_diverse_and_the_share_says_so() -> None:
    whole = score_table([[[W, W, 0]]], same_as=[[[7, 7, 0]]])
    less = lose(whole, (0, 0, 1))
    for name in ("repeated_share", "effective_answers_1", "effective_answers_2"):
        metric = metric_named(name, whole.shape)
        assert gain(metric, whole, less) > 0, name
        assert share(metric, less) == 2 / 3, name


def test_a_lost_answer_changes_the_frequencies_of_the_others() -> None:
    # The one gap in the promise: two generations agree on a wrong answer, then one is lost.
    both = score_table([[[W], [W]]], same_as=[[[7], [7]]], frequency=[[[1.0], [1.0]]])
    one = score_table([[[W], [M]]], frequency=[[[1 / 2], [None]]])
    metric = metric_named("multi_brier_frequency", both.shape)
    assert value(metric, both) == 1
    assert value(metric, one) == ((1 / 2) ** 2 + 1) / 2


# Of the six answers asked for five were given and four have a confidence; one set of two has all.
SHARES = {
    "precision|f1|repeated_share|effective_answers_[12]": 5 / 6,
    "pass@1|hit@[123]|DDP|DDF1|GTPA@1": 4 / 6,
    "brier_answered|log_score|ece|smooth_ece|auroc|mce|ece_debiased|ece_equal_mass|auprc": 4 / 6,
    "brier_(reliability|resolution|uncertainty)|sharpness": 4 / 6,
    r"aurc|risk@[01.]+|risk@0\.[2-9]|conformal_(coverage|size)@.*": 4 / 6,
    "set_ece|set_auroc|correct_bias|correct_error|sum_above_one": 1 / 2,
    "(brier_answered|log_score|ece|smooth_ece|auroc|aurc)_frequency": 5 / 6,
}


def test_a_share_is_that_of_the_answers_or_sets_asked_for_that_count() -> None:
    table = score_table(
        [[[0, W, M]], [[W, 0, 1]]],
        confidence=[[[0.5, None, None]], [[0.9, 0.4, 0.2]]],
        frequency=[[[1, 1, None]], [[1, 1, 1]]],
        weights=[[1], [1, 1]],
        truth=[[[1, 0, 0]], [[0, 1, 0]]],
    )
    for metric in metrics_of(table.shape):
        expected = [s for names, s in SHARES.items() if re.fullmatch(names, metric.name)]
        assert len(expected) == (metric.share is not None), metric.name
        assert expected == [] or share(metric, table) == pytest.approx(expected[0]), metric.name


def test_a_share_is_about_the_places_that_were_asked_for() -> None:
    # K is 3, but the second question was asked for one answer, and the third one's set failed.
    table = score_table(
        [[[0, W, M]], [[0, M, M]], [[M, M, M]]],
        confidence=[[[0.5, 0.2, None]], [[0.9, None, None]], [[None, None, None]]],
        asked=[3, 1, 3],
        failed=[[False], [False], [True]],
    )
    for name in ("hit@1", "precision", "ece", "aurc"):
        assert share(metric_named(name, table.shape), table) == 3 / 4, name
    assert share(metric_named("set_ece", table.shape), table) == 1 / 2
