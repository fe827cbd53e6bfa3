"""Tests run where the program is not: what they find is theirs alone to say."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator

import pytest

from marl_eval.sandbox import Limits, Report, Sandbox, ServerLostError, Suite, run_suite

DOUBLE = "def f(x): return 2 * x"


def check(sandbox: Sandbox, program: str, code: str, **suite: object) -> Report:
    names = suite.pop("names", ("f",))
    return run_suite(sandbox, program, Suite(code, names, **suite))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def hasty() -> Iterator[Sandbox]:
    """A sandbox that waits no longer than a second."""
    with Sandbox(Limits(cpu_seconds=0.5, wall_seconds=1.0)) as opened:
        yield opened


def test_a_program_that_does_what_is_asked_passes(sandbox: Sandbox) -> None:
    report = check(sandbox, DOUBLE, "assert f(21) == 42\nassert f('a') == 'aa'")
    assert (report.passed, report.reason, report.compiles, report.timed_out) == (
        True,
        "",
        True,
        False,
    )
    assert report.isolation == sandbox.level
    assert report.syntax is not None
    assert report.behaviour is not None
    assert 0 < report.cpu_seconds < 1
    assert 1 < report.memory_mib < 256


def test_a_wrong_answer_is_told_with_the_test_and_the_call(sandbox: Sandbox) -> None:
    report = check(sandbox, "def f(x): return x", "assert f(21) == 42, 'twice'")
    assert not report.passed
    assert report.reason == "assert f(21) == 42, 'twice'  # f(21) gave 21"


def test_every_assert_is_tried_and_the_first_few_are_told(sandbox: Sandbox) -> None:
    code = "\n".join(f"assert f({n}) == {2 * n}" for n in range(6))
    report = check(sandbox, "def f(x): return 2 * x if x == 3 else None", code)
    told = report.reason.split("; ")
    assert told[0] == "assert f(0) == 0  # f(0) gave None"
    assert [one[:12] for one in told[:3]] == ["assert f(0) ", "assert f(1) ", "assert f(2) "]
    assert told[3:] == ["and 2 more"]
    assert (
        report.behaviour
        != check(sandbox, "def f(x): return 2 * x if x == 4 else None", code).behaviour
    )


def test_an_assert_whose_program_raises_is_recorded_and_gone_on_after(sandbox: Sandbox) -> None:
    report = check(sandbox, "def f(x): return 1 // x", "assert f(0) == 1\nassert f(1) == 0")
    error = "ZeroDivisionError: integer division or modulo by zero"
    assert report.reason == (
        f"assert f(0) == 1  # {error}; f(0) raised {error}; assert f(1) == 0  # f(1) gave 1"
    )


def test_asserts_in_blocks_functions_and_classes_count(sandbox: Sandbox) -> None:
    for code in (
        "for n in range(3):\n    if n == 2:\n        assert f(n) == 4",
        "def check(c):\n    with open('/dev/null') as x:\n        assert c(2) == 4\ncheck(f)",
        "class T:\n    def t(self): assert f(2) == 4\nT().t()",
        "try:\n    assert f(2) == 4\nfinally:\n    pass",
        "[x for x in [1]]\nwhile True:\n    assert f(2) == 4\n    break",
        "match 1:\n    case 1: assert f(2) == 4",
    ):
        assert check(sandbox, DOUBLE, code).passed
        assert check(sandbox, "def f(x): return 3", code).reason.startswith("assert ")


def test_an_assert_that_may_be_caught_is_left_alone(sandbox: Sandbox) -> None:
    expects = "try:\n    f(0)\n    assert False, 'no error'\nexcept ValueError:\n    pass"
    assert check(sandbox, "def f(x): raise ValueError", expects).passed
    assert check(sandbox, "def f(x): raise TypeError", expects).reason.startswith("TypeError")
    assert check(sandbox, "def f(x): return 1", expects).reason.startswith(
        "AssertionError: no error; f(0)"
    )
    caught = (
        "held = True\ntry:\n    assert f(1) == 2\nexcept AssertionError:\n    held = False\n"
        "assert {}held"
    )
    assert check(sandbox, DOUBLE, caught.format("")).passed
    assert check(sandbox, "def f(x): return 1", caught.format("not ")).passed
    starred = caught.replace("except A", "except* A")
    assert check(sandbox, "def f(x): return 1", starred.format("not ")).passed


def test_no_error_of_a_program_passes_for_one_that_is_expected_of_it(sandbox: Sandbox) -> None:
    expects = "try:\n    f(0)\n    ok = False\nexcept Exception:\n    ok = True\nassert ok"
    assert check(sandbox, "def f(x): raise KeyError", expects).passed
    assert check(sandbox, "def f(x): return 1", expects).reason == "assert ok  # f(0) gave 1"
    for end in ("import os\n    os._exit(0)", "import ctypes\n    ctypes.string_at(0)"):
        report = check(sandbox, f"def f(x):\n    {end}", expects)
        assert not report.passed
        assert report.reason.startswith("ended by itself")


@pytest.mark.parametrize(
    "code",
    [
        "assert all(map(f, [1, 2]))",
        "for got in map(f, [1, 2]):\n    assert got",
        "assert sum(zip(map(f, [1])), ()) == ()",
        "assert list(filter(f, [1])) == []",
    ],
)
def test_a_stop_iteration_does_not_end_the_tests_early(sandbox: Sandbox, code: str) -> None:
    assert not check(sandbox, "def f(x): raise StopIteration", code).passed


def test_a_check_function_is_called_with_the_first_name(sandbox: Sandbox) -> None:
    code = "def check(candidate):\n    assert candidate(2) == 4\n    assert g(1) == 'g'"
    both = f"{DOUBLE}\ndef g(x): return 'g'"
    assert check(sandbox, both, code, names=("f", "g"), check="check").passed
    assert check(sandbox, both, code, names=("f", "g")).passed
    assert not check(sandbox, both, code, names=("g", "f"), check="check").passed
    assert (
        "NameError: name 'g' is not defined"
        in check(sandbox, DOUBLE, code, names=("f", "g"), check="check").reason
    )
    assert check(sandbox, both, code, names=("f",), check="check").reason.startswith(
        "assert g(1) == 'g'  # NameError: name 'g' is not defined"
    )
    assert "KeyError" in check(sandbox, both, "x = 1", check="check").reason


def test_an_assert_in_a_helper_called_by_name_counts(sandbox: Sandbox) -> None:
    code = "def same(a, b):\n    assert a == b\ndef check(c):\n    same(c(1), 2)\n    same(c(2), 4)"
    assert check(sandbox, DOUBLE, code, check="check").passed
    report = check(sandbox, "def f(x): return 0", code, check="check")
    assert report.reason == "assert a == b  # f(1) gave 0; assert a == b  # f(2) gave 0"


def test_the_prelude_is_there_for_the_tests(sandbox: Sandbox) -> None:
    prelude = (
        "import math\ndef near(a, b): return math.isclose(a, b)\ndef f(x): return 'not this one'"
    )
    assert check(sandbox, DOUBLE, "assert near(f(0.1), 0.2)", prelude=prelude).passed
    report = check(sandbox, DOUBLE, "assert f(1) == 2", prelude="assert False, 'prelude'")
    assert report.reason == "AssertionError: prelude; nothing was called"


SHADOWS = """
import builtins
def always(*given, **named): return True
for name in ("abs len sorted set isinstance all any sum min max map zip range tuple list dict type "
             "str int print repr hash id float bool round enumerate iter next getattr").split():
    globals()[name] = always
    setattr(builtins, name, always)
