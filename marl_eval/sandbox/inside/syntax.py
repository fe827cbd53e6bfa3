"""When two programs are the same but for layout, comments, annotations and the names of locals."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass


def parse(program: str) -> ast.Module:
    """Parse a program.

    Raises:
        SyntaxError, ValueError, MemoryError, RecursionError: if it is no program.
    """
    return ast.parse(program, "<program>")


def normalised(tree: ast.Module) -> str:
    """Write a program's syntax tree without what does not count.

    Left out: layout, comments, docstrings, type annotations (but not that a class has an annotated
    field). Names that a function or a comprehension binds (arguments and what it assigns) are numbered
    in order of appearance; other names, which may be asked for from outside, count as they are.

    Raises:
        RecursionError: if the tree is too deep.
    """
    writer = _Writer()
    writer.write(tree, _Scope({}, {}))
    return "\n".join(writer.parts)


_LEFT_OUT = frozenset({"annotation", "returns", "type_comment", "ctx", "kind", "type_ignores"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.MatchAs, ast.MatchStar)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What stands for the names that count by number: at this place, and in functions defined here.

    The two differ in the body of a class, whose own names its functions do not see.
    """

    here: dict[str, str]
    within: dict[str, str]
    of_class: bool = False


class _Writer:
    """Writes what counts of a tree, in an order that the tree alone decides."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._numbered = 0

    def write(self, node: object, scope: _Scope) -> None:
        if isinstance(node, list):
            self.parts.append("[")
            for item in node:
                self.write(item, scope)
            self.parts.append("]")
        elif not isinstance(node, ast.AST):
            # Not in decimal, which Python refuses for long integers.
            told = hex(node) if type(node) is int else repr(node)
            self.parts.append(f"{type(node).__name__} {told}")
        elif isinstance(node, ast.Name):
            self.parts.append(f"Name {scope.here.get(node.id, node.id)}")
        elif isinstance(node, ast.AnnAssign):
            self._annotated(node, scope)
        elif isinstance(node, _FUNCTIONS):
            self._function(node, scope)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, scope)
        elif isinstance(node, ast.ClassDef):
            bound, other, _ = _bindings(node.body)
            own = {name: to for name, to in scope.here.items() if name not in {*bound, *other}}
            self._fields(node, scope, {"body": _Scope(own, scope.within, of_class=True)})
        else:
            self._fields(node, scope, {})

    def _fields(self, node: ast.AST, scope: _Scope, others: dict[str, _Scope]) -> None:
        """Write a node field by field; ``others`` are the scopes of fields that have their own."""
        self.parts.append(type(node).__name__)
        for field, value in ast.iter_fields(node):
            if field in _LEFT_OUT:
                continue
            inner = others.get(field, scope)
            if field == "body" and isinstance(node, _DOCUMENTED):
                value = _without_docstring(value)
            elif (type(node), field) in ((ast.arg, "arg"), (ast.ExceptHandler, "name")):
                value = inner.here.get(value, value)
            elif isinstance(node, ast.Nonlocal):
                value = [inner.here.get(name, name) for name in value]
            if isinstance(value, ast.arguments):
                defaults = {"defaults": scope, "kw_defaults": scope}
                self._fields(value, inner, defaults)
            else:
                self.write(value, inner)

    def _annotated(self, node: ast.AnnAssign, scope: _Scope) -> None:
        """Write a plain assignment; an annotation alone only counts where it makes a field."""
        if scope.of_class:
            self.parts.append("Field")
        if node.value is not None or scope.of_class:
            self.parts.append("Assign")
            self.write([node.target], scope)
            self.write(node.value, scope)

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: _Scope
    ) -> None:
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        inner = self._numbering([node.args, *body], scope.within)
        self._fields(node, scope, {"args": inner, "body": inner})

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: _Scope
    ) -> None:
        """Write a scope of its own, but for what it goes through first."""
        names = scope.within if scope.of_class else scope.here
        inner = self._numbering([part.target for part in node.generators], names)
        self.parts.append(type(node).__name__)
        self.write(node.generators[0].iter, scope)
        for field, value in ast.iter_fields(node):
            if field != "generators":
                self.write(value, inner)
        for number, part in enumerate(node.generators):
            self.parts.append(f"for {part.is_async}")
            self.write(part.target, inner)
            if number > 0:
                self.write(part.iter, inner)
            self.write(part.ifs, inner)

    def _numbering(self, nodes: list[ast.AST], outside: dict[str, str]) -> _Scope:
        """Enter a scope that ``nodes`` bind names in; number those names."""
        bound, other, shared = _bindings(nodes)
        names = {name: to for name, to in outside.items() if name not in other}
        for name in bound:
            if name not in other and name not in shared:
                names[name] = f"#{self._numbered}"
                self._numbered += 1
        return _Scope(names, names)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    documented = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if documented else body


def _bindings(nodes: list[ast.AST] | list[ast.stmt]) -> tuple[dict[str, None], set[str], set[str]]:
    """Tell the names that a scope binds.

    Gives those of arguments and assignments, in order; those that keep their name (imports, functions,
    classes, patterns, and what is declared global); and those declared nonlocal.
    """
    bound: dict[str, None] = {}
    other: set[str] = set()
    shared: set[str] = set()
    for node in _of_scope(nodes):
        if isinstance(node, ast.arg):
            bound[node.arg] = None
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound[node.id] = None
        elif isinstance(node, ast.ExceptHandler) and node.name is not None:
            bound[node.name] = None
        elif isinstance(node, ast.alias):
            other.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, _NAMED):
            other.add(node.name or "")
        elif isinstance(node, ast.MatchMapping):
            other.add(node.rest or "")
        elif isinstance(node, ast.Global):
            other.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            shared.update(node.names)
    return bound, other, shared


def _of_scope(nodes: list[ast.AST] | list[ast.stmt]) -> Iterator[ast.AST]:
    """Go through all nodes but those of a scope within."""
    waiting: list[ast.AST] = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        yield node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.arguments):
            # The defaults are made outside.
            children = [child for child in children if isinstance(child, ast.arg)]
        elif isinstance(node, _FUNCTIONS):
            made = [*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]
            children = [*getattr(node, "decorator_list", ()), *made]
        elif isinstance(node, ast.ClassDef):
            children = [*node.decorator_list, *node.bases, *node.keywords]
        elif isinstance(node, _COMPREHENSIONS):
            # What := binds in a comprehension is bound around it.
            assigned = [part.target for part in ast.walk(node) if isinstance(part, ast.NamedExpr)]
            children = [node.generators[0].iter, *assigned]
        waiting.extend(reversed(children))
