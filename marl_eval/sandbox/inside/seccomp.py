"""The filter of system calls, as a program for the kernel's packet filter.

Source: seccomp(2); https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import struct
from functools import lru_cache

from . import linux
from .system_calls import CHECKED, NUMBERS, OPENS, SERVER, WRITES

_LOAD, _JUMP, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _EACCES, _ENOSYS = 1, 13, 38
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

_CLONE_THREAD = 0x10000
_CLONE_NAMESPACES = 0x7E020080
_OTHER_NAMESPACES = _CLONE_NAMESPACES & ~linux.CLONE_NEWPID
_AF_UNIX = 1
# Streams only, with close-on-exec and not blocking: a datagram can be sent to any socket of the machine.
_STREAMS = (0x1, 0x801, 0x80001, 0x80801)
# Asking for a terminal, its size, what is readable; close-on-exec and blocking.
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# Duplicating and flags; not who gets a signal.
_FCNTLS = (0, 1, 2, 3, 4, 1030)
_LOCKS = (5, 6, 7)
_WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000

SUPPORTED = linux.MACHINE in _ARCHITECTURES
"""Whether the numbers of this machine's system calls are known."""


@lru_cache(maxsize=8)
def build(pid: int, *, namespaces: bool) -> bytes:
    """Build the filter of a program whose process has the id ``pid`` in its own namespace.

    ``namespaces`` says that the filter is set in the fork server, once for all of its children, each
    of which is in a PID namespace of its own, without capabilities, and sees no files but its own:
    a process can be started only together with a PID namespace, which needs a capability. Else the
    filter is the child's alone; no process can be started, and no file opened for writing or changed.
    """
    return b"".join(struct.pack("HBBI", *step) for step in _program(pid, namespaces))


_Step = tuple[int, int, int, int]


def _program(pid: int, namespaces: bool) -> list[_Step]:
    """Search the calls by number, by halves: the kernel goes through the filter for each number."""
    column = list(_ARCHITECTURES).index(linux.MACHINE)
    judged: dict[int, list[_Step]] = {}
    calls = {**NUMBERS, **SERVER} if namespaces else NUMBERS
    for name, numbers in calls.items():
        number = numbers[column]
        if number is None or (name in WRITES and not namespaces):
            continue
        if name in CHECKED or (name in OPENS and not namespaces):
            judged[number] = _checked(name, pid, namespaces)
        else:
            judged[number] = [(_RETURN, 0, 0, _ALLOW)]
    return [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _ARCHITECTURES[linux.MACHINE]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
        *_search(_ranges(judged)),
    ]


_Range = tuple[int, list[_Step]]
"""The first of some numbers, up to the next range, and how they are judged."""


def _ranges(judged: dict[int, list[_Step]]) -> list[_Range]:
    """Put together neighbouring numbers that are judged alike; those not listed are refused."""
    refused: list[_Step] = [(_RETURN, 0, 0, _ERRNO | _EPERM)]
    found: list[_Range] = [(0, judged.get(0, refused))]
    for number in range(1, max(judged) + 2):
        own = judged.get(number, refused)
        if own != found[-1][1]:
            found.append((number, own))
    return found


def _search(ranges: list[_Range]) -> list[_Step]:
    if len(ranges) == 1:
        return ranges[0][1]
    half = len(ranges) // 2
    below, above = _search(ranges[:half]), _search(ranges[half:])
    # Jumps by a condition reach 255 steps, the unconditional one any number.
    return [(_AT_LEAST, 0, 1, ranges[half][0]), (_JUMP, 0, 0, len(below)), *below, *above]


def _checked(name: str, pid: int, namespaces: bool) -> list[_Step]:
    """Judge one call by its arguments; every way through ends in a return."""
    if name in OPENS:
        return [
            _argument(OPENS[name]),
            (_ANY_BIT, 0, 1, _WRITING),
            (_RETURN, 0, 0, _ERRNO | _EACCES),
            (_RETURN, 0, 0, _ALLOW),
        ]
    if name == "clone":
        return [
            _argument(0),
            (_ANY_BIT, 1, 0, _OTHER_NAMESPACES if namespaces else _CLONE_NAMESPACES),
            (_ANY_BIT, 1, 0, _CLONE_THREAD | (linux.CLONE_NEWPID if namespaces else 0)),
            (_RETURN, 0, 0, _ERRNO | _EPERM),
            (_RETURN, 0, 0, _ALLOW),
        ]
    if name == "clone3":
        # Its flags are behind a pointer; the C library then uses clone.
        return [(_RETURN, 0, 0, _ERRNO | _ENOSYS)]
    if name == "socketpair":
        return [
            _argument(0),
            (_EQUAL, 1, 0, _AF_UNIX),
            (_RETURN, 0, 0, _ERRNO | _EPERM),
            *_one_of(1, _STREAMS),
        ]
    place, values = {
        "ioctl": (1, _IOCTLS),
        "fcntl": (1, (*_FCNTLS, *_LOCKS) if namespaces else _FCNTLS),
        "kill": (0, (pid,)),
        "tgkill": (0, (pid,)),
        "prlimit64": (0, (0, pid)),
    }[name]
    return _one_of(place, values)


def _one_of(place: int, values: tuple[int, ...]) -> list[_Step]:
    steps = [_argument(place)]
    for value in values:
        steps += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ALLOW)]
    return [*steps, (_RETURN, 0, 0, _ERRNO | _EPERM)]


def _argument(place: int) -> _Step:
    """Load the low half of an argument, which is all that these calls look at."""
    return (_LOAD, 0, 0, 16 + 8 * place)
