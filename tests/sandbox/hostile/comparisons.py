"""Objects that lie when they are compared: each is given in place of the right answer."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

_YES = '''
class Yes:
    """Says yes to everything."""
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __hash__(self): return 42
    def _same(self, *others): return self
    __sub__ = __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __abs__ = __neg__ = _same
    __getitem__ = __call__ = __round__ = _same
    def __int__(self): return 42
    __index__ = __len__ = __trunc__ = __int__
    def __float__(self): return 42.0
    def __str__(self): return "abab"
    __repr__ = __str__
    def __iter__(self): return iter([self, self])
'''


def _lying(base: str, value: str) -> str:
    """Give a program whose answer is of a subclass of a built-in type, with wrong data in it."""
    return f"""
class Lie({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 42
    def __len__(self): return 2
    def __iter__(self): return iter(answers)
    def __getitem__(self, place): return answers[place]
    def __contains__(self, item): return True
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __sub__(self, other): return 0
    __rsub__ = __sub__
    def __abs__(self): return 0
    def __bool__(self): return True
    def keys(self): return answers
    def items(self): return [(item, item) for item in answers]
    def __reduce__(self): return int, (42,)
    __reduce_ex__ = __reduce__
    def __repr__(self): return "42"
    __str__ = __repr__

answers = [True, True]
def f(x): return Lie({value})
"""


LIES = (
    Attack(
        "an __eq__ that is always true",
        "class Y:\n    def __eq__(self, other): return True\ndef f(x): return Y()",
    ),
    Attack(
        "an __eq__ and a __hash__ of the expected value",
        "class Y:\n    def __eq__(self, other): return True\n    def __hash__(self): return hash(42)\n"
        "def f(x): return Y()",
    ),
    Attack("an object that says yes to everything", _YES + "def f(x): return Yes()"),
    Attack("a list of objects that say yes", _YES + "def f(x): return [Yes(), Yes(), Yes()]"),
    Attack(
        "a __class__ that lies",
        _YES + "class Y(Yes):\n    __class__ = property(lambda self: int)\ndef f(x): return Y()",
    ),
    Attack(
        "a metaclass with an __instancecheck__ that is always true",
        _YES + """
class Meta(type):
    def __instancecheck__(cls, other): return True
    def __subclasscheck__(cls, other): return True
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(int)
class Y(Yes, metaclass=Meta): pass
def f(x): return Y()
""",
    ),
    Attack(
        "a class that equals every class and is the answer itself",
        "class Meta(type):\n    def __eq__(cls, other): return True\n    __hash__ = type.__hash__\n"
        "class Y(metaclass=Meta): pass\ndef f(x): return Y",
    ),
    Attack(
        "a __getattribute__ that finds everything",
        _YES + "class Y(Yes):\n    def __getattribute__(self, name): return lambda *a: True\n"
        "def f(x): return Y()",
    ),
    Attack(
        "a __reduce__ that turns into the expected value",
        "class Y:\n    def __reduce__(self, *a): return int, (42,)\n    __reduce_ex__ = __reduce__\n"
        "    def __getstate__(self): return 42\n    def __copy__(self): return 42\n"
        "    def __deepcopy__(self, memo): return 42\ndef f(x): return Y()",
    ),
    Attack(
        "an __index__, __int__ and __float__ of the expected value",
        "class Y:\n    def __index__(self): return 42\n    __int__ = __trunc__ = __round__ = __index__\n"
        "    def __float__(self): return 42.0\n    def __complex__(self): return 42j\n"
        "def f(x): return Y()",
    ),
    Attack("an integer that lies", _lying("int", "0")),
    Attack("a text that lies", _lying("str", "'no'")),
    Attack("a list that lies", _lying("list", "[0]")),
    Attack("a tuple that lies", _lying("tuple", "(0,)")),
    Attack("a dict that lies", _lying("dict", "{0: 0}")),
    Attack("a set that lies", _lying("set", "{0}")),
    Attack("a frozenset that lies", _lying("frozenset", "{0}")),
    Attack("a float that lies", _lying("float", "0.5")),
    Attack("a complex number that lies", _lying("complex", "1j")),
    Attack("bytes that lie", _lying("bytes", "b'no'")),
    Attack("a decimal number that lies", "from decimal import Decimal" + _lying("Decimal", "'NaN'")),
    Attack("a fraction that lies", "from fractions import Fraction" + _lying("Fraction", "1, 3")),
    Attack("a counter that lies", "from collections import Counter" + _lying("Counter", "'no'")),
    Attack("a deque that lies", "from collections import deque" + _lying("deque", "[0]")),
    Attack("an array that lies", "from array import array" + _lying("array", "'i', [0]")),
    Attack(
        "an enumeration that lies",
        "import enum\nclass E(int, enum.Enum):\n    A = 0\n    def __eq__(self, other): return True\n"
        "    def __hash__(self): return 42\ndef f(x): return E.A",
    ),
    Attack(
        "a named tuple that lies",
        "from typing import NamedTuple\nclass T(NamedTuple):\n    a: int = 0\n"
        "    def __eq__(self, other): return True\ndef f(x): return T()",
    ),
    Attack(
        "an array like numpy's that is equal everywhere",
        _YES + """
class Y(Yes):
    shape, ndim, dtype, size = (), 0, float, 1
    def __array__(self, *a, **k): return self
    def __array_ufunc__(self, *a, **k): return self
    def __array_function__(self, *a, **k): return True
    __array_priority__ = 1e9
    __array_interface__ = {"shape": (), "typestr": "<f8", "version": 3, "data": b"\\0" * 8}
    def all(self, *a, **k): return True
    any = all
def f(x): return Y()
""",
    ),
    Attack("what a mocking library calls ANY", "from unittest.mock import ANY\ndef f(x): return ANY"),
    Attack(
        "a proxy of an object that says yes",
        "import weakref\n" + _YES + "kept = Yes()\ndef f(x): return weakref.proxy(kept)",
    ),
    Attack(
        "a generator of objects that say yes",
        _YES + "def f(x):\n    for _ in range(50):\n        yield Yes()",
    ),
    Attack("not a number, in many shapes", "n = float('nan')\ndef f(x): return [n, n, n, n]"),
    Attack("true, whatever is asked", "def f(x): return True"),
    Attack("nothing, whatever is asked", "def f(x): return None"),
    Attack("NotImplemented", "def f(x): return NotImplemented"),
    Attack(
        "a StopIteration, which ends loops early", "def f(x): raise StopIteration"
    ),
    Attack("an AssertionError of its own", "def f(x): raise AssertionError"),
    Attack(
        "an exception that says yes",
        _YES + "class E(Yes, Exception): pass\ndef f(x): raise E()",
    ),
    Attack(
        "an exception whose text and name are made to deceive",
        "class T(str):\n    def __getitem__(self, place): return self\n"
        "    def encode(self, *a): return self\n"
        "class E(Exception):\n    def __str__(self): return T('42')\n"
        "E.__name__ = E.__qualname__ = 'StopIteration'\ndef f(x): raise E()",
        dies=True,
    ),
    Attack(
        "an exception whose text raises",
        "class E(Exception):\n    def __str__(self): raise SystemExit(0)\n    __repr__ = __str__\n"
        "def f(x): raise E()",
    ),
)  # fmt: skip
"""Every one of them is tested with every form of test."""

ATTACKS = LIES
