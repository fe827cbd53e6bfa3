"""Two programs are the same where only layout, comments, annotations or local names differ."""

from __future__ import annotations

import ast
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.sandbox import Sandbox
from marl_eval.sandbox.inside.syntax import normalised, parse


def told(program: str) -> str:
    return normalised(parse(program))


BASE = """
import math as m
from os import path

LIMIT = 10

class Box(object):
    size: int
    wide = 3

    def __init__(self, a, b=1):
        self.a = a
        self.total = a + b

def outer(x, y=2, *rest, key=None, **more):
    total = x
    for item in rest:
        total += item * y
    try:
        found = [n for n in rest if n > LIMIT]
    except ValueError as error:
        raise KeyError(error) from None
    def inner(z):
        nonlocal total
        total -= z
        return total
    with open(path) as file:
        first, *others = file
    if (last := inner(3)) > 0:
        return m.floor(last), found, first, others
    return sorted(rest, key=lambda v: -v), more, key
"""

SAME = {
    "layout": ("def f(x):\n    return x+1", "def f( x ) :\n  return (x\n    + 1)"),
    "comments": ("def f(x):\n    return x", "# note\ndef f(x):  # note\n    # note\n    return x"),
    "semicolons": ("a = 1\nb = 2", "a = 1; b = 2"),
    "docstrings": (
        "class A:\n    x = 1\n    def f(self):\n        return 1",
        '"""M."""\nclass A:\n    """A."""\n    x = 1\n    def f(self):\n        "F."\n        return 1',
    ),
    "annotations": (
        "def f(x, *y, **z):\n    total = x\n    return total",
        "def f(x: int, *y: str, **z: dict) -> 'float':\n    total: int = x\n    return total",
    ),
    "an annotation alone": ("def f():\n    return 1", "def f():\n    x: int\n    return 1"),
    "the type of a field": ("class A:\n    x: int", "class A:\n    x: str"),
    "quotes and kinds of text": ("x = 'a'", 'x = u"a"'),
    "the base of a number": ("x = 255", "x = 0xFF"),
    "brackets": ("x = (1, 2)", "x = 1, 2"),
    "arguments": ("def f(a, b=1, *c, d, **e): return a, b, c, d, e",
                  "def f(v, w=1, *x, y, **z): return v, w, x, y, z"),
    "arguments of lambdas": ("f = lambda a, *b: a + b", "f = lambda x, *y: x + y"),
    "assigned names": ("def f():\n a = 1\n a += 2\n return a", "def f():\n b = 1\n b += 2\n return b"),
    "names of loops": ("def f(n):\n for a in n: print(a)", "def f(m):\n for b in m: print(b)"),
    "names of files": ("def f():\n with g() as a: a.x()", "def f():\n with g() as b: b.x()"),
    "names of errors": (
        "def f():\n try: g()\n except E as a: print(a)", "def f():\n try: g()\n except E as b: print(b)",
    ),
    "names in comprehensions": (
        "def f(n): return [a for a in n if a]", "def f(n): return [b for b in n if b]",
    ),
    "names in comprehensions of a module": ("x = {k: v for k, v in y}", "x = {a: b for a, b in y}"),
    "names assigned in passing": (
        "def f(n): return [a := b for b in n], a", "def f(n): return [x := y for y in n], x",
    ),
    "unpacked names": ("def f(n):\n a, *b = n\n return b", "def f(n):\n x, *y = n\n return y"),
    "deleted names": ("def f():\n a = 1\n del a", "def f():\n b = 1\n del b"),
    "names shared with a function within": (
        "def f():\n a = 1\n def g():\n  nonlocal a\n  a += 1\n return g",
        "def f():\n b = 1\n def g():\n  nonlocal b\n  b += 1\n return g",
    ),
    "an own name in place of one around it": (
        "def f(a):\n def g(a): return a\n return g(a)", "def f(a):\n def g(b): return b\n return g(a)",
    ),
}  # fmt: skip

