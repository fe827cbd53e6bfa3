"""Plain data as JSON, in both directions across the boundary.

Only values cross, never objects: what a program returns is read with the methods of the built-in
types themselves, so a subclass crosses as the data it holds and no method that a program wrote is
asked anything. A value that is not plain data stays where it is, and a handle crosses for it.

JSON's own kinds stand for themselves (a number with a point or exponent is a float). Everything else
is an object with one key:

    t tuple   s set   z frozenset   d dict, as pairs   i integer, in hexadecimal   n nan, inf, -inf
    c complex   b bytes   y bytearray   u text that UTF-8 cannot hold   r range
    D Decimal   F Fraction   T built-in type, by name   h handle: [number, name of the type, truth]
"""

from __future__ import annotations

import base64
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

MOST_VALUES = 4_000_000
"""Values, counted through all containers, that one message may hold."""

DEEPEST = 200
"""Containers within containers."""

_LARGEST_RANGE = 1_000_000
_SMALL = 1 << 53
# Reducing a fraction takes time that grows as the square of its length.
_LONGEST_FRACTION = 1 << 15
# Items with the same hash, so that no set or dict takes time that grows as the square of its size.
_LARGEST_EXPONENT = 100_000
_MOST_ALIKE = 100


class NotPlainError(Exception):
    """A value that cannot cross: not plain data, too deep or too large."""


Keep = Callable[[Any], list[Any]]
"""Keeps an object that stays where it is; gives its number, the name of its type and its truth."""


def to_plain(value: Any, keep: Keep) -> Any:
    """Give what stands for a value in JSON.

    Raises:
        NotPlainError: if it is too deep or too large, or ``keep`` refuses it.
    """
    return _Encoder(keep).encode(value, 0)


class _Encoder:
    __slots__ = ("keep", "left")

    def __init__(self, keep: Keep) -> None:
        self.keep = keep
        self.left = MOST_VALUES

    def encode(self, value: Any, depth: int) -> Any:
        """Encode one value; ``type(value) is`` cannot be deceived, unlike ``isinstance``."""
        self.left -= 1
        if self.left < 0:
            raise NotPlainError("too many values")
        kind = type(value)
        if kind is str:
            return _text(value)
        if kind is int:
            return value if -_SMALL < value < _SMALL else {"i": hex(value)}
        if kind is float:
            return _float(value)
        if kind is bool or value is None:
            return value
        if depth >= DEEPEST:
            raise NotPlainError("containers within containers are too deep")
        if kind is list:
            return [self.encode(item, depth + 1) for item in value]
        if kind is tuple:
            return {"t": [self.encode(item, depth + 1) for item in value]}
        if kind is dict:
            return {
                "d": [
                    [self.encode(key, depth + 1), self.encode(item, depth + 1)]
                    for key, item in value.items()
                ]
            }
        return self._rare(value, kind, depth)

    def _rare(self, value: Any, kind: type, depth: int) -> Any:
        base = _base(kind)
        if base in _SCALARS:
            return self.encode(_SCALARS[base](value), depth)
        if base in (list, tuple):
            items = [self.encode(item, depth + 1) for item in base.__iter__(value)]
            return items if base is list else {"t": items}
        if base in (set, frozenset):
            items = [self.encode(item, depth + 1) for item in base.__iter__(value)]
            return {"s" if base is set else "z": _in_order(items)}
        if base is dict:
            return {
                "d": [
                    [self.encode(key, depth + 1), self.encode(item, depth + 1)]
                    for key, item in _pairs(value, kind)
                ]
            }
        if base in (bytes, bytearray):
            held = base64.b64encode(base.__getitem__(value, slice(None))).decode("ascii")
            return {"b" if base is bytes else "y": held}
        if base is complex:
            exact = complex.__pos__(value)
            return {"c": [_float(exact.real), _float(exact.imag)]}
        return self._of_library(value, kind)

    def _of_library(self, value: Any, kind: type) -> Any:
        if kind is range and _fits(value):
            return {"r": [hex(value.start), hex(value.stop), hex(value.step)]}
        if kind is Decimal and _modest(value):
            return {"D": str(value)}
        if kind is Fraction and _short(value.numerator) and _short(value.denominator):
            return {"F": [hex(value.numerator), hex(value.denominator)]}
        if kind is type and value in _TYPES.values():
            return {"T": value.__name__}
        number = _numpy_scalar(value, kind)
        if number is not None:
            return self.encode(number, 0)
        return {"h": self.keep(value)}


def _numpy_scalar(value: Any, kind: type) -> Any:
    """Give Python's own value of a scalar of numpy, which equals it; None if it is no such scalar."""
    generic = getattr(sys.modules.get("numpy"), "generic", None)
    if generic is None or not any(
        ancestor is generic for ancestor in type.__dict__["__mro__"].__get__(kind)
    ):
        return None
    own = generic.item(value)
    return own if type(own) in (bool, int, float, complex) else None


def _text(value: str) -> Any:
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        held = value.encode("utf-8", "surrogatepass")
        return {"u": base64.b64encode(held).decode("ascii")}
    return value


