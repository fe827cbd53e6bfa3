"""Runs against a server that fails in every way: every request arrives, once, or is told as failed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fault_server import MODEL, PASSING, Behaviour, FaultServer, fault_server, share

COMMAND = str(Path(sys.executable).with_name("marl-eval"))
EXAMPLES, SAMPLES = 400, 5
REQUESTS = EXAMPLES * SAMPLES
ATTEMPTS = 8


def command(server: FaultServer, out: Path) -> list[str]:
    return [
        COMMAND, "run", "--model", f"openai:{MODEL}",
        "--model-args", f"base_url={server.address},timeout=1,attempts={ATTEMPTS}",
        "--task", "ddxsim", "--task-args", f"examples={EXAMPLES}", "-n", str(SAMPLES), "-k", "3",
        "--resamples", "20", "--out", str(out),
    ]  # fmt: skip


def run(server: FaultServer, out: Path) -> tuple[int, str, str]:
    done = subprocess.run(command(server, out), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def lines(file: Path) -> list[dict[str, Any]]:
    content = file.read_bytes() if file.exists() else b""
    return [json.loads(line) for line in content[: content.rfind(b"\n") + 1].splitlines()]


def completions(out: Path) -> list[dict[str, Any]]:
    return lines(out / "completions" / "part-0.jsonl")


def test_two_thousand_requests_arrive_once_each_though_three_responses_in_ten_are_faults(
    tmp_path: Path,
) -> None:
    with fault_server(Behaviour(faulty=0.3, stall_seconds=2.5)) as server:
        code, _, said = run(server, tmp_path / "run")
    assert code == 0, said
    rows = completions(tmp_path / "run")
    assert len({row["id"] for row in rows}) == len(rows) == REQUESTS
    assert lines(tmp_path / "run" / "errors.jsonl") == []
    assert len(server.answered) == REQUESTS
    assert set(server.answered.values()) == {1}
    assert set(server.faults) == set(PASSING)
    assert min(server.faults.values()) > 50
    assert max(server.asked.values()) <= ATTEMPTS
    assert sum(server.asked.values()) == REQUESTS + sum(server.faults.values())
    assert 2 < server.most_running <= 64


def test_requests_that_fail_for_good_are_recorded_exactly_and_the_rest_go_on(
    tmp_path: Path,
) -> None:
    with fault_server(Behaviour(refused=0.01, error_text="no such thing")) as server:
        code, told, said = run(server, tmp_path / "run")
        refused = {key for key in server.asked if share("refused", key) < 0.01}
        failed = lines(tmp_path / "run" / "errors.jsonl")
        assert code == 1, said
        assert len(refused) > 10
        assert len(failed) == len(refused)
        assert {row["reason"] for row in failed} == {"status 400: no such thing"}
        done = completions(tmp_path / "run")
        assert len(done) == REQUESTS - len(refused)
        assert not {row["id"] for row in failed} & {row["id"] for row in done}
        errors = json.loads((tmp_path / "run" / "results.json").read_bytes())["errors"]
        assert errors == {"failed": len(refused), "missing": 0}
        assert f"{len(refused)} " in told
        assert "failed" in told

        calls = sum(server.asked.values())
        code, _, _ = run(server, tmp_path / "run")
        assert code == 1
        assert sum(server.asked.values()) == calls, "a failure that is recorded is not asked again"


def test_ctrl_c_and_kill_lose_nothing_that_is_stored_and_nothing_stored_is_asked_again(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    rng = random.Random(7)
    behaviour = Behaviour(faulty=0.05, kinds=["500", "reset", "truncated"], delay_seconds=0.02)
    with fault_server(behaviour) as server:
        for stop in (signal.SIGINT, signal.SIGKILL, signal.SIGINT):
            before = completions(out)
            process = subprocess.Popen(
                command(server, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            enough = len(before) + rng.randrange(100, 300)
            while len(completions(out)) < enough:
                assert process.poll() is None, process.communicate()
                time.sleep(0.02)
            process.send_signal(stop)
            _, said = process.communicate(timeout=30)
            assert process.returncode == (130 if stop == signal.SIGINT else -signal.SIGKILL)
            assert "Traceback" not in said
            assert completions(out)[: len(before)] == before
        before = completions(out)
        with server.lock:
            server.asked.clear()
        code, _, said = run(server, out)
        assert code == 0, said
        rows = completions(out)
        assert rows[: len(before)] == before
        assert len({row["id"] for row in rows}) == len(rows) == REQUESTS
        assert len(server.asked) == REQUESTS - len(before)


def test_a_server_that_goes_away_ends_the_run_resumably_and_records_no_failure(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    with fault_server(Behaviour(delay_seconds=0.05)) as server:
        told = command(server, out)
        told[told.index("--model-args") + 1] = f"base_url={server.address},timeout=1,attempts=2"
        process = subprocess.Popen(told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while len(completions(out)) < 100:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert "the same command continues" in said
    assert lines(out / "errors.jsonl") == []
    assert 100 <= len(completions(out)) < REQUESTS
