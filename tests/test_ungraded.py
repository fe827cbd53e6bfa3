"""Runs whose answers are neither right nor wrong: nothing is told that rests on grades."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from marl_eval import RunResult, evaluate, score
from marl_eval.comparison.differences import EQUAL_TERMS, compare
from marl_eval.errors import UserError
from marl_eval.results import read_results
from marl_eval.score_table import ScoreTable
from marl_eval.scoring.stage import read_shape
from marl_eval.show import print_example
from marl_eval.store import RunDirectory
from tests.conftest import Cli
from tests.imports import write_rows
from tests.metrics.drawing import tables
from tests.metrics.laws import assert_same
from tests.metrics.tables import W, changed, full_shapes, metrics_of, value
from tests.runs import completions_file, read_lines

PROMPTS = """
from marl_eval.task import Dataset, Task
from marl_eval.types import Example

def load(path, options):
    own = [Example(f"p{i}", f"Write line {i}.", (), (("a", 0.5), ("b", 0.5))) for i in range(20)]
    return Dataset(own, "1", "test", "CC0", "made", exclusive=False)

TASK = Task("prompts", "Open prompts", "response", load, form="text", graded=False)
"""

UNGRADED = {
    "distinct_answers", "distinct_answers_of_all", "repeated_share",
    "effective_answers_1", "effective_answers_2", "distinct@2", "distinct@4",
    "format_ok", "answered", "error_rate",
    "prompt_tokens", "tokens_per_example", "reasoning_tokens", "answer_tokens",
    "tokens_per_distinct_answer",
    "overlap_3gram", "overlap_4gram", "overlap_jaccard", "overlap_rouge_l",
}  # fmt: skip


def run(folder: Path, out: str = "run", **values: Any) -> RunResult:
    task = folder / "prompts.py"
    task.write_text(PROMPTS, encoding="utf-8")
    settings: dict[str, Any] = {
        "model": "reference:random", "task": str(task), "k": 2, "n": 2, "resamples": 20,
    }  # fmt: skip
    return evaluate(**{**settings, "out": folder / out, **values})


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_diversity_cost_and_compliance_are_all_that_is_told(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert set(result.results.metrics) == UNGRADED
    assert not read_shape(RunDirectory(result.path)).graded
    assert result.results.confidence is None
    assert read_results(result.path) == result.results


def test_no_confidence_is_asked_for(tmp_path: Path) -> None:
    path = run(tmp_path, confidence=True).path
    record = RunDirectory(path).read_run()
    assert record["format"]["confidence"] is False
    assert record["settings"]["confidence"] is False
    assert "confidence" not in "".join(m["content"] for m in record["prompt"]["messages"])
    assert all("<confidence" not in line["text"] for line in read_lines(completions_file(path)))
    # So to ask for none is to ask for the same run.
    run(tmp_path, confidence=False)


def test_show_gives_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run(tmp_path).path
    print_example(path, "p3")
    out = capsys.readouterr().out
    assert "answers read" in out
    assert "wrong" not in out
    assert "right" not in out.partition("answers read")[2]


def test_two_such_runs_are_compared_in_what_they_tell(tmp_path: Path) -> None:
    one, other = run(tmp_path).path, run(tmp_path, "other", seed=1).path
    assert set(compare(one, other, resamples=20).metrics) == UNGRADED
    with pytest.raises(UserError, match="recall_at_equal_tokens"):
        compare(one, other, resamples=20, metrics=["recall_at_equal_tokens"])
    assert "recall_at_equal_tokens" in EQUAL_TERMS


def test_a_recording_without_gold_answers_and_grades_is_not_graded(cli: Cli) -> None:
    text = "<think>So.</think><answer>x</answer><confidence>0.5</confidence>"
    rows = [{"id": i, "question": f"{i}?", "text": text} for i in range(3)]
    write_rows(Path("rows.jsonl"), rows)
    code, out, err = cli("import", "rows.jsonl", "--out", "run", "--resamples", "0")
    assert (code, err) == (0, "")
    assert "recall" not in out
    assert not {"recall", "ece", "multi_brier"} & set(read_results(Path("run")).metrics)


@pytest.mark.parametrize("known", [{"gold": "x"}, {"grades": 0}])
def test_a_recording_with_either_is_graded(known: dict[str, Any], cli: Cli) -> None:
    text = "<think>So.</think><answer>y</answer><confidence>0.5</confidence>"
    rows = [{"id": i, "question": f"{i}?", "text": text, **known} for i in range(3)]
    write_rows(Path("rows.jsonl"), rows)
    assert cli("import", "rows.jsonl", "--out", "run", "--resamples", "0")[0] == 0
    metrics = score(Path("run"), resamples=0).results.metrics
    assert metrics["recall"].value == 0
    assert metrics["multi_brier"].value == pytest.approx(0.25)


@settings(max_examples=20, deadline=None)
@given(table=tables(full=True))
def test_what_is_told_without_grades_does_not_rest_on_them(table: ScoreTable) -> None:
    wrong = np.where(table.gold >= 0, W, table.gold)
    other = changed(
        table,
        gold=wrong,
        gold_size=np.zeros_like(table.gold_size),
        weight=np.zeros_like(table.weight),
        truth=np.full_like(table.truth, np.nan),
    )
    for metric in metrics_of(replace(table.shape, graded=False)):
        assert_same(metric, value(metric, other), value(metric, table))


def test_only_metrics_that_rest_on_grades_are_left_out() -> None:
    for shape in full_shapes():
        told = {metric.name for metric in metrics_of(replace(shape, graded=False))}
        known = {metric.name for metric in metrics_of(shape)}
        assert told < known
        spared = {
            name
            for name in known
            if name.startswith(("distinct", "effective", "overlap", "repeated", "compiles"))
            or name in {"format_ok", "answered", "error_rate", "money_per_example"}
            or ("tokens" in name and "correct" not in name and "recall" not in name)
        }
        assert told == spared


def test_worked_examples_of_prompts_without_right_answers_are_refused(tmp_path: Path) -> None:
    task = tmp_path / "prompts.py"
    task.write_text(PROMPTS.replace(', (("a", 0.5), ("b", 0.5))', ""), encoding="utf-8")
    with pytest.raises(UserError, match="leave out --shots"):
        evaluate(model="reference:random", task=str(task), shots=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
