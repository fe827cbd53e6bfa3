"""The command ``marl-eval import``: run directories that work like any other."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from marl_eval.line_index import index_lines
from marl_eval.strategies import Strategy
from tests.conftest import Cli
from tests.imports import completions, import_all, import_rows, record, write_rows

ONE = "<think>So.</think><answer>{}</answer><confidence>{}</confidence>"
ROWS: list[dict[str, Any]] = [
    {"id": i, "question": f"Question {i}?", "gold": "x", "text": ONE.format(answer, 0.5)}
    for i, answer in enumerate("xxy")
]
SYSTEMS: list[dict[str, Any]] = [
    {"id": 1, "problem": "What?", "answer": "a", "A-output_0": "x", "B-output_0": "y"}
]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_import_is_scored_shown_and_ranked_like_any_run(cli: Cli) -> None:
    write_rows(Path("rows.jsonl"), ROWS)
    code, out, err = cli("import", "rows.jsonl", "--out", "run", "--resamples", "20")
    assert (code, err) == (0, "")
    assert "rows on recorded (3 examples), single, k = 1, n = 1" in out
    assert "pass@1" in out
    assert cli("show", "run") == (0, out, "")
    before = contents(Path("run"))
    assert cli("score", "run", "--resamples", "20") == (0, out, "")
    assert contents(Path("run")) == before
    code, board, _ = cli("leaderboard", "run")
    assert code == 0
    (row,) = csv.DictReader(io.StringIO(board))
    assert (row["model"], row["task"], row["k"], row["temperature"]) == (
        "rows",
        "recorded",
        "1",
        "",
    )
    assert float(row["pass@1"]) == pytest.approx(2 / 3)


def test_the_same_import_again_changes_nothing_and_another_is_refused(cli: Cli) -> None:
    write_rows(Path("rows.jsonl"), ROWS)
    command = ["import", "rows.jsonl", "--out", "run", "--resamples", "0"]
    first = cli(*command)
    before = contents(Path("run"))
    assert cli(*command) == first
    assert contents(Path("run")) == before
    code, _, err = cli(*command, "--no-confidence")
    assert code == 2
    assert "run holds another run (they differ in format.confidence" in err
    write_rows(Path("rows.jsonl"), [*ROWS[:2], {**ROWS[2], "text": "changed"}])
    code, _, err = cli(*command)
    assert code == 2
    assert "they differ in model.sha256, completions/part-0.jsonl" in err
    assert contents(Path("run")) == before
    assert sorted(path.name for path in Path().iterdir()) == ["rows.jsonl", "run"]


def test_a_directory_of_something_else_is_left_alone(cli: Cli) -> None:
    write_rows(Path("rows.jsonl"), ROWS)
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    code, _, err = cli("import", "rows.jsonl", "--out", "full")
    assert (code, err.count("\n")) == (2, 1)
    assert "full is not a run directory" in err
    code, _, err = cli("import", "rows.jsonl", "--out", "rows.jsonl")
    assert (code, err) == (
        2, "marl-eval: rows.jsonl is a file; choose another place with --out.\n",
    )  # fmt: skip
    assert contents(Path("full")) == {"notes.txt": b"mine"}
    Path("empty").mkdir()
    assert cli("import", "rows.jsonl", "--out", "empty", "--resamples", "0")[0] == 0
    assert cli("import", "rows.jsonl", "--out", "/dev/null/run")[0] == 2


def test_missing_generations_are_told_and_the_exit_code_is_1(cli: Cli) -> None:
    rows = [{"id": 1, "gold": "a", "text": [ONE.format("a", 0.5)] * 2}, ROWS[2]]
    write_rows(Path("rows.jsonl"), rows)
    command = ["import", "rows.jsonl", "--out", "run", "--resamples", "0"]
    code, out, err = cli(*command)
    assert code == 1
    assert err == (
        "run: 1 of 4 generations are not there (not every example has 2) and count as missing "
        "requests.\n"
    )
    assert "ERRORS: of 4 requests 0 failed (errors.jsonl) and 1 are missing" in " ".join(
        out.split()
    )
    assert cli(*command, "--allow-errors")[0] == 0


def test_several_systems_have_a_directory_and_a_table_each(cli: Cli) -> None:
    write_rows(Path("rows.jsonl"), SYSTEMS)
    code, out, _ = cli("import", "rows.jsonl", "--out", "runs", "--resamples", "0")
    assert code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["A", "B"]
    assert "A on recorded (1 examples)" in out
    assert "B on recorded (1 examples)" in out
    code, _, _ = cli("import", "rows.jsonl", "--out", "b", "--system", "B", "--resamples", "0")
    assert code == 0
    assert (Path("b") / "run.json").is_file()


def test_systems_of_names_that_would_share_a_directory_are_refused(cli: Cli) -> None:
    write_rows(Path("rows.jsonl"), [{"A/1-output_0": "x", "A-1-output_0": "y"}])
    code, _, err = cli("import", "rows.jsonl", "--out", "runs")
    assert code == 2
    assert "would share a directory; choose one with --system" in err


def test_the_task_that_is_named_grades_the_answers(cli: Cli) -> None:
    rows = [{"id": 1, "question": "What?", "gold": "The Flu", "text": ONE.format("flu!", 0.5)}]
    write_rows(Path("rows.jsonl"), rows)
    command = ["import", "rows.jsonl", "--resamples", "0"]
    assert cli(*command, "--out", "run", "--task", "ddxsim", "--exclusive")[0] == 0
    run = record(Path("run"))
    assert (run["task"]["name"], run["task"]["exclusive"]) == ("ddxsim", True)
    assert run["format"]["noun"] == "diagnosis"
    assert run["format"]["sum_to_one"] is True
    code, _, err = cli(*command, "--out", "other", "--task", "ddxsin")
    assert code == 2
    assert "did you mean 'ddxsim'" in err


def test_what_is_not_known_of_the_sampling_is_null(tmp_path: Path) -> None:
    settings = record(import_rows(tmp_path, ROWS, model="org/model"))["settings"]
    assert settings["model"] == "org/model"
    assert [settings[name] for name in ("temperature", "top_p", "max_tokens", "seed")] == [None] * 4


def test_generations_of_one_answer_can_be_pooled_as_best_of_k(tmp_path: Path) -> None:
    rows = [{"id": i, "gold": "a", "text": [ONE.format(a, 0.5) for a in "abcd"]} for i in range(2)]
    layouts = []
    for k in (None, 2, 3):
        folder = tmp_path / str(k)
        folder.mkdir()
        run = import_rows(folder, rows, strategy=Strategy.BEST_OF_K, k=k)
        assert record(run)["format"]["k"] == 1
        layouts.append(record(run)["layout"])
    assert layouts == [
        {"k": 4, "sets": 1, "members": 4},
        {"k": 2, "sets": 2, "members": 2},
        {"k": 3, "sets": 2, "members": 3},
    ]


def test_every_line_is_found_by_its_key_and_ids_are_of_example_and_sample(tmp_path: Path) -> None:
    rows = [{"id": i, "gold": "a", "text": ["x", "y"]} for i in range(50)]
    (run,) = import_all(tmp_path, rows)
    index = index_lines(run.path / "completions" / "part-0.jsonl")
    assert len(index) == 100
    assert len({line["id"] for line in completions(run.path)}) == 100
    other = tmp_path / "other"
    other.mkdir()
    again = import_rows(other, rows)
    assert completions(again) == completions(run.path)


MISTAKES = {
    "no file": (["nowhere.jsonl"], "There is no file nowhere.jsonl"),
    "no layout": (["rows.jsonl", "--layout", "rclr"], "did you mean 'rlcr'"),
    "another layout": (["rows.jsonl", "--layout", "lm-eval"], "it is not of layout lm-eval"),
    "a malformed map": (["rows.jsonl", "--map", "text"], "--map takes name=value"),
    "an unknown column": (["rows.jsonl", "--map", "text=tetx"], "did you mean 'text'"),
    "no strategy": (["rows.jsonl", "--strategy", "best"], "did you mean 'best-of-k'"),
    "K of 0": (["rows.jsonl", "-k", "0"], "must be at least 1, not 0"),
    "several of a single": (
        ["rows.jsonl", "-k", "2", "--strategy", "single"],
        "'single' asks for one",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_met_with_one_clear_sentence_and_exit_code_2(cli: Cli, name: str) -> None:
    arguments, message = MISTAKES[name]
    write_rows(Path("rows.jsonl"), ROWS)
    code, out, err = cli("import", *arguments, "--out", "run")
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("marl-eval: ")
    assert err.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["rows.jsonl"]


def test_the_task_recorded_says_what_it_is_for(cli: Cli) -> None:
    code, _, err = cli("run", "--model", "reference:random", "--task", "recorded")
    assert code == 2
    assert "it is for generations that were recorded elsewhere" in err