def _float(value: float) -> Any:
    # Only infinities and nan differ from themselves after subtraction.
    return value if value - value == 0 else {"n": repr(value)}


_TYPES = {
    kind.__name__: kind
    for kind in (bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict, object)
}

_SCALARS: dict[Any, Callable[[Any], Any]] = {
    int: int.__pos__,
    float: float.__pos__,
    str: lambda value: str.__getitem__(value, slice(None)),
}
"""The built-in types of which a subclass may hold a single value, with what copies that value."""

_BASES = (*_SCALARS, complex, bytes, bytearray, list, tuple, set, frozenset, dict)


def _base(kind: type) -> Any:
    """Give the built-in type that a type derives from, by its real line of descent."""
    for ancestor in type.__dict__["__mro__"].__get__(kind):
        for base in _BASES:
            if ancestor is base:
                return base
    return None


def _pairs(value: Any, kind: type) -> Iterable[tuple[Any, Any]]:
    for ancestor in type.__dict__["__mro__"].__get__(kind):
        if ancestor is OrderedDict:
            return OrderedDict.items(value)
    return dict.items(value)


def _in_order(items: list[Any]) -> list[Any]:
    """Sort what stands for the items of a set, so that equal sets are the same text."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def _fits(value: range) -> bool:
    try:
        return len(value) <= _LARGEST_RANGE
    except OverflowError:
        return False


def _modest(value: Decimal) -> bool:
    # A few characters can stand for a whole number that fills the memory.
    return abs(value.adjusted()) <= _LARGEST_EXPONENT


def _short(part: int) -> bool:
    return part.bit_length() <= _LONGEST_FRACTION


Handle = Callable[[int, str, bool], Any]
"""Gives what stands on this side for an object that stayed on the other."""


def from_plain(value: Any, handle: Handle) -> Any:
    """Give the value that JSON stands for.

    Raises:
        NotPlainError: if it is none that ``to_plain`` writes.
    """
    try:
        return _decode(value, handle)
    except Exception as error:
        raise NotPlainError(f"not plain data: {type(error).__name__}") from error


def _decode(value: Any, handle: Handle) -> Any:
    if type(value) is list:
        return [_decode(item, handle) for item in value]
    if type(value) is not dict:
        return value
    ((tag, held),) = value.items()
    if tag == "t":
        return tuple(_items(held, handle))
    if tag == "s":
        return set(_hashed(_items(held, handle)))
    if tag == "z":
        return frozenset(_hashed(_items(held, handle)))
    if tag == "d":
        return _dict(held, handle)
    return _DECODERS[tag](held, handle)


def _items(held: Any, handle: Handle) -> list[Any]:
    if type(held) is not list:
        raise TypeError("no list")
    return [_decode(item, handle) for item in held]


def _hashed(items: list[Any]) -> list[Any]:
    if len(items) > _MOST_ALIKE and max(Counter(map(hash, items)).values()) > _MOST_ALIKE:
        raise ValueError("made to have the same hash")
    return items


def _dict(held: Any, handle: Handle) -> dict[Any, Any]:
    pairs = [(_decode(key, handle), _decode(item, handle)) for key, item in held]
    _hashed([key for key, _ in pairs])
    return dict(pairs)


def _handle(held: Any, handle: Handle) -> Any:
    number, name, truth = held
    if type(number) is not int or type(name) is not str:
        raise TypeError("no handle")
    return handle(number, name[:100], truth is True)


def _number(held: Any) -> float:
    if held not in ("nan", "inf", "-inf"):
        raise ValueError("no such number")
    return float(held)


def _complex(held: Any) -> complex:
    real, imag = [_number(part["n"]) if type(part) is dict else float(part) for part in held]
    return complex(real, imag)


def _range(held: Any) -> range:
    found = range(*[int(part, 16) for part in held])
    if len(found) > _LARGEST_RANGE:
        raise ValueError("too long a range")
    return found


def _decimal(held: Any) -> Decimal:
    found = Decimal(held)
    if not _modest(found):
        raise ValueError("too large an exponent")
    return found


def _fraction(held: Any) -> Fraction:
    numerator, denominator = [int(part, 16) for part in held]
    if not (_short(numerator) and _short(denominator)):
        raise ValueError("too long a fraction")
    return Fraction(numerator, denominator)


_DECODERS: dict[str, Callable[[Any, Handle], Any]] = {
    "h": _handle,
    "i": lambda held, handle: int(held, 16),
    "n": lambda held, handle: _number(held),
    "c": lambda held, handle: _complex(held),
    "b": lambda held, handle: base64.b64decode(held),
    "y": lambda held, handle: bytearray(base64.b64decode(held)),
    "u": lambda held, handle: base64.b64decode(held).decode("utf-8", "surrogatepass"),
    "r": lambda held, handle: _range(held),
    "T": lambda held, handle: _TYPES[held],
    "D": lambda held, handle: _decimal(held),
    "F": lambda held, handle: _fraction(held),
}
