"""What hostile programs look for: expected values, the harness, the environment, open descriptors."""

from __future__ import annotations

import os
import resource
import secrets as randomness
from collections.abc import Iterator
from dataclasses import replace

import pytest

from marl_eval.sandbox import Sandbox, Suite, run_suite
from tests.sandbox.hostile.attack import DOUBLING, FILTERED, FULL, HELP, LIMITS, RIGHT
from tests.sandbox.hostile.sandboxes import SMALL, Sandboxes
from tests.sandbox.hostile.secrets import HUNT, MARK

FIRST_FOUND = """
def f(x):
    found = {hunt}
    return found[0] if found else None
"""

REACH = """
def reach(pid):
    found = []
    for name in ("mem", "environ", "maps", "auxv", "io", "syscall", "stack", "fd/0", "cwd", "root"):
        place = f"/proc/{pid}/{name}"
        try:
            if name in ("fd/0", "cwd", "root"):
                os.readlink(place)
            else:
                open(place, "rb").read(name != "mem")
            found.append(name)
        except OSError:
            pass
    return found
def signal(pid):
    return gains((errno.ESRCH,), signal=lambda: os.kill(pid, 0), thread=lambda: raw(234, pid, pid, 0))
"""


DESCRIPTORS = """
import os
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
def f(x):
    return [number for number in range(4000) if is_open(number)]
"""

LONG = replace(SMALL, cpu_seconds=20.0, wall_seconds=60.0)


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    """The sandboxes of all levels."""
    found = Sandboxes()
    yield found
    found.close()


@pytest.mark.parametrize("hunt", ["in_objects()", "in_memory()"])
@pytest.mark.parametrize("level", [FULL, FILTERED, LIMITS])
def test_what_is_expected_is_nowhere_in_the_programs_memory(
    sandboxes: Sandboxes, level: str, hunt: str
) -> None:
    """The same program does find what it is given, so it searches well."""
    program = HELP + HUNT + FIRST_FOUND.format(hunt=hunt)
    sandbox = sandboxes.at(level)
    secret = MARK + randomness.token_hex(8)
    report = run_suite(
        sandbox, program, Suite(f"assert f(21) == {secret!r}", ("f",), cpu_seconds=5.0)
    )
    assert not report.passed
    assert "f(21) gave None" in report.reason
    given = Suite(f"assert f({secret!r}) == {secret!r}", ("f",), cpu_seconds=5.0)
    assert run_suite(sandbox, program, given).passed


def test_what_is_expected_is_nowhere_among_the_files(
    sandboxes: Sandboxes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The folder of the tests is not there, nor is any file outside Python's own."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "expected.txt").write_text(MARK)
    shown = "[top for top in os.listdir('/') if top not in ('usr', 'lib', 'lib64')]"
    program = HELP + HUNT + (
        "def f(x):\n    with open('/tmp/own', 'w') as file: file.write(_HEAD)\n"
        f"    return [os.path.exists(x), in_files(*('/' + top for top in {shown}))]"
    )  # fmt: skip
    with sandboxes.at(FULL).run(program, limits=LONG) as session:
        assert session.call("f", [str(folder)], {}) == [False, ["own"]]


def test_a_secret_of_the_environment_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not even come to the server, from which programs are forked."""
    monkeypatch.setenv("API_KEY", MARK + randomness.token_hex(8))
    program = HELP + HUNT + "def f(x): return [*in_memory(), *in_objects()]"
    with Sandbox(LONG) as sandbox, sandbox.run(program) as session:
        assert session.call("f", [None], {}) == []


@pytest.mark.parametrize("level", [FULL, FILTERED, LIMITS])
def test_the_harness_cannot_be_read(sandboxes: Sandboxes, level: str) -> None:
    """Not even by the same user where processes can be seen, for it is marked as not to be traced."""
    sandbox = sandboxes.at(level)
    for pid in (os.getpid(), sandbox.server_pid, 1):
        with sandbox.run(HELP + REACH) as session:
            assert session.call("reach", [pid], {}) == []


@pytest.mark.parametrize("level", [FULL, FILTERED])
def test_the_harness_cannot_be_signalled(sandboxes: Sandboxes, level: str) -> None:
    """Neither it nor the server."""
    sandbox = sandboxes.at(level)
    for pid in (os.getpid(), sandbox.server_pid):
        with sandbox.run(HELP + REACH) as session:
            assert session.call("signal", [pid], {}) == []


def test_a_program_has_no_descriptor_but_its_channel_however_many_the_harness_has() -> None:
    """The server's own socket would let it tell how it ended."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    held = [os.dup(0) for _ in range(400)]
    try:
        with Sandbox(SMALL) as sandbox, sandbox.run(DESCRIPTORS) as session:
            assert session.call("f", [0], {}) == [0, 1, 2, 3]
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_that_is_started_by_a_private_user_works() -> None:
    """A mask that takes all rights from others must not make the new root unreadable."""
    before = os.umask(0o077)
    try:
        with Sandbox(SMALL) as sandbox:
            assert run_suite(sandbox, "import statistics\n" + RIGHT, DOUBLING).passed
    finally:
        os.umask(before)


def test_long_answers_do_not_add_up_on_this_side(sandboxes: Sandboxes) -> None:
    """A program may give as many as it is called; each is forgotten, but for a hash."""
    with sandboxes.at(FULL).run("def f(x): return 'x' * (1 << 20)") as session:
        for number in range(8):
            assert len(session.call("f", [number], {})) == 1 << 20
        assert sum(len(call.answered) for call in session.calls) < 1000
        assert len({call.answered for call in session.calls}) == 1
        assert "f(7) gave 'xxx" in session.describe_last()


def test_a_program_that_the_harness_fails_to_start_costs_no_server(
    sandboxes: Sandboxes,
) -> None:
    """It is ended like any other, and the next answer of the server is for the next program."""
    sandbox = sandboxes.at(FULL)
    server = sandbox.server_pid
    with pytest.raises(TypeError), sandbox.run(b"bytes"):  # type: ignore[arg-type]
        pass
    assert run_suite(sandbox, RIGHT, DOUBLING).passed
    assert sandbox.server_pid == server