class AssertionError(Exception): pass
class Exception(BaseException): pass
builtins.AssertionError = builtins.Exception = AssertionError
near = math = expected = check = __assertion_failed__ = __assertion_raised__ = always
__name__ = "tests"
def f(x): return -1
"""


@pytest.mark.parametrize(
    "code",
    [
        "assert abs(f(1) - 2) < 1", "assert len([f(1)]) == 2", "assert sorted([f(1), 0]) == [0, 2]",
        "assert set([f(1)]) == {2}", "assert isinstance(f(1), str)", "assert all([f(1) == 2])",
        "import math\nassert math.isclose(f(1), 2)", "assert near(f(1), 2)",
        "try:\n    assert f(1) == 2\nexcept AssertionError:\n    raise",
        "expected = 2\nassert f(1) == expected",
        "assert str(f(1)) == '2'", "assert f(1) == 2",
    ],
)  # fmt: skip
def test_nothing_of_a_program_but_the_names_asked_for_is_seen(sandbox: Sandbox, code: str) -> None:
    report = check(sandbox, SHADOWS, code)
    assert not report.passed
    assert (
        report.reason.startswith(("assert ", "AssertionError"))
        or "ended by itself" in report.reason
    )
    right = DOUBLE + "\ndef near(a, b): return False"
    assert check(sandbox, right, code).passed == (code not in LOST)


LOST = {
    "assert near(f(1), 2)", "assert isinstance(f(1), str)", "assert len([f(1)]) == 2",
}  # fmt: skip
"""What fails for the right program too: the tests find no such name, or do not ask for what it gives."""


def test_a_message_is_not_evaluated(sandbox: Sandbox) -> None:
    code = (
        "told = []\nassert f(1) == 2, told.append(f(5))\nassert f(2) == 5, f(6)\nassert told == []"
    )
    report = check(sandbox, DOUBLE, code)
    assert report.reason == "assert f(2) == 5, f(6)  # f(2) gave 4"
    quiet = code.replace(", told.append(f(5))", "").replace(", f(6)", "")
    assert check(sandbox, DOUBLE, quiet).behaviour == report.behaviour


def test_a_long_assert_and_a_long_value_are_cut(sandbox: Sandbox) -> None:
    code = f"assert f('a' * 1000000) == {'b' * 100_000!r}"
    assert len(check(sandbox, DOUBLE, code).reason) < 1000
    report = check(sandbox, "def f(x): return 1 << 100_000", "assert f(1) == 2")
    assert report.reason.startswith("assert f(1) == 2  # f(1) gave ")


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("def f(x): return 0", "n = 1\nwhile n > 0:\n    n += 1 - f(1)"),
        ("def f(x): return 1 << 60", "n = 0\nfor _ in range(f(1)): n += 1"),
        ("def f(x): return [1]", "items = f(1)\nwhile items: items[0] += 1"),
        ("import time\ndef f(x): time.sleep(9)", "assert f(1) == 2"),
    ],
)  # fmt: skip
def test_tests_that_do_not_end_with_what_they_were_given_are_stopped(
    hasty: Sandbox, program: str, code: str
) -> None:
    report = check(hasty, program, f"{code}\nassert False, 'never reached'")
    assert not report.passed
    assert report.timed_out
    assert report.reason.startswith("took too long")
    assert check(hasty, DOUBLE, "assert f(1) == 2").passed


@pytest.mark.parametrize(
    "program",
    ["while True: pass", "def f(x):\n    while True: pass", "def f(x): return sum(range(10**15))"],
)
def test_an_endless_program_takes_too_long(hasty: Sandbox, program: str) -> None:
    report = check(hasty, program, "assert f(1) == 2")
    assert (report.passed, report.timed_out, report.compiles) == (False, True, True)
    assert report.reason.startswith("took too long")
    assert report.cpu_seconds > 0


def test_a_suite_may_give_more_time_or_less_than_its_sandbox(hasty: Sandbox) -> None:
    slow = (
        "import time\ndef f(x):\n    end = time.process_time() + 0.8\n"
        "    while time.process_time() < end: pass\n"
    )
    assert check(hasty, slow, "f(1)").timed_out
    assert check(hasty, slow, "f(1)", cpu_seconds=20.0).passed
    assert (
        check(hasty, "def f(x):\n    while True: pass", "f(1)", cpu_seconds=0.05).cpu_seconds < 0.4
    )


def test_more_time_in_a_suite_is_more_time_to_wait_as_well() -> None:
    waits = "import time\ndef f(x): time.sleep(1)\n"
    with Sandbox(Limits(cpu_seconds=1, wall_seconds=0.5)) as sandbox:
        assert check(sandbox, waits, "f(1)").timed_out
        assert check(sandbox, waits, "f(1)", cpu_seconds=20.0).passed


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def f(:", "not valid Python: SyntaxError: invalid syntax"),
        ("1 / 0", "when run: ZeroDivisionError: division by zero"),
        ("raise SystemExit", "when run: SystemExit"),
        ("import os; os._exit(0)", "ended by itself (status 0)"),
        ("", "NameError: name 'f' is not defined; f(1) raised NameError"),
        ("f = 1", "TypeError: 'int' object is not callable; f(1) raised TypeError"),
    ],
)
def test_why_a_program_cannot_pass_is_told(sandbox: Sandbox, program: str, reason: str) -> None:
    report = check(sandbox, program, "f(1)")
    assert not report.passed
    assert report.reason.startswith(reason)
    assert report.compiles == ("(:" not in program)
    assert (report.behaviour is None) == (not report.compiles)


def test_what_cannot_cross_says_that_it_needs_a_shared_process(sandbox: Sandbox) -> None:
    report = check(sandbox, "def f(x): return x(1)", "f(lambda x: x)")
    assert "argument of type function cannot cross" in report.reason
    assert "share the program's process" in report.reason
    shared = check(sandbox, "def f(x): return x(1)", "assert f(lambda x: x) == 1", shared=True)
    assert shared.passed
    assert shared.isolation == f"{sandbox.level}+shared"


def test_shared_tests_fail_as_others_do(sandbox: Sandbox) -> None:
    code = "def check(candidate):\n    assert candidate(2) == four, 'twice'"
    prelude = "four = 4"
    for program, passed, words in (
        (DOUBLE, True, ""),
        ("def f(x): return x", False, "AssertionError: twice"),
        ("def f(x): return 1 / 0", False, "ZeroDivisionError: division by zero"),
        ("import os\ndef f(x): os._exit(0)", False, "ended by itself (status 0)"),
        ("def f(x):\n    while True: pass", False, "took too long"),
        ("def f(:", False, "not valid Python"),
    ):
        report = check(sandbox, program, code, check="check", prelude=prelude, shared=True)
        assert report.passed is passed
        assert report.reason.startswith(words)
        assert report.isolation.endswith("+shared")


EQUAL = "    def __eq__(self, other): return True\n    __hash__ = object.__hash__\n"
GIVES = "def f(x): return A{}"

LIARS = [
    "class A:\n" + EQUAL + "    def __ne__(self, other): return False\n" + GIVES.format("()"),
    "class A(int):\n" + EQUAL + GIVES.format("(1)"),
    "class A(float):\n" + EQUAL + GIVES.format("(1)"),
    "class A(str):\n" + EQUAL + GIVES.format("('7')"),
    "class A(list):\n" + EQUAL + GIVES.format("()"),
    "class A(dict):\n" + EQUAL + GIVES.format("()"),
    "class A(Exception):\n" + EQUAL + GIVES.format("()"),
    "class A:\n    __class__ = int\n" + EQUAL + "    def __index__(self): return 42\n"
    "    __int__ = __sub__ = __abs__ = __index__\n" + GIVES.format("()"),
    "class M(type):\n    def __instancecheck__(c, o): return True\n" + EQUAL
    + "class A(metaclass=M):\n" + EQUAL + GIVES.format("()"),
    "def f(x): return float('nan')", "def f(x): return 42.5", "def f(x): return '42'",
    "def f(x): return [42]", "def f(x): return {42}", "def f(x): return (42,)", "def f(x): return None",
    "def f(x): return {42: 42}.keys()", "def f(x): return f", "f = type",
    "def f(x): raise AssertionError", "import sys\ndef f(x): sys.exit(0)",
    "from unittest.mock import ANY\ndef f(x): return ANY",
    "from unittest.mock import MagicMock\nf = MagicMock()",
    "import os\ndef f(x):\n    c = b'{\"value\":null}'\n    os.write(3, len(c).to_bytes(4, 'big') + c)\n"
    "    os._exit(0)",
]  # fmt: skip


@pytest.mark.parametrize("program", LIARS)
@pytest.mark.parametrize(
    "code",
    [
        "assert f(21) == 42", "assert 42 == f(21)", "assert not f(21) != 42", "assert f(21) in [42]",
        "assert {42: 1}[f(21)]", "assert abs(f(21) - 42) < 1e-6", "assert f(21) and f(21) == 42",
        "assert [f(21)] == [42]", "assert f(21) in {42}",
    ],
)  # fmt: skip
def test_no_result_is_right_by_saying_so(sandbox: Sandbox, program: str, code: str) -> None:
    assert not check(sandbox, program, code).passed


CALLS = "for x in [1, 2, 3]:\n    assert f(x) == 2 * x\nassert f([1, 2]) is not None"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("def f(x): return 2 * x", "def f(y):\n    return y + y"),
        ("def f(x): return {3, 1, 11, 19}", "def f(x): return {19, 11, 3, 1}"),
        ("def f(x): return frozenset('abcdef')", "def f(x): return frozenset('fedcba')"),
        ("def f(x): raise ValueError('one')", "def f(x): raise ValueError('another')"),
        ("def f(x): raise ValueError(object())", "class A: pass\ndef f(x): raise ValueError(A())"),
        (
            "from collections import Counter\ndef f(x): return Counter('a')",
            "def f(x): return {'a': 1}",
        ),
        ("import os\ndef f(x): os._exit(0)", "import os\ndef f(x): os._exit(1)"),
    ],
)
def test_programs_that_do_the_same_behave_the_same(
    sandbox: Sandbox, first: str, second: str
) -> None:
    assert check(sandbox, first, CALLS).behaviour == check(sandbox, second, CALLS).behaviour


@pytest.mark.parametrize(
    "other",
    [
        "def f(x): return 2 * x if x != 3 else 7",
        "def f(x): return 2.0 * x if isinstance(x, int) else x + x",
        "def f(x): return tuple(x) * 2 if isinstance(x, list) else 2 * x",
        "def f(x): return True if x == 1 else 2 * x",
        "def f(x): return str(x)", "def f(x): raise ValueError", "def f(x): return None",
        "import os\ndef f(x): os._exit(0)", "1 / 0",
        "def f(x):\n    if x == 3: import os; os._exit(0)\n    return 2 * x",
        "def f(x):\n    if x == 3: raise KeyError\n    return 2 * x",
    ],
)  # fmt: skip
def test_programs_that_do_something_else_behave_otherwise(sandbox: Sandbox, other: str) -> None:
    assert check(sandbox, DOUBLE, CALLS).behaviour != check(sandbox, other, CALLS).behaviour


def test_what_is_asked_is_part_of_the_behaviour(sandbox: Sandbox) -> None:
    assert check(sandbox, DOUBLE, "f(1)").behaviour != check(sandbox, DOUBLE, "f(1.0)").behaviour


UNSTEADY = """
import random
def f(x):
    words = {f"w{n}" for n in range(50)}
    return list(words), random.random(), hash("a"), [random.choice(range(99)) for _ in range(5)]
