"""The command ``marl-eval official``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.imports import write_rows

MARK = "released evaluator's definition, for comparison with published tables"
ROWS = [
    {"id": 1, "gold": "Paris", "text": "<answer>Paris</answer><confidence>0.6</confidence>"},
    {"id": 2, "gold": "Rome", "text": "<answer>Oslo</answer><confidence>high</confidence>"},
]


@pytest.fixture
def run(cli: Cli) -> str:
    write_rows(Path("rows.jsonl"), ROWS)
    assert cli("import", "rows.jsonl", "--out", "run", "--resamples", "0")[0] == 0
    return "run"


def test_each_figure_stands_beside_ours_and_the_table_is_marked(cli: Cli, run: str) -> None:
    code, out, err = cli("official", run)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"run: {MARK}"
    rows = {line[:28].strip(): line[28:].split() for line in out.splitlines()[2:]}
    assert rows["accuracy"][:3] == ["0.5", "0.5", "pass@1"]
    # Confidences 0.6 and, unreadable, 0: theirs over both answers, ours over the one that has one.
    assert rows["brier_score"][:3] == ["0.08", "0.16", "brier_answered"]
    assert rows["confidence level"][:3] == ["0.3", "-", "-"]
    assert rows["confidence format adherence"][0] == "0.5"
    assert "A confidence that cannot be read counts as 0" in " ".join(out.split())


def test_the_file_holds_the_same_and_is_marked(cli: Cli, run: str) -> None:
    code, _, _ = cli("official", run, run, "--json", "official.json")
    assert code == 0
    content = json.loads(Path("official.json").read_bytes())
    assert content["definition"] == MARK
    assert content["schema_version"] == 1
    first, second = content["runs"]
    assert first == second
    assert (first["run"], first["answers"], first["examples"]) == ("run", "one", 2)
    assert first["figures"]["brier_score"] == {
        "value": pytest.approx(0.18 - 0.1),
        "ours": pytest.approx(0.16),
        "our_metric": "brier_answered",
        "differs": "A confidence that cannot be read counts as 0; ours leaves it out here and counts "
        "it as 1 in multi_brier.",
    }


def test_a_run_that_is_not_scored_yet_has_the_figures_alone(cli: Cli, run: str) -> None:
    Path("run/results.json").unlink()
    code, out, _ = cli("official", run, "--json", "official.json")
    assert code == 0
    figure = json.loads(Path("official.json").read_bytes())["runs"][0]["figures"]["accuracy"]
    assert (figure["value"], figure["ours"]) == (0.5, None)
    assert "accuracy" in out


def test_an_undefined_figure_is_null(cli: Cli) -> None:
    write_rows(Path("rows.jsonl"), ROWS[:1])
    cli("import", "rows.jsonl", "--out", "run", "--resamples", "0")
    _, out, _ = cli("official", "run", "--json", "official.json")
    assert (
        json.loads(Path("official.json").read_bytes())["runs"][0]["figures"]["auroc"]["value"]
        is None
    )
    assert out.count(MARK) == 1


def test_a_directory_that_is_no_run_is_told(cli: Cli) -> None:
    Path("empty").mkdir()
    code, out, err = cli("official", "empty", "--json", "official.json")
    assert (code, out) == (2, "")
    assert "empty is not a run directory" in err
    assert not Path("official.json").exists()
