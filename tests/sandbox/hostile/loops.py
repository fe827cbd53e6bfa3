"""Programs that never end, most of them in one call of a function that is written in C."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

ATTACKS = (
    Attack(
        "an endless loop",
        """
def f(x):
    while True:
        pass
""",
        ends="cpu",
    ),
    Attack(
        "an endless loop when imported",
        """
while True:
    pass
""",
        ends="cpu",
    ),
    Attack(
        "an endless loop that catches everything",
        """
def f(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
        ends="cpu",
    ),
    Attack(
        "an endless loop in C: a product",
        """
import itertools


def f(x):
    return sum(1 for _ in ()) or max(itertools.product(range(1000), repeat=9))
""",
        ends="cpu",
    ),
    Attack(
        "an endless loop in C: a cycle",
        """
import collections, itertools


def f(x):
    return collections.deque(itertools.cycle([0]), maxlen=0)
""",
        ends="cpu",
    ),
    Attack(
        "an endless loop in C: searching endless numbers",
        """
import itertools


def f(x):
    return -1 in itertools.count()
""",
        ends="cpu",
    ),
    Attack(
        "a regular expression that backtracks",
        """
import re


def f(x):
    return re.match("(a+)+$", "a" * 64 + "b")
""",
        ends="cpu",
    ),
    Attack(
        "a power of whole numbers",
        """
def f(x):
    return 7 ** (10**8) and 0
""",
        ends="cpu",
    ),
    Attack(
        "a power that the compiler might fold",
        """
def f(x):
    return 3 ** (10**7) // 7 ** (10**7)
""",
        ends="cpu",
    ),
    Attack(
        "a number as text of many digits",
        """
import sys

sys.set_int_max_str_digits(0)


def f(x):
    return int("9" * 2_000_000) and len(str(1 << 8_000_000))
""",
        ends="cpu",
    ),
    Attack(
        "counting in a large text",
        """
def f(x):
    text = "ab" * 10_000_000
    while True:
        text.count("ba" * 5000 + "c")
""",
        ends="cpu",
    ),
    Attack(
        "sorting with a key that has no end",
        """
class Key:
    def __lt__(self, other):
        while True:
            pass


def f(x):
    return sorted([2, 1], key=lambda item: Key())
""",
        ends="cpu",
    ),
    Attack(
        "a division of long numbers",
        """
def f(x):
    a = 1 << 90_000_000
    return a // ((1 << 40_000_001) - 1) and 0
""",
        ends="cpu",
    ),
    Attack(
        "a hash function of a lot",
        """
import hashlib


def f(x):
    return hashlib.pbkdf2_hmac("sha512", b"", b"", 10**9)
""",
        ends="cpu",
    ),
    Attack(
        "a generator without end as the answer to a loop",
        """
def f(x):
    while True:
        yield 42


def g():
    return list(f(0))


import itertools

next(itertools.filterfalse(bool, itertools.repeat(1)))
""",
        ends="cpu",
    ),
    Attack(
        "output without end",
        """
import sys


def f(x):
    while True:
        print("x" * 10_000)
        os.write(1, b"x" * 10_000)
        os.write(2, b"x" * 10_000)
""",
        ends="cpu",
    ),
)
