"""Talking to a program: values and exceptions come back, objects stay, and its end is noticed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings

from marl_eval.sandbox import ProgramError, Remote, Sandbox, SessionOverError
from marl_eval.sandbox.inside.plain import NotPlainError
from tests.sandbox.test_plain import PLAIN, told

ECHO = """
def f(*given, **named):
    return (*given, named) if named else given if len(given) > 1 else given[0]
"""


def ask(sandbox: Sandbox, program: str, *arguments: Any, **named: Any) -> Any:
    """Call the function f of a program."""
    with sandbox.run(program) as session:
        return session.call("f", arguments, named)


@given(PLAIN)
@settings(max_examples=40, deadline=None)
def test_every_plain_value_goes_and_comes_back(value: Any) -> None:
    assert told(ask(ECHOES, ECHO, value)) == told(value)


@pytest.fixture(scope="module", autouse=True)
def _echoes(sandbox: Sandbox) -> None:
    global ECHOES
    ECHOES = sandbox


ECHOES: Sandbox


def test_arguments_arrive_in_place_and_by_name(sandbox: Sandbox) -> None:
    assert ask(sandbox, ECHO, 1, [2], a=(3,), b=None) == (1, [2], {"a": (3,), "b": None})
    assert ask(sandbox, ECHO, ask=1, message=2, self=3, name=4) == (
        {"ask": 1, "message": 2, "self": 3, "name": 4},
    )


def test_an_argument_is_a_copy(sandbox: Sandbox) -> None:
    given = [3, 1, 2]
    assert ask(sandbox, "def f(x): x.sort(); return x", given) == [1, 2, 3]
    assert given == [3, 1, 2]


def test_a_program_keeps_what_it_has_between_calls(sandbox: Sandbox) -> None:
    with sandbox.run("n = 0\ndef f():\n    global n\n    n += 1\n    return n") as session:
        assert [session.call("f", [], {}) for _ in range(3)] == [1, 2, 3]


def test_a_program_has_nothing_of_the_one_before(sandbox: Sandbox) -> None:
    ask(sandbox, "import math\nmath.pi = 3\nleft = 1\ndef f(): return 0")
    with sandbox.run("import math, sys\ndef f(): return math.pi, 'left' in globals()") as session:
        assert session.call("f", [], {}) == (3.141592653589793, False)


def test_a_program_that_needs_its_own_module_finds_it(sandbox: Sandbox) -> None:
    program = (
        "from dataclasses import dataclass\nimport sys\n@dataclass\nclass P:\n    x: 'int' = 1\n"
        "def f(): return P().x, sys.modules[P.__module__].P is P, __name__"
    )
    assert ask(sandbox, program) == (1, True, "program")


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("a bad value"), TypeError("t"), KeyError("k"), IndexError("i"),
        ZeroDivisionError("z"),
        AssertionError("a"), RecursionError("r"), NotImplementedError("n"), OSError("o"), Exception("e"),
        NameError("n"), AttributeError("a"), OverflowError("o"), MemoryError("m"), ImportError("i"),
        UnicodeError("u"), ArithmeticError("a"), LookupError("l"), RuntimeError("\u2028é"), Warning("w"),
    ],
    ids=lambda raised: type(raised).__name__,
)  # fmt: skip
def test_a_built_in_exception_arrives_as_such(sandbox: Sandbox, raised: Exception) -> None:
    kind, text = type(raised), raised.args[0]
    with pytest.raises(kind) as caught:
        ask(sandbox, f"def f(): raise {kind.__name__}({text!r})")
    assert type(caught.value) is kind
    assert caught.value.args == (str(raised),)


def test_an_exception_of_the_programs_own_arrives_as_the_nearest_built_in_one(
    sandbox: Sandbox,
) -> None:
    with pytest.raises(ValueError, match=r"^off$") as caught:
        ask(sandbox, "import json\ndef f(): raise type('Mine', (ValueError,), {})('off')")
    assert type(caught.value) is ValueError
    with pytest.raises(LookupError) as caught_too:
        ask(sandbox, "class A(LookupError): pass\nclass B(A, OSError): pass\ndef f(): raise B()")
    assert type(caught_too.value) is LookupError


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("class Mine(Exception): pass\ndef f(): raise Mine('own')", "Mine: own"),
        ("def f(): raise UnicodeDecodeError('utf-8', b'x', 0, 1, 'why')", "UnicodeDecodeError: 'utf-8'"),
        ("def f(): raise ExceptionGroup('several', [ValueError(1)])", "ExceptionGroup: several"),
        ("def f(): raise StopIteration('end')", "StopIteration: end"),
        ("def f(): return next(iter([]))", "StopIteration"),
        ("def f(): raise KeyboardInterrupt('stop')", "KeyboardInterrupt: stop"),
        ("import sys\ndef f(): sys.exit('leave')", "SystemExit: leave"),
        ("def f(): raise GeneratorExit('gone')", "GeneratorExit: gone"),
        ("def f(): raise BaseException('base')", "BaseException: base"),
        ("class A(BaseException): pass\nA.__name__ = 'Exit'\ndef f(): raise A('x')", "Exit: x"),
        ("class A(Exception): pass\nA.__name__ = 'eval'\ndef f(): raise A('1')", "eval: 1"),
        ("class A(Exception): pass\nA.__name__ = 'print'\ndef f(): raise A('os')", "print: os"),
        ("class A(Exception): pass\nA.__name__ = 'type'\ndef f(): raise A('os')", "type: os"),
        ("class A(Exception): pass\nA.__name__ = ''\ndef f(): raise A()", ""),
        ("class A(Exception): pass\nA.__name__ = 'ValueError'\ndef f(): raise A('x')", "ValueError: x"),
    ],
    ids=lambda text: text.rpartition("raise ")[2][:30],
)  # fmt: skip
def test_any_other_exception_is_the_programs(sandbox: Sandbox, program: str, words: str) -> None:
    with pytest.raises(ProgramError) as caught:
        ask(sandbox, program)
    assert str(caught.value).startswith(words)


def test_an_exception_that_cannot_be_told_has_no_words(sandbox: Sandbox) -> None:
    with pytest.raises(ProgramError) as caught:
        ask(
            sandbox,
            "class E(Exception):\n    def __str__(self): raise SystemExit\ndef f(): raise E",
        )
    assert str(caught.value) == "E"


def test_an_exception_tells_no_more_than_some_words(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"^x{500}$"):
        ask(sandbox, "def f(): raise ValueError('x' * 10_000_000)")


def test_a_name_that_the_program_has_not_is_told(sandbox: Sandbox) -> None:
    with sandbox.run("x = 1") as session:
        with pytest.raises(NameError, match="name 'f' is not defined"):
            session.call("f", [], {})
        with pytest.raises(TypeError, match="not callable"):
            session.call("x", [], {})
        assert not session.over


NODES = """
class Node:
    def __init__(self, value, left=None):
        self.value, self.left = value, left
    def doubled(self): return 2 * self.value
    def __len__(self): return self.value
