"""What is around a hostile program and has to be the same after it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marl_eval.sandbox import Sandbox, run_suite
from tests.sandbox.hostile.attack import DOUBLING, RIGHT

_NEXT = """
import builtins, json, os, resource, signal, sys
def state():
    own = os.getcwd() == "/tmp"
    return {
        "own folder": [os.listdir("."), os.stat(".").st_mode, os.statvfs(".").f_ffree] if own else [],
        "limits": [resource.getrlimit(kind) for kind in range(16)],
        "handlers": [str(signal.getsignal(number)) for number in range(1, 32)],
        "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "modules": sorted(sys.modules),
        "path": sys.path,
        "functions": [json.dumps([1]), len("ab"), sorted(vars(builtins))],
        "others": [os.getcwd(), sys.getrecursionlimit(), dict(os.environ), os.umask(0o22)],
    }
"""


_seen: dict[int, object] = {}
"""What the first program of each server saw; a trace of any later one would be a difference."""


@contextmanager
def nothing_left(sandbox: Sandbox) -> Iterator[None]:
    """Around a hostile program: see that all is as it was, and that the next programs run as ever."""
    server = sandbox.server_pid
    before = outside(server)
    if server not in _seen:
        _seen[server] = of_next_program(sandbox)
    yield
    assert run_suite(sandbox, RIGHT, DOUBLING).passed
    assert of_next_program(sandbox) == _seen[server]
    assert sandbox.server_pid == server, "the server was lost"
    assert outside(server) == before


def of_next_program(sandbox: Sandbox) -> object:
    """Give what a program sees of the process that it is in."""
    with sandbox.run(_NEXT) as session:
        return session.call("state", [], {})


def outside(server: int) -> dict[str, object]:
    """Tell what a program could have changed: processes, files, mounts, and this process."""
    return {
        "processes": sorted(processes_of(server)),
        "files": sorted(marked()),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "limits": [resource.getrlimit(kind) for kind in range(16)],
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": os.sched_getaffinity(0),
        "descriptors": os.listdir("/proc/self/fd"),
        "environment": dict(os.environ),
    }


def processes_of(server: int) -> Iterator[int]:
    """Give the processes of a server: those below it, and those that were left alone."""
    started_as = Path(f"/proc/{server}/cmdline").read_bytes()
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                same = Path(f"/proc/{name}/cmdline").read_bytes() == started_as
                stat = Path(f"/proc/{name}/stat").read_text() if same else ""
            except OSError:
                continue
            if same:
                parents[int(name)] = int(stat.rpartition(")")[2].split()[1])
    for pid in parents:
        top = pid
        while parents[top] in parents:
            top = parents[top]
        if top == server or parents[top] == 1:
            yield pid


def marked() -> Iterator[str]:
    """Give the files that hostile programs leave where they can."""
    for folder in (
        ".", "..", "/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue", "/run", "/etc", "/lib",
        "/usr/lib", "/root", "/sys", os.path.dirname(os.__file__),
    ):  # fmt: skip
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        yield from (f"{folder}/{name}" for name in names if "hostile-mark" in name)
