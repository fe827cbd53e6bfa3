"""Compiling tests so that every ``assert`` is recorded, and one that fails does not stop the rest."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from types import CodeType

FAILED, RAISED = "__assertion_failed__", "__assertion_raised__"
"""What the compiled tests call for an assertion that is false, or that raises something."""

_LONGEST = 300
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True)
class Recorded:
    """Tests compiled to record; ``asserted`` gives an assertion's own words by its number."""

    code: CodeType
    asserts: list[ast.Assert]

    def asserted(self, number: int) -> str:
        """Give the words of an assertion."""
        return self._words.setdefault(number, ast.unparse(self.asserts[number])[:_LONGEST])

    @cached_property
    def _words(self) -> dict[int, str]:
        return {}


def compile_recording(tests: str) -> Recorded:
    """Compile tests.

    An ``assert`` in a ``try`` with handlers is left as it is: the tests may mean it to be caught.

    Raises:
        SyntaxError: if they are no valid Python.
    """
    tree = ast.parse(tests, "<tests>")
    asserts: list[ast.Assert] = []
    _record(tree, asserts)
    return Recorded(compile(tree, "<tests>", "exec", dont_inherit=True), asserts)


def _record(node: ast.AST, asserts: list[ast.Assert]) -> None:
    """Put a record in place of each assertion below a node.

    Only blocks are gone through: published tests hold expressions of a hundred thousand values.
    """
    if isinstance(node, ast.TryStar) or (isinstance(node, ast.Try) and node.handlers):
        return
    for block in _BLOCKS:
        statements = getattr(node, block, None)
        if not isinstance(statements, list):
            continue
        for place, statement in enumerate(statements):
            if isinstance(statement, ast.Assert):
                statements[place] = _recording(statement, len(asserts))
                asserts.append(statement)
            else:
                _record(statement, asserts)


def _recording(node: ast.Assert, number: int) -> ast.Try:
    """Write ``try: if not test: record`` with a handler that records as well."""
    negated = ast.UnaryOp(ast.Not(), ast.Constant(None))
    failed = ast.If(negated, [ast.Expr(_call(FAILED, ast.Constant(number)))], [])
    raised = ast.Expr(_call(RAISED, ast.Constant(number), ast.Name("__error__", ast.Load())))
    handler = ast.ExceptHandler(ast.Name("Exception", ast.Load()), "__error__", [raised])
    whole = ast.fix_missing_locations(ast.copy_location(ast.Try([failed], [handler], [], []), node))
    negated.operand = node.test
    return whole


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])
