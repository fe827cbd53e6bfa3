"""What tests take from the program they test, read from the tests and the reference solution.

Both are part of the data and trusted. What a program under test defines is never looked at: one that
defines ``set`` or ``abs`` must not reach into its tests.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from dataclasses import dataclass
from symtable import symtable

_LONG_LITERAL = re.compile(r"^([ \t]*(?:inputs|results) = ).*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Taken:
    """``names``: what tests take from the program, in the order of the reference solution.

    ``imports``: the import statements of the reference solution that the tests rely on.
    """

    names: tuple[str, ...]
    imports: str


def taken_names(tests: str, reference: str) -> Taken:
    """Tell what the tests take from a program.

    Raises:
        ValueError: if either is not Python, or the tests use a name that nothing defines, or none of
            those that the reference solution defines.
    """
    solution = parse_trusted(reference, "reference solution")
    open_names = _open_names(without_long_literals(tests))
    defined = [name for name in _defined(solution) if name in open_names]
    imports = {name: line for name, line in _imports(solution) if name in open_names}
    unknown = open_names - set(defined) - set(imports) - set(dir(builtins))
    if unknown:
        raise ValueError(f"the tests use {sorted(unknown)[0]!r}, which nothing defines")
    if not defined:
        raise ValueError("the tests use nothing that the reference solution defines")
    lines = [line for name, line in imports.items() if name not in defined]
    return Taken(tuple(dict.fromkeys(defined)), "\n".join(lines))


def without_long_literals(code: str) -> str:
    """Give test code with empty lists in place of its long literals, which take long to parse.

    These are the lines that give ``inputs`` and ``results`` their values.
    """
    return _LONG_LITERAL.sub(r"\1[]", code)


def parse_trusted(code: str, what: str) -> ast.Module:
    """Parse code of a data set, ``what`` it is in words.

    Raises:
        ValueError: if it is not Python.
    """
    try:
        with warnings.catch_warnings():
            # Of some escapes in texts, which Python reads all the same.
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"the {what} cannot be parsed ({error})") from error


def _open_names(code: str) -> set[str]:
    """Give the global names that code uses and does not define at its top level."""
    parse_trusted(code, "tests")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        top = symtable(code, "<tests>", "exec")
    own = {one.get_name() for one in top.get_symbols() if one.is_assigned() or one.is_imported()}
    used: set[str] = set()
    tables = [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {
            one.get_name()
            for one in table.get_symbols()
            if one.is_referenced() and (table is top or one.is_global())
        }
    return used - own


def _defined(tree: ast.Module) -> list[str]:
    """Give the names that a module defines at its top level, imports apart."""
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            inside = (part for target in targets for part in ast.walk(target))
            names += [
                part.id
                for part in inside
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            ]
    return names


def _imports(tree: ast.Module) -> list[tuple[str, str]]:
    """Give each name that a module imports at its top level, with the statement that imports it."""
    return [
        (_name_of(alias), ast.unparse(node))
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]


def _name_of(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]