def total(nodes): return sum(node.value for node in nodes)
def depth(node): return 0 if node is None else 1 + depth(node.left)
def same(a, b): return a is b
def items(): return (Node(n) for n in range(3))
def empty(): return iter([])
def endless():
    while True: yield 1
"""


def test_objects_are_built_passed_changed_and_looked_at(sandbox: Sandbox) -> None:
    with sandbox.run(NODES) as session:

        def make(value: int) -> Any:
            return session.call("Node", [value], {})

        root, leaf = make(1), make(2)
        assert isinstance(root, Remote)
        assert repr(root) == "<Node object>"
        assert session.call("total", [[root, leaf, root]], {}) == 4
        assert session.call("total", [(root, *[leaf] * 2)], {}) == 5
        root.left = leaf
        root.left.left = make(3)
        assert session.call("depth", [root], {}) == 3
        assert root.left.value == 2
        assert root.doubled() == 2
        root.value = {"deep": [1, leaf]}
        assert root.value["deep"][0] == 1
        assert session.call("same", [root.value["deep"][1], leaf], {}) is True
        assert session.call("depth", [], {"node": leaf}) == 2


def test_a_handle_equals_only_itself(sandbox: Sandbox) -> None:
    program = "class A:\n    def __eq__(self, other): return True\na = A()\ndef f(): return a"
    with sandbox.run(program) as session:
        first, second = session.call("f", [], {}), session.call("f", [], {})
        assert first == first
        assert first != second
        rights: list[Any] = [1, "x", [], None, True, 0]
        for right in rights:
            assert (first == right) is (right == first) is False
        assert len({first, second}) == 2


def test_a_handle_has_the_truth_that_it_had(sandbox: Sandbox) -> None:
    with sandbox.run(NODES) as session:
        none, some = session.call("Node", [0], {}), session.call("Node", [5], {})
        assert (bool(none), bool(some)) == (False, True)
        none.value = 7
        assert not none


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        ("raise ValueError", True),
        ("return 2", True),
        ("return False", False),
        ("return True", True),
    ],
)
def test_an_object_without_a_truth_is_true(sandbox: Sandbox, truth: str, told: bool) -> None:
    assert (
        bool(ask(sandbox, f"class A:\n    def __bool__(self): {truth}\ndef f(): return A()"))
        is told
    )


def test_a_handle_is_gone_through_where_it_is(sandbox: Sandbox) -> None:
    with sandbox.run(NODES) as session:
        nodes = session.call("items", [], {})
        assert [node.value for node in nodes] == [0, 1, 2]
        assert list(session.call("empty", [], {})) == []
        with pytest.raises(TypeError, match="not iterable"):
            list(session.call("Node", [1], {}).doubled)
    with sandbox.run(
        "def f(): return map(abs, [-1, 1, 2])\ndef g(): return {1: 2}.items()"
    ) as session:
        assert set(session.call("f", [], {})) == {1, 2}
        assert list(session.call("g", [], {})) == [(1, 2)]


def test_an_endless_iterator_ends_by_a_limit(sandbox: Sandbox) -> None:
    with sandbox.run(NODES) as session:
        endless = session.call("endless", [], {})
        with pytest.raises((SessionOverError, MemoryError)):
            list(endless)


def test_special_methods_are_not_fetched(sandbox: Sandbox) -> None:
    with sandbox.run(NODES) as session:
        node = session.call("Node", [1], {})
        before = len(session.calls)
        for name in (
            "__array__",
            "__len__",
            "__index__",
            "__dict__",
            "__deepcopy__",
            "__reduce_ex__x",
        ):
            assert not hasattr(node, name)
        assert len(session.calls) == before


def test_an_attribute_that_is_not_there_is_told(sandbox: Sandbox) -> None:
    with sandbox.run(NODES) as session:
        node = session.call("Node", [1], {})
        assert not hasattr(node, "right")
        assert getattr(node, "right", 5) == 5


@pytest.mark.parametrize("value", [len, lambda: 1, object(), iter([1]), Exception("x"), ask])
def test_what_cannot_cross_is_not_sent(sandbox: Sandbox, value: Any) -> None:
    with sandbox.run(ECHO) as session:
        for held in (value, [value], {"a": (value,)}):
            with pytest.raises(NotPlainError, match="cannot cross the boundary"):
                session.call("f", [held], {})
            with pytest.raises(NotPlainError, match="cannot cross the boundary"):
                session.call("f", [], {"x": held})
        assert session.calls == []
        assert session.call("f", [1], {}) == 1


def test_an_object_of_another_program_cannot_cross(sandbox: Sandbox) -> None:
    with sandbox.run(NODES) as session:
        other = session.call("Node", [1], {})
    with sandbox.run(NODES) as session, pytest.raises(NotPlainError, match="Remote"):
        session.call("total", [[other]], {})


@pytest.mark.parametrize(
    "end",
    [
        "import os; os._exit(0)", "import os; os._exit(1)", "import os; os.abort()",
        "import os; os.close(3)", "import os; os.closerange(0, 64)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os.write(3, b'\\x00')", "import os; os.write(3, b'\\xff' * 8)",
        "import os; os.write(3, b'\\x00\\x00\\x00\\x02{}')",
        "import os; os.write(3, b'\\x00\\x00\\x00\\x00')",
        "import os; os.write(3, b'\\x00\\x00\\x00\\x05[1,2]')",
        "import os; c = b'{\"raised\":[1,2]}'; os.write(3, len(c).to_bytes(4, 'big') + c)",
        "import os; c = b'{\"value\":{\"c\":[1]}}'; os.write(3, len(c).to_bytes(4, 'big') + c)",
        "import os; c = b'{\"value\":{\"q\":1}}'; os.write(3, len(c).to_bytes(4, 'big') + c)",
    ],
)  # fmt: skip
def test_a_program_that_ends_in_the_middle_answers_nothing_more(sandbox: Sandbox, end: str) -> None:
    with sandbox.run(f"def f():\n    {end}\n    return 1\ndef g(): return 2") as session:
        # What it writes is taken for an answer; a whole one may have been sent after it.
        for _ in range(3):
            with suppress(SessionOverError):
                session.call("f", [], {})
        assert session.over
        with pytest.raises(SessionOverError):
            session.call("g", [], {})
    assert ask(sandbox, ECHO, 5) == 5


def test_the_end_of_a_program_is_not_an_exception_that_tests_expect(sandbox: Sandbox) -> None:
    assert not issubclass(SessionOverError, Exception)


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("def f(:", "SyntaxError"), ("x = (", "SyntaxError"), (" x", "IndentationError"),
        ("return 1", "SyntaxError"), ("x = '\ud800'", "UnicodeEncodeError"), ("x = 1\0", "SyntaxError"),
        ("if 1:\n\tx\n        y", "TabError"), ("x = " + "9" * 5000, "SyntaxError"),
        ("\ufeffx = 1", "SyntaxError"),
    ],
)  # fmt: skip
def test_what_is_not_valid_python_is_told(sandbox: Sandbox, program: str, error: str) -> None:
    with sandbox.run(program, syntax=True) as session:
        assert not session.compiles
        assert session.syntax is None
        assert session.error is not None
        assert session.error.startswith(f"{error}: ")


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import numpy", "ModuleNotFoundError: No module named 'numpy'"),
        ("import marl_eval", "ModuleNotFoundError: No module named 'marl_eval'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("x = [0] * 10**12", "MemoryError"),
    ],
)
def test_an_error_while_it_is_run_is_told(sandbox: Sandbox, program: str, error: str) -> None:
    with sandbox.run(program) as session:
        assert session.compiles
        assert session.error == error


@pytest.mark.parametrize("program", ["", "\n", "# nothing", "x = 1\r\ny = 2", "x = 'é'"])
def test_a_program_may_be_next_to_nothing(sandbox: Sandbox, program: str) -> None:
    with sandbox.run(program, syntax=True) as session:
        assert session.compiles
        assert session.error is None
        assert session.syntax is not None


def test_a_program_that_ends_while_it_is_run_is_over(sandbox: Sandbox) -> None:
    with sandbox.run("import os\nos._exit(0)") as session:
        assert session.compiles
        assert session.over
        with pytest.raises(SessionOverError):
            session.call("f", [], {})
    assert sandbox.last is not None
    assert (sandbox.last.why, sandbox.last.timed_out) == ("itself", False)


def test_how_a_program_ended_is_told(sandbox: Sandbox) -> None:
    ask(sandbox, ECHO, 1)
    assert sandbox.last is not None
    assert not sandbox.last.timed_out
    with sandbox.run("while True: pass"):
        pass
    assert (sandbox.last.why, sandbox.last.timed_out) == ("cpu", True)
    assert sandbox.last.cpu_seconds >= 1
    with sandbox.run("def f(): return 1\nx = 'a' * (64 << 20)") as session:
        session.call("f", [], {})
    assert 64 < sandbox.last.memory_mib < 256


def test_the_last_call_is_told_in_a_few_words(sandbox: Sandbox) -> None:
    program = (
        "def f(*a, **b):\n    if not a: raise ValueError('nothing')\n    return a[0]\n"
        "class A: pass\n"
        "def big(n): return 'x' * n, list(range(n)), {k: [k] * n for k in range(5)}, 7 << 40_000\n"
    )
    with sandbox.run(program) as session:
        assert session.describe_last() == "nothing was called"
        session.call("f", [[1, "a"]], {"b": None})
        assert session.describe_last() == "f([1, 'a'], b=None) gave [1, 'a']"
        with pytest.raises(ValueError, match="nothing"):
            session.call("f", [], {})
        assert session.describe_last() == "f() raised ValueError: nothing"
        made = session.call("A", [], {})
        assert session.describe_last() == "A() gave <A object>"
        session.call("f", [[made]], {})
        assert session.describe_last() == "f([<A object>]) gave [<A object>]"
        session.call("big", [1000], {})
        assert len(session.describe_last()) < 1500
        session.call("f", ["y" * 1_000_000], {})
        assert len(session.describe_last()) < 300
        session.call("f", [10**10_000], {})
        assert session.describe_last().startswith("f(")
        made.x = 1
        assert session.describe_last() == "the program was asked gave None"


def test_a_result_that_is_too_large_is_the_programs_error(sandbox: Sandbox) -> None:
    with pytest.raises(ProgramError, match="ResultTooLarge"):
        ask(sandbox, "def f(): return 'x' * (33 << 20)")
    assert ask(sandbox, "def f(): return 'x' * (31 << 20)") == "x" * (31 << 20)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("x = []; x.append(x); return x", "too deep"),
        ("x = []\n    for _ in range(300): x = [x]\n    return x", "too deep"),
    ],
)
def test_a_result_that_cannot_cross_is_an_error(sandbox: Sandbox, made: str, words: str) -> None:
    with pytest.raises(ProgramError, match=f"NotPlainError: .*{words}"):
        ask(sandbox, f"def f():\n    {made}")


def test_what_a_program_says_of_its_classes_counts_for_nothing(sandbox: Sandbox) -> None:
    lying = (
        "class Any(int):\n"
        "    def __eq__(self, other): return True\n"
        "    def __hash__(self): return 0\n"
        "    def __repr__(self): return '42'\n"
        "    __class__ = property(lambda self: str)\n"
        "def f(): return Any(7)\n"
    )
    found = ask(sandbox, lying)
    assert type(found) is int
    assert found == 7


def test_a_program_that_patches_what_sends_its_answers_spoils_only_those(sandbox: Sandbox) -> None:
    program = (
        "import sys, json, builtins\n"
        "builtins.type = builtins.isinstance = builtins.len = lambda *a: True\n"
        "json.dumps = lambda *a, **b: 'nonsense'\n"
        "def f(x): return x\n"
    )
    with sandbox.run(program) as session, suppress(SessionOverError, ProgramError):
        session.call("f", [1], {})
    assert ask(sandbox, ECHO, 1) == 1


def test_what_numpy_computes_is_compared_as_the_number_it_is() -> None:
    pytest.importorskip("numpy")
    program = "import numpy as np\ndef f(xs): return np.sum(np.array(xs)), np.mean(xs), np.any(xs)"
    with Sandbox(packages=["numpy"]) as sandbox, sandbox.run(program) as session:
        assert session.call("f", [[1, 2, 3]], {}) == (6, 2.0, True)
    liar = "import sys\nsys.modules['numpy'] = type('M', (), {'generic': int})\ndef f(): return object()"
    with Sandbox(packages=["numpy"]) as sandbox, sandbox.run(liar) as session:
        assert session.call("f", [], {}) != 42
