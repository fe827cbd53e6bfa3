"""Rules of the gate: what a metric must be, as a number or against a baseline.

One rule a line, blank lines and what follows ``#`` left out:

    recall >= 0.95 * baseline
    tokens_per_correct <= baseline * 1.10
    ece <= 0.05
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from marl_eval.errors import UserError

_RULE = re.compile(r"(?P<metric>[A-Za-z_][\w@.+-]*)\s*(?P<relation>>=|<=)\s*(?P<limit>\S.*)")
_FORM = "METRIC >= LIMIT or METRIC <= LIMIT"
_BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Rule:
    """A metric's limit: ``slope`` times the baseline's value, plus ``offset``.

    ``text`` is the rule as it was written, at ``line`` of ``file``.
    """

    text: str
    file: str
    line: int
    metric: str
    relation: Literal[">=", "<="]
    slope: float
    offset: float

    @property
    def place(self) -> str:
        """Where the rule stands, for messages."""
        return f"{self.file}, line {self.line}"


def read_rules(path: Path) -> list[Rule]:
    """Read a file of rules.

    Raises:
        UserError: naming the line that is no rule; or if there is none, or the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"The rules {path} cannot be read ({reason}).") from error
    rules = parse_rules(text, str(path))
    if not rules:
        raise UserError(f"{path} holds no rule: write one a line, {_FORM}.")
    return rules


def parse_rules(text: str, file: str) -> list[Rule]:
    """Read rules from a text; ``file`` is its name in messages.

    Raises:
        UserError: naming the line that is no rule.
    """
    lines = enumerate(text.splitlines(), start=1)
    stripped = [(number, line.partition("#")[0].strip()) for number, line in lines]
    return [_parsed(line, file, number) for number, line in stripped if line]


def _parsed(text: str, file: str, line: int) -> Rule:
    match = _RULE.fullmatch(text)
    if match is None:
        raise UserError(f"{file}, line {line}: {text!r} is no rule; write {_FORM}.")
    try:
        slope, offset = _linear(ast.parse(match["limit"].strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, ZeroDivisionError) as error:
        why = str(error) if type(error) is ValueError else "it cannot be read"
        raise UserError(
            f"{file}, line {line}: the limit {match['limit']!r} is neither a number nor a sum or "
            f"multiple of {_BASELINE} ({why}); write such as 0.05, 0.95 * baseline, baseline - 0.01."
        ) from error
    relation: Literal[">=", "<="] = ">=" if match["relation"] == ">=" else "<="
    return Rule(text, file, line, match["metric"], relation, slope, offset)


def _linear(node: ast.expr) -> tuple[float, float]:
    """Give a limit as (slope, offset); a ValueError says what it cannot hold."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            found = 0.0, float(value)
        case ast.Name(id="baseline"):
            found = 1.0, 0.0
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            slope, offset = _linear(inner)
            found = -slope, -offset
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as sign, right=right):
            (one, a), (other, b) = _linear(left), _linear(right)
            turn = 1.0 if isinstance(sign, ast.Add) else -1.0
            found = one + turn * other, a + turn * b
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            (one, a), (other, b) = _linear(left), _linear(right)
            if one and other:
                raise ValueError("the baseline times itself")
            found = one * b + other * a, a * b
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            (one, a), (other, b) = _linear(left), _linear(right)
            if other:
                raise ValueError("something over the baseline")
            found = one / b, a / b
        case ast.Name(id=name):
            raise ValueError(f"{name!r} is not known")
        case _:
            raise ValueError("only numbers, baseline, + - * / and brackets are read")
    if not all(math.isfinite(part) for part in found):
        raise ValueError("it is not finite")
    return found


def needs_baseline(rules: Sequence[Rule]) -> Rule | None:
    """Give the first rule that speaks of the baseline."""
    return next((rule for rule in rules if rule.slope), None)
