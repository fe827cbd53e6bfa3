"""What happens to a run when its replicas are lost, refuse, or cannot be started again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from tests.backends.ray_engines import (
    ANSWERS,
    DIED,
    REFUSAL,
    STARTED,
    WELL,
    scripted_cluster,
)
from tests.conftest import Cli

pytest.importorskip("ray", reason="ray is not installed: pip install 'marl-eval[ray]'")

REQUESTS = 600


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with scripted_cluster(tmp_path_factory.mktemp("site")):
        yield


def command(model: str, folder: Path, replicas: int) -> list[object]:
    return [
        "run", "--backend", "ray", "--model", f"scripted:{model}",
        "--model-args", f"replicas={replicas},cpus=0.5,folder={folder}",
        "--task", "ddxsim", "--task-args", f"examples={REQUESTS // 4}", "-n", "4",
        "--resamples", "0", "--out", folder / "run",
    ]  # fmt: skip


def stored(folder: Path) -> list[dict[str, Any]]:
    file = folder / "run" / "completions" / "part-0.jsonl"
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def test_when_all_replicas_are_lost_for_good_the_run_ends_and_the_same_command_continues(
    cli: Cli, tmp_path: Path
) -> None:
    # In a process of its own, with a cluster of its own, which must not talk on the terminal either.
    done = subprocess.run(
        [Path(sys.executable).parent / "marl-eval", *map(str, command("lost", tmp_path, 1))],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 1
    lost, told = done.stderr.splitlines()[-4:-1], done.stderr.splitlines()[-1]
    assert all("a replica was lost; its" in line for line in lost)
    assert "All replicas were lost" in told
    assert "the same command continues" in told
    assert "raylet" not in done.stdout + done.stderr
    # The first, and three in its place.
    assert len(list(tmp_path.glob(f"{STARTED}-*"))) == 4
    before = stored(tmp_path)
    assert len(before) <= 4 * ANSWERS

    (tmp_path / WELL).touch()
    code, _, _ = cli(*command("lost", tmp_path, 1))
    assert code == 0
    rows = stored(tmp_path)
    assert rows[: len(before)] == before
    assert len({row["id"] for row in rows}) == len(rows) == REQUESTS


def test_what_a_replica_says_when_it_cannot_go_on_reaches_the_user_as_it_is(
    cli: Cli, tmp_path: Path
) -> None:
    code, _, said = cli(*command("refuses", tmp_path, 2))
    assert code == 2
    assert said.splitlines()[-1] == f"marl-eval: {REFUSAL}"
    assert "Traceback" not in said
    assert len(stored(tmp_path)) < REQUESTS


def test_nothing_waits_for_a_replica_that_cannot_be_started_again(cli: Cli, tmp_path: Path) -> None:
    code, _, _ = cli(*command("once", tmp_path, 2))
    assert code == 0
    assert (tmp_path / DIED).exists()
    rows = stored(tmp_path)
    assert len({row["id"] for row in rows}) == len(rows) == REQUESTS


def test_a_run_through_replicas_gives_every_request_the_seed_it_has_without(tmp_path: Path) -> None:
    (tmp_path / WELL).touch()
    asked: dict[str, Any] = {
        "model": "scripted:lost", "task": "ddxsim", "task_args": {"examples": 50}, "n": 2,
        "resamples": 0,
    }  # fmt: skip
    own = {"folder": str(tmp_path)}
    for name, more in (
        ("one", {"model_args": own}),
        ("two", {"model_args": {**own, "replicas": 2, "cpus": 0.5}, "backend": "ray"}),
        (
            "named",
            {"model_args": {**own, "replicas": 2, "cpus": 0.5}, "model": "ray:scripted:lost"},
        ),
    ):
        evaluate(**{**asked, **more, "out": tmp_path / name})
    files = [
        (tmp_path / name / "completions" / "part-0.jsonl").read_bytes().splitlines()
        for name in ("one", "two", "named")
    ]
    assert sorted(files[0]) == sorted(files[1]) == sorted(files[2])
    assert len(files[0]) == 100
