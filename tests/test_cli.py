"""The command line: what it prints, how it ends, and what it says to a mistake."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

ORACLE = ["--model", "reference:oracle", "--task", "ddxsim", "--resamples", "20"]
SMALL = ["--task-args", "examples=20,conditions=4,findings=6"]


def test_a_run_prints_its_table_and_is_found_again_by_the_same_command(cli: Cli) -> None:
    code, out, err = cli("run", *ORACLE, *SMALL)
    assert code == 0
    assert "recall" in out
    assert "20/20" in err
    (run,) = Path("runs").iterdir()
    assert str(run) in out
    code, again, err = cli("run", *ORACLE, *SMALL)
    assert (code, again, err) == (0, out, "")


def test_settings_come_from_a_file_and_flags_go_before_it(cli: Cli) -> None:
    Path("run.yaml").write_text(
        "model: reference:oracle\ntask: ddxsim\nk: 2\nresamples: 0\n"
        "task_args: {examples: 20, conditions: 4}\n"
    )
    code, _, _ = cli("run", "--config", "run.yaml", "-k", "1", "--out", "run")
    assert code == 0
    record = json.loads(Path("run/run.json").read_bytes())
    assert record["settings"]["k"] == 1
    assert record["task"]["examples"] == 20


def test_a_python_call_and_the_command_line_make_the_same_run(cli: Cli) -> None:
    from marl_eval import evaluate

    cli("run", *ORACLE, *SMALL, "--out", "by-command")
    evaluate(
        model="reference:oracle",
        task="ddxsim",
        task_args={"examples": 20, "conditions": 4, "findings": 6},
        resamples=20,
        out=Path("by-call"),
    )
    for name in ("results.json", "scores.parquet", "run.json"):
        assert Path("by-command", name).read_bytes() == Path("by-call", name).read_bytes()


def test_scoring_needs_only_the_run_directory(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    before = Path("run/results.json").read_bytes()
    for name in ("results.json", "scores.parquet", "machine.json"):
        Path("run", name).unlink()
    Path("run").rename("elsewhere")
    code, _, _ = cli("score", "elsewhere", "--resamples", "20")
    assert code == 0
    assert Path("elsewhere/results.json").read_bytes() == before


def test_show_prints_the_table_that_the_run_printed(cli: Cli) -> None:
    _, out, _ = cli("run", *ORACLE, *SMALL, "--out", "run")
    assert cli("show", "run") == (0, out, "")


def test_show_explains_an_example_by_number_or_id(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    code, out, _ = cli("show", "run", "--example", "3")
    assert code == 0
    for part in ("[user]", "A patient has", "gold", "<answer1>", "confidence", "right: gold"):
        assert part in out
    assert cli("show", "run", "--example", "ddxsim-0-3")[1] == out


def test_text_from_a_model_reaches_the_terminal_inert(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    file = Path("run/completions/part-0.jsonl")
    line = json.loads(file.read_bytes().splitlines()[0])
    hostile = "\x1b[31mred\x1b]0;title\x07 \u202egnp [bold]not markup[/bold] </answer1>"
    line["text"] = hostile + line["text"]
    file.write_text(json.dumps(line, separators=(",", ":")) + "\n", encoding="utf-8")
    _, out, _ = cli("show", "run", "--example", str(line["example"]))
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\u202e" not in out
    assert "[bold]not markup[/bold]" in out


def test_the_leaderboard_has_a_row_for_each_run(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "a")
    cli("run", *ORACLE, *SMALL, "--strategy", "single", "--no-confidence", "--out", "b")
    code, _, _ = cli("leaderboard", "a", "b", "--csv", "board.csv")
    assert code == 0
    with Path("board.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["a", "b"]
    results = json.loads(Path("a/results.json").read_bytes())["metrics"]
    told = 0
    for name, metric in results.items():
        ends = {name: "value", f"{name}_low": "low", f"{name}_high": "high"}
        for cell, end in ends.items():
            assert rows[0][cell] == "" or float(rows[0][cell]) == metric[end]
            assert (rows[0][cell] == "") == (metric[end] is None), cell
            told += metric[end] is not None
    assert told > 100
    assert rows[0]["interval"] == "95% BCa bootstrap over examples (calibration errors: basic)"
    assert (rows[0]["confidence_source"], rows[1]["confidence_source"]) == ("text", "")
    assert rows[1]["ece"] == rows[1]["hit@3"] == ""
    assert cli("leaderboard", "a", "b")[1] == Path("board.csv").read_text()


def test_a_run_with_errors_says_so_and_ends_with_1(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    completions = Path("run/completions/part-0.jsonl")
    lines = completions.read_text().splitlines(keepends=True)
    completions.write_text("".join(lines[:-2]))
    lost = [json.loads(line) for line in lines[-2:]]
    record = {name: lost[0][name] for name in ("id", "example", "sample", "stage")}
    Path("run/errors.jsonl").write_text(
        json.dumps(record | {"reason": "made to fail"}, separators=(",", ":")) + "\n"
    )
    code, out, _ = cli("score", "run")
    assert code == 1
    assert "of 20 requests 1 failed (errors.jsonl) and 1 are missing" in " ".join(out.split())
    results = json.loads(Path("run/results.json").read_bytes())
    assert results["errors"] == {"failed": 1, "missing": 1}
    assert results["metrics"]["recall"]["n"] == 18
    assert results["metrics"]["error_rate"]["value"] == pytest.approx(0.1)
    assert cli("score", "run", "--allow-errors")[0] == 0
    code, _, _ = cli("run", *ORACLE, *SMALL, "--out", "run")
    assert code == 1
    assert json.loads(Path("run/results.json").read_bytes())["errors"]["missing"] == 0


def test_strict_scoring_counts_only_what_a_reward_accepts(cli: Cli) -> None:
    echo = ["--model", "reference:echo-gold", "--task", "ddxsim", "--resamples", "0"]
    cli("run", *echo, *SMALL, "--out", "run")
    lenient = json.loads(Path("run/results.json").read_bytes())
    assert "missing-answer" in lenient["deviations"]
    cli("score", "run", "--strict", "--resamples", "0")
    strict = json.loads(Path("run/results.json").read_bytes())
    assert strict["parsing"] == "strict"
    ok = lenient["metrics"]["format_ok"]["value"]
    assert strict["metrics"]["answered"]["value"] == pytest.approx(ok)
    assert lenient["metrics"]["recall"]["value"] == 1


def test_tasks_metrics_and_doctor_tell_what_is_there(cli: Cli) -> None:
    code, out, _ = cli("tasks")
    assert code == 0
    assert "ddxplus" in out
    assert "min_prob=0.01" in out
    code, out, _ = cli("metrics")
    assert code == 0
    assert "recall = mean over examples" in out
    code, out, _ = cli("doctor")
    assert code == 0
    for part in (
        "marl-eval 0.1.0",
        "cores",
        "hf: ",
        "backends: hf, lm-eval, openai, ray, reference, vllm",
    ):
        assert part in out


MISTAKES = {
    "unknown task": (["--task", "ddxpuls"], "did you mean 'ddxplus'"),
    "unknown backend": (["--model", "refrence:oracle"], "did you mean 'reference'"),
    "unknown reference": (["--model", "reference:orakel"], "did you mean 'oracle'"),
    "no such folder": (["--model", "hf:./no/model"], "There is no model at './no/model'"),
    "K of 0": (["-k", "0"], "-k is the number of answers in a set and must be at least 1"),
    "n of 0": (["-n", "0"], "-n is the number of sets"),
    "several answers from single": (["--strategy", "single", "-k", "3"], "'single' asks for one"),
    "temperature 0 with n > 1": (["--temperature", "0", "-n", "2"], "At temperature 0"),
    "temperature 0 with best-of-k": (
        ["--temperature", "0", "--strategy", "best-of-k"],
        "At temperature 0",
    ),
    "negative temperature": (["--temperature", "-1"], "'temperature'"),
    "unknown strategy": (["--strategy", "many"], "'strategy'"),
    "limit of 0": (["--limit", "0"], "'limit'"),
    "unknown option of a task": (["--task-args", "exmaples=3"], "did you mean 'examples'"),
    "wrong value of an option": (["--task-args", "examples=many"], "'examples'"),
    "malformed options": (["--task-args", "examples"], "name=value"),
    "too many worked examples": (["--task-args", "examples=2", "--shots", "2"], "--shots"),
    "no prompt file": (["--prompt", "nowhere.txt"], "nowhere.txt"),
    "no configuration": (["--config", "nowhere.yaml"], "nowhere.yaml"),
    "unknown interval": (["--interval", "percentil"], "'interval'"),
    "workers of 0": (["--workers", "0"], "'workers'"),
    "output that cannot be written": (["--out", "/dev/null/run"], "cannot be written"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_met_with_one_clear_sentence_and_exit_code_2(cli: Cli, name: str) -> None:
    flags, message = MISTAKES[name]
    code, out, err = cli("run", *ORACLE, *flags)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("marl-eval: ")
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_file_of_the_wrong_format_is_told_with_the_row(cli: Cli, ddxplus_data: Path) -> None:
    source = ddxplus_data / "release_validate_patients.csv"
    rows = source.read_text(encoding="utf-8").splitlines(keepends=True)[:5]
    rows[3] = "x" + rows[3]
    Path("data").mkdir()
    Path("data/release_validate_patients.csv").write_text("".join(rows), encoding="utf-8")
    evidences = (ddxplus_data / "release_evidences.json").read_bytes()
    Path("data/release_evidences.json").write_bytes(evidences)
    code, _, err = cli(
        "run", "--model", "reference:echo-gold", "--task", "ddxplus", "--data", "data"
    )
    assert code == 2
    assert "release_validate_patients.csv, row 4: AGE is 'x" in err


def test_the_directory_of_another_run_is_refused_with_what_differs(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    before = Path("run/completions/part-0.jsonl").read_bytes()
    code, _, err = cli("run", *ORACLE, *SMALL, "--out", "run", "-k", "2", "--seed", "5")
    assert code == 2
    assert "settings.k: 3 there, 2 now" in err
    assert "settings.seed: 0 there, 5 now" in err
    code, _, err = cli("run", *ORACLE, *SMALL[:1], "examples=21", "--out", "run")
    assert code == 2
    assert "task.sha256" in err
    assert Path("run/completions/part-0.jsonl").read_bytes() == before


SCORING = [
    *(["--batch-size", "2"], ["--strict"], ["--resamples", "0"], ["--interval", "BCa"]),
    *(["--no-overlap"], ["--prices", "prices.yaml"], ["--workers", "2"]),
]


@pytest.mark.parametrize("flags", SCORING, ids=lambda flags: flags[0])
def test_what_changes_only_speed_or_scoring_continues_the_same_run(
    cli: Cli, flags: list[str]
) -> None:
    Path("prices.yaml").write_text("reference:oracle: {prompt: 1, completion: 2}")
    cli("run", *ORACLE, *SMALL, "--out", "run")
    code, _, err = cli("run", *ORACLE[:4], *SMALL, *flags, "--out", "run")
    assert (code, err) == (0, "")


def test_a_run_is_scored_in_the_way_that_was_asked_for(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "-n", "2", "--out", "run")

    def results(*flags: str) -> dict[str, Any]:
        assert cli("score", "run", "--resamples", "20", *flags)[0] == 0
        content: dict[str, Any] = json.loads(Path("run/results.json").read_bytes())
        return content

    usual = results()
    assert "overlap_3gram" in usual["metrics"]
    assert results("--workers", "2") == usual
    assert "overlap_3gram" not in results("--no-overlap")["metrics"]
    bca = results("--interval", "bca")
    assert bca["interval"] == "95% BCa bootstrap over examples (calibration errors: basic)"
    assert bca["metrics"]["recall"]["value"] == usual["metrics"]["recall"]["value"]
    code, _, err = cli("score", "run", "--interval", "percentil")
    assert code == 2
    assert "There is no kind of interval 'percentil'; did you mean 'percentile'?" in err


@pytest.mark.parametrize("command", [["score"], ["show"], ["leaderboard"]])
def test_a_directory_that_is_no_run_is_told(cli: Cli, command: list[str]) -> None:
    Path("empty").mkdir()
    code, _, err = cli(*command, "empty")
    assert code == 2
    assert "empty is not a run directory" in err


def test_an_unscored_run_is_told_with_the_remedy(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    Path("run/results.json").unlink()
    code, _, err = cli("leaderboard", "run")
    assert code == 2
    assert "marl-eval score run" in err


def test_a_run_that_never_began_is_told_with_the_remedy(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    Path("run/examples.jsonl").unlink()
    for command in (["score", "run"], ["show", "run", "--example", "0"]):
        code, _, err = cli(*command)
        assert code == 2
        assert "run lacks examples.jsonl" in err
    assert cli("run", *ORACLE, *SMALL, "--out", "run")[0] == 0


def test_a_damaged_line_is_told_with_its_place(cli: Cli) -> None:
    cli("run", *ORACLE, *SMALL, "--out", "run")
    file = Path("run/completions/part-0.jsonl")
    lines = file.read_text().splitlines(keepends=True)
    lines[4] = lines[4].replace('"text":"', '"text":', 1)
    file.write_text("".join(lines))
    code, _, err = cli("score", "run")
    assert code == 2
    assert "part-0.jsonl is damaged near byte" in err


def test_two_processes_do_not_write_one_run(cli: Cli) -> None:
    from marl_eval.store import RunDirectory

    with RunDirectory(Path("run")).locked():
        code, _, err = cli("run", *ORACLE, *SMALL, "--out", "run")
    assert code == 2
    assert "Another process is writing run" in err


def test_importing_the_package_or_asking_for_help_imports_nothing_heavy() -> None:
    probe = (
        "import sys, marl_eval, marl_eval.cli\n"
        "sys.argv = ['marl-eval', '--help']\n"
        "try: marl_eval.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = ['torch', 'transformers', 'vllm', 'datasets', 'pandas', 'matplotlib', 'scipy']\n"
        "print([m for m in heavy if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "leaderboard" in done.stdout
