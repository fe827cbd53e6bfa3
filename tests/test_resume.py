"""A run that is killed, or whose disk fills up, continues as if nothing had happened."""

from __future__ import annotations

import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [str(Path(sys.executable).with_name("marl-eval")), "run"]
SETTINGS = [
    "--model", "reference:random", "--task", "ddxsim", "--task-args", "examples=5000,conditions=6",
    "-n", "5", "--resamples", "20",
]  # fmt: skip
REQUESTS = 25_000
KILLS = 20


def run_to_the_end(out: Path) -> None:
    subprocess.run([*COMMAND, *SETTINGS, "--out", str(out)], check=True, capture_output=True)


def whole_lines(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def final_files(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in ("results.json", "scores.parquet")}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    run = tmp_path_factory.mktemp("uninterrupted") / "run"
    run_to_the_end(run)
    yield run
    shutil.rmtree(run)


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(
    uninterrupted: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    completions = run / "completions" / "part-0.jsonl"
    rng = random.Random(20261123)
    midway = 0
    for _ in range(KILLS):
        before = whole_lines(completions)
        process = subprocess.Popen(
            [*COMMAND, *SETTINGS, "--out", str(run)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Half of the kills strike at any time, half as soon as something new has been stored.
        if rng.random() < 0.5:
            time.sleep(rng.uniform(0.2, 2.5))
        else:
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if completions.exists() and completions.stat().st_size > len(before):
                    time.sleep(rng.uniform(0, 0.05))
                    break
                time.sleep(0.002)
        process.kill()
        process.wait()
        after = whole_lines(completions)
        assert after.startswith(before), "what was finished has been touched"
        midway += 0 < after.count(b"\n") < REQUESTS
    assert midway > 0, "no kill struck while requests were being answered"
    run_to_the_end(run)
    ids = [json.loads(line)["id"] for line in completions.read_bytes().splitlines()]
    assert len(ids) == len(set(ids)) == REQUESTS
    assert final_files(run) == final_files(uninterrupted)


def test_a_finished_run_asks_nothing_again(uninterrupted: Path) -> None:
    completions = uninterrupted / "completions" / "part-0.jsonl"
    before, results = completions.read_bytes(), final_files(uninterrupted)
    run_to_the_end(uninterrupted)
    assert completions.read_bytes() == before
    assert final_files(uninterrupted) == results


def test_a_write_that_fails_is_told_and_loses_nothing(uninterrupted: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_limited = [*COMMAND, *SETTINGS, "--out", str(run)]
    limit = 7_000_000

    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    process = subprocess.run(
        run_limited, capture_output=True, text=True, preexec_fn=limit_file_size, check=False
    )
    assert process.returncode == 1
    assert "cannot be written (File too large)" in process.stderr
    assert "the same command again" in process.stderr
    assert "Traceback" not in process.stderr
    stored = (run / "completions" / "part-0.jsonl").read_bytes()
    assert stored.endswith(b"\n")
    assert 0 < stored.count(b"\n") < REQUESTS
    run_to_the_end(run)
    assert (run / "completions" / "part-0.jsonl").read_bytes().startswith(stored)
    assert final_files(run) == final_files(uninterrupted)


def test_a_full_disk_is_told_and_loses_nothing(uninterrupted: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        run = disk / "run"
        process = subprocess.run(
            [*COMMAND, *SETTINGS, "--out", str(run)], capture_output=True, text=True, check=False
        )
        assert process.returncode == 1
        assert "No space left on device" in process.stderr
        assert "Traceback" not in process.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        run_to_the_end(run)
        assert final_files(run) == final_files(uninterrupted)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_that_the_same_command_continues(
    tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, *SETTINGS, "-n", "50", "--out", str(run)],
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts its background jobs with SIGINT ignored, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    completions = run / "completions" / "part-0.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        completions.exists() and completions.stat().st_size > 0
    ):
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in stderr
    assert "Traceback" not in stderr
    assert completions.read_bytes().endswith(b"\n")
