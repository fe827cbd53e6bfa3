"""Answers that depend on the company of a request, and tasks that only this process knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from tests.pages import DOCS, blocks

pytest.importorskip("ray", reason="ray is not installed: pip install 'marl-eval[ray]'")
pytest.importorskip("torch", reason="torch is not installed: pip install 'marl-eval[hf]'")

pytestmark = pytest.mark.usefixtures("local_cluster")

TASK: dict[str, Any] = {
    "task": "ddxsim",
    "task_args": {"examples": 60, "conditions": 4, "findings": 6},
    "resamples": 0,
}
TWO = {"replicas": 2, "cpus": 0.5}


def texts(run: Path) -> dict[str, str]:
    lines = (run / "completions" / "part-0.jsonl").read_bytes().splitlines()
    return {row["id"]: row["text"] for row in map(json.loads, lines)}


def same_results(one: Path, other: Path) -> bool:
    names = ("results.json", "scores.parquet")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_batches_stay_whole_so_that_coarse_rounding_is_the_same(tiny: Path, tmp_path: Path) -> None:
    asked = {**TASK, "model": f"hf:{tiny}", "n": 2, "max_tokens": 24}
    args = {"dtype": "bfloat16"}
    evaluate(**asked, batch_size=8, model_args=args, out=tmp_path / "one")
    evaluate(**asked, batch_size=8, model_args={**args, **TWO}, backend="ray", out=tmp_path / "two")
    one = texts(tmp_path / "one")
    assert texts(tmp_path / "two") == one
    assert same_results(tmp_path / "one", tmp_path / "two")
    # The rounding shows: in batches of another size some part.
    evaluate(**asked, batch_size=3, model_args=args, out=tmp_path / "small")
    assert texts(tmp_path / "small") != one


def test_groups_that_lm_eval_seeds_together_stay_whole(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip(
        "lm_eval", reason="lm-eval is not installed: pip install 'marl-eval[lm-eval]'"
    )
    model = f"lm-eval:hf,pretrained={tiny},dtype=float32"
    asked = {**TASK, "model": model, "n": 2, "max_tokens": 24, "batch_size": 8}
    evaluate(**asked, out=tmp_path / "one")
    evaluate(**asked, model_args=TWO, backend="ray", out=tmp_path / "two")
    assert texts(tmp_path / "two") == texts(tmp_path / "one")
    assert same_results(tmp_path / "one", tmp_path / "two")


def test_a_task_that_is_a_file_is_scored_by_machines_that_have_not_run_it(tmp_path: Path) -> None:
    page = blocks(DOCS / "add-a-task.md")
    file = tmp_path / "factors.py"
    file.write_text(next(block.content for block in page if block.language == "python"))
    asked = {"model": "reference:echo-gold", "task": str(file), "resamples": 0}
    evaluate(**asked, out=tmp_path / "one")
    evaluate(**asked, model_args=TWO, backend="ray", out=tmp_path / "two")
    assert same_results(tmp_path / "one", tmp_path / "two")
