"""How often the company of a request changes a greedy completion of vllm, by precision.

    MARL_EVAL_SMOLLM2=DIR python benchmarks/rounding.py [--examples 24]

The same requests in batches of 1 and of 32 in this process, and in batches of 32 by a server of its own.
Printed is in how many the text differs; no aim, since it is the engine's arithmetic. Needs the
environment of ``nox -s vllm``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from marl_eval import evaluate

TOKENS = 64


@contextmanager
def served(model: str, dtype: str) -> Iterator[str]:
    """Serve the model on loopback, and give the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model,
            "--served-model-name", "m", "--host", "127.0.0.1", "--port", str(port),
            "--dtype", dtype, "--enforce-eager", "--max-num-seqs", "32", "--max-model-len", "2048",
            "--no-enable-chunked-prefill",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        while True:
            if server.poll() is not None:
                sys.exit("rounding: the server did not start")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def texts(examples: int, **asked: Any) -> dict[str, str]:
    """Give the greedy completions by id."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        evaluate(
            task="ddxsim", task_args={"examples": examples}, k=3, temperature=0, max_tokens=TOKENS,
            reasoning=False, resamples=0, out=out, **asked,
        )  # fmt: skip
        lines = (out / "completions" / "part-0.jsonl").read_bytes().splitlines()
        return {row["id"]: row["text"] for row in map(json.loads, lines)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=24)
    examples = parser.parse_args().examples
    model = os.environ.get("MARL_EVAL_SMOLLM2")
    if model is None or find_spec("vllm") is None:
        print(
            "rounding: left out, MARL_EVAL_SMOLLM2 names no folder with SmolLM2, or vllm is missing"
        )
        return
    print(f"{examples} greedy completions of at most {TOKENS} tokens")
    for dtype in ("bfloat16", "float32"):
        with served(model, dtype) as address:
            args: dict[str, Any] = {"base_url": address}
            server = texts(examples, model="openai:m", model_args=args, batch_size=32)
        args = {"dtype": dtype, "enforce_eager": True}
        together, alone = (
            texts(examples, model=f"vllm:{model}", model_args=args, batch_size=size)
            for size in (32, 1)
        )
        for name, other in (("a batch of 1", alone), ("a server", server)):
            differ = sum(other[key] != text for key, text in together.items())
            print(f"  {dtype}: {differ} of {examples} differ between a batch of 32 and {name}")


if __name__ == "__main__":
    main()
