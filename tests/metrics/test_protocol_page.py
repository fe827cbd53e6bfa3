"""``docs/protocol.md`` tells every figure of the released evaluator, and names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marl_eval.catalogue import catalogue
from marl_eval.metrics.official import official
from tests.imports import import_rows
from tests.pages import DOCS

PAGE = (DOCS / "protocol.md").read_text(encoding="utf-8")
ONE = "<think>So.</think><answer>4</answer><confidence>0.9</confidence>"
TWO = (
    "<think>So.</think><answer1>4</answer1><confidence1>0.9</confidence1>"
    "<answer2>5</answer2><confidence2>0.1</confidence2>"
)


@pytest.mark.parametrize("text", [ONE, TWO], ids=["one answer", "several"])
def test_every_figure_and_the_metric_of_ours_beside_it_are_told(text: str, tmp_path: Path) -> None:
    run = import_rows(tmp_path, [{"id": 1, "gold": "4", "text": text}])
    for figure in official(run).figures:
        assert f"`{figure.name}`" in PAGE
        if figure.ours is not None and not figure.ours.startswith(("hit@", "pass@")):
            assert f"`{figure.ours}`" in PAGE


def test_each_of_the_six_faults_names_a_test_that_there_is() -> None:
    named = re.findall(r"^\| (\d) \|.*`(tests/[\w/]+\.py)::(\w+)` \|$", PAGE, flags=re.MULTILINE)
    assert [number for number, _, _ in named] == list("123456")
    for _, file, test in named:
        assert f"def {test}(" in (DOCS.parent / file).read_text(encoding="utf-8")


def test_the_metrics_of_the_claims_are_ours() -> None:
    claims = PAGE.partition("| claim | metric |")[2].partition("\n\n")[0]
    told = set(re.findall(r"`([a-z0-9_]+(?:@\w+)?)`", claims))
    known = {entry.name for entry in catalogue()}
    assert {re.sub(r"@\d+$", "@k", metric) for metric in told} <= known
    assert len(told) > 8