DIFFERENT = {
    "operators": ("def f(a, b): return a + b", "def f(a, b): return a - b"),
    "comparisons": ("def f(a): return a < 1", "def f(a): return a <= 1"),
    "constants": ("x = 1", "x = 2"),
    "a one and a true": ("x = 1", "x = True"),
    "a one and a one point nothing": ("x = 1", "x = 1.0"),
    "text and bytes": ("x = 'a'", "x = b'a'"),
    "text and a name": ("x = 'a'", "x = a"),
    "long numbers": ("x = 0x" + "f" * 5000, "x = 0x" + "f" * 4999 + "e"),
    "the order of statements": ("f()\ng()", "g()\nf()"),
    "the order of operands": ("def f(a, b): return a - b", "def f(a, b): return b - a"),
    "the order of arguments": ("def f(a, b): return a", "def f(a, b): return b"),
    "what is inside a block": ("if a:\n f()\n g()", "if a:\n f()\ng()"),
    "else and not": ("if a: f()\nelse: g()", "if a: f()\ng()"),
    "global names": ("x = 1", "y = 1"),
    "names of functions": ("def f(): pass", "def g(): pass"),
    "names of classes": ("class A: pass", "class B: pass"),
    "called names": ("def f(x): return min(x)", "def f(x): return max(x)"),
    "called methods": ("def f(x): return x.pop()", "def f(x): return x.copy()"),
    "keyword names": ("f(a=1)", "f(b=1)"),
    "imports": ("import math", "import cmath"),
    "other names of imports": ("import math as a", "import math as b"),
    "attributes": ("def f(x): x.a = 1", "def f(x): x.b = 1"),
    "kinds of arguments": ("def f(a, b): pass", "def f(a, *, b): pass"),
    "defaults": ("def f(a=1): pass", "def f(a=2): pass"),
    "which has a default": ("def f(a, b=1): pass", "def f(a=1, b=1): pass"),
    "decorators": ("@g\ndef f(): pass", "@h\ndef f(): pass"),
    "async": ("def f(): pass", "async def f(): pass"),
    "fields of a class": ("class A:\n x: int\n y: int", "class A:\n y: int\n x: int"),
    "a field and none": ("class A:\n x: int = 1", "class A:\n x = 1"),
    "names of a class in a function": (
        "def f():\n class A:\n  a = 1\n return A", "def f():\n class A:\n  b = 1\n return A",
    ),
    "a default is made outside": ("def f(x=x): return x", "def f(y=y): return y"),
    "a decorator is called outside": ("@x\ndef f(x): pass", "@y\ndef f(y): pass"),
    "what is gone through first is outside": (
        "def f(): return [x for x in x]", "def f(): return [y for y in y]",
    ),
    "a global that a function within has too": (
        "def f():\n def g(y): return y\n return y", "def f():\n def g(z): return z\n return y\ny",
    ),
    "a global of the name of a local elsewhere": (
        "def f():\n g(lambda y: y)\n return y", "def f():\n g(lambda z: z)\n return z",
    ),
    "a global of the name of a comprehension's": (
        "def f():\n [y for y in g()]\n return y", "def f():\n [z for z in g()]\n return z",
    ),
    "a declared global": ("def f():\n global a\n a = 1", "def f():\n global b\n b = 1"),
    "a name that is assigned or imported": (
        "def f(c):\n import m as a\n if c: a = 3\n return a",
        "def f(c):\n import m as a\n if c: b = 3\n return b",
    ),
    "two functions deep": (
        "def f(a, b):\n def g(a):\n  return lambda c: a",
        "def f(a, b):\n def g(a):\n  return lambda c: c",
    ),
    "what the functions of a class see": (
        "def f(x):\n class C:\n  x = 1\n  def g(self): return x",
        "def f(y):\n class C:\n  x = 1\n  def g(self): return x",
    ),
    "text that looks like a name": ("def f(a): return a", "def f(a): return '#0'"),
    "text with lines": ("x = 'a\\nName y'", "x = 'a'\ny"),
    "patterns": ("match x:\n case [a]: pass", "match x:\n case [a, b]: pass"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_programs_are_the_same_but_for(name: str) -> None:
    first, second = SAME[name]
    assert told(first) == told(second)


@pytest.mark.parametrize("name", DIFFERENT)
def test_programs_differ_in(name: str) -> None:
    first, second = DIFFERENT[name]
    assert told(first) != told(second)


def test_writing_a_program_anew_from_its_tree_changes_nothing() -> None:
    assert told(BASE) == told(ast.unparse(ast.parse(BASE)))


LOCALS = [
    "x", "y", "rest", "key", "more", "item", "total", "n", "found", "error", "z", "file", "first",
    "others", "last", "v",
]  # fmt: skip
NAMES = st.from_regex(r"[a-z]{3,8}_", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)


@given(st.lists(NAMES, min_size=len(LOCALS), max_size=len(LOCALS), unique=True))
def test_new_names_for_all_locals_of_a_function_change_nothing(names: list[str]) -> None:
    renamed = dict(zip(LOCALS, names, strict=True))

    class Renaming(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return ast.Name(renamed.get(node.id, node.id), node.ctx)

        def visit_arg(self, node: ast.arg) -> ast.AST:
            return ast.arg(renamed.get(node.arg, node.arg))

        def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
            node.name = renamed.get(node.name or "", node.name)
            return self.generic_visit(node)

        def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
            return ast.Nonlocal([renamed.get(name, name) for name in node.names])

    changed = ast.unparse(ast.fix_missing_locations(Renaming().visit(ast.parse(BASE))))
    assert names[0] in changed
    assert told(changed) == told(BASE)


EXPRESSIONS = st.recursive(
    st.integers(0, 3).map(str) | st.sampled_from(["a", "b", "G", "H", "True", "1.0", "'a'"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "<", "and", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        inner.map(lambda one: f"(not {one})"),
        inner.map(lambda one: f"abs({one})"),
        inner.map(lambda one: f"[*{one}]"),
        inner.map(lambda one: f"({one}).a"),
        inner.map(lambda one: f"abs(a={one})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}, {two[1]})"),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_two_expressions_are_the_same_only_if_their_trees_are(first: str, second: str) -> None:
    trees = ast.dump(ast.parse(first)) == ast.dump(ast.parse(second))
    same = told(f"def f(a, b): return {first}") == told(f"def f(a, b): return {second}")
    assert same == trees


DEEP = {
    "brackets": "x = " + "(" * 5_000 + ")" * 5_000,
    "lists": "x = " + "[" * 90 + "]" * 90,
    "signs": "x = " + "-" * 20_000 + "1",
    "sums": "x = " + "+".join(["1"] * 20_000),
    "attributes": "x = a" + ".b" * 20_000,
    "calls": "x = f" + "()" * 20_000,
    "else if": "if a: pass\n" + "elif a: pass\n" * 5_000,
    "blocks": "".join(" " * depth + "if a:\n" for depth in range(99)) + " " * 99 + "pass",
    "lambdas": "x = " + "lambda: " * 5_000 + "1",
}


@pytest.mark.parametrize("name", DEEP)
def test_a_program_of_any_depth_has_a_tree_or_none_and_ends_nothing(
    sandbox: Sandbox, name: str
) -> None:
    program = DEEP[name]
    with sandbox.run(f"{program}\n", syntax=True) as session:
        assert session.syntax is None or len(session.syntax) == 16
    with sandbox.run("def f(): return 1", syntax=True) as session:
        assert session.call("f", [], {}) == 1


def test_a_program_too_deep_to_hash_still_runs(sandbox: Sandbox) -> None:
    program = "def f(x):\n if x == 0: return 'a'\n" + " elif x == 1: return 'b'\n" * 600
    with sandbox.run(program, syntax=True) as session:
        assert session.compiles
        assert session.syntax is None
        assert session.call("f", [1], {}) == "b"


def test_a_program_with_a_number_of_many_digits_is_hashed_and_runs(sandbox: Sandbox) -> None:
    with sandbox.run("x = 0x" + "f" * 9000 + "\ndef f(): return x & 7", syntax=True) as session:
        assert session.syntax is not None
        assert session.call("f", [], {}) == 7


def test_the_hash_is_that_of_what_counts(sandbox: Sandbox) -> None:
    found = []
    for program in ("def f(x): return x", "def f(y):\n    return (y)", "def f(y): return 1"):
        with sandbox.run(program, syntax=True) as session:
            found.append(session.syntax)
    assert found[0] == found[1] != found[2]
