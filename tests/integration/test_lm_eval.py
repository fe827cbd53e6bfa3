"""lm-eval both ways with a real model on real patients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from marl_eval.results import read_results
from tests.lm_eval_runs import Harness, assert_same_values, imported, lm_eval, scored_by_us

pytest.importorskip("lm_eval")

pytestmark = pytest.mark.integration

COMMAND = str(Path(sys.executable).with_name("marl-eval"))
LIMIT, TOKENS = 4, 48


@pytest.fixture(scope="module")
def model() -> Path:
    return Path(os.environ["MARL_EVAL_SMOLLM2"])


def arguments(model: str, data: Path, out: Path, *more: object) -> list[str]:
    return [
        COMMAND, "run", "--model", model, "--task", "ddxplus", "--data", str(data),
        "--limit", str(LIMIT), "--max-tokens", str(TOKENS), "--batch-size", "3", "--out", str(out),
        *map(str, more),
    ]  # fmt: skip


def run(*told: Any) -> dict[tuple[int, int], str]:
    done = subprocess.run(arguments(*told), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return texts(told[2])


def texts(out: Path) -> dict[tuple[int, int], str]:
    lines = (out / "completions" / "part-0.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    keyed = {(row["example"], row["sample"]): row["text"] for row in rows}
    assert len(keyed) == len(rows)
    return keyed


@pytest.fixture(scope="module")
def harness(model: Path, ddxplus_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Harness:
    table = {"data": str(ddxplus_data), "limit": LIMIT, "max_tokens": TOKENS, "temperature": 0}
    out = tmp_path_factory.mktemp("lm-eval")
    return lm_eval(out, "marl_ddxplus_multi", model, table, "--apply_chat_template")


def test_our_task_inside_lm_eval_gives_the_values_of_score_and_of_import(
    harness: Harness, ddxplus_data: Path, tmp_path: Path
) -> None:
    values = harness.values["marl_ddxplus_multi"]
    samples = harness.samples["marl_ddxplus_multi"]
    assert_same_values(values, imported(samples, tmp_path / "imported"))
    ours = scored_by_us(
        samples, tmp_path / "ours", task="ddxplus", data=ddxplus_data, limit=LIMIT,
        max_tokens=TOKENS, temperature=0.0,
    )  # fmt: skip
    assert_same_values(values, ours)


def test_greedy_texts_are_the_same_in_lm_evals_command_and_through_both_backends(
    harness: Harness, model: Path, ddxplus_data: Path, tmp_path: Path
) -> None:
    greedy = ("--temperature", 0)
    by_lm_eval = run(
        f"lm-eval:hf,pretrained={model},dtype=float32", ddxplus_data, tmp_path / "lm-eval", *greedy
    )
    by_hf = run(
        f"hf:{model}", ddxplus_data, tmp_path / "hf", *greedy, "--model-args", "dtype=float32"
    )
    content = harness.samples["marl_ddxplus_multi"].read_text(encoding="utf-8")
    inside = [json.loads(line)["resps"][0][0] for line in content.splitlines()]
    assert len(by_hf) == LIMIT
    # The hf backend ends a text at the tag that was asked for last; lm-eval lets it go on.
    assert all(by_lm_eval[place].startswith(text) for place, text in by_hf.items())
    assert [by_lm_eval[row, 0] for row in range(LIMIT)] == inside
    values = harness.values["marl_ddxplus_multi"]
    for name, metric in read_results(tmp_path / "lm-eval").metrics.items():
        # Inside lm-eval nobody tells tokens.
        if "tokens" not in name and metric.value is not None:
            assert values[name] == pytest.approx(metric.value, abs=1e-12)


def test_a_killed_run_ends_with_the_completions_of_one_that_was_not(
    model: Path, ddxplus_data: Path, tmp_path: Path
) -> None:
    named = f"lm-eval:hf,pretrained={model},dtype=float32"
    whole = run(named, ddxplus_data, tmp_path / "whole", "-n", 2)
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        arguments(named, ddxplus_data, cut, "-n", 2),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stored = cut / "completions" / "part-0.jsonl"
    while process.poll() is None and not (stored.exists() and stored.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len(texts(cut)) < len(whole)
    assert run(named, ddxplus_data, cut, "-n", 2) == whole
    for name in ("results.json", "scores.parquet"):
        assert (cut / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
