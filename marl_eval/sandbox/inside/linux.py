"""The kernel's calls that the standard library does not have."""

from __future__ import annotations

import ctypes
import os
import platform
import signal

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS = 0x40000000, 0x8000000, 0x4000000

MS_RDONLY, MS_NOSUID, MS_NODEV = 1, 2, 4
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

_SYS_CLONE = {"x86_64": 56, "aarch64": 220}
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
_libc.syscall.restype = ctypes.c_long
# Keeps the interpreter's lock, which the child of a fork would else have to take again.
_python = ctypes.PyDLL(None, use_errno=True)
_python.syscall.restype = ctypes.c_long
_python.syscall.argtypes = [ctypes.c_long] * 6

MACHINE = platform.machine()
"""The kind of processor; calls by number are known for x86_64 and aarch64."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones. Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def fork_into_pid_namespace() -> int:
    """Fork, the child as the first process of a new PID namespace; gives what ``os.fork`` gives.

    One call of the kernel, where unsharing, forking and coming back are three. The interpreter and
    the C library are not told of the fork, which a process with one thread can do without.

    Raises OSError.
    """
    pid: int = _python.syscall(_SYS_CLONE[MACHINE], CLONE_NEWPID | signal.SIGCHLD, 0, 0, 0, 0)
    if pid < 0:
        _check(-1, "clone")
    return pid


def prctl(option: int, value: int = 0) -> None:
    """Set a property of this process. Raises OSError."""
    _check(_libc.prctl(option, value, 0, 0, 0), f"prctl {option}")


def mount(
    source: str, target: str, kind: str | None = None, flags: int = 0, options: str = ""
) -> None:
    """Mount a file system. Raises OSError."""
    told = None if kind is None else kind.encode()
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), told, flags, options.encode() or None
    )
    _check(result, f"mount {target}")


def unmount(target: str) -> None:
    """Detach a mount. Raises OSError."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def protect_mounts(target: str, flags: int) -> None:
    """Add flags (of ``MS_``) to a mount and all below it. Needs Linux 5.12. Raises OSError."""
    attributes = _MountAttributes(set=flags)
    result = _libc.syscall(
        _SYS_MOUNT_SETATTR,
        _AT_FDCWD,
        ctypes.c_char_p(os.fsencode(target)),
        _AT_RECURSIVE,
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(result, f"mount_setattr {target}")


def pivot_root(new: str) -> None:
    """Make a mount the root directory, and let the old one go. Raises OSError."""
    os.chdir(new)
    _check(_libc.syscall(_SYS_PIVOT_ROOT[MACHINE], b".", b"."), "pivot_root")
    unmount(".")
    os.chdir("/")


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
_OWN_CAPABILITIES = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)


def drop_capabilities() -> None:
    """Give up every capability for good. Raises OSError."""
    result = _libc.syscall(
        _SYS_CAPSET[MACHINE], ctypes.byref(_OWN_CAPABILITIES), ctypes.byref(_NO_CAPABILITIES)
    )
    _check(result, "capset")


def set_filter(instructions: bytes) -> None:
    """Filter this process's system calls by a program of 8-byte instructions. Raises OSError."""
    held = ctypes.create_string_buffer(instructions, len(instructions))
    program = _FilterProgram(len(instructions) // 8, ctypes.addressof(held))
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    result = _libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0)
    _check(result, "seccomp")


class _FilterProgram(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]
