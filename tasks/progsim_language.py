"""A small language of integer expressions: reading a program, running it, telling two apart.

    expression = sum ["if" condition "else" expression]
    condition  = sum (">" | ">=" | "==" | "!=" | "<=" | "<") sum | "(" condition ")"
    sum        = product {("+" | "-") product}
    product    = factor {("*" | "%") factor}
    factor     = "-" factor | number | "x" | "y" | "(" expression ")"
               | ("max" | "min") "(" expression "," expression {"," expression} ")"

A program means what it means in Python, but for one thing: where it takes a remainder by 0, or a
number in it is beyond ``LARGEST``, it has no value. A branch that is not taken does not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Code = list[str | float]
"""A program in postfix order: numbers, "x", "y", and operators after what they work on."""

INPUTS: Array = np.array([(x, y) for x in range(10) for y in range(10)], dtype=np.float64)
"""Every x with every y, float64[inputs, 2]: programs that agree on all of them are the same."""

LARGEST = 10**9
"""The largest size of a value: the product of two is beyond it or exact, in float64 as well."""

_LONGEST = 1000
_START = re.compile(r"f *\( *x *(?:, *y *)?\) *=(?!=)")
_TOKEN = re.compile(r"[0-9]+|(?:max|min)\s*\(|[a-z]+|[<>=!]=|[-+*%<>(),]")
_ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "%": np.remainder,
    "max": np.maximum, "min": np.minimum,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[Array, Array], NDArray[np.bool_]]] = {
    ">": np.greater, ">=": np.greater_equal, "==": np.equal,
    "!=": np.not_equal, "<=": np.less_equal, "<": np.less,
}  # fmt: skip
_BINDS = {
    "else": 0, **dict.fromkeys(_COMPARISONS, 1), "+": 2, "-": 2, "*": 3, "%": 3, "negate": 4,
}  # fmt: skip


def key(text: str) -> str:
    """Give what two answers must share to be the same program.

    Of a program: its values for all ``INPUTS``, after a tab. Of a text that is none: itself, in lower
    case and with single spaces, which holds no tab.
    """
    return _short_key(text) if len(text) <= _LONGEST else _as_text(text)


@lru_cache(maxsize=1 << 16)
def _short_key(text: str) -> str:
    code = read(text)
    if code is None:
        return _as_text(text)
    values = run(code, INPUTS[:, 0], INPUTS[:, 1])
    return "\t" + ",".join("none" if v != v else str(int(v)) for v in values.tolist())


def _as_text(text: str) -> str:
    return " ".join(text.lower().split())


def read(text: str) -> Code | None:
    """Read a program; None for a text that is none, or has more than 1,000 characters.

    Backquotes around it and "f(x, y) =" before it are forgiven. Never raises; the time is linear in
    the text: it is gone through once, with what waits for its right side on a stack (the shunting
    yard, Dijkstra 1961, Mathematisch Centrum MR 34/61).
    """
    if len(text) > _LONGEST:
        return None
    text = text.lower().strip().strip("`").strip()
    started = _START.match(text)
    text = text[started.end() :] if started else text
    tokens = ["".join(token.split()) for token in _TOKEN.findall(text)]
    if "".join(tokens) != "".join(text.split()):
        return None
    code = _postfix(tokens)
    return code if code is not None and _is_sound(code) else None


def _postfix(tokens: list[str]) -> Code | None:
    """Put operators after their operands; None where operands and operators do not alternate."""
    code: Code = []
    waiting: list[str] = []  # operators, and what opens a bracket: "(", "max(", "max,", "if"
    complete = False
    for token in tokens:
        if not complete:
            if token == "-":
                waiting.append("negate")
            elif token in ("(", "max(", "min("):
                waiting.append(token)
            elif token in ("x", "y") or token.isdigit():
                code.append(token if token.isalpha() else _number(token))
                complete = True
            else:
                return None
            continue
        binds = _BINDS.get(token, 0)
        while waiting and _BINDS.get(waiting[-1], -1) >= max(binds, token == "if"):
            code.append(waiting.pop())
        opened = waiting[-1] if waiting else ""
        if token == "else":
            if opened != "if":
                return None
            waiting[-1] = "else"
        elif token == "if" or binds:
            waiting.append(token)
        elif token == "," and opened[-1:] in ("(", ",") and opened != "(":
            if opened[-1] == ",":
                code.append(opened[:-1])
            waiting[-1] = opened[:-1] + ","
        elif token == ")" and (opened == "(" or opened[-1:] == ","):
            code += [opened[:-1]] if opened != "(" else []
            waiting.pop()
        else:
            return None
        complete = token == ")"
    code += reversed(waiting)
    return code if complete and all(operator in _BINDS for operator in waiting) else None


def _number(digits: str) -> float:
    digits = digits.lstrip("0")
    return float(digits or 0) if len(digits) <= len(str(LARGEST)) else float("nan")


def _is_sound(code: Code) -> bool:
    """Whether conditions stand where conditions must, and nowhere else."""
    conditions: list[bool] = []
    for step in code:
        if step == "else":
            if conditions[-3:] != [False, True, False]:
                return False
            del conditions[-2:]
        elif step == "negate":
            if conditions[-1]:
                return False
        elif step in _ARITHMETIC or step in _COMPARISONS:
            if conditions[-2:] != [False, False]:
                return False
            conditions[-2:] = [step in _COMPARISONS]
        else:
            conditions.append(False)
    return conditions == [False]


def run(code: Code, x: Array, y: Array) -> Array:
    """Give the values of a program for each x with its y: float64, NaN where it has none."""
    stack: list[Array] = []
    for step in code:
        if isinstance(step, float):
            stack.append(apply("+", np.full(x.shape, step), np.zeros(x.shape)))
        elif step in ("x", "y"):
            stack.append(x if step == "x" else y)
        else:
            count = {"negate": 1, "else": 3}.get(step, 2)
            stack[-count:] = [apply(step, *stack[-count:])]
    return stack[0]


def apply(operator: str, *parts: Array) -> Array:
    """Apply an operator to values; NaN where a part that counts has no value or the result has none.

    A comparison gives 1 or 0. The parts of "else" are a value, a condition, and the other value.
    """
    with np.errstate(all="ignore"):
        if operator == "else":
            first, condition, second = parts
            return np.where(condition == 1, first, np.where(condition == 0, second, np.nan))
        if operator == "negate":
            return -parts[0]
        left, right = parts
        if operator in _COMPARISONS:
            compared = _COMPARISONS[operator](left, right)
            return np.where(np.isnan(left) | np.isnan(right), np.nan, compared)
        result = _ARITHMETIC[operator](left, right)
        return np.where(np.abs(result) <= LARGEST, result, np.nan)
