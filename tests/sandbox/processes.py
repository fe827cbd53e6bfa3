"""What runs on this machine, as the kernel tells it."""

from __future__ import annotations

import os
import time
from pathlib import Path


def parents() -> dict[int, int]:
    """Give every process that still runs, with its parent."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name, in brackets, may hold anything.
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                found[int(entry.name)] = int(fields[1])
    return found


def descendants(pid: int | None = None) -> list[int]:
    """Give all processes below one, this one by default; the nearest first."""
    known = parents()
    found = [pid if pid is not None else os.getpid()]
    for above in found:
        found += [child for child, parent in known.items() if parent == above]
    return found[1:]


def command(pid: int) -> str:
    """Give a process's command line, empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def workers(pid: int | None = None) -> list[int]:
    """Give the workers of a pool below a process."""
    return [below for below in descendants(pid) if "sandbox.worker" in command(below)]


def servers(pid: int | None = None) -> list[int]:
    """Give the fork servers below a process, with their children."""
    return [below for below in descendants(pid) if "inside.server" in command(below)]


def orphans() -> list[int]:
    """Give what is left of fork servers that nobody looks after any more."""
    return [
        pid for pid, parent in parents().items() if parent == 1 and "inside.server" in command(pid)
    ]


def left_after(pids: list[int], seconds: float = 10.0) -> list[int]:
    """Wait until processes are gone; give those that are still there after some time."""
    end = time.monotonic() + seconds
    while True:
        left = [pid for pid in pids if pid in parents()]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.02)


def memory_mib(pid: int) -> float:
    """Give the memory that a process has in use, MiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"nothing is told of {pid}")
