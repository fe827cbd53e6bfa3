"""Reading one stated confidence."""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"\s*\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\s*\Z")
_FRACTION = re.compile(
    r"(?<![\w.,/-])([0-9]{1,6}(?:\.[0-9]{1,6})?)\s{0,2}(?:/|out of)\s{0,2}"
    r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(?![\w/]|[.,][0-9])"
)
_NUMBER = re.compile(r"(-?)([0-9]*\.?[0-9]+)\s{0,2}(%|percent\b|)", re.IGNORECASE)
# Longer texts are no number that anybody meant; the bound keeps the conversion cheap.
_LONGEST = 64
_MOST_KNOWN = 1 << 14


def read_confidence(text: str) -> tuple[float | None, str | None]:
    """Give the confidence in [0, 1] that ``text`` states, and the deviation that was forgiven.

    A decimal number in [0, 1] needs no forgiveness. A number with a percent sign, or in (1, 100],
    is divided by 100; a fraction such as 3/4 or "8 out of 10" is divided out. A number among words is
    taken if it is the only one and is a percentage or has a decimal point, so that "confidence in
    answer 1" states nothing. Outside [0, 1] after that, or with nothing that states a confidence,
    there is none: (None, deviation), the deviation being None where there was nothing to read.
    """
    head = text[:_LONGEST]
    if len(text) > _LONGEST:
        head = head.rstrip("0123456789.")
    elif _DECIMAL.match(head):
        value = float(head)
        if value <= 1:
            return value, None
        return (value / 100, "confidence-percent") if value <= 100 else (None, "confidence-range")
    fraction = _FRACTION.search(head)
    if fraction is not None:
        part, whole = float(fraction[1]), float(fraction[2])
        if part <= whole and whole > 0:
            return part / whole, "confidence-text"
        return None, "confidence-range"
    numbers = _NUMBER.findall(head)
    if len(numbers) != 1:
        return None, None
    sign, digits, percent = numbers[0]
    value = float(digits)
    alone = head.strip(" \t\r\n-+%.") == digits
    if not (percent or alone or "." in digits):
        return None, None
    if (sign and value > 0) or value > (100 if percent or value > 1 else 1):
        return None, "confidence-range"
    if percent or value > 1:
        return value / 100, "confidence-percent"
    return value, "confidence-text"


class _Exact(dict[str, float | None]):
    """Remembers the confidences that need no forgiveness, None for other texts."""

    def __missing__(self, text: str) -> float | None:
        value, deviation = read_confidence(text)
        exact = value if deviation is None else None
        if len(text) <= _LONGEST:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[text] = exact
        return exact


exact_confidence = _Exact().__getitem__
"""Give the confidence that a text states with nothing to forgive, else None; fast when repeated."""
