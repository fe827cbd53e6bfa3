"""What is particular to compliance: a failure is an error, and neither wrong nor ill formed."""

from __future__ import annotations

import math

from marl_eval.metrics.compliance import answered, error_rate, format_ok
from tests.metrics.tables import M, W, score_table, value


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


def test_format_ok_and_answered_are_means_over_examples_of_means_over_their_sets() -> None:
    table = score_table(
        [[[0, W], [0, M]], [[M, M], [M, M]], [[M, M], [M, M]]],
        strict=[[True, False], [False, True], [True, True]],
        failed=[[False, False], [False, True], [True, True]],
    )
    assert value(format_ok, table) == ((1 + 0) / 2 + 0) / 2
    assert value(answered, table) == ((2 / 2 + 1 / 2) / 2 + 0 / 2) / 2
    assert value(error_rate, table) == 3 / 6


def test_an_answer_that_can_be_read_counts_as_given_however_ill_formed() -> None:
    table = score_table([[[0, W]]], strict=[[False]])
    assert (value(answered, table), value(format_ok, table)) == (1, 0)
