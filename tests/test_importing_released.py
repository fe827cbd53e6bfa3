"""The layout of the released evaluators: systems side by side, samples as columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marl_eval.errors import UserError
from marl_eval.importing.generations import Choices
from marl_eval.importing.runs import import_runs
from tests.imports import completions, examples, import_all, import_rows, record, write_rows

ONE = "<think>So.</think><answer>{}</answer><confidence>{}</confidence>"
SEVERAL = (
    "<think>So.</think><answer1>a</answer1><confidence1>0.5</confidence1>"
    "<answer2>b</answer2><confidence2>0.25</confidence2>"
)


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "problem": f"Question {number}?", "answer": "a", **more}


def one(system: str, *texts: str | None, grades: Any, levels: Any) -> dict[str, Any]:
    outputs = {f"{system}-output_{i}": text for i, text in enumerate(texts)}
    return {**outputs, f"{system}-evals": grades, f"{system}-confidence_levels": levels}


def test_every_system_becomes_a_run_of_its_own(tmp_path: Path) -> None:
    rows = [
        row(
            i,
            **one("A/1", ONE.format("a", 0.5), grades=[1], levels=[0.5]),
            **one("B-output_x", ONE.format("b", 0.9), grades=[0], levels=[0.9]),
        )
        for i in range(2)
    ]
    runs = import_all(tmp_path, rows)
    assert [run.path.name for run in runs] == ["A-1", "B-output_x"]
    assert [record(run.path)["settings"]["model"] for run in runs] == ["A/1", "B-output_x"]
    assert completions(runs[1].path)[0]["recorded"] == {"grades": [0], "confidences": [0.9]}
    assert examples(runs[0].path) == examples(runs[1].path)
    assert record(runs[0].path)["task"] == record(runs[1].path)["task"]
    assert examples(runs[0].path)[1]["question"] == "Question 1?"


def test_one_system_can_be_chosen_and_goes_into_the_directory_itself(tmp_path: Path) -> None:
    rows = [
        row(
            0,
            **one("A", ONE.format("a", 0.5), grades=[1], levels=[0.5]),
            **one("B", ONE.format("b", 0.9), grades=[0], levels=[0.9]),
        )
    ]
    run = import_rows(tmp_path, rows, choices=Choices(system="B"))
    assert run == tmp_path / "run"
    assert completions(run)[0]["text"] == ONE.format("b", 0.9)
    with pytest.raises(UserError, match="did you mean 'B'"):
        import_rows(tmp_path, rows, choices=Choices(system="BB"))


def test_several_samples_have_a_grade_and_a_confidence_each(tmp_path: Path) -> None:
    texts = [ONE.format(answer, 0.5) for answer in "abcdefghijkl"]
    rows = [row(i, **one("A", *texts, grades=[1] + [0] * 11, levels=[0.5] * 12)) for i in range(2)]
    run = import_rows(tmp_path, rows)
    lines = completions(run)
    assert record(run)["layout"] == {"k": 1, "sets": 12, "members": 1}
    assert [line["text"] for line in lines[:12]] == texts
    assert [line["recorded"]["grades"] for line in lines[:3]] == [[1], [0], [0]]
    assert {line["sample"] for line in lines} == set(range(12))


def test_one_confidence_for_several_samples_is_that_of_the_first(tmp_path: Path) -> None:
    texts = [ONE.format(answer, 0.5) for answer in "ab"]
    run = import_rows(tmp_path, [row(0, **one("A", *texts, grades=[1, 0], levels=[0.7]))])
    assert [line["recorded"]["confidences"] for line in completions(run)] == [[0.7], None]


@pytest.mark.parametrize("nested", [False, True])
def test_of_several_answers_the_grades_are_kept_and_the_un_numbered_confidence_is_not(
    tmp_path: Path, nested: bool
) -> None:
    grades = [[1, 0]] if nested else [1, 0]
    rows = [row(i, **one("A", SEVERAL, grades=grades, levels=[0.0])) for i in range(3)]
    rows.append(row(3, **one("A", "no tags", grades=[], levels=[0.0])))
    run = import_rows(tmp_path, rows)
    recorded = [line["recorded"] for line in completions(run)]
    assert recorded == [{"grades": [1, 0], "confidences": None}] * 3 + [None]
    assert record(run)["format"] == {
        "k": 2, "confidence": True, "reasoning": True, "analysis": False, "sum_to_one": False,
        "noun": "answer",
        "form": "short",
    }  # fmt: skip


def test_numbered_tags_in_the_reasoning_make_no_set_of_one_answer(tmp_path: Path) -> None:
    text = "<think><answer1>?</answer1></think>" + ONE.format("x", 0.9)
    run = import_rows(tmp_path, [row(0, **one("A", text, grades=[1], levels=[0.25]))])
    assert completions(run)[0]["recorded"] == {"grades": [1], "confidences": [0.25]}
    assert record(run)["layout"]["k"] == 1


def test_samples_of_several_answers_have_a_list_of_grades_each(tmp_path: Path) -> None:
    only_first = "<answer1>a</answer1>"
    grades = [[1, 0], [1], []]
    rows = [row(0, **one("A", SEVERAL, only_first, "nothing", grades=grades, levels=[0.0] * 3))]
    run = import_rows(tmp_path, rows)
    recorded = [line["recorded"] for line in completions(run)]
    assert recorded[:2] == [
        {"grades": [1, 0], "confidences": None},
        {"grades": [1, None], "confidences": None},
    ]
    assert recorded[2] is None


def test_a_confidence_that_is_nan_is_recorded_as_none(tmp_path: Path) -> None:
    table = pa.table(
        {
            "question": ["What?", "Who?"],
            "answers": [["a", "b"], ["c"]],
            "A-output_0": ["<answer>a</answer>", "<answer>c</answer>"],
            "A-evals": [[1], [1]],
            "A-confidence_levels": [[0.5], [float("nan")]],
        }
    )
    pq.write_table(table, tmp_path / "file.parquet")
    (run,) = import_runs([tmp_path / "file.parquet"], tmp_path / "run")
    recorded = [line["recorded"]["confidences"] for line in completions(run.path)]
    assert recorded == [[0.5], [None]]
    assert [example["id"] for example in examples(run.path)] == ["0", "1"]
    assert [len(example["gold"]) for example in examples(run.path)] == [2, 1]
    assert record(run.path)["format"]["confidence"] is False
    assert record(run.path)["settings"]["confidence"] is True


def test_outputs_alone_are_enough(tmp_path: Path) -> None:
    run = import_rows(tmp_path, [{"A-output_0": "<answer>a</answer>"} for _ in range(2)])
    assert [example["id"] for example in examples(run)] == ["0", "1"]
    assert examples(run)[0]["gold"] == []
    assert completions(run)[0]["recorded"] is None


def test_grades_without_gold_answers_rest_on_one_without_a_name(tmp_path: Path) -> None:
    rows = [one("A", "<answer>a</answer>", grades=[1], levels=[0.5])]
    assert examples(import_rows(tmp_path, rows))[0]["gold"][0]["answer"] == ""


def test_the_same_question_again_is_another_example(tmp_path: Path) -> None:
    rows = [row(5, **one("A", ONE.format("a", 0.5), grades=[1], levels=[0.5])) for _ in range(3)]
    assert [example["id"] for example in examples(import_rows(tmp_path, rows))] == [
        "5", "5#2", "5#3",
    ]  # fmt: skip
    rows[1]["problem"] = "Another question?"
    with pytest.raises(UserError, match="line 2 has the id '5' of an earlier row"):
        import_rows(tmp_path, rows)


def test_other_columns_can_hold_id_question_and_gold(tmp_path: Path) -> None:
    rows = [{"key": "x", "ask": "What?", "right": ["a", "b"], "A-output_0": "<answer>a</answer>"}]
    choices = Choices({"id": "key", "question": "ask", "gold": "right"}, aliases=True)
    (example,) = examples(import_rows(tmp_path, rows, choices=choices))
    assert (example["id"], example["question"]) == ("x", "What?")
    assert example["gold"] == [{"answer": "a", "aliases": ["b"], "weight": None}]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "grades of no list": (one("A", "x", grades=1, levels=None), "A-evals is not a list"),
    "too many grades": (
        one("A", "x", "y", grades=[1, 0, 1], levels=None),
        "A-evals has 3 entries for 2 generations",
    ),
    "a grade that is none": (
        one("A", "x", grades=[2], levels=None),
        "is not a grade (0 or 1) but 2",
    ),
    "a confidence above 1": (one("A", "x", grades=None, levels=[80.0]), "confidence in [0, 1]"),
    "an output of no text": (
        {"A-output_0": 5, "A-evals": [1], "A-confidence_levels": [0.5]},
        "A-output_0 is not a text but 5",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, name: str) -> None:
    columns, message = MISTAKES[name]
    with pytest.raises(UserError) as told:
        import_rows(tmp_path, [row(0, **columns)])
    assert "rows.jsonl, line 1: " in str(told.value)
    assert message in str(told.value)


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"id": 1, "text": "x"}])
    with pytest.raises(UserError, match="it is not of layout rlcr"):
        import_runs([file], tmp_path / "run", layout="rlcr")
    with pytest.raises(UserError, match="it is not of layout lm-eval"):
        import_runs([file], tmp_path / "run", layout="lm-eval")
    with pytest.raises(UserError, match="did you mean 'columns'"):
        import_runs([file], tmp_path / "run", layout="column")
