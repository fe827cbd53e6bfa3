"""Adding to a leaderboard: no row is lost, none stands there twice, and what is no leaderboard stays."""

from __future__ import annotations

import csv
import io
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.reports.table.csv_file import append
from marl_eval.reports.table.csv_text import row_cells, to_csv
from marl_eval.reports.table.rows import Row
from tests.conftest import Cli
from tests.reports.boards import HOSTILE, Ends, result, row
from tests.runs import run

A, B, C = (0.9, 0.8, 1.0), (0.85, 0.7, 0.9), (0.5, 0.4, 0.6)


def model(name: str, recall: Ends, **more: Any) -> Row:
    return row(name, {"recall": result(recall)}, rank=1, **more)


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.fixture
def board(tmp_path: Path) -> Path:
    path = tmp_path / "board.csv"
    append(path, [model("a", A), model("b", B)])
    return path


def test_a_file_that_is_not_there_is_made(board: Path) -> None:
    assert board.read_text(encoding="utf-8") == to_csv(
        [row_cells(model("a", A)), row_cells(model("b", B))]
    )


def test_the_same_rows_again_change_nothing(board: Path) -> None:
    before = board.read_bytes()
    assert append(board, [model("a", A)]) == 2
    assert append(board, [model("a", A), model("b", B)]) == 2
    assert board.read_bytes() == before


def test_a_row_of_the_same_run_takes_the_place_of_the_old_one(board: Path) -> None:
    again = model("a", (0.95, 0.85, 1.0), run="moved", identity="a")
    assert append(board, [again]) == 2
    rows = read(board)
    assert [own["run"] for own in rows] == ["moved", "b"]
    assert rows[0]["recall"] == "0.95"


def test_a_run_that_was_scored_strictly_is_another_row(board: Path) -> None:
    assert append(board, [model("a", A, parsing="strict")]) == 3


def test_ranks_are_those_among_all_rows_of_the_file(board: Path) -> None:
    append(board, [model("c", C), model("top", (2.0, 1.5, 2.5))])
    assert [own["rank"] for own in read(board)] == ["2", "2", "4", "1"]


def test_other_rows_keep_their_bytes(board: Path) -> None:
    before = board.read_text(encoding="utf-8").splitlines()
    append(board, [model("c", C)])
    assert board.read_text(encoding="utf-8").splitlines()[:3] == before


def test_rows_of_other_examples_and_references_do_not_rank_the_old_ones_again(board: Path) -> None:
    append(board, [model("other", (2.0, 1.5, 2.5), data_sha256="e" * 64)])
    append(board, [row("o", {"recall": result((2.0, 1.5, 2.5))}, role="ceiling")])
    assert [own["rank"] for own in read(board)] == ["1", "1", "1", ""]


def test_new_columns_come_after_the_old_ones_and_old_rows_leave_them_empty(board: Path) -> None:
    before = read(board)
    more = row("c", {"recall": result(C), "ece": result((0.1, 0.0, 0.2), "lower")}, rank=1, shots=3)
    append(board, [more])
    rows = read(board)
    assert list(rows[0]) == [*before[0], "shots", "ece", "ece_low", "ece_high"]
    assert rows[0]["ece"] == ""
    assert {name: rows[1][name] for name in before[1]} == before[1]
    assert (rows[2]["ece"], rows[2]["shots"]) == ("0.1", "3")


def test_a_row_without_the_metric_that_ranks_has_no_rank_then(board: Path) -> None:
    by_ece = row("c", {"ece": result((0.1, 0.0, 0.2), "lower")}, rank=1, ranked_by="ece")
    append(board, [by_ece])
    assert [(own["rank"], own["ranked_by"]) for own in read(board)] == [
        ("", "ece"), ("", "ece"), ("1", "ece"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_of_any_name_is_found_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / "board.csv"
    rows = [model(name, A, identity="x", task=name), model("b", B, task=name)]
    append(path, rows)
    before = path.read_bytes()
    append(path, rows[:1])
    assert path.read_bytes() == before
    assert [own["rank"] for own in read(path)] == ["1", "1"]


OLD = "schema_version,run,recall\n2,a,0.5\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,value\na,1\n", "is no leaderboard"),
        (b"", "is no leaderboard"),
        (b"\xff\xfe\x00", "is no leaderboard"),
        (b'schema_version,run\n3,"a\n', "is no leaderboard"),
        (b"schema_version,run\n3\n", "row 2 has 1 cells, the header 2"),
        (b"schema_version,run\n3,a\n", "it lacks rank"),
        (OLD.encode(), "of schema version '2' in row 2.*without --append"),
        (OLD.replace("2,a", "4,a").encode(), "of schema version '4'"),
    ],
)
def test_what_is_no_leaderboard_of_this_version_is_refused_and_left_as_it_is(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "board.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        append(path, [model("a", A)])
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["board.csv"]


def _add(path: Path, number: int) -> None:
    append(path, [model(f"m{number}", A)])


def test_two_processes_that_add_at_once_lose_no_row(board: Path) -> None:
    context = multiprocessing.get_context("fork")
    adding = [context.Process(target=_add, args=(board, number)) for number in range(6)]
    for one in adding:
        one.start()
    for one in adding:
        one.join()
    assert sorted(own["run"] for own in read(board)) == ["a", "b", *(f"m{n}" for n in range(6))]


def test_the_command_adds_runs_one_after_the_other(cli: Cli, tmp_path: Path) -> None:
    for name in ("oracle", "random"):
        run(tmp_path / name, model=f"reference:{name}")
    assert cli("leaderboard", "oracle", "random", "--csv", "both.csv")[0] == 0
    for name in ("oracle", "random", "oracle"):
        assert cli("leaderboard", name, "--csv", "board.csv", "--append")[0] == 0
    assert Path("board.csv").read_bytes() == Path("both.csv").read_bytes()


def test_the_command_needs_a_file_to_add_to(cli: Cli, tmp_path: Path) -> None:
    run(tmp_path / "oracle")
    code, _, err = cli("leaderboard", "oracle", "--append")
    assert code == 2
    assert "name it with --csv" in err
