"""What the driver of a Ray cluster can keep up with, with replicas that answer at once.

    python benchmarks/ray_driver.py [--requests 100000]

A run of an answerer without a model, in one process and by two replicas on a cluster of this machine.
Aim: 10,000 requests/s, stored.
Both processors are shared by the driver and the replicas here; on a cluster the driver has its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from marl_eval import evaluate

AIM = 10_000
SAMPLES = 10


def rate(out: Path, requests: int, **more: Any) -> float:
    """Give the requests answered and stored in a second; loading is apart."""
    evaluate(
        model="reference:oracle", task="ddxsim", n=SAMPLES, resamples=0, out=out,
        task_args={"examples": requests // SAMPLES}, **more,
    )  # fmt: skip
    (session,) = json.loads((out / "machine.json").read_bytes())
    return float(session["requests"] / session["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100_000)
    requests = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as folder:
        alone = rate(Path(folder) / "alone", requests)
        print(f"one process: {alone:,.0f} requests/s")
        started = time.perf_counter()
        args = {"replicas": 2, "cpus": 0.5}
        spread = rate(Path(folder) / "ray", requests, backend="ray", model_args=args)
        print(
            f"two replicas on Ray: {spread:,.0f} requests/s; aim {AIM:,} "
            f"({time.perf_counter() - started:.0f} s in all, with the cluster's start and scoring)"
        )
        same = [(Path(folder) / name / "results.json").read_bytes() for name in ("alone", "ray")]
        print(f"the same results: {same[0] == same[1]}")
        size = (Path(folder) / "ray" / "completions" / "part-0.jsonl").stat().st_size
        print(f"completions on disk: {size / requests:,.0f} bytes each")


if __name__ == "__main__":
    main()
