"""The filter of system calls: its numbers are the kernel's, and it does what its tables say."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from marl_eval.sandbox.inside import linux, seccomp
from marl_eval.sandbox.inside.system_calls import CHECKED, NUMBERS, OPENS, SERVER, WRITES

ALLOWED, KILLED = 0x7FFF0000, 0x80000000
NOT_PERMITTED, NO_ACCESS, NO_SUCH_CALL = 0x50001, 0x5000D, 0x50026
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
OWN = 7
"""The process id of the program that the filters are built for."""


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each kind of processor, whatever this one is."""
    monkeypatch.setattr(linux, "MACHINE", request.param)
    seccomp.build.cache_clear()
    yield request.param
    seccomp.build.cache_clear()


def numbers(machine: str, table: dict[str, tuple[int | None, int | None]]) -> dict[str, int]:
    """Give the calls that a kind of processor has."""
    column = list(ARCHITECTURES).index(machine)
    return {name: number for name, both in table.items() if (number := both[column]) is not None}


def judge(
    program: bytes, number: int, arguments: tuple[int, ...] = (), architecture: int = 0
) -> int:
    """Run a filter as the kernel does (classic BPF); give what it returns."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    steps = list(struct.iter_unpack("HBBI", program))
    place, held = 0, 0
    while True:
        code, yes, no, value = steps[place]
        place += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            held = struct.unpack_from("=I", data, value)[0]
        elif code == 0x05:
            place += value
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: held & value != 0}[code]
            place += yes if true else no


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    """Every call of the tables has its number there, and none is listed that does not exist."""
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not installed")
    found = re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", HEADERS[machine].read_text())
    known = {name: int(number) for name, number in found}
    # In the generic header this one has another name for 64 bits.
    known.setdefault("newfstatat", known.get("fstatat", -1))
    for name, number in numbers(machine, {**NUMBERS, **SERVER}).items():
        assert (name, number) == (name, known.get(name))


def test_no_number_is_listed_twice(machine: str) -> None:
    """A call with another's number would open that one."""
    listed = list(numbers(machine, {**NUMBERS, **SERVER}).values())
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("namespaces", [True, False])
def test_every_number_is_judged_as_the_tables_say(machine: str, namespaces: bool) -> None:
    """What is not listed is refused; what is checked or writes is another test's matter."""
    program = seccomp.build(OWN, namespaces=namespaces)
    allowed = numbers(machine, {**NUMBERS, **SERVER} if namespaces else NUMBERS)
    by_number = {number: name for name, number in allowed.items()}
    for number in range(1001):
        name = by_number.get(number)
        judged = judge(program, number, architecture=ARCHITECTURES[machine])
        if name is None or (name in WRITES and not namespaces):
            assert judged == NOT_PERMITTED, (number, name)
        elif name not in CHECKED:
            # With no flags at all, a file is opened for reading.
            assert judged == ALLOWED, (number, name)


def test_the_filter_is_small_enough_for_the_kernel_and_all_its_ways_end(machine: str) -> None:
    """At most 4096 steps, each jump within them, the last a return."""
    for namespaces in (True, False):
        steps = list(struct.iter_unpack("HBBI", seccomp.build(OWN, namespaces=namespaces)))
        assert len(steps) <= 4096
        assert steps[-1][0] == 0x06
        for place, (code, yes, no, value) in enumerate(steps):
            furthest = value if code == 0x05 else max(yes, no)
            assert place + 1 + furthest < len(steps) or code in (0x06, 0x20)


@pytest.mark.parametrize("namespaces", [True, False])
def test_another_architecture_and_other_numbers_kill(machine: str, namespaces: bool) -> None:
    """The same number is another call there: 32 bits, x32, or a number below 0."""
    program = seccomp.build(OWN, namespaces=namespaces)
    own = ARCHITECTURES[machine]
    for other in (0x40000003, 0x40000028, 0, *(set(ARCHITECTURES.values()) - {own})):
        assert judge(program, NUMBERS["getpid"][0] or 0, architecture=other) == KILLED
    for number in (0x40000000, 0x40000001, 0x40000000 | 39, 0x7FFFFFFF, -1, -(1 << 31)):
        assert judge(program, number, architecture=own) == KILLED
    assert judge(program, 0x3FFFFFFF, architecture=own) == NOT_PERMITTED


