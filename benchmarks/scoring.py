"""Speed and memory of scoring stored completions: parse, grade, every metric, from disk.

    python benchmarks/scoring.py [--completions 1000000]

One process, completions of 1.5 KB, four a question, one in ten with something to forgive. Aims: at
least 50,000 completions/s for every metric but the overlap of reasoning, which reads the texts pairwise
and has a line of its own, without intervals; memory that does not grow with the number of completions.
The time that 1,000 bootstrap resamples add is printed apart.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from marl_eval.lines import Appender
from marl_eval.run import score
from marl_eval.store import RUN, RunDirectory, dump_json
from marl_eval.types import Completion, Example, Gold

AIM_RATE = 50_000
SAMPLES = 4
WORDS = ["the", "patient", "has", "history", "of", "pain", "and", "this", "finding", "fits"]


def completion(rng: random.Random, example: int, sample: int, names: list[str]) -> Completion:
    answers = rng.sample(names, 3)
    confidences = [round(rng.random() / 3, 2) for _ in answers]
    thought = " ".join(rng.choices(WORDS, k=240))
    body = "\n".join(
        f"<answer{i}>{a}</answer{i}><confidence{i}>{q}</confidence{i}>"
        for i, (a, q) in enumerate(zip(answers, confidences, strict=True), start=1)
    )
    if rng.random() < 0.1:
        body = body.replace("</answer2>", "").replace("<answer3>", "Third: <answer3>")
    return Completion(
        id=f"{example:016x}{sample:016x}",
        example=example,
        sample=sample,
        stage=0,
        text=f"<think>{thought}</think>\n{body}",
        prompt_tokens=300,
        completion_tokens=350,
        finish_reason="stop",
        reasoning_tokens=280,
    )


def make_run(path: Path, completions: int) -> float:
    """Write a run of that many completions; give the mean size of their texts in bytes."""
    rng = random.Random(0)
    names = [f"condition number {i}" for i in range(60)]
    run = RunDirectory(path)
    record = {
        "schema_version": 1,
        "settings": {"model": "made", "task": "ddxsim", "strategy": "multi", "k": 3, "n": SAMPLES},
        "task": {"name": "ddxsim", "exclusive": False, "split": "made", "sha256": ""},
        "layout": {"k": 3, "sets": SAMPLES, "members": 1},
        "format": {"k": 3, "noun": "diagnosis"},
        "prompt": {"messages": [], "sha256": ""},
    }
    size = 0
    with run.locked():
        (path / RUN).write_bytes(dump_json(record))
        examples = completions // SAMPLES
        run.write_examples(
            [
                Example(f"e{i}", "What is it?", tuple(map(Gold, rng.sample(names, 5))))
                for i in range(examples)
            ]
        )
        appender = Appender(run.completions)
        for example in range(examples):
            group = [completion(rng, example, s, names) for s in range(SAMPLES)]
            size += sum(len(c.text) for c in group)
            appender.append(group)
        appender.close()
    return size / completions


def measured(
    path: str, options: dict[str, Any], pipe: multiprocessing.connection.Connection
) -> None:
    """Score in a process of its own, so that its peak memory is its own."""
    started = time.perf_counter()
    score(Path(path), **options)
    seconds = time.perf_counter() - started
    pipe.send((seconds, peak_memory()))


def peak_memory() -> float:
    """Give the peak resident memory of this program in MiB.

    Not ru_maxrss, which a process inherits from the one that started it.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def in_process(path: Path, **options: Any) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=measured, args=(str(path), options, send))
    process.start()
    result: tuple[float, float] = receive.recv()
    process.join()
    return result


def bare_rate(path: Path) -> float:
    """Give the lines/s of reading the same file as JSON and running one regex, and nothing else."""
    tags = re.compile(r"<answer(\d)>(.*?)</answer\1>\s*<confidence\1>(.*?)</confidence\1>")
    started = time.perf_counter()
    count = 0
    with RunDirectory(path).completions.open("rb") as file:
        for line in file:
            tags.findall(orjson.loads(line)["text"])
            count += 1
    return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--completions", type=int, default=1_000_000)
    most = parser.parse_args().completions
    with tempfile.TemporaryDirectory() as folder:
        for completions in sorted({most // 10, most}):
            path = Path(folder) / str(completions)
            size = make_run(path, completions)
            in_process(path, resamples=0, overlap=False)
            seconds, memory = in_process(path, resamples=0, overlap=False)
            with_intervals, memory_intervals = in_process(path, resamples=1000, overlap=False)
            print(
                f"{completions:,} completions of {size:,.0f} bytes: "
                f"{completions / seconds:,.0f}/s (aim >= {AIM_RATE:,}/s), peak {memory:,.0f} MiB; "
                f"JSON and one regex alone: {bare_rate(path):,.0f}/s"
            )
            print(
                f"  1,000 resamples of every metric over {completions // SAMPLES:,} examples add "
                f"{with_intervals - seconds:.1f} s, peak {memory_intervals:,.0f} MiB"
            )
            if completions < most:
                with_overlap, _ = in_process(path, resamples=0, overlap=True)
                pairs = completions // SAMPLES * (SAMPLES - 1)
                print(
                    f"  overlap of reasoning adds {with_overlap - seconds:.1f} s: "
                    f"{1e6 * (with_overlap - seconds) / pairs:,.0f} us a pair of 240 words"
                )
                for workers in (1, 2):
                    spent, _ = in_process(path, resamples=0, overlap=True, workers=workers)
                    print(f"  with it, in {workers} processes: {completions / spent:,.0f}/s")
    print("aim for memory: the same peak for both sizes")


if __name__ == "__main__":
    main()
