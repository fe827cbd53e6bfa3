"""What tests take from a program is read from trusted code alone."""

from __future__ import annotations

import pytest

from marl_eval.tasks.taken_names import Taken, taken_names, without_long_literals


def test_a_function_that_the_tests_call_is_taken() -> None:
    reference = "def helper(x): return x\ndef f(x): return helper(x)"
    assert taken_names("assert f(1) == 1", reference) == Taken(("f",), "")


def test_a_class_that_the_tests_use_is_taken_too() -> None:
    reference = "class Pair: ...\ndef f(pairs): ..."
    assert taken_names("assert f([Pair()]) == 1", reference).names == ("Pair", "f")


def test_an_assigned_name_is_taken() -> None:
    assert taken_names("assert f(1) == 1", "f = abs\n(g, h) = 1, 2").names == ("f",)


def test_builtins_are_never_taken_unless_the_reference_defines_them() -> None:
    tests = "assert set(f(1)) == set([abs(1)])"
    assert taken_names(tests, "def f(x): return [x]").names == ("f",)
    assert taken_names("assert sum(1) == 1", "def sum(x): return x").names == ("sum",)


def test_what_the_tests_define_themselves_is_not_taken() -> None:
    tests = "def helper(x): return x\nassert f(1) == helper(1)"
    reference = "def helper(x): return x\ndef f(x): return helper(x)"
    assert taken_names(tests, reference).names == ("f",)


def test_a_name_that_is_local_to_a_function_of_the_tests_is_still_taken() -> None:
    tests = "def expected(x):\n    f = x\n    return f\nassert f(1) == expected(1)"
    assert taken_names(tests, "def f(x): return x").names == ("f",)


def test_a_name_used_only_inside_a_function_of_the_tests_is_taken() -> None:
    tests = "def run(x):\n    return [f(y) for y in x]\nassert run([1]) == [1]"
    assert taken_names(tests, "def f(x): return x").names == ("f",)


def test_an_import_that_only_the_reference_makes_is_given() -> None:
    reference = "import sys, os\nfrom math import pi as p\ndef f(x): return sys.getsizeof(x)"
    tests = "assert f(1) == sys.getsizeof(1) + 0 * p"
    assert taken_names(tests, reference) == Taken(
        ("f",), "import sys, os\nfrom math import pi as p"
    )


def test_an_import_that_the_tests_make_themselves_is_not_given() -> None:
    tests = "import sys\nassert f(1) == sys.getsizeof(1)"
    assert taken_names(tests, "import sys\ndef f(x): ...") == Taken(("f",), "")


@pytest.mark.parametrize(
    ("tests", "reference", "told"),
    [
        ("assert g(1) == 1", "def f(x): ...", "'g', which nothing defines"),
        ("assert abs(1) == 1", "def f(x): ...", "nothing that the reference solution defines"),
        ("assert f(1", "def f(x): ...", "the tests cannot be parsed"),
        ("assert f(1) == 1", "def f(x:", "the reference solution cannot be parsed"),
        ("assert f(1) == '\0'", "def f(x): ...", "the tests cannot be parsed"),
    ],
)
def test_what_does_not_fit_together_is_told(tests: str, reference: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        taken_names(tests, reference)


def test_an_escape_that_python_warns_of_is_read() -> None:
    reference = "def f(x): return '\\w'"
    assert taken_names("assert f(1) == '\\w'", reference).names == ("f",)


def test_long_literals_are_left_out() -> None:
    code = "def check(f):\n    inputs = [[1], [2]]\n    results = [1]\n    x = inputs\n"
    assert without_long_literals(code) == (
        "def check(f):\n    inputs = []\n    results = []\n    x = inputs\n"
    )
