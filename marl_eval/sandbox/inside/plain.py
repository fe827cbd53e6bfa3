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
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

MOST_VALUES = 4_000_000
"""Values, counted through all containers, that one message may hold."""

DEEPEST = 200
"""Containers within containers."""

_LARGEST_RANGE = 1_000_000
_SMALL = 1 << 53


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
        if kind is set or kind is frozenset:
            return {"s" if kind is set else "z": [self.encode(item, depth + 1) for item in value]}
        if kind is complex:
            return {"c": [_float(value.real), _float(value.imag)]}
        if kind is bytes or kind is bytearray:
            return {"b" if kind is bytes else "y": base64.b64encode(value).decode("ascii")}
        if kind is range and len(value) <= _LARGEST_RANGE:
            return {"r": [hex(value.start), hex(value.stop), hex(value.step)]}
        if kind is Decimal:
            return {"D": str(value)}
        if kind is Fraction:
            return {"F": [hex(value.numerator), hex(value.denominator)]}
        if kind is type and value in _TYPES.values():
            return {"T": value.__name__}
        base = _base(kind)
        if base is not None:
            return self.encode(_as_base(value, base), depth)
        return {"h": self.keep(value)}


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

_BASES = (bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict)


def _base(kind: type) -> type | None:
    """Give the built-in type that a type derives from, by its real line of descent."""
    for ancestor in type.__dict__["__mro__"].__get__(kind):
        if ancestor in _BASES:
            found: type = ancestor
            return found
    return None


def _as_base(value: Any, base: type) -> Any:
    """Copy the data of an instance of a subclass, by the base's own methods."""
    if base is dict:
        return {key: dict.__getitem__(value, key) for key in dict.__iter__(value)}
    if base is float:
        return float.__add__(value, 0.0) if value == value else float("nan")
    if base is int:
        return int.__add__(value, 0)
    if base is complex:
        return complex.__add__(value, 0j)
    if base is str:
        return str.__str__(value) if type(value) is str else str.__getitem__(value, slice(None))
    if base in (bytes, bytearray):
        return base.__getitem__(value, slice(None))
    iterate: Any = base.__iter__  # type: ignore[attr-defined]
    return base(iterate(value))


Handle = Callable[[int, str, bool], Any]
"""Gives what stands on this side for an object that stayed on the other."""


def from_plain(value: Any, handle: Handle) -> Any:
    """Give the value that JSON stands for.

    Raises:
        NotPlainError: if it is none that ``to_plain`` writes.
    """
    try:
        return _decode(value, handle)
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
        raise NotPlainError(f"not plain data: {type(error).__name__}") from error


def _decode(value: Any, handle: Handle) -> Any:
    if type(value) is list:
        return [_decode(item, handle) for item in value]
    if type(value) is not dict:
        return value
    ((tag, held),) = value.items()
    if tag == "t":
        return tuple([_decode(item, handle) for item in held])
    if tag == "d":
        return {_decode(key, handle): _decode(item, handle) for key, item in held}
    if tag == "h":
        number, name, truth = held
        return handle(int(number), str(name)[:100], truth is True)
    return _DECODERS[tag](held, handle)


def _number(held: Any) -> float:
    if held not in ("nan", "inf", "-inf"):
        raise ValueError("no such number")
    return float(held)


def _part(held: Any) -> float:
    return _number(held["n"]) if type(held) is dict else float(held)


def _range(held: Any) -> range:
    found = range(*[int(part, 16) for part in held])
    if len(found) > _LARGEST_RANGE:
        raise ValueError("too long a range")
    return found


_DECODERS: dict[str, Callable[[Any, Handle], Any]] = {
    "s": lambda held, handle: {_decode(item, handle) for item in held},
    "z": lambda held, handle: frozenset([_decode(item, handle) for item in held]),
    "i": lambda held, handle: int(held, 16),
    "n": lambda held, handle: _number(held),
    "c": lambda held, handle: complex(_part(held[0]), _part(held[1])),
    "b": lambda held, handle: base64.b64decode(held),
    "y": lambda held, handle: bytearray(base64.b64decode(held)),
    "u": lambda held, handle: base64.b64decode(held).decode("utf-8", "surrogatepass"),
    "r": lambda held, handle: _range(held),
    "T": lambda held, handle: _TYPES[held],
    "D": lambda held, handle: Decimal(held),
    "F": lambda held, handle: Fraction(int(held[0], 16), int(held[1], 16)),
}
