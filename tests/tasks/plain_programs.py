"""Programs of the small language, one by one: Python's own syntax trees, and plain integers.

It shares nothing with the task: programs are read by ``ast``, run by walking the tree, and listed
by recursion.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product

LARGEST = 10**9
VARIABLES = ("x", "y")
COMPARISONS = {
    ast.Gt: int.__gt__, ast.GtE: int.__ge__, ast.Eq: int.__eq__,
    ast.NotEq: int.__ne__, ast.LtE: int.__le__, ast.Lt: int.__lt__,
}  # fmt: skip

Values = tuple[int | None, ...]


def read(text: str) -> ast.expr | None:
    """Give the tree of a text that is in the language, None for another."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    # A comma after the last argument leaves no trace in the tree.
    return tree if is_program(tree) and not re.search(r",\s*\)", text) else None


def is_program(tree: ast.expr) -> bool:
    match tree:
        case ast.Name(id=name):
            return name in VARIABLES
        case ast.Constant(value=value):
            return type(value) is int
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return is_program(operand)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Mod(), right=right):
            return is_program(left) and is_program(right)
        case ast.Call(func=ast.Name(id="max" | "min"), args=args, keywords=[]):
            return len(args) > 1 and all(map(is_program, args))
        case ast.IfExp(
            test=ast.Compare(left=left, comparators=[right], ops=[op]), body=a, orelse=b
        ):
            return type(op) in COMPARISONS and all(map(is_program, (left, right, a, b)))
    return False


def run(tree: ast.expr, inputs: Mapping[str, int], strict: bool = False) -> int | None:
    """Give the value of a program, None where it has none.

    With ``strict`` a program has no value either where a part that does not count has none, or where
    one is beyond 99.
    """
    largest = 99 if strict else LARGEST

    def value(tree: ast.expr) -> int | None:
        result = compute(tree)
        return result if result is not None and abs(result) <= largest else None

    def compute(tree: ast.expr) -> int | None:
        match tree:
            case ast.Name(id=name):
                return inputs[name]
            case ast.Constant(value=int(number)):
                return number
            case ast.UnaryOp(operand=operand):
                own = value(operand)
                return None if own is None else -own
            case ast.IfExp(
                test=ast.Compare(left=left, comparators=[right], ops=[op]), body=a, orelse=b
            ):
                one, other = value(left), value(right)
                if one is None or other is None:
                    return None
                branches = value(a), value(b)
                if strict and None in branches:
                    return None
                return branches[0] if COMPARISONS[type(op)](one, other) else branches[1]
            case ast.Call(func=ast.Name(id=name), args=args):
                found = [value(arg) for arg in args]
                known = [own for own in found if own is not None]
                return None if len(known) < len(found) else {"max": max, "min": min}[name](known)
            case ast.BinOp(left=left, op=op, right=right):
                one, other = value(left), value(right)
                if one is None or other is None:
                    return None
                match op:
                    case ast.Add():
                        return one + other
                    case ast.Sub():
                        return one - other
                    case ast.Mult():
                        return one * other
                    case ast.Mod():
                        return one % other if other else None
        raise AssertionError(ast.dump(tree))

    return value(tree)


def inputs(variables: int) -> list[dict[str, int]]:
    names = VARIABLES[:variables]
    return [dict(zip(names, place, strict=True)) for place in product(range(10), repeat=variables)]


def values(text: str, variables: int = 2) -> Values | None:
    """Give the values of a program for every input, None for a text that is none."""
    tree = read(text)
    return None if tree is None else tuple(run(tree, place) for place in inputs(variables))


def every_program(variables: int, constants: int, length: int) -> Iterator[ast.expr]:
    """List the trees that hold ``length`` variables and constants."""
    if length == 1:
        yield from (ast.Name(name) for name in VARIABLES[:variables])
        yield from (ast.Constant(number) for number in range(1, constants + 1))
    for first in range(1, length):
        for left in every_program(variables, constants, first):
            for right in every_program(variables, constants, length - first):
                for op in (ast.Add(), ast.Sub(), ast.Mult(), ast.Mod()):
                    yield ast.BinOp(left, op, right)
                for name in ("max", "min"):
                    yield ast.Call(ast.Name(name), [left, right], [])
    for lengths in product(range(1, length), repeat=4):
        if sum(lengths) == length:
            parts = [list(every_program(variables, constants, own)) for own in lengths]
            for a, b, c, d in product(*parts):
                yield ast.IfExp(ast.Compare(b, [ast.Gt()], [c]), a, d)


@cache
def count(variables: int, constants: int, length: int) -> dict[Values, tuple[float, str]]:
    """Give the prior and the simplest program of each function, from a list of all programs."""
    prior: dict[Values, float] = {}
    simplest: dict[Values, tuple[int, int, str]] = {}
    for own in range(1, length + 1):
        drawn: dict[Values, int] = {}
        for tree in every_program(variables, constants, own):
            found = tuple(run(tree, place, strict=True) for place in inputs(variables))
            if None in found or not depends(found, variables):
                continue
            drawn[found] = drawn.get(found, 0) + 1
            text = ast.unparse(tree)
            simplest[found] = min(simplest.get(found, (99, 0, "")), (own, len(text), text))
        if own > 1:
            for found, number in drawn.items():
                share = number / sum(drawn.values()) / (length - 1)
                prior[found] = prior.get(found, 0) + share
    return {found: (prior[found], simplest[found][2]) for found in prior}


def depends(found: Values, variables: int) -> bool:
    """Whether a function depends on every variable."""
    by_input = dict(zip(product(range(10), repeat=variables), found, strict=True))
    return all(
        any(v != by_input[(*place[:i], 0, *place[i + 1 :])] for place, v in by_input.items())
        for i in range(variables)
    )
