from __future__ import annotations

import math

import pytest
from hypothesis import given, settings

from marl_eval.metrics import compliance
from marl_eval.metrics.compliance import answered, error_rate, format_ok
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
    mean_over_examples_and_sets,
    score_table,
    tables,
    tables_with_a_place,
    value,
)

EXAMPLE = score_table(
    [[[0, W], [0, M]], [[M, M], [M, M]], [[M, M], [M, M]]],
    strict=[[True, False], [False, True], [True, True]],
    failed=[[False, False], [False, True], [True, True]],
)


def test_format_ok_is_the_share_of_well_formed_sets() -> None:
    assert value(format_ok, EXAMPLE) == ((1 + 0) / 2 + 0) / 2


def test_answered_is_the_share_of_answers_given() -> None:
    assert value(answered, EXAMPLE) == ((2 / 2 + 1 / 2) / 2 + 0 / 2) / 2


def test_error_rate_is_the_share_of_failed_sets() -> None:
    assert value(error_rate, EXAMPLE) == 3 / 6


@settings(deadline=None)
@given(table=tables())
def test_compliance_agrees_with_plain_loops(table: ScoreTable) -> None:
    k = table.shape.k
    well_formed = mean_over_examples_and_sets(table, lambda e, s: table.strict[e, s])
    given_share = mean_over_examples_and_sets(
        table, lambda e, s: sum(1 for i in range(k) if table.gold[e, s, i] != M) / k
    )
    failures = asked = 0
    for example in range(len(table.gold)):
        for set_ in range(table.shape.sets):
            failures += bool(table.failed[example, set_])
            asked += 1
    assert value(format_ok, table) == pytest.approx(well_formed, nan_ok=True)
    assert value(answered, table) == pytest.approx(given_share, nan_ok=True)
    assert value(error_rate, table) == pytest.approx(failures / asked)


@pytest.mark.parametrize("law", LAWS_OF_SUMS, ids=law_name)
@settings(deadline=None, max_examples=25)
@given(table=tables())
def test_in_compliance(law: Law, table: ScoreTable) -> None:
    for metric in compliance.metrics(table.shape):
        law(metric, table)


@pytest.mark.parametrize("law", LAWS_OF_FAILURES, ids=law_name)
@settings(deadline=None, max_examples=25)
@given(table=tables())
def test_in_compliance_but_for_the_error_rate(law: Law, table: ScoreTable) -> None:
    for metric in (format_ok, answered):
        law(metric, table)


@settings(deadline=None)
@given(drawn=tables_with_a_place())
def test_losing_an_answer_never_raises_compliance(drawn: tuple[ScoreTable, Place]) -> None:
    table, place = drawn
    for metric in (format_ok, answered):
        before, after = value(metric, table), value(metric, lose(table, place))
        assert math.isnan(before) or after <= before + 1e-12, metric.name


def test_a_failed_set_appears_in_the_error_rate_only() -> None:
    one, fine = score_table([[[0], [M]]], failed=[[False, True]]), score_table([[[0], [0]]])
    assert value(error_rate, one) == 1 / 2
    for metric in (format_ok, answered):
        assert value(metric, one) == value(metric, fine) == 1, metric.name


def test_where_every_request_failed_only_the_error_rate_is_known() -> None:
    table = score_table([[[M, M]], [[M, M]]], failed=[[True], [True]])
    assert value(error_rate, table) == 1
    for metric in (format_ok, answered):
        assert math.isnan(value(metric, table)), metric.name


def test_every_compliance_metric_is_told_in_words() -> None:
    assert all(map(is_told_in_words, compliance.metrics(EXAMPLE.shape)))
