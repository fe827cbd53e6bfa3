"""A cluster that is there already, and one that must not outlive the run that started it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.backends.tiny import save_tiny_model

pytestmark = pytest.mark.integration

BIN = Path(sys.executable).parent
REQUESTS = 400


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


def command(tiny: Path, out: Path, *args: str) -> list[str]:
    return [
        str(BIN / "marl-eval"), "run", "--model", f"hf:{tiny}", "--task", "ddxsim",
        "--task-args", f"examples={REQUESTS // 4},conditions=4,findings=6", "-n", "4",
        "--max-tokens", "64", "--batch-size", "4", "--resamples", "20", "--out", str(out), *args,
    ]  # fmt: skip


def stored(out: Path) -> list[dict[str, Any]]:
    file = out / "completions" / "part-0.jsonl"
    whole = file.read_bytes() if file.exists() else b""
    return [json.loads(line) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]


def processes_with(variable: str) -> list[int]:
    """Give the living processes that inherited a variable, wherever they were moved since."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if variable.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def ends(variable: str, name: str, seconds: float) -> bool:
    """Whether no process that inherited the variable has the name in time; what is left is killed."""
    deadline = time.monotonic() + seconds
    while any(name in command_line(pid) for pid in processes_with(variable)):
        if time.monotonic() > deadline:
            for pid in processes_with(variable):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return "ended"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_cluster_ends_with_the_run_that_started_it_and_the_run_continues_without(
    stop: signal.Signals, tiny: Path, tmp_path: Path
) -> None:
    mark = f"MARL_EVAL_TEST_RUN={tmp_path.name}-{stop}"
    process = subprocess.Popen(
        command(tiny, tmp_path / "run", "--backend", "ray", "--model-args", "replicas=2"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, mark.partition("=")[0]: mark.partition("=")[2]},
    )  # fmt: skip
    while len(stored(tmp_path / "run")) < 20:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    assert len(processes_with(mark)) > 4
    if stop == signal.SIGINT:
        os.killpg(process.pid, stop)
    else:
        process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert ends(mark, "ray::Replica", seconds=30), "replicas outlived the run"
    # Ray's own agents hold no model, and give up a minute after the last sign of their cluster.
    assert ends(mark, "", seconds=120), "the cluster outlived the run"

    before = stored(tmp_path / "run")
    assert len(before) < REQUESTS
    subprocess.run(command(tiny, tmp_path / "run"), check=True, capture_output=True)
    rows = stored(tmp_path / "run")
    assert rows[: len(before)] == before
    assert len({row["id"] for row in rows}) == len(rows) == REQUESTS
    subprocess.run(command(tiny, tmp_path / "whole"), check=True, capture_output=True)
    results = [(tmp_path / name / "results.json").read_bytes() for name in ("run", "whole")]
    assert results[0] == results[1]


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster that was started by somebody else, and asks for a token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            str(BIN / "ray"), "start", "--head", "--block", "--port", str(port), "--num-cpus", "2",
            "--node-ip-address", "127.0.0.1", "--include-dashboard", "false",
            "--disable-usage-stats", "--temp-dir", f"/tmp/marl-ray-{port}",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    time.sleep(3)
    yield f"127.0.0.1:{port}"
    for pid in processes_with(os.environ["RAY_AUTH_TOKEN"]):
        if pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
    process.wait(30)


def test_a_run_uses_a_cluster_by_its_address_and_leaves_it_running(
    address: str, tiny: Path, tmp_path: Path
) -> None:
    few = ("--limit", "10")
    subprocess.run(command(tiny, tmp_path / "one", *few), check=True, capture_output=True)
    for name in ("two", "three"):
        done = subprocess.run(
            command(
                tiny, tmp_path / name, *few,
                "--backend", "ray", "--model-args", f"replicas=2,address={address}",
            ),
            capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        results = [(tmp_path / n / "results.json").read_bytes() for n in ("one", name)]
        assert results[0] == results[1]


def test_a_cluster_that_is_not_there_is_told_before_anything_is_written(
    tiny: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        command(
            tiny, tmp_path / "run", "--backend", "ray", "--model-args", "address=127.0.0.1:9"
        ),
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no Ray cluster at '127.0.0.1:9'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
