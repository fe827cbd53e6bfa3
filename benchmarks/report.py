"""Time and memory of the report of a large run, and how fast it is to look at.

    python benchmarks/report.py [--examples 100000] [--runs 1] [--keep FOLDER]

Each example has one completion of 1.5 KB with three answers; one in ten has something to forgive.
Building is measured from the scored run to the page on disk, in a process of its own. In Chromium, from
disk: the first paint, the time until the list of examples can be used, the longest of three filters,
sorts and searches of ids, and the search through all texts. The processor time of building is told as
well: on a machine that does other work it is what the time would be without.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from scoring import completion, peak_memory

from marl_eval.lines import Appender
from marl_eval.run import score
from marl_eval.store import RUN, RunDirectory, dump_json
from marl_eval.types import Example, Gold

AIM_BUILD, AIM_MEMORY, AIM_PAINT, AIM_FILTER = 60.0, 2048.0, 2.0, 0.3
_NAMES = [f"condition number {i}" for i in range(60)]
_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def make_run(path: Path, examples: int, seed: int) -> None:
    """Write and score a run; runs of different seeds are on the same examples."""
    rng = random.Random(seed)
    golds = random.Random(0)
    run = RunDirectory(path)
    record = {
        "schema_version": 1,
        "settings": {
            "model": f"made-{seed}", "task": "ddxsim", "strategy": "multi", "k": 3, "n": 1,
            "task_args": {},
        },
        "task": {
            "name": "ddxsim", "exclusive": False, "split": "made", "sha256": "", "version": "1",
        },
        "model": {"backend": "made", "name": f"made-{seed}"},
        "layout": {"k": 3, "sets": 1, "members": 1},
        "format": {"k": 3, "noun": "diagnosis"},
        "prompt": {"messages": [{"role": "user", "content": "{question}"}], "sha256": ""},
    }  # fmt: skip
    with run.locked():
        (path / RUN).write_bytes(dump_json(record))
        run.write_examples(
            [
                Example(
                    f"e{i}",
                    f"Patient {i} has a history that is told here in some words. " * 4,
                    tuple(map(Gold, golds.sample(_NAMES, 5))),
                )
                for i in range(examples)
            ]
        )
        appender = Appender(run.completions)
        for start in range(0, examples, 1024):
            appender.append(
                [
                    completion(rng, row, 0, _NAMES)
                    for row in range(start, min(start + 1024, examples))
                ]
            )
        appender.close()
    score(path, resamples=100)


def build(runs: list[str], out: str, pipe: multiprocessing.connection.Connection) -> None:
    """Build in a process of its own, so that its peak memory is its own."""
    from marl_eval.reports.page.build import write_page

    started = time.perf_counter()
    write_page([Path(run) for run in runs], Path(out))
    pipe.send((time.perf_counter() - started, time.process_time(), peak_memory()))


def in_process(runs: list[Path], out: Path) -> tuple[float, float, float]:
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=build, args=([str(run) for run in runs], str(out), send))
    process.start()
    result: tuple[float, float, float] = receive.recv()
    process.join()
    return result


_WAYS = {
    "filter": "state.wrong = true; refresh();",
    "filter of any run": "state.run = -1; state.malformed = true; state.sure = true; refresh();",
    "sort": "Object.assign(state, START, { sort: 'sure' }); refresh();",
    "search of ids": "state.query = 'e9999'; found = searchHeads(index, state.query); refresh();",
}


def look(page: Path) -> dict[str, float]:
    """Open the page and give the seconds that each thing took."""
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=_ARGUMENTS
        )
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector("#example[data-example]", timeout=120_000)
        found["usable"] = tab.evaluate("performance.now()") / 1000
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        found["first paint"] = tab.evaluate(paint) / 1000
        for name, what in _WAYS.items():
            found[name] = _timed(tab, what)
        tab.evaluate("Object.assign(state, START, { query: 'not anywhere', texts: true })")
        started = time.perf_counter()
        tab.evaluate("search()")
        found["search of all texts"] = time.perf_counter() - started
        browser.close()
    return found


def _timed(tab: Any, what: str) -> float:
    """Give the longest of three times, until the frame after it is drawn."""
    script = f"""async () => {{
        const started = performance.now();
        {what}
        await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
        return performance.now() - started;
    }}"""
    return max(float(tab.evaluate(script)) for _ in range(3)) / 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder whose runs are used again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        runs = [folder / f"made-{seed}" for seed in range(arguments.runs)]
        for seed, run in enumerate(runs):
            if not run.exists():
                make_run(run, arguments.examples, seed)
        page = folder / "report.html"
        seconds, busy, memory = in_process(runs, page)
        size = sum(file.stat().st_size for file in folder.glob("report_files/*")) / 2**20
        print(f"{arguments.examples:,} examples, {arguments.runs} run(s)")
        print(f"build                {seconds:7.1f} s    (aim <= {AIM_BUILD:g} s)")
        print(f"processor time       {busy:7.1f} s")
        print(f"peak memory          {memory:7,.0f} MiB  (aim <= {AIM_MEMORY:,.0f} MiB)")
        print(f"page, folder         {page.stat().st_size / 2**20:7.1f} MiB, {size:,.0f} MiB")
        aims = {"first paint": AIM_PAINT, **dict.fromkeys(_WAYS, AIM_FILTER)}
        for name, spent in look(page).items():
            aim = f"  (aim <= {aims[name]:g} s)" if name in aims else ""
            print(f"{name:20} {spent:7.2f} s  {aim}")


if __name__ == "__main__":
    main()
