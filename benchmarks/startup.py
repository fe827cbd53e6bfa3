"""How long ``marl-eval --help`` takes, and that importing the package imports nothing heavy.

    python benchmarks/startup.py

Aim: at most 0.25 s; none of torch, transformers, vllm, datasets, pandas, matplotlib imported.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

AIM_SECONDS = 0.25
RUNS = 15
HEAVY = ["torch", "transformers", "vllm", "datasets", "pandas", "matplotlib"]
COMMAND = Path(sys.executable).with_name("marl-eval")


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    seconds([str(COMMAND), "--help"])
    helps, pythons = [], []
    for _ in range(RUNS):
        helps.append(seconds([str(COMMAND), "--help"]))
        pythons.append(seconds([sys.executable, "-c", "pass"]))
    median = statistics.median(helps)
    print(
        f"marl-eval --help: median {median:.3f} s of {RUNS} runs "
        f"(min {min(helps):.3f}, max {max(helps):.3f}); aim <= {AIM_SECONDS} s"
    )
    print(f"of which python itself: median {statistics.median(pythons):.3f} s")
    probe = f"import marl_eval, marl_eval.cli, sys; print([m for m in {HEAVY} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    ).stdout.strip()
    print(f"heavy modules imported by marl_eval and its command line: {loaded}; aim []")


if __name__ == "__main__":
    main()
