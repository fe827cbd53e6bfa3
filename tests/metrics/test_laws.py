"""Laws that every metric keeps, whatever the run: those of its sums, and those of failures."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings

from marl_eval.score_table import ScoreTable
from tests.metrics import laws
from tests.metrics.drawing import tables
from tests.metrics.tables import W, is_told_in_words, metrics_of, score_table, take, value

EXEMPT: dict[laws.Law, re.Pattern[str]] = {
    # They have a correction for the number of examples, which twice the data changes.
    laws.every_example_twice_gives_the_same_value: re.compile(r"ece_debiased|conformal_.*"),
    # It counts the failures themselves.
    laws.an_example_of_failed_sets_alone_does_not_matter: re.compile("error_rate"),
}


@pytest.mark.parametrize("law", laws.LAWS, ids=laws.law_name)
@given(table=tables(full=True))
@settings(max_examples=12, deadline=None)
def test_every_metric_keeps_the_law(law: laws.Law, table: ScoreTable) -> None:
    exempt = EXEMPT.get(law, re.compile("nothing"))
    law([m for m in metrics_of(table.shape) if not exempt.fullmatch(m.name)], table)


@given(table=tables(full=True))
@settings(max_examples=12, deadline=None)
def test_names_are_unique_and_told_in_words(table: ScoreTable) -> None:
    metrics = metrics_of(table.shape)
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert all(is_told_in_words(metric) for metric in metrics)


def test_no_example_at_all_leaves_every_metric_undefined() -> None:
    table = take(score_table([[[0, W]]], confidence=[[[0.5, 0.5]]]), [])
    for metric in metrics_of(table.shape):
        assert math.isnan(value(metric, table)), metric.name
