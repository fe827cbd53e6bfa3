"""A real model on every task that reads published data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SHARED

pytestmark = pytest.mark.integration

COMMAND = str(Path(sys.executable).with_name("marl-eval"))
DATA = SHARED / "data"
MULTI, POOLED = ("multi", 2), ("best-of-k", 2)
SHORTER = {"hotpotqa": ["--task-args", "max_chars=3000"]}
RUNS = [
    ("humaneval", None, MULTI),
    ("mbpp", DATA / "mbpp", MULTI),
    ("ambigqa", DATA / "ambigqa", MULTI),
    ("hotpotqa", DATA / "hotpotqa" / "hotpot_dev_distractor_103.json", POOLED),
    ("protoqa", DATA / "protoqa", MULTI),
    ("noveltybench", DATA / "noveltybench", POOLED),
]


def marl_eval(*arguments: object) -> str:
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("task", "data", "strategy"), RUNS, ids=lambda value: getattr(value, "name", str(value))
)
def test_a_real_model_runs_on_the_task(
    task: str, data: Path | None, strategy: tuple[str, int], tmp_path: Path
) -> None:
    if data is not None and not data.exists():
        pytest.skip(f"the data is not at {data}")
    name, k = strategy
    table = marl_eval(
        "run", "--model", f"hf:{os.environ['MARL_EVAL_SMOLLM2']}", "--task", task,
        *(["--data", data] if data else []), *SHORTER.get(task, []),
        "--limit", 4, "--strategy", name, "-k", k,
        "--max-tokens", 80, "--batch-size", 16, "--no-reasoning", "--out", tmp_path / "run",
    )  # fmt: skip
    results: dict[str, Any] = json.loads((tmp_path / "run" / "results.json").read_bytes())
    assert results["examples"] == 4
    assert results["errors"] == {"failed": 0, "missing": 0}
    metrics = results["metrics"]
    assert "distinct_answers" in metrics
    assert ("recall" in metrics) == (task != "noveltybench")
    assert ("distinct_programs_behaviour" in metrics) == (task in ("humaneval", "mbpp"))
    assert f"{task}" in table


def test_show_prints_a_program_of_a_pool_with_the_test_that_failed_and_why(tmp_path: Path) -> None:
    run = tmp_path / "run"
    marl_eval(
        "run", "--model", f"hf:{os.environ['MARL_EVAL_SMOLLM2']}", "--task", "humaneval",
        "--limit", 4, "--strategy", "best-of-k", "-k", 2, "--no-confidence", "--no-reasoning",
        "--max-tokens", 200, "--batch-size", 16, "--out", run,
    )  # fmt: skip
    metrics = json.loads((run / "results.json").read_bytes())["metrics"]
    assert {"pass@1", "pass@2", "hit@1", "compiles"} <= set(metrics)
    shown = [marl_eval("show", run, "--example", number) for number in range(4)]
    failed = [text for text in shown if "assert " in text.partition("answers read")[2]]
    assert failed
    assert any("gave" in text or "raised" in text for text in failed)
