"""Mutants of trusted programs: small changes, most of which make the program wrong."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Add,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


def mutants(code: str, function: str, count: int, seed: int = 0) -> list[str]:
    """Give up to ``count`` different mutants of ``code``, changed inside ``function``."""
    rng = random.Random(f"{seed}/{code}")
    sites = len(_changes(_function(ast.parse(code), function)))
    found: list[str] = []
    for site in rng.sample(range(sites), min(count, sites)):
        tree = ast.parse(code)
        _changes(_function(tree, function))[site]()
        found.append(ast.unparse(ast.fix_missing_locations(tree)))
    return found


def _function(tree: ast.Module, name: str) -> ast.FunctionDef:
    [found] = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == name]
    return found


def _changes(function: ast.FunctionDef) -> list[Callable[[], None]]:
    """Give every change that can be made, each a function that makes it."""
    changes: list[Callable[[], None]] = []

    def put(node: ast.AST, field: str, value: object) -> None:
        changes.append(lambda: setattr(node, field, value))

    docstring = ast.get_docstring(function)
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in _SWAPPED:
            put(node, "op", _SWAPPED[type(node.op)]())
        elif isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPPED:
            put(node, "ops", [_SWAPPED[type(node.ops[0])](), *node.ops[1:]])
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            put(node, "value", node.value + 1)
            put(node, "value", node.value - 1)
        elif isinstance(node, ast.Constant) and type(node.value) is bool:
            put(node, "value", not node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if docstring is None or docstring not in ast.unparse(node):
                put(node, "value", f"{node.value}x")
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            put(node, "test", ast.UnaryOp(ast.Not(), node.test))
        elif isinstance(node, ast.Return) and node.value is not None:
            put(node, "value", ast.Tuple([node.value, ast.Constant(0)], ast.Load()))
    return changes
