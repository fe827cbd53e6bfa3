"""Levels of isolation: the bar is lowered by name only, and it is said what was refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from marl_eval.errors import UserError
from marl_eval.sandbox import Sandbox
from tests.sandbox.hostile import without_namespaces

ROOT = Path(__file__).parents[2]

TRIED = """
import os, sys
from marl_eval.errors import UserError
from marl_eval.sandbox import Sandbox, Suite, run_suite
from tests.sandbox.hostile.attack import DOUBLING, HELP, RIGHT
from tests.sandbox.hostile.comparisons import LIES
from tests.sandbox.test_hostile_secrets import REACH
try:
    with Sandbox(min_level=sys.argv[1]) as sandbox:
        print(sandbox.level)
        print(run_suite(sandbox, "import statistics\\n" + RIGHT, DOUBLING).passed)
        print(run_suite(sandbox, RIGHT, DOUBLING).isolation)
        print(any(run_suite(sandbox, lie.source, DOUBLING).passed for lie in LIES[:5]))
        for asked in ("reach", "signal"):
            with sandbox.run(HELP + REACH) as session:
                print(session.call(asked, [os.getpid()], {}))
except UserError as error:
    print(f"refused: {error}")
"""


def where_user_namespaces_are_forbidden(level: str) -> list[str]:
    """Open a sandbox there; give what is printed."""
    ended = subprocess.run(
        [sys.executable, without_namespaces.__file__, sys.executable, "-c", TRIED, level],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0 and "unshare" in ended.stderr:
        pytest.skip(
            "user namespaces are forbidden here already, so they cannot be forbidden for a test"
        )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_where_user_namespaces_are_forbidden_it_stops_and_says_what_to_do() -> None:
    """Nothing is run at a weaker level than was asked for."""
    (told,) = where_user_namespaces_are_forbidden("full")
    assert told.startswith("refused: ")
    assert "full: user namespaces: user.max_user_namespaces is reached" in told
    assert "--sandbox-min-level filtered" in told
    assert "marl-eval doctor" in told


@pytest.mark.parametrize("allowed", ["filtered", "limits"])
def test_the_strongest_level_that_can_be_had_is_taken_and_told(allowed: str) -> None:
    """Without namespaces it is ``filtered``; false passes, signals and reading memory fail there too."""
    assert where_user_namespaces_are_forbidden(allowed) == [
        "filtered", "True", "filtered", "False", "[]", "[]",
    ]  # fmt: skip


def test_an_unknown_level_is_an_error_with_the_known_ones() -> None:
    """Before anything is started."""
    with pytest.raises(UserError) as caught, Sandbox(min_level="docker"):
        pass
    assert all(name in str(caught.value) for name in ("docker", "full", "filtered", "limits"))


def test_a_lower_bar_does_not_lower_the_level() -> None:
    """It says what is accepted, not what is wanted."""
    try:
        with Sandbox() as sandbox:
            strongest = sandbox.level
    except UserError:
        pytest.skip("the strongest level is refused here")
    with Sandbox(min_level="limits") as sandbox:
        assert sandbox.level == strongest
