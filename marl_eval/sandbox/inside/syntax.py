"""When two programs are the same but for layout, comments, annotations and the names of locals."""

from __future__ import annotations

import ast


def parse(program: str) -> ast.Module:
    """Parse a program.

    Raises:
        SyntaxError, ValueError, MemoryError, RecursionError: if it is no program.
    """
    return ast.parse(program, "<program>")


def normalised(tree: ast.Module) -> str:
    """Write a program's syntax tree without what does not count.

    Left out: layout, comments, docstrings, type annotations. Names that a function binds (arguments
    and what it assigns) are numbered in order of first appearance within it; other names, which may
    be asked for from outside, count as they are.
    """
    parts: list[str] = []
    _write(tree, parts, {})
    return "\n".join(parts)


_LEFT_OUT = frozenset({"annotation", "returns", "type_comment", "ctx", "kind", "type_ignores"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _write(node: object, parts: list[str], names: dict[str, str]) -> None:
    """Append what counts of a node; ``names`` are those that stand for local ones."""
    if isinstance(node, list):
        parts.append("[")
        for item in node:
            _write(item, parts, names)
        parts.append("]")
    elif not isinstance(node, ast.AST):
        parts.append(f"{type(node).__name__} {node!r}")
    elif isinstance(node, ast.Name):
        parts.append(f"Name {names.get(node.id, node.id)}")
    elif isinstance(node, ast.AnnAssign):
        if node.value is not None:
            parts.append("Assign")
            _write([node.target], parts, names)
            _write(node.value, parts, names)
    else:
        if isinstance(node, _FUNCTIONS):
            names = {**names, **_locals(node, len(names))}
        parts.append(type(node).__name__)
        for field, value in ast.iter_fields(node):
            if field in _LEFT_OUT:
                continue
            if field == "body" and isinstance(node, _DOCUMENTED):
                value = _without_docstring(value)
            elif (type(node), field) in ((ast.arg, "arg"), (ast.ExceptHandler, "name")):
                value = names.get(value, value)
            _write(value, parts, names)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    documented = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


def _locals(function: ast.AST, known: int) -> dict[str, str]:
    """Number the names that a function binds, in order of first appearance."""
    found: dict[str, str] = {}
    shared: set[str] = set()
    for node in ast.walk(function):
        name = None
        if isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.ExceptHandler):
            name = node.name
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            shared.update(node.names)
        if name is not None:
            found.setdefault(name, f"#{known + len(found)}")
    return {name: number for name, number in found.items() if name not in shared}
