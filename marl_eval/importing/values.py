"""Reading single values of a row, and telling of a wrong one with its place.

Each function takes the value and its place in words. What is absent is None: no field, null, or NaN.
"""

from __future__ import annotations

import math
from typing import Any

from marl_eval.errors import UserError
from marl_eval.types import FinishReason

_FINISHED: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}
"""The words of the common engines; any other reason is neither."""


def is_absent(value: Any) -> bool:
    """Whether a value stands for nothing."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def read_text(value: Any, place: str) -> str | None:
    """Read a text.

    Raises:
        UserError: for anything else, or a text that UTF-8 cannot hold.
    """
    if is_absent(value):
        return None
    if not isinstance(value, str):
        raise UserError(f"{place} is not a text but {_shown(value)}.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(
            f"{place} is not valid text: character {error.start + 1} is half of a surrogate pair."
        ) from error
    return value


def read_name(value: Any, place: str) -> str | None:
    """Read a text that others may have written as a whole number, such as an id.

    Raises:
        UserError: for anything else.
    """
    number = _number(value)
    if number is not None and number.is_integer():
        return str(int(value))
    return read_text(value, place)


def read_count(value: Any, place: str) -> int | None:
    """Read a whole number of at least 0.

    Raises:
        UserError: for anything else.
    """
    if is_absent(value):
        return None
    number = _number(value)
    if number is None or number < 0 or not number.is_integer():
        raise UserError(f"{place} is not a whole number of at least 0 but {_shown(value)}.")
    return int(number)


def read_grade(value: Any, place: str) -> int | None:
    """Read a grade: 1 or true for a right answer, 0 or false for a wrong one.

    Raises:
        UserError: for anything else.
    """
    if is_absent(value):
        return None
    if isinstance(value, bool):
        return int(value)
    if _number(value) not in (0, 1):
        raise UserError(f"{place} is not a grade (0 or 1) but {_shown(value)}.")
    return int(value)


def read_confidence(value: Any, place: str) -> float | None:
    """Read a confidence in [0, 1].

    Raises:
        UserError: for anything else.
    """
    if is_absent(value):
        return None
    number = _number(value)
    if number is None or not 0 <= number <= 1:
        raise UserError(f"{place} is not a confidence in [0, 1] but {_shown(value)}.")
    return number


def read_finish(value: Any, place: str) -> FinishReason | None:
    """Read why a generation ended; an unknown reason is none.

    Raises:
        UserError: for what is not a text.
    """
    told = read_text(value, place)
    return None if told is None else _FINISHED.get(told.lower())


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _shown(value: Any) -> str:
    """Show a wrong value shortly."""
    shown = ascii(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
