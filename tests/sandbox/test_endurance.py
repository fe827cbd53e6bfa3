"""Thousands of programs, a tenth of them hostile, in a row: nothing is left behind and nothing grows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from marl_eval.sandbox import Job, Limits, Pool, Suite
from tests.sandbox.processes import descendants, left_after, memory_mib, orphans, servers, workers

HOSTILE = [
    # Leaving, or pretending to.
    "import os\nos._exit(0)", "import sys\nsys.exit(0)", "import os\ndef f(x): os._exit(0)",
    "raise KeyboardInterrupt", "import ctypes\nctypes.string_at(0)", "import os\nos.abort()",
    "import atexit\natexit.register(print)\n1 / 0",
    # Answering for the tests.
    "class A:\n    def __eq__(self, o): return True\ndef f(x): return A()",
    "import os\nc = b'{\"value\":42}'\nos.write(3, len(c).to_bytes(4, 'big') + c)\nos._exit(0)",
    "import os\nos.write(3, b'\\xff' * 4096)", "import os\nos.closerange(0, 64)",
    # Staying behind.
    "import os\ntry:\n    os.fork()\nfinally:\n    def f(x): return x",
    "import os\nfor _ in range(3):\n    try: os.fork() or os.setsid()\n    except OSError: pass",
    "import subprocess\nsubprocess.Popen(['sleep', '60'])",
    "import threading as t, time\nt.Thread(target=time.sleep, args=(60,)).start()\ndef f(x): return x",
    "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
    "    except (OSError, ValueError): pass",
    # Leaving things about.
    "for n in range(600):\n    open(f'/tmp/left-behind{n}', 'w').write('x' * 4096)",
    "open('/dev/shm/left-behind', 'w')",
    "import os\nos.makedirs('left-behind/b/c')\nos.symlink('/etc/passwd', 'left-behind/link')",
    "open('left-behind', 'w').write('x')\ndef f(x): return x", "import os\nos.mkfifo('left-behind')",
    "held = [open('/dev/null') for _ in range(1000)]",
    "import socket\nsocket.socket().bind(('127.0.0.1', 4321))",
    "import socket\nheld = [socket.socketpair() for _ in range(99)]",
    "import multiprocessing.shared_memory as m\nm.SharedMemory('left-behind', create=True, size=4096)",
    "import ctypes\nctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, b'')\n1 / 0",
    # Taking too much.
    "x = 'x' * (1 << 40)", "def f(x): return f(x)", "def f(x): return 'x' * (40 << 20)",
    "import sys\nfor _ in range(99): print('x' * 99999)",
    "x = []\nfor n in range(10**9): x.append('x' * 10**7)",
]  # fmt: skip
GOOD = "def f(x):\n    return 2 * x"
WRONG = "def f(x):\n    return x + {}"
SUITES = [
    Suite(f"assert f({n}) == {2 * n}\nassert f('a') == 'aa'\nassert f([{n}]) == [{n}, {n}]", ("f",))
    for n in range(5, 25)
]
LIMITS = Limits(cpu_seconds=2.0, wall_seconds=20.0, memory_mib=256)


def jobs(count: int) -> Iterator[Job]:
    """Of every ten programs eight pass, one is wrong and one is hostile."""
    for n in range(count):
        suite = SUITES[n * len(SUITES) // count]
        if n % 10 == 7:
            yield Job(HOSTILE[n // 10 % len(HOSTILE)], suite)
        else:
            yield Job(WRONG.format(n) if n % 10 == 3 else GOOD, suite)


def traces() -> dict[str, list[str]]:
    """Tell all that a program could leave behind on this machine."""
    own = Path("/proc/self")
    folders = ["/tmp", "/dev/shm", "/dev/mqueue", os.getcwd(), "/var/tmp"]
    return {
        "mounts": own.joinpath("mountinfo").read_text().splitlines(),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        **{folder: sorted(os.listdir(folder)) for folder in folders if os.path.isdir(folder)},
    }


def new(before: dict[str, list[str]]) -> dict[str, list[str]]:
    """Tell what is there now and was not before; the work of others on this machine is none of it."""
    after = traces()
    return {kind: sorted({*after[kind]} - {*before[kind]}) for kind in after}


def held() -> dict[str, list[float]]:
    """Tell the memory (MiB) and the descriptors of this process, the workers and the servers."""
    told: dict[str, list[float]] = {}
    for name, pids in (("harness", [os.getpid()]), ("worker", workers()), ("server", servers())):
        told[f"{name} MiB"] = sorted(round(memory_mib(pid), 1) for pid in pids)
        told[f"{name} descriptors"] = sorted(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)
    return told


@pytest.mark.parametrize(
    "count", [1_000, pytest.param(10_000, marks=pytest.mark.integration)], ids=["1000", "10000"]
)
def test_many_programs_leave_nothing_behind_and_nothing_grows(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    below, before, unseen = descendants(), traces(), orphans()
    passed: list[int] = []
    seen: list[int] = []
    memory = []
    with Pool(2, LIMITS) as pool:
        waiting = jobs(count)
        for most in (count // 10, count):
            begun = len(seen)
            for number, report in pool.run(islice(waiting, most - begun)):
                seen.append(begun + number)
                passed += [begun + number] * report.passed
            memory.append(held())
        running = [pid for pid in descendants() if pid not in below]
        assert len(running) == len(memory[0]["worker MiB"]) + len(memory[0]["server MiB"])
    assert sorted(seen) == list(range(count))
    assert sorted(passed) == [n for n in range(count) if n % 10 not in (3, 7)]
    assert left_after(running) == []
    assert descendants() == below
    left = new(before)
    assert left["mounts"] == left["descriptors"] == left[str(tmp_path)] == []
    names = [name for kind in left for name in left[kind]]
    assert [name for name in names if "left-behind" in name] == []
    assert left_after([pid for pid in orphans() if pid not in unseen]) == []
    print(json.dumps({"programs": count, "after a tenth": memory[0], "at the end": memory[1]}))
    for kind, first in memory[0].items():
        assert len(memory[1][kind]) == len(first)
        assert max(memory[1][kind]) <= max(first) + (4 if kind.endswith("MiB") else 0), kind


def test_each_hostile_program_fails_before_its_time_is_up() -> None:
    with Pool(1, LIMITS) as pool:
        for number, report in pool.run([Job(program, SUITES[0]) for program in HOSTILE]):
            assert not report.passed, HOSTILE[number]
            assert not report.timed_out, HOSTILE[number]