NEW_THREAD, NEW_PID, NEW_USER, NEW_MOUNTS, NEW_NET = (
    0x10000,
    0x20000000,
    0x10000000,
    0x20000,
    0x40000000,
)
BY_ARGUMENTS = [
    ("clone", (17,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (0,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (0x4100 | 17,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (NEW_THREAD | 0x3D0F00,), ALLOWED, ALLOWED),
    # With a capability only, which no program has.
    ("clone", (NEW_PID | 17,), ALLOWED, NOT_PERMITTED),
    ("clone", (NEW_PID | NEW_USER | 17,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (NEW_THREAD | NEW_USER,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (NEW_THREAD | NEW_MOUNTS,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (NEW_THREAD | NEW_NET,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (NEW_THREAD | 0x02000000,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone", (NEW_THREAD | 0x80,), NOT_PERMITTED, NOT_PERMITTED),
    ("clone3", (1, 88), NO_SUCH_CALL, NO_SUCH_CALL),
    ("kill", (OWN, 9), ALLOWED, ALLOWED),
    ("kill", (0, 9), NOT_PERMITTED, NOT_PERMITTED),
    ("kill", (1, 9), NOT_PERMITTED, NOT_PERMITTED),
    ("kill", (2**64 - 1, 9), NOT_PERMITTED, NOT_PERMITTED),
    ("kill", (2**32 - OWN, 9), NOT_PERMITTED, NOT_PERMITTED),
    ("tgkill", (OWN, 3, 9), ALLOWED, ALLOWED),
    ("tgkill", (8, 8, 9), NOT_PERMITTED, NOT_PERMITTED),
    ("prlimit64", (0, 7, 1, 0), ALLOWED, ALLOWED),
    ("prlimit64", (OWN, 7, 1, 0), ALLOWED, ALLOWED),
    ("prlimit64", (1, 7, 1, 0), NOT_PERMITTED, NOT_PERMITTED),
    ("socketpair", (1, 1, 0), ALLOWED, ALLOWED),
    ("socketpair", (1, 0x80801, 0), ALLOWED, ALLOWED),
    ("socketpair", (1, 2, 0), NOT_PERMITTED, NOT_PERMITTED),
    ("socketpair", (1, 0x80002, 0), NOT_PERMITTED, NOT_PERMITTED),
    ("socketpair", (1, 5, 0), NOT_PERMITTED, NOT_PERMITTED),
    ("socketpair", (2, 1, 0), NOT_PERMITTED, NOT_PERMITTED),
    ("ioctl", (0, 0x5401), ALLOWED, ALLOWED),
    ("ioctl", (0, 0x5412), NOT_PERMITTED, NOT_PERMITTED),
    ("ioctl", (0, 0x8901), NOT_PERMITTED, NOT_PERMITTED),
    ("fcntl", (0, 0), ALLOWED, ALLOWED),
    ("fcntl", (0, 1030), ALLOWED, ALLOWED),
    ("fcntl", (0, 6), ALLOWED, NOT_PERMITTED),
    ("fcntl", (0, 7), ALLOWED, NOT_PERMITTED),
    ("fcntl", (0, 8), NOT_PERMITTED, NOT_PERMITTED),
    ("fcntl", (0, 10), NOT_PERMITTED, NOT_PERMITTED),
    ("fcntl", (0, 1024), NOT_PERMITTED, NOT_PERMITTED),
    ("fcntl", (0, 1031), NOT_PERMITTED, NOT_PERMITTED),
    ("openat", (0, 0, 0o2000000), ALLOWED, ALLOWED),
    ("openat", (0, 0, 0o200000), ALLOWED, ALLOWED),
    ("openat", (0, 0, 0o1), ALLOWED, NO_ACCESS),
    ("openat", (0, 0, 0o2), ALLOWED, NO_ACCESS),
    ("openat", (0, 0, 0o100), ALLOWED, NO_ACCESS),
    ("openat", (0, 0, 0o1000), ALLOWED, NO_ACCESS),
    ("openat", (0, 0, 0o20200000), ALLOWED, NO_ACCESS),
    ("open", (0, 0o2), ALLOWED, NO_ACCESS),
    ("open", (0, 0), ALLOWED, ALLOWED),
]


@pytest.mark.parametrize(("name", "arguments", "shared", "alone"), BY_ARGUMENTS)
def test_some_calls_are_judged_by_their_arguments(
    machine: str, name: str, arguments: tuple[int, ...], shared: int, alone: int
) -> None:
    """``shared`` is the filter behind namespaces, ``alone`` the one without."""
    number = numbers(machine, NUMBERS).get(name)
    if number is None:
        pytest.skip(f"there is no {name} on {machine}")
    for namespaces, right in ((True, shared), (False, alone)):
        program = seccomp.build(OWN, namespaces=namespaces)
        assert judge(program, number, arguments, ARCHITECTURES[machine]) == right


def test_every_call_that_is_checked_is_tested_here() -> None:
    """Else a new one would go untested."""
    assert CHECKED | set(OPENS) <= {name for name, *_ in BY_ARGUMENTS} | {"prctl"}
