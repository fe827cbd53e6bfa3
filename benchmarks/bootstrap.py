"""Speed and memory of the intervals: every metric of a scored run, from ``scores.parquet``.

    python benchmarks/bootstrap.py [--examples 25000]

Each figure is the least of three, each from a process of its own. What the resamples add is the time
with them less the time without any; scoring itself is not in it. Aim: 1,000 resamples of every metric
over 25,000 examples in at most 3 s and 1 GB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import tempfile
import time
from pathlib import Path

from marl_eval.lines import Appender
from marl_eval.money import Price
from marl_eval.plugins import load_metric_families
from marl_eval.results import compute_results
from marl_eval.scoring.stage import Scored, ScoringOptions, write_scores
from marl_eval.stats import IntervalMethod
from marl_eval.store import RUN, RunDirectory, dump_json
from marl_eval.types import Completion, Example, Gold

AIM_SECONDS, AIM_MEMORY = 3, 1024
RESAMPLES = 1000
K, REPEATS = 3, 3
NAMES = [f"condition number {i}" for i in range(20)]
WORDS = ["the", "patient", "has", "a", "history", "of", "pain", "which", "this", "explains"]


def example(rng: random.Random, row: int) -> Example:
    named = rng.sample(NAMES, 5)
    gold = tuple(Gold(name, weight=1 / place) for place, name in enumerate(named, start=1))
    return Example(f"e{row}", "What is it?", gold, truth=named[0])


def completion(rng: random.Random, row: int, sample: int) -> Completion:
    body = "".join(
        f"<answer{i}>{name}</answer{i}><confidence{i}>{rng.random() / 2:.2f}</confidence{i}>"
        for i, name in enumerate(rng.sample(NAMES, K), start=1)
    )
    return Completion(
        id=f"{row:016x}{sample:016x}",
        example=row,
        sample=sample,
        stage=0,
        text=f"<think>{' '.join(rng.choices(WORDS, k=12))}</think>{body}",
        prompt_tokens=300,
        completion_tokens=rng.randint(100, 500),
        finish_reason="stop",
        reasoning_tokens=80,
    )


def make_run(path: Path, examples: int, sets: int) -> None:
    """Write a run with everything that metrics need: weights, confidences, truth and tokens."""
    rng = random.Random(0)
    run = RunDirectory(path)
    record = {
        "schema_version": 1,
        "settings": {"model": "made", "task": "ddxsim", "strategy": "multi", "k": K, "n": sets},
        "task": {"name": "ddxsim", "exclusive": False, "split": "made", "sha256": ""},
        "layout": {"k": K, "sets": sets, "members": 1},
        "format": {"k": K, "noun": "diagnosis"},
        "prompt": {"messages": [], "sha256": ""},
    }
    with run.locked():
        (path / RUN).write_bytes(dump_json(record))
        run.write_examples([example(rng, row) for row in range(examples)])
        appender = Appender(run.completions)
        for row in range(examples):
            appender.append([completion(rng, row, sample) for sample in range(sets)])
        appender.close()


def measured(
    path: str,
    scored: Scored,
    resamples: int,
    interval: IntervalMethod,
    pipe: multiprocessing.connection.Connection,
) -> None:
    families = load_metric_families()
    started = time.perf_counter()
    results = compute_results(
        RunDirectory(Path(path)),
        scored,
        families,
        strict=False,
        resamples=resamples,
        interval=interval,
    )
    pipe.send((time.perf_counter() - started, peak_memory(), len(results.metrics)))


def peak_memory() -> float:
    """Give the peak resident memory of this program in MiB.

    Not ru_maxrss, which a process inherits from the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def least(
    path: Path, scored: Scored, resamples: int, interval: IntervalMethod
) -> tuple[float, float, int]:
    """Give the least seconds and MiB of some processes, and the number of metrics."""
    found = [in_process(path, scored, resamples, interval) for _ in range(REPEATS)]
    seconds, memory, counts = zip(*found, strict=True)
    return min(seconds), min(memory), counts[0]


def in_process(
    path: Path, scored: Scored, resamples: int, interval: IntervalMethod
) -> tuple[float, float, int]:
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=measured, args=(str(path), scored, resamples, interval, send))
    process.start()
    send.close()
    result: tuple[float, float, int] = receive.recv()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=25_000)
    examples = parser.parse_args().examples
    methods: list[IntervalMethod] = ["percentile", "BCa"]
    for sets in (1, 10):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run"
            make_run(path, examples, sets)
            scored = write_scores(RunDirectory(path), ScoringOptions(price=Price(2, 8, "USD")))
            without, bare, count = least(path, scored, 0, "percentile")
            print(
                f"{count} metrics of {examples:,} examples, {sets} x {K} answers each: "
                f"{without:.1f} s without intervals, peak {bare:,.0f} MiB"
            )
            for method in methods:
                seconds, memory, _ = least(path, scored, RESAMPLES, method)
                print(
                    f"  {RESAMPLES:,} resamples, {method}: {seconds - without:.1f} s more "
                    f"(aim <= {AIM_SECONDS}), peak {memory:,.0f} MiB (aim <= {AIM_MEMORY:,})"
                )


if __name__ == "__main__":
    main()
