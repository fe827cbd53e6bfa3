"""The main job, with a real model on real patients."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

COMMAND = str(Path(sys.executable).with_name("marl-eval"))
STRATEGIES = {
    "multi": ["--strategy", "multi", "-k", "3", "--confidence"],
    "best-of-k": ["--strategy", "best-of-k", "-k", "3"],
    "single": ["--strategy", "single"],
}


@pytest.fixture(scope="module")
def model() -> str:
    return f"hf:{os.environ['MARL_EVAL_SMOLLM2']}"


def marl_eval(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def runs(
    model: str, ddxplus_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, flags in STRATEGIES.items():
        marl_eval(
            "run", "--model", model, "--task", "ddxplus", "--data", ddxplus_data, "--limit", 8,
            *flags, "--max-tokens", 64, "--batch-size", 8, "--out", folder / name,
        )  # fmt: skip
    return {name: folder / name for name in STRATEGIES}


def lines(run: Path) -> list[dict[str, Any]]:
    content = (run / "completions" / "part-0.jsonl").read_bytes()
    return [json.loads(line) for line in content.splitlines()]


def test_every_strategy_asks_as_often_as_it_says(runs: dict[str, Path]) -> None:
    assert {name: len(lines(run)) for name, run in runs.items()} == {
        "multi": 8,
        "best-of-k": 24,
        "single": 8,
    }


def test_the_leaderboard_has_a_row_a_run_and_every_metric_with_its_interval(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / "leaderboard.csv"
    marl_eval("leaderboard", *runs.values(), "--csv", target)
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["strategy"] for row in rows] == list(STRATEGIES)
    for row, run in zip(rows, runs.values(), strict=True):
        results = json.loads((run / "results.json").read_bytes())
        for name, metric in results["metrics"].items():
            for column, field in (
                (name, "value"),
                (f"{name}_low", "low"),
                (f"{name}_high", "high"),
            ):
                written = float(row[column]) if row[column] else None
                assert written == metric[field], (run, column)
        assert row["errors"] == "0"


def test_any_example_is_explained(runs: dict[str, Path]) -> None:
    for run in runs.values():
        for example in (0, 3, 7):
            text = marl_eval("show", run, "--example", example)
            for part in ("[user]", "Reason for the visit", "gold", "generation 0", "answers read"):
                assert part in text


def test_token_counts_are_those_of_the_tokenizer(runs: dict[str, Path], model: str) -> None:
    from transformers import AutoTokenizer

    from marl_eval.run import read_template
    from marl_eval.store import RunDirectory

    tokenizer = AutoTokenizer.from_pretrained(model.removeprefix("hf:"))
    run = RunDirectory(runs["multi"])
    template = read_template(run.read_run())
    examples = run.read_examples(run.example_offsets(), slice(0, 8))
    for line in lines(runs["multi"]):
        messages = template.ask(examples[line["example"]].question)
        turns = [{"role": m.role, "content": m.content} for m in messages]
        prompt = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        tokens = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        assert line["prompt_tokens"] == len(tokens)
        assert 0 < line["completion_tokens"] <= 64
        assert line["finish_reason"] == "stop" or line["completion_tokens"] == 64


def test_batches_of_1_4_and_16_give_the_same_completions_in_float32(
    model: str, ddxplus_data: Path, tmp_path: Path
) -> None:
    made = []
    for size in (1, 4, 16):
        out = tmp_path / str(size)
        marl_eval(
            "run", "--model", model, "--task", "ddxplus", "--data", ddxplus_data, "--limit", 5,
            "--max-tokens", 24, "--model-args", "dtype=float32", "--batch-size", size, "--out", out,
        )  # fmt: skip
        made.append({line["id"]: line["text"] for line in lines(out)})
    assert made[0] == made[1] == made[2]
