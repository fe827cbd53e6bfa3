"""What a hostile program is, for the tests."""

from __future__ import annotations

from dataclasses import dataclass

from marl_eval.sandbox import Suite

FULL, FILTERED, LIMITS = "full", "filtered", "limits"

HELP = '''
import ctypes, errno, os

def f(x):
    return None

def gained():
    return []

_REFUSED = (errno.EPERM, errno.EACCES, errno.ENOENT, errno.EROFS, errno.ENOSYS)

def gains(refused=(), **acts):
    """Tell what was not refused; an error that is no refusal counts, for it may be the attack's own."""
    found = []
    for name, act in acts.items():
        try:
            found.append(f"{name} gave {act()!r}"[:300])
        except OSError as error:
            if error.errno not in (*_REFUSED, *refused):
                found.append(f"{name} raised {error!r}")
        except Exception as error:
            found.append(f"{name} raised {error!r}")
    return found

def raw(number, *arguments):
    """Make a system call by its number."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result = libc.syscall(*[ctypes.c_long(item) if type(item) is int else item
                            for item in (number, *arguments)])
    if result == -1:
        raise OSError(ctypes.get_errno(), f"system call {number}")
    return result

def put(content):
    """Write to the descriptor that answers go over."""
    left = memoryview(content)
    while len(left):
        left = left[os.write(3, left):]

def framed(content):
    return len(content).to_bytes(4, "big") + content

'''
"""Goes before every hostile program."""

DOUBLING = Suite(
    "assert f(21) == 42\nassert 'abab' == f('ab')\nassert f([1, 2]) == [1, 2, 1, 2]", ("f",)
)
"""Asks for a function that no hostile program computes."""

RIGHT = "def f(x): return x + x"


@dataclass(frozen=True, slots=True)
class Attack:
    """One hostile program, which comes after ``HELP``.

    ``program`` may define ``f``, which is tested and must not pass, and ``gained``, which does what
    ought to be refused and gives what was not. ``held_at`` is the weakest level of isolation that
    still holds it. ``ends`` tells what has to end it when ``f`` is tested, as ``Ended.why`` does;
    None where that is of no interest. ``dies`` says that it may not even come to be asked.
    """

    name: str
    program: str
    held_at: str = LIMITS
    ends: str | None = None
    dies: bool = False

    @property
    def source(self) -> str:
        """The whole program."""
        return HELP + self.program
