"""A run on the engine that is interrupted, in each of the ways in which it can be, and continued."""

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

EXAMPLES, SAMPLES = 10, 4


def start(smollm2: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            str(Path(sys.executable).with_name("marl-eval")), "run",
            "--model", f"vllm:{smollm2}", "--model-args", "dtype=float32,enforce_eager=true",
            "--batch-size", "8", "--task", "ddxsim", "--task-args", f"examples={EXAMPLES}",
            "-k", "3", "-n", str(SAMPLES), "--max-tokens", "24", "--no-reasoning",
            "--resamples", "20", "--out", str(out),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # The signals of a terminal go to a whole group, and this one must not reach the tests.
        start_new_session=True,
    )  # fmt: skip


def stored(out: Path) -> list[dict[str, Any]]:
    file = out / "completions" / "part-0.jsonl"
    whole = file.read_bytes() if file.exists() else b""
    return [json.loads(line) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]


def wait_until_stored(process: subprocess.Popen[str], out: Path, more_than: int) -> None:
    while len(stored(out)) <= more_than:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def processes_of_session(session: int) -> list[int]:
    """Give the processes that live, of the session that a run was started in."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, own = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(own) == session and state != "Z":
                found.append(int(entry.name))
    return found


def engine_of(session: int) -> int:
    """Give the process in which the engine of a run computes."""
    (engine,) = (
        pid
        for pid in processes_of_session(session)
        if b"EngineCore" in Path(f"/proc/{pid}/cmdline").read_bytes()
        or "EngineCore" in Path(f"/proc/{pid}/comm").read_text()
    )
    return engine


def wait_until_all_have_ended(session: int) -> None:
    for _ in range(600):
        if not processes_of_session(session):
            return
        time.sleep(0.05)
    left = processes_of_session(session)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    pytest.fail(f"processes of the run outlived it: {left}")


def test_a_run_goes_on_after_the_engine_was_killed_and_ctrl_c_and_kill(
    smollm2: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    process = start(smollm2, out)
    wait_until_stored(process, out, 3)
    os.kill(engine_of(process.pid), signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "The vllm engine died" in said
    assert "the same command continues" in said
    assert "Traceback" not in said
    wait_until_all_have_ended(process.pid)
    before = stored(out)

    process = start(smollm2, out)
    wait_until_stored(process, out, len(before) + 3)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "EngineCore" not in said
    wait_until_all_have_ended(process.pid)
    assert stored(out)[: len(before)] == before
    before = stored(out)

    process = start(smollm2, out)
    wait_until_stored(process, out, len(before) + 3)
    process.kill()
    process.communicate(timeout=60)
    wait_until_all_have_ended(process.pid)
    assert stored(out)[: len(before)] == before
    before = stored(out)
    assert len(before) < EXAMPLES * SAMPLES

    process = start(smollm2, out)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    wait_until_all_have_ended(process.pid)
    rows = stored(out)
    assert rows[: len(before)] == before
    assert len({row["id"] for row in rows}) == len(rows) == EXAMPLES * SAMPLES
    sessions = json.loads((out / "machine.json").read_bytes())
    # What the last session asked is what the others had not stored, and no more.
    assert sessions[-1]["requests"] == EXAMPLES * SAMPLES - len(before)
    assert json.loads((out / "results.json").read_bytes())["errors"] == {"failed": 0, "missing": 0}