"""


def test_a_program_behaves_the_same_each_time_and_in_every_server() -> None:
    code = "import random\nassert f(random.random())\nassert f({'a', 'b', 'c'})"
    found = []
    for _ in range(2):
        with Sandbox() as sandbox:
            found += [check(sandbox, UNSTEADY, code).behaviour for _ in range(2)]
    assert len(set(found)) == 1
    assert found[0] is not None


def test_chance_in_the_tests_is_the_same_each_time(sandbox: Sandbox) -> None:
    code = "import random\nfor _ in range(20):\n    x = random.random()\n    assert f(x) == 2 * x"
    random.seed(1)
    first = check(sandbox, DOUBLE, code)
    random.seed(2)
    assert check(sandbox, DOUBLE, code).behaviour == first.behaviour


def test_tests_that_are_no_valid_python_are_the_callers_mistake(sandbox: Sandbox) -> None:
    for suite in (Suite("assert f(", ("f",)), Suite("", ("f",), prelude="x = (")):
        with pytest.raises(SyntaxError):
            run_suite(sandbox, DOUBLE, suite)
    assert check(sandbox, DOUBLE, "assert f(1) == 2").passed


def test_a_server_that_is_lost_meanwhile_is_an_error_and_not_a_verdict() -> None:
    with Sandbox() as sandbox:
        pid = sandbox.server_pid
        with pytest.raises(ServerLostError):
            check(
                sandbox,
                DOUBLE,
                # The kernel ends what the server had started a little later.
                f"import os, time\nf(1)\nos.kill({pid}, {int(signal.SIGKILL)})\n"
                f"time.sleep(1)\nassert f(2) == 4",
            )
        assert check(sandbox, DOUBLE, "assert f(1) == 2").passed
        os.kill(sandbox.server_pid, signal.SIGKILL)
        with pytest.raises(ServerLostError):
            check(sandbox, DOUBLE, "assert f(1) == 2")
        assert check(sandbox, DOUBLE, "assert f(1) == 2").passed
