"""Programs that recurse, or answer with what is too large, too deep or too slow to take."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "recursion without end",
        """
def f(x):
    return f(x)
""",
    ),
    Attack(
        "recursion without end or limit",
        """
import sys

sys.setrecursionlimit(10**9)


def f(x):
    return f(x)
""",
        dies=True,
    ),
    Attack(
        "recursion in C",
        """
def f(x):
    nested = []
    for _ in range(10**6):
        nested = [nested]
    return repr(nested)
""",
        dies=True,
    ),
    Attack(
        "an answer nested without bound",
        """
def f(x):
    nested = []
    for _ in range(10**6):
        nested = [nested]
    return nested
""",
        dies=True,
    ),
    Attack(
        "an answer that holds itself",
        """
def f(x):
    found = [1]
    found.append(found)
    return found
""",
    ),
    Attack(
        "an answer that holds itself twice",
        """
def f(x):
    found = []
    found += [found, found]
    return found
""",
    ),
    Attack(
        "a dict that holds itself",
        """
def f(x):
    found = {}
    found["x"] = (found, {1: found})
    return found
""",
    ),
    Attack(
        "an answer of too many values",
        """
def f(x):
    return [[]] * 5_000_000
""",
    ),
    Attack(
        "an answer that is one text too long",
        """
def f(x):
    return "x" * (40 << 20)
""",
    ),
    Attack(
        "answers as long as they may be, again and again",
        """
def f(x):
    return "x" * (30 << 20)
""",
    ),
    Attack(
        "an error with a text too long",
        """
def f(x):
    raise ValueError("x" * (100 << 20))
""",
    ),
    Attack(
        "a number too long for text",
        """
def f(x):
    return 1 << 500_000
""",
    ),
    Attack(
        "numbers that take for ever to reduce",
        """
from fractions import Fraction


def f(x):
    return Fraction(3**100_000, 7**100_000)
""",
    ),
    Attack(
        "a decimal number with a monstrous exponent",
        """
from decimal import Decimal


def f(x):
    return Decimal("1e999999999")
""",
    ),
    Attack(
        "a range that goes on",
        """
def f(x):
    return range(10**30)
""",
    ),
    Attack(
        "integers of one hash",
        """
def f(x):
    return {i * (2**61 - 1) for i in range(1000)}
""",
    ),
)
