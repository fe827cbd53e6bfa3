"""Programs that start others, or reach for those that run."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "fork, in each way that Python has",
        """
def once():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return pid


def gained():
    return gains((errno.EAGAIN,), fork=once, forkpty=lambda: os.forkpty())
""",
    ),
    Attack(
        "vfork, clone and clone3 by number",
        """
CHILD = 17


def leaving(number, *arguments):
    pid = raw(number, *arguments)
    if pid == 0:
        os._exit(0)
    return pid


def gained():
    return gains(
        (errno.EAGAIN, errno.EINVAL),
        vfork=lambda: leaving(58),
        fork=lambda: leaving(57),
        clone=lambda: leaving(56, CHILD, 0, 0, 0, 0),
        clone_untraced=lambda: leaving(56, CHILD | 0x800000, 0, 0, 0, 0),
        clone_parent=lambda: leaving(56, CHILD | 0x8000, 0, 0, 0, 0),
        clone3=lambda: leaving(435, 0, 0),
        new_pid=lambda: leaving(56, CHILD | 0x20000000, 0, 0, 0, 0),
        new_user=lambda: leaving(56, CHILD | 0x10000000, 0, 0, 0, 0),
        new_user_and_pid=lambda: leaving(56, CHILD | 0x30000000, 0, 0, 0, 0),
        new_mounts=lambda: leaving(56, CHILD | 0x20000, 0, 0, 0, 0),
    )
""",
    ),
    Attack(
        "a fork bomb",
        """
import time


def f(x):
    for _ in range(500):
        try:
            if os.fork() == 0:
                time.sleep(0.2)
                os._exit(0)
        except OSError:
            pass
    while True:
        pass
""",
        ends="cpu",
    ),
    Attack(
        "a double fork that outlives its parent",
        """
import time


def f(x):
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(5)
            os._exit(0)
    except OSError:
        return 0
""",
    ),
    Attack(
        "other programs started",
        """
import subprocess


def gained():
    return gains(
        (errno.EAGAIN,),
        run=lambda: subprocess.run(["/bin/true"]),
        shell=lambda: subprocess.run("true", shell=True),
        popen=lambda: os.popen("echo hello").read(),
        spawn=lambda: os.posix_spawn("/bin/true", ["true"], {}),
    )
""",
    ),
    Attack(
        "itself replaced by another program",
        """
import sys


def gained():
    return gains(
        shell=lambda: os.execv("/bin/sh", ["sh", "-c", "exit 0"]),
        python=lambda: os.execv(
            sys.executable or "/usr/bin/python3", ["python3", "-c", "pass"]
        ),
        loader=lambda: os.execv("/lib64/ld-linux-x86-64.so.2", ["ld"]),
        raw=lambda: raw(59, b"/bin/sh", 0, 0),
        at=lambda: raw(322, -100, b"/bin/sh", 0, 0, 0),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "os.system",
        """
def f(x):
    return os.system("exit 42") >> 8


def gained():
    return [] if f(0) != 42 else ["a shell"]
""",
    ),
    Attack(
        "processes by multiprocessing",
        """
import multiprocessing


def double(x):
    return x + x


def f(x):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(double, [0])[0]
""",
        dies=True,
    ),
    Attack(
        "a thread bomb",
        """
import threading, time

threading.stack_size(32768)
started = []


def f(x):
    try:
        while True:
            thread = threading.Thread(target=time.sleep, args=(30,), daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        return len(started)


def gained():
    return [] if f(0) < 64 else [str(f(0))]
""",
        held_at="full",
    ),
    Attack(
        "threads that go on after the answer, in loops",
        """
import threading


def busy():
    while True:
        pass


def f(x):
    try:
        for _ in range(4):
            threading.Thread(target=busy, daemon=True).start()
    except RuntimeError:
        pass
    while True:
        pass
""",
        ends="cpu",
    ),
    Attack(
        "signals to everything",
        """
import signal


def gained():
    acts = {
        f"kill {pid}": lambda pid=pid: os.kill(pid, 0)
        for pid in (-1, 0, 2, 3, os.getppid() or 4)
    }
    acts |= {f"probe {pid}": lambda pid=pid: os.kill(pid, 0) for pid in range(2, 2000, 7)}
    acts["group"] = lambda: os.killpg(os.getppid() or 2, 0)
    acts["tkill"] = lambda: raw(200, 2, 0)
    acts["queue"] = lambda: raw(129, 2, 0, bytes(128))
    acts["thread"] = lambda: raw(234, 2, 2, 0)
    acts["pidfd"] = lambda: [raw(424, raw(434, pid, 0), 0, 0, 0) for pid in (2, 3, 4)]
    return gains((errno.ESRCH, errno.EINVAL), **acts)
""",
        held_at="filtered",
    ),
    Attack(
        "the limits of others, and its own made wider",
        """
import resource


def gained():
    none = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    kinds = [kind for kind in dir(resource) if kind.startswith("RLIMIT_")]
    acts = {kind: lambda kind=kind: widen(getattr(resource, kind)) for kind in kinds}
    acts["parent"] = lambda: resource.prlimit(os.getppid() or 2, resource.RLIMIT_NOFILE)
    return gains((errno.ESRCH, errno.EINVAL), **acts)


def widen(kind):
    import resource

    soft, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY:
        raise PermissionError(errno.EPERM, "nothing wider")
    try:
        resource.setrlimit(kind, (hard + 1, hard + 1))
    except ValueError:
        raise PermissionError(errno.EPERM, "not wider") from None
""",
        held_at="filtered",
    ),
    Attack(
        "its priority, processors and scheduling",
        """
def gained():
    return gains(
        (errno.EINVAL,),
        nice=lambda: os.nice(-5),
        priority=lambda: os.setpriority(os.PRIO_PROCESS, 0, -10),
        realtime=lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        io=lambda: raw(251, 1, 0, 0x2000),
        user=lambda: os.setpriority(os.PRIO_USER, os.getuid(), 0),
        affinity=lambda: os.sched_setaffinity(os.getppid() or 2, os.sched_getaffinity(0)),
    )
""",
        held_at="filtered",
    ),
    Attack(
        "another's debugger",
        """
def gained():
    return gains(
        (errno.ESRCH,),
        attach=lambda: raw(101, 16, 2, 0, 0),
        traceme=lambda: raw(101, 0, 0, 0, 0),
        seize=lambda: raw(101, 0x4206, os.getppid() or 2, 0, 0),
        read=lambda: raw(310, os.getpid(), 0, 0, 0, 0, 0),
        write=lambda: raw(311, os.getpid(), 0, 0, 0, 0, 0),
        kcmp=lambda: raw(312, 1, 2, 0, 0, 0),
        getfd=lambda: raw(438, 3, 0, 0),
        madvise=lambda: raw(440, 3, 0, 0, 0, 0),
    )
""",
        held_at="filtered",
    ),
)
