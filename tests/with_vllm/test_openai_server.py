"""The openai backend against a real server, beside the same engine in this process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from tests.conftest import Cli
from tests.with_vllm.conftest import ENGINE, PLACES

KEY = "a-key-of-the-server"
NAME = "smollm2"
CONTEXT = 2048


@pytest.fixture(scope="module")
def server(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of SmolLM2."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                # What `vllm serve` runs; the command itself looks for the GPU build.
                sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(smollm2),
                "--served-model-name", NAME, "--host", "127.0.0.1", "--port", str(port),
                "--dtype", str(ENGINE["dtype"]), "--enforce-eager", "--max-num-seqs", str(PLACES),
                # On a CPU, it dies of a request with a seed whose prompt it reads in parts.
                "--no-enable-chunked-prefill",
                "--max-model-len", str(CONTEXT), "--api-key", KEY,
            ],
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(900):
            assert process.poll() is None, log.read_text()[-3000:]
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def completions(run: Path) -> dict[str, dict[str, Any]]:
    lines = (run / "completions" / "part-0.jsonl").read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["id"]: row for row in rows}


@pytest.mark.usefixtures("shared_engine")
@pytest.mark.parametrize(("temperature", "samples"), [(0.0, 1), (1.0, 2)])
def test_a_server_answers_as_the_engine_in_this_process(
    temperature: float, samples: int, server: str, smollm2: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {
        "task": "ddxsim",
        "task_args": {"examples": 24 // samples},
        "k": 3,
        "n": samples,
        "temperature": temperature,
        "top_p": 0.9,
        "max_tokens": 32,
        "reasoning": False,
        "logprobs": True,
        "resamples": 20,
        "batch_size": PLACES,
    }
    evaluate(
        model=f"openai:{NAME}", model_args={"base_url": server}, out=tmp_path / "server", **asked
    )
    evaluate(model=f"vllm:{smollm2}", model_args=ENGINE, out=tmp_path / "engine", **asked)
    served, own = completions(tmp_path / "server"), completions(tmp_path / "engine")
    assert served.keys() == own.keys()
    assert len(own) == 24
    told = ("text", "prompt_tokens", "completion_tokens", "finish_reason", "reasoning_tokens")
    apart = [id for id in own if any(own[id][name] != served[id][name] for name in told)]
    # In float32 the size of a batch hardly ever moves the choice of a token.
    assert len(apart) <= 1
    for id in own.keys() - set(apart):
        assert served[id]["logprobs"] == pytest.approx(own[id]["logprobs"], abs=2e-3)
        assert served[id]["token_ends"] == own[id]["token_ends"]
    if temperature:
        assert len({row["text"] for row in own.values()}) > 18


@pytest.mark.parametrize(
    ("name", "env", "more", "told"),
    [
        (NAME, "wrong", [], "does not accept the key (status 401)"),
        ("smolm2", KEY, [], "did you mean 'smollm2'"),
        (NAME, KEY, ["--max-tokens", 1900], f"context of {CONTEXT} tokens is too short"),
    ],
)
def test_what_does_not_fit_the_server_is_told_before_anything_is_written(
    name: str,
    env: str,
    more: list[object],
    told: str,
    server: str,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", env)
    code, _, said = cli(
        "run", "--model", f"openai:{name}", "--model-args", f"base_url={server}",
        "--task", "ddxsim", "--limit", 6, "--out", tmp_path / "run", *more,
    )  # fmt: skip
    assert code == 2
    assert told in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()
    if more:
        assert "'ddxsim-0-" in said
