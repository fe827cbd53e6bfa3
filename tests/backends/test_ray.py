"""Replicas on a Ray cluster of this machine: the same run as without, also when one is lost."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from marl_eval.backends.ray.cluster import Arguments, room
from marl_eval.errors import UserError
from tests.conftest import Cli

pytest.importorskip("ray", reason="ray is not installed: pip install 'marl-eval[ray]'")
pytest.importorskip("torch", reason="torch is not installed: pip install 'marl-eval[hf]'")

pytestmark = pytest.mark.usefixtures("local_cluster")

TASK: dict[str, Any] = {
    "task": "ddxsim",
    "task_args": {"examples": 60, "conditions": 4, "findings": 6},
    "resamples": 20,
}
TWO = {"replicas": 2, "cpus": 0.5}


def completions(run: Path) -> dict[str, dict[str, Any]]:
    lines = (run / "completions" / "part-0.jsonl").read_bytes().splitlines()
    rows = {row["id"]: row for row in map(json.loads, lines)}
    assert len(rows) == len(lines), "no request is answered twice"
    return rows


def same_results(one: Path, other: Path) -> bool:
    names = ("results.json", "scores.parquet")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def replicas() -> list[int]:
    """Give the processes of the replicas of this machine."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (entry / "cmdline").read_bytes().startswith(b"ray::Replica")
    ]


@pytest.mark.parametrize("strategy", ["multi", "best-of-k"])
def test_two_replicas_give_the_results_of_one_process(strategy: str, tmp_path: Path) -> None:
    asked = {**TASK, "strategy": strategy, "k": 3, "model": "reference:oracle", "n": 2}
    evaluate(**asked, out=tmp_path / "one")
    evaluate(**asked, backend="ray", model_args=TWO, out=tmp_path / "two")
    assert completions(tmp_path / "two") == completions(tmp_path / "one")
    assert same_results(tmp_path / "one", tmp_path / "two")


def test_two_replicas_of_a_real_model_give_the_results_of_one_process(
    tiny: Path, tmp_path: Path
) -> None:
    asked = {**TASK, "model": f"hf:{tiny}", "n": 2, "max_tokens": 24, "batch_size": 8}
    evaluate(**asked, out=tmp_path / "one")
    evaluate(**asked, backend="ray", model_args=TWO, out=tmp_path / "two")
    one, two = completions(tmp_path / "one"), completions(tmp_path / "two")
    assert two == one
    assert len({row["text"] for row in one.values()}) > 60
    assert same_results(tmp_path / "one", tmp_path / "two")


def test_a_run_is_the_same_with_a_cluster_and_without(tiny: Path, tmp_path: Path) -> None:
    asked = {**TASK, "model": f"hf:{tiny}", "max_tokens": 24, "out": tmp_path / "run"}
    evaluate(**asked, backend="ray", model_args=TWO)
    before = (tmp_path / "run" / "run.json").read_bytes()
    evaluate(**asked)
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_replica_that_is_killed_costs_its_requests_on_their_way_and_nothing_else(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {**TASK, "model": f"hf:{tiny}", "n": 4, "max_tokens": 48, "batch_size": 4}
    killed: list[int] = []

    @contextmanager
    def kill_one_midway(what: str, *, total: int, done: int) -> Iterator[Any]:
        answered = 0

        def advance(requests: int, tokens: int) -> None:
            nonlocal answered
            answered += requests
            if what == "questions" and not killed and answered >= 40:
                killed.append(replicas()[0])
                os.kill(killed[0], signal.SIGKILL)

        yield advance

    with caplog.at_level(logging.WARNING):
        evaluate(
            **asked, backend="ray", model_args=TWO, out=tmp_path / "two", progress=kill_one_midway
        )
    assert len(killed) == 1
    (told,) = (r.getMessage() for r in caplog.records if "a replica was lost" in r.getMessage())
    again = int(told.split("its ")[1].split()[0])
    # No more than what a replica is sent ahead.
    assert 0 < again <= 8
    evaluate(**asked, out=tmp_path / "one")
    assert completions(tmp_path / "two") == completions(tmp_path / "one")
    assert same_results(tmp_path / "one", tmp_path / "two")
    sessions = json.loads((tmp_path / "two" / "machine.json").read_bytes())
    assert sessions[0]["requests"] == 240


def test_requests_that_fail_for_good_are_recorded_through_replicas(
    tiny: Path, tmp_path: Path
) -> None:
    evaluate(
        **{**TASK, "task_args": {"examples": 6}}, model=f"hf:{tiny}", max_tokens=4090,
        backend="ray", model_args={**TWO, "long_prompts": "fail"}, out=tmp_path / "run",
    )  # fmt: skip
    errors = (tmp_path / "run" / "errors.jsonl").read_bytes().splitlines()
    assert len(errors) == 6
    assert b"context" in errors[0]


@pytest.mark.parametrize(
    ("model", "args", "told"),
    [
        ("reference:prior", "replicas=2", "reference:prior has to see all questions"),
        ("reference:oracle", "replicas=0", "'replicas' of the backend 'ray' cannot be '0'"),
        ("reference:oracle", "replicas=64", "room for 2 replicas"),
        ("hf:/no/such/folder", "replicas=2", "no model at '/no/such/folder'"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    model: str, args: str, told: str, cli: Cli, tmp_path: Path
) -> None:
    code, _, said = cli(
        "run", "--backend", "ray", "--model", model, "--model-args", args, "--task", "ddxsim",
        "--task-args", "examples=5", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2
    assert told in said
    assert "Traceback" not in said


def test_replicas_fill_the_cluster_unless_told_otherwise() -> None:
    assert room(Arguments(), {"CPU": 8.0}) == (8, 0.0)
    assert room(Arguments(cpus=2), {"CPU": 8.0}) == (4, 0.0)
    assert room(Arguments(), {"CPU": 64.0, "GPU": 8.0}) == (8, 1.0)
    assert room(Arguments(gpus=4, cpus=4), {"CPU": 64.0, "GPU": 8.0}) == (2, 4.0)
    assert room(Arguments(replicas=3), {"CPU": 64.0, "GPU": 8.0}) == (3, 1.0)
    with pytest.raises(UserError, match="room for 1 replicas"):
        room(Arguments(replicas=2, gpus=8), {"CPU": 64.0, "GPU": 8.0})
    with pytest.raises(UserError, match="0 GPUs"):
        room(Arguments(gpus=1), {"CPU": 64.0})
