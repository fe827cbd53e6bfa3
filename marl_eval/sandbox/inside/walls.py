"""Going behind the walls that the kernel offers, once, before any program is run.

Three levels, each with all of what the weaker ones have:

    full       user, mount, PID, network, IPC and UTS namespaces; a root directory with Python's own
               files and nothing else, read-only
    filtered   a filter of system calls: no processes, no sockets, no tracing, no signals to others;
               without the namespaces of ``full``, no file can be changed either, but what the user
               may read can be read (as root, who becomes nobody: what nobody may read)
    limits     limits on time, memory, files; no processes or threads beside the program's own; no new
               privileges; root becomes nobody

At ``full`` the rights of root, where there are any, are used only to find Python's files; then root
becomes nobody and goes on as any user would.
"""

from __future__ import annotations

import errno
import os
import signal
import sys

from . import linux, root, seccomp

FULL, FILTERED, LIMITS = "full", "filtered", "limits"
_NOBODY = 65534
_NAMESPACES = (
    linux.CLONE_NEWUSER
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
)


def go_behind(level: str, packages: list[str]) -> None:
    """Go behind the walls of a level.

    At ``full`` the process forks and the child goes on.

    Raises:
        OSError: if the kernel refuses a part, of which the text says which.
    """
    if level != LIMITS:
        _try_filter()
    if level == FULL:
        _enter_namespaces(packages)
    else:
        sys.path += sorted({os.path.dirname(package) for package in packages})
        if _is_root():
            _become_nobody()
        if not os.access(os.__file__, os.R_OK):
            folder = os.path.dirname(os.__file__)
            raise OSError(
                f"nobody, whom root becomes, cannot read {folder}; run as an ordinary user"
            )
    # Nobody of the same name can then read the memory, and nothing is dumped when a program crashes.
    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def _enter_namespaces(packages: list[str]) -> None:
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    if _is_root():
        linux.unshare(linux.CLONE_NEWNS)
        root.enter(packages)
        _become_nobody()
        _become_own_user(proc)
    else:
        _become_own_user(proc)
        root.enter(packages)
    if packages:
        sys.path.append(root.PACKAGES)
    os.close(proc)
    _go_on_in_child()


def _become_own_user(proc: int) -> None:
    """Go into new namespaces of every kind, as the same user, who is the only one in there."""
    uid, gid = os.getuid(), os.getgid()
    try:
        linux.unshare(_NAMESPACES)
    except OSError as error:
        # The kernel's own words for too many of them are that no space is left on the device.
        full = error.errno == errno.ENOSPC
        why = "user.max_user_namespaces is reached" if full else os.strerror(error.errno or 0)
        raise OSError(f"user namespaces: {why}") from error
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {uid} 1"),
        ("gid_map", f"{gid} {gid} 1"),
    ):
        descriptor = os.open(f"self/{name}", os.O_WRONLY, dir_fd=proc)
        os.write(descriptor, content.encode())
        os.close(descriptor)


def _is_root() -> bool:
    """Whether this is root, who can become nobody; in a user namespace of one he is a user like any."""
    if os.getuid() != 0:
        return False
    with open("/proc/self/uid_map") as lines:
        ranges = [[int(number) for number in line.split()] for line in lines]
    return any(first <= _NOBODY < first + count for first, _, count in ranges)


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    # Else this process's files in /proc are still root's.
    linux.prctl(linux.PR_SET_DUMPABLE, 1)


def _go_on_in_child() -> None:
    """Fork; the child goes on as the first process of its PID namespace, whose end ends all in it."""
    pid = os.fork()
    if pid == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    os.closerange(3, 1024)
    os.waitpid(pid, 0)
    os._exit(0)


def _try_filter() -> None:
    """See that the kernel takes the filter, in a process that ends at once."""
    if not seccomp.SUPPORTED:
        raise OSError(f"seccomp: the system calls of {linux.MACHINE} are not known")
    pid = os.fork()
    if pid == 0:
        try:
            linux.set_filter(seccomp.build(os.getpid(), namespaces=False))
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise OSError(f"seccomp: {os.strerror(status) if status > 0 else 'the process was killed'}")
