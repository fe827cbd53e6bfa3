"""No hostile program passes, does anything outside or costs a worker, at a level that is to hold it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from marl_eval.sandbox import Report, Sandbox, Suite, run_suite
from tests.sandbox.hostile import (
    answers,
    channel,
    comparisons,
    files,
    harness,
    kernel,
    leaving,
    loops,
    processes,
    resources,
    secrets,
    sockets,
    text,
)
from tests.sandbox.hostile.around import nothing_left
from tests.sandbox.hostile.attack import DOUBLING, FILTERED, FULL, HELP, LIMITS, RIGHT, Attack
from tests.sandbox.hostile.sandboxes import SMALL, Sandboxes

SHORT_WAIT = replace(SMALL, cpu_seconds=2.0, wall_seconds=0.4)

ON_WALLS = (
    *secrets.ATTACKS,
    *leaving.ATTACKS,
    *processes.ATTACKS,
    *kernel.ATTACKS,
    *sockets.ATTACKS,
    *files.ATTACKS,
)
ON_THE_BOUNDARY = (
    *comparisons.ATTACKS,
    *harness.ATTACKS,
    *loops.ATTACKS,
    *resources.ATTACKS,
    *answers.ATTACKS,
    *channel.ATTACKS,
    *text.ATTACKS,
)
"""What holds these is the same at every level, so at the weaker ones every fifth will do."""


def cases() -> dict[str, tuple[str, Attack]]:
    """Give the attacks with each level that is to hold them, by name."""
    levels = (FULL, FILTERED, LIMITS)
    return {
        f"{level}: {attack.name}": (level, attack)
        for level in levels
        for attack in (*ON_WALLS, *(ON_THE_BOUNDARY[:: 1 if level == FULL else 5]))
        if levels.index(level) <= levels.index(attack.held_at)
    }


CASES = cases()

FORMS = {
    "equal": "assert f(21) == 42",
    "equal, the other way round": "assert 42 == f(21)",
    "equal lists": "assert f([1]) == [1, 1]",
    "not unequal": "assert not f(21) != 42",
    "one of": "assert f(21) in (42, 43)",
    "holds": "assert 7 in f([7])",
    "equal sets": "assert set(f([4])) == {4}",
    "equal tuples": "assert tuple(f([4])) == (4, 4)",
    "equal when sorted": "assert sorted(f([4, 3])) == [3, 3, 4, 4]",
    "of the same length": "assert len(f('abc')) == 6",
    "equal as whole numbers": "assert int(f(21)) == 42",
    "equal as text": "assert str(f(21)) == '42'",
    "close": "import math\nassert math.isclose(f(21), 42, rel_tol=0.001)",
    "near": "assert abs(f(21) - 42) < 1e-6",
    "between": "assert 41 < f(21) < 43",
    "the same object": "assert (f(21) == 42) is True",
    "of a type": "assert isinstance(f(21), int) and f(21) > 41",
    "of exactly a type": "assert type(f(21)) is int and f(21) == 42",
    "all equal": "assert all(f(x) == 2 * x for x in (3, 4))",
    "all equal, by map": "for found, right in zip(map(f, (3, 4)), (6, 8)):\n    assert found == right",
    "an empty difference": "assert not set(f([4])) ^ {4}",
    "copied first": "import copy\nassert copy.deepcopy(f(21)) == 42",
    "as a key": "assert {42: 'yes'}.get(f(21)) == 'yes'",
    "near, by numpy": "import numpy\nassert numpy.allclose(f(21.0), 42.0)",
    "equal, by numpy": "import numpy\nassert numpy.array_equal(f([21]), [21, 21])",
}
"""The forms that the tests of the data sets have; each asks for a function that doubles."""


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    """The sandboxes of all levels, shared by the attacks: one that breaks it is found by the next."""
    found = Sandboxes()
    yield found
    found.close()


@pytest.mark.parametrize(("level", "attack"), CASES.values(), ids=CASES)
def test_a_hostile_program_gains_nothing(
    sandboxes: Sandboxes,
    level: str,
    attack: Attack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its tests fail, what it tries is refused, it ends as it must, and nothing is left of it."""
    if "raw(" in attack.program and platform.machine() != "x86_64":
        pytest.skip("it uses the numbers that system calls have on x86_64")
    monkeypatch.chdir(tmp_path)
    sandbox = sandboxes.at(level)
    with nothing_left(sandbox):
        sandbox.limits = SHORT_WAIT if "wall" in (attack.ends or "") else SMALL
        report = run_suite(sandbox, attack.source, DOUBLING)
        check(report, attack, sandbox)
        sandbox.limits = SMALL
        if "def gained" in attack.program:
            patient = replace(SMALL, cpu_seconds=5.0)
            with sandbox.run(attack.source, limits=patient) as session:
                assert session.call("gained", [], {}) == []


def check(report: Report, attack: Attack, sandbox: Sandbox) -> None:
    """See that it failed, and by what it is meant to fail."""
    assert not report.passed
    assert report.reason
    assert len(report.reason) < 3000
    assert report.isolation == sandbox.level
    if not attack.dies:
        assert report.compiles
        # Else the attack was none.
        assert not any(f"{name}Error" in report.reason for name in ("Name", "Attribute", "Import"))
    assert sandbox.last is not None
    if attack.ends is not None:
        ends = attack.ends.split(" or ")
        # The harness waits for as long as the server does; which of them ends it first is chance.
        stopped_waiting = report.timed_out and not sandbox.last.timed_out
        assert "wall" in ends if stopped_waiting else sandbox.last.why in ends
        assert report.timed_out or not sandbox.last.timed_out
    assert report.cpu_seconds < 5 * sandbox.limits.cpu_seconds
    assert report.memory_mib < 1.5 * sandbox.limits.memory_mib


@pytest.mark.parametrize("attack", comparisons.LIES, ids=lambda attack: attack.name)
def test_a_lie_passes_no_form_of_test(sandboxes: Sandboxes, attack: Attack) -> None:
    """Whatever way a test compares, an object that lies is not what it says."""
    report = run_suite(sandboxes.at(FULL), attack.source, Suite(_tried("not passed"), ("f",)))
    if attack.dies and not report.passed:
        assert report.reason.startswith("ended by itself")
    else:
        assert report.passed, report.reason


def test_a_right_program_passes_every_form_of_test(sandboxes: Sandboxes) -> None:
    """Else the test above would show nothing."""
    suite = Suite(_tried(f"passed == {list(FORMS)}"), ("f",))
    assert run_suite(sandboxes.at(FULL), HELP + RIGHT, suite).passed
    for form in FORMS.values():
        assert run_suite(sandboxes.at(FULL), HELP + RIGHT, Suite(form, ("f",))).passed


def _tried(asserted: str) -> str:
    """Give tests that try all forms and then assert something of those that ``passed``."""
    tests = ["passed = []"]
    for name, form in FORMS.items():
        body = "\n".join(f"    {line}" for line in [*form.splitlines(), f"passed.append({name!r})"])
        tests.append(f"try:\n{body}\nexcept Exception:\n    pass")
    return "\n".join([*tests, f"assert {asserted}, passed"])
