"""``marl-eval compare``: what it prints, how it ends, and what it says to a mistake."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate, score
from marl_eval.comparison.differences import Comparison, compare
from marl_eval.comparison.verdict import verdict
from marl_eval.show import number
from tests.conftest import Cli

EXAMPLES = 40
QUICK = ["--resamples", "40"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of an oracle, of two draws of guesses, and of guesses on part of the examples."""
    folder = tmp_path_factory.mktemp("runs")
    wanted: dict[str, dict[str, Any]] = {
        "oracle": {"model": "reference:oracle"},
        "guess": {"model": "reference:random"},
        "again": {"model": "reference:random", "seed": 1},
        "part": {"model": "reference:random", "limit": EXAMPLES - 4},
    }
    for name, settings in wanted.items():
        evaluate(
            task="ddxsim",
            task_args={"examples": EXAMPLES, "conditions": 6, "findings": 8},
            resamples=0,
            out=folder / name,
            **settings,
        )
    return {name: folder / name for name in wanted}


def mistake(cli: Cli, *arguments: object) -> str:
    """Give what the command says to a mistake: one line, and nothing else."""
    code, out, err = cli("compare", *arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("marl-eval: ")
    return line


def test_a_comparison_prints_its_verdict_and_a_row_for_each_metric(
    cli: Cli, runs: dict[str, Path]
) -> None:
    code, out, err = cli("compare", runs["guess"], runs["oracle"], *QUICK)
    assert (code, err) == (0, "")
    found = compare(runs["guess"], runs["oracle"], resamples=40)
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[:2] == ["A  guess", "B  oracle"]
    assert verdict(found, "A", "B") in " ".join(lines)
    rows = {line.split()[0]: line.split() for line in lines if line}
    for name, one in found.metrics.items():
        if one.p is None:
            assert name not in rows
        else:
            first, second, difference, low, high = map(
                number, (one.first, one.second, one.difference, one.low, one.high)
            )
            assert rows[name][1:6] == [first, second, difference, f"[{low},", f"{high}]"]
    undefined = next(line for line in lines if line.startswith("undefined in A or B:"))
    assert "conformal_coverage@0.95" in undefined
    assert f"{EXAMPLES} examples;" in out


def test_the_last_column_says_which_run_is_really_better(cli: Cli, runs: dict[str, Path]) -> None:
    def sides(first: str, second: str) -> dict[str, str]:
        out = cli("compare", runs[first], runs[second], *QUICK)[1]
        table = [line.rstrip() for line in out.splitlines() if " [" in line]
        return {line.split()[0]: re.split(r"\s{2,}", line)[-1] for line in table}

    gain, loss = sides("guess", "oracle"), sides("oracle", "guess")
    assert gain["recall"] == gain["regret"] == "B better"
    assert loss["recall"] == loss["regret"] == "A better"
    assert gain["sharpness"] == loss["sharpness"] == "differs"
    chance = sides("guess", "again")
    assert not {"A better", "B better", "differs"} & set(chance.values())


def test_the_first_of_several_runs_is_the_base(cli: Cli, runs: dict[str, Path]) -> None:
    code, out, _ = cli("compare", runs["oracle"], runs["guess"], runs["again"], *QUICK)
    assert code == 0
    heads = [line for line in out.splitlines() if line.startswith(("A  ", "B  "))]
    assert heads[0] == heads[2] == "A  oracle"
    assert [line.split()[1] for line in (heads[1], heads[3])] == ["guess", "again"]


def test_the_json_file_holds_every_comparison(cli: Cli, runs: dict[str, Path]) -> None:
    names = [runs[name] for name in ("guess", "oracle", "again")]
    code, _, _ = cli("compare", *names, "--metrics", "recall, ece", *QUICK, "--json", "found.json")
    assert code == 0
    found = [
        Comparison.model_validate(entry) for entry in json.loads(Path("found.json").read_bytes())
    ]
    expected = [
        compare(names[0], other, metrics=["recall", "ece"], resamples=40) for other in names[1:]
    ]
    assert found == expected


def test_a_json_file_that_cannot_be_written_is_told_in_a_line(
    cli: Cli, runs: dict[str, Path]
) -> None:
    code, _, err = cli(
        "compare", runs["guess"], runs["oracle"], "--metrics", "recall", *QUICK,
        "--json", "nowhere/found.json",
    )  # fmt: skip
    assert code == 1
    (line,) = err.splitlines()
    assert line.startswith("marl-eval: nowhere/found.json cannot be written")


def test_only_the_metrics_named_are_in_the_table(cli: Cli, runs: dict[str, Path]) -> None:
    _, out, _ = cli("compare", runs["guess"], runs["oracle"], "--metrics", " f1 ,recall", *QUICK)
    rows = [line.split()[0] for line in out.splitlines() if " [" in line and "] " in line]
    assert [name for name in rows if name not in ("B", "A")] == ["f1", "recall"]
    assert "for 2 metrics" in out


def test_different_examples_need_to_be_allowed(cli: Cli, runs: dict[str, Path]) -> None:
    message = mistake(cli, runs["guess"], runs["part"])
    assert "4 are only in" in message
    assert "--common" in message
    code, out, _ = cli("compare", runs["guess"], runs["part"], "--common", *QUICK)
    assert code == 0
    assert f"{EXAMPLES - 4} examples;" in out
    assert "left out as not common: 4 examples of A, 0 of B." in out


def test_failed_requests_are_told(cli: Cli, runs: dict[str, Path]) -> None:
    shutil.copytree(runs["oracle"], "holes")
    file = Path("holes/completions/part-0.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3] + lines[5:]))
    score(Path("holes"), resamples=0)
    code, out, _ = cli("compare", runs["guess"], "holes", *QUICK)
    assert code == 0
    assert f"{EXAMPLES - 2} examples;" in out
    assert "2 examples left out: a request failed in A or B." in out


def test_a_mistake_is_told_in_a_line_without_a_traceback(cli: Cli, runs: dict[str, Path]) -> None:
    oracle = runs["oracle"]
    assert "at least two" in mistake(cli, oracle)
    assert "not a run directory" in mistake(cli, oracle, "nowhere")
    assert "did you mean 'recall'" in mistake(cli, oracle, runs["guess"], "--metrics", "recal")
    shutil.copytree(oracle, "unscored")
    Path("unscored/scores.parquet").unlink()
    assert "marl-eval score unscored" in mistake(cli, oracle, "unscored")
    Path("unscored/scores.parquet").write_bytes(b"PAR1 torn PAR1")
    assert "marl-eval score unscored" in mistake(cli, oracle, "unscored")


def test_a_single_resample_is_too_few(cli: Cli, runs: dict[str, Path]) -> None:
    code, out, err = cli("compare", runs["guess"], runs["oracle"], "--resamples", "1")
    assert (code, out) == (2, "")
    assert "--resamples" in err
    assert "Traceback" not in err


def test_the_name_of_a_run_reaches_the_terminal_inert(cli: Cli, runs: dict[str, Path]) -> None:
    hostile = Path("\x1b[31mred\u202e[bold]")
    shutil.copytree(runs["guess"], hostile)
    _, out, _ = cli("compare", runs["oracle"], hostile, "--metrics", "recall", *QUICK)
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "[bold]" in out


@pytest.mark.parametrize("columns", [60, 80, 100, 132, 200])
def test_no_number_is_cut_short_on_a_terminal_of_any_width(
    cli: Cli, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = cli("compare", runs["guess"], runs["oracle"], *QUICK)
    assert code == 0
    assert "…" not in out
    found = compare(runs["guess"], runs["oracle"], resamples=40)
    for name, one in found.metrics.items():
        if one.p is not None:
            assert re.search(rf"{re.escape(name)} .*\[{re.escape(number(one.low))}, ", out), name
    assert ("Not shown at this width" in out) == (columns < 132)
