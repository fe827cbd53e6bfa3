"""The fork server: small, single-threaded, warm, and without anything worth stealing.

It is started by ``marl_eval.sandbox.server_process`` in a Python without site packages and with an
empty environment, goes behind the walls (``walls``), and then forks one child for each program. It
never sees a program or a result: those travel between the trusted side and the child on a socket of
their own, of which the server only passes one end on.

    trusted side -> server   {"level", "packages", "modules", "scratch"}    once, at the start
    server -> trusted side   {"ready": true} or {"error": "..."}            once
    trusted side -> server   {limits}, with the child's end of a socket     run one program
                             {"gone": whether it has hung up}               end the one that runs
    server -> trusted side   {"end": ..., "cpu": ..., "memory": ...}        it has ended
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from . import child, linux, scratch, seccomp, walls

_WARM = (
    "bisect", "collections", "copy", "datetime", "functools", "heapq", "itertools", "math", "operator",
    "random", "re", "string", "typing",
)  # fmt: skip
"""What programs import most, imported once. Each module more makes every fork a little slower."""

_MESSAGE = 1 << 16
_LEAVING = 0.2
"""Seconds that a program may take to end after it has hung up, which is the first sign that it ends."""


def main() -> None:
    """Serve until the other end of the control socket is closed."""
    # At a low number, for children close only those that can be in use here.
    control = socket.socket(fileno=os.dup(int(sys.argv[1])))
    os.close(int(sys.argv[1]))
    # The new root is for nobody to read, whatever mask the caller has.
    os.umask(0o022)
    # Our own files are not for programs to read.
    sys.path.pop()
    told = json.loads(control.recv(_MESSAGE))
    try:
        walls.go_behind(told["level"], told["packages"])
        for name in (*_WARM, *told["modules"]):
            __import__(name)
    except (OSError, ImportError) as error:
        control.send(json.dumps({"error": str(error)}).encode())
        return
    if told["level"] == walls.FULL:
        # The first process of every PID namespace has the number 1.
        linux.set_filter(seccomp.build(1, namespaces=True))
        scratch.renew(told["scratch"])
    child.rehearse()
    os.environ.clear()
    del sys.argv[1:]
    for name in [name for name in sys.modules if name.split(".")[0] == __name__.split(".")[0]]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"ready": True}).encode())
    while _serve_one(control, told):
        pass


def _serve_one(control: socket.socket, told: dict[str, Any]) -> bool:
    """Run one program; False once nobody is left to ask for any."""
    content, descriptors, _, _ = socket.recv_fds(control, _MESSAGE, 1)
    if not content:
        return False
    if not descriptors:
        # The end of a program that has ended by itself meanwhile.
        return True
    limits = json.loads(content)
    level = told["level"]
    apart = level == walls.FULL
    pid = linux.fork_into_pid_namespace() if apart else os.fork()
    if pid == 0:
        child.main(descriptors[0], level, limits)
    os.close(descriptors[0])
    end = _wait_for_end(control, pid, limits)
    _, status, usage = os.wait4(pid, 0)
    if apart and scratch.touched():
        scratch.renew(told["scratch"])
    told = {
        "end": end,
        "status": os.waitstatus_to_exitcode(status),
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / 1024,
    }
    control.send(json.dumps(told).encode())
    return True


def _wait_for_end(control: socket.socket, pid: int, limits: dict[str, Any]) -> str:
    """Wait until a program ends or has to; say why it ended: itself, told, cpu or wall."""
    process = os.pidfd_open(pid)
    # The clock of another process's CPU time, as clock_getcpuclockid(3) makes it.
    clock = (~pid << 3) | 2
    begun = time.monotonic()
    poller = select.poll()
    poller.register(process, select.POLLIN)
    poller.register(control, select.POLLIN)
    end = "itself"
    try:
        while end == "itself":
            wall = limits["wall"] - (time.monotonic() - begun)
            cpu = limits["cpu"] - _cpu_seconds(clock)
            if cpu <= 0 or wall <= 0:
                end = "cpu" if cpu <= 0 else "wall"
                break
            ready = poller.poll(max(min(wall, cpu) * 1000, 1))
            if any(descriptor == process for descriptor, _ in ready):
                break
            if ready:
                content = control.recv(_MESSAGE)
                if not content:
                    # Nobody is left; the process's end takes the child with it.
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    os._exit(0)
                if not (
                    json.loads(content).get("gone")
                    and select.select([process], [], [], _LEAVING)[0]
                ):
                    end = "told"
        if end != "itself":
            signal.pidfd_send_signal(process, signal.SIGKILL)
    finally:
        os.close(process)
    return end


def _cpu_seconds(clock: int) -> float:
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0
