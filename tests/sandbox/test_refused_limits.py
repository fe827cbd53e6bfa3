"""A machine that allows less than a program is to have is not the program's fault."""

from __future__ import annotations

import subprocess
import sys

import pytest

UNDER_A_LIMIT = """
import resource, sys
from marl_eval.errors import UserError
from marl_eval.sandbox import Job, Limits, Pool, Suite
kind, most = getattr(resource, sys.argv[1]), int(sys.argv[2])
tests = Suite("assert f(1) == 2", ("f",))
resource.setrlimit(kind, (most, most))
try:
    with Pool(1, Limits(memory_mib=512)) as pool:
        for _, report in pool.run([Job("def f(x): return 2 * x", tests)]):
            print("passed" if report.passed else report.reason)
except UserError as error:
    print(error)
"""


def told_under(kind: str, most: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", UNDER_A_LIMIT, kind, str(most)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("kind", "most", "needed"),
    [
        ("RLIMIT_FSIZE", 1 << 20, 16 << 20),
        ("RLIMIT_CPU", 4, 5),
        ("RLIMIT_AS", 400 << 20, 512 << 20),
    ],
)
def test_a_limit_of_the_machine_that_is_too_low_is_told_and_no_verdict_given(
    kind: str, most: int, needed: int
) -> None:
    told = told_under(kind, most)
    assert told == (
        f"A program cannot be started in the sandbox: {kind} is {most} here, and a program is to "
        f"have {needed}."
    )


@pytest.mark.parametrize(("kind", "most"), [("RLIMIT_NOFILE", 40), ("RLIMIT_FSIZE", 16 << 20)])
def test_a_limit_that_leaves_a_program_what_it_needs_changes_nothing(kind: str, most: int) -> None:
    assert told_under(kind, most) == "passed"
