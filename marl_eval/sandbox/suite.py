"""Tests of a program, run where the program is not.

The tests that ship with a data set are trusted, the program is not, so they never share a process.
The tests run on this side; the names that they take from the program are bound to functions that
call across the boundary. What comes back is plain data, and it is compared here: nothing that the
program defines takes part in a comparison.

Every ``assert`` is recorded, and one that fails does not stop the rest, so that programs can be told
apart by all that they do. (An ``assert`` in a ``try`` with handlers is left as it is: the tests may
mean it to be caught.)
"""

from __future__ import annotations

import builtins
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from types import CodeType, FrameType
from typing import Any

import orjson

from marl_eval.sandbox.assertions import FAILED, RAISED, Recorded, compile_recording
from marl_eval.sandbox.inside.plain import NotPlainError
from marl_eval.sandbox.levels import SHARED
from marl_eval.sandbox.limits import Limits
from marl_eval.sandbox.sandbox import Ended, Sandbox
from marl_eval.sandbox.session import Session, SessionOverError

_MOST_TOLD = 3
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one problem.

    ``code`` is trusted source. ``names`` are the names that it takes from the program; it sees nothing
    else of the program. ``check`` names a function of ``code`` that is called, after ``code`` has run,
    with the first of ``names``. ``prelude`` is trusted source that is run before. ``shared`` has the
    tests run in the program's own process: for tests that cannot be taken apart, since they pass
    functions, say. A program can then forge the outcome, and the report's isolation says so.
    ``cpu_seconds`` is in place of the sandbox's own limit, where the tests need more.
    """

    code: str
    names: tuple[str, ...]
    check: str | None = None
    prelude: str = ""
    shared: bool = False
    cpu_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of a program.

    ``passed``: it was there until the end and every test held. ``reason``: why not, in words.
    ``compiles``: it is valid syntax. ``syntax`` and ``behaviour`` are hashes of its normalised syntax
    tree and of all calls with what came of them; None where there is nothing to hash. ``timed_out``:
    a limit on time ended it. ``isolation``: the level that it ran at. Times and memory are those of
    its process, its start included.
    """

    passed: bool
    reason: str
    compiles: bool
    syntax: str | None
    behaviour: str | None
    timed_out: bool
    isolation: str
    cpu_seconds: float
    memory_mib: float


class _TestsTimeoutError(BaseException):
    """The tests themselves took too long, whatever the program gave them."""


def run_suite(sandbox: Sandbox, program: str, suite: Suite) -> Report:
    """Run a program's tests.

    Raises:
        ServerLostError: if the fork server was lost meanwhile; run it again.
        SyntaxError: if the tests are no valid Python.
    """
    record = _Record()
    compiled = _compile(suite)
    limits = _limits(sandbox.limits, suite)
    with sandbox.run(program, syntax=True, limits=limits) as session:
        if session.compiles and session.error is None:
            try:
                with _time_limit(limits.wall_seconds):
                    if suite.shared:
                        _run_shared(session, suite, record)
                    else:
                        _run_apart(session, suite, compiled, record)
            except _TestsTimeoutError:
                record.timed_out = True
        broken = session.over
    assert sandbox.last is not None
    return _report(session, record, sandbox.last, broken, sandbox.level, suite.shared)


def _limits(limits: Limits, suite: Suite) -> Limits:
    if suite.cpu_seconds is None:
        return limits
    wall = limits.wall_seconds * max(suite.cpu_seconds / limits.cpu_seconds, 1)
    return replace(limits, cpu_seconds=suite.cpu_seconds, wall_seconds=wall)


class _Record:
    """What failed, in words: the first few, and how many in all."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.count = 0
        self.timed_out = False

    def add(self, text: str) -> None:
        self.count += 1
        if self.count <= _MOST_TOLD:
            self.told.append(text)


@dataclass(frozen=True, slots=True)
class _Compiled:
    prelude: CodeType
    tests: Recorded


@lru_cache(maxsize=256)
def _compile(suite: Suite) -> _Compiled:
    prelude = compile(suite.prelude, "<prelude>", "exec", dont_inherit=True)
    return _Compiled(prelude, compile_recording(suite.code))


def _run_apart(session: Session, suite: Suite, compiled: _Compiled, record: _Record) -> None:
    """Run the tests here, calling across the boundary."""

    def failed(number: int) -> None:
        record.add(f"{compiled.tests.asserted(number)}  # {_last_call(session)}")

    def raised(number: int, error: Exception) -> None:
        record.add(
            f"{compiled.tests.asserted(number)}  # {_in_words(error)}; {_last_call(session)}"
        )

    space: dict[str, Any] = {"__builtins__": builtins, "__name__": "tests"}
    random.seed(0)
    try:
        exec(compiled.prelude, space)
        for name in suite.names:
            space[name] = _caller(session, name)
        space[FAILED], space[RAISED] = failed, raised
        exec(compiled.tests.code, space)
        if suite.check is not None:
            space[suite.check](space[suite.names[0]])
    except SessionOverError:
        pass
    except NotPlainError as error:
        record.add(f"{error}; tests that need it have to share the program's process")
    except Exception as error:
        record.add(f"{_in_words(error)}; {_last_call(session)}")


def _caller(session: Session, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return session.call(name, arguments, named)

    return call


def _run_shared(session: Session, suite: Suite, record: _Record) -> None:
    """Run the tests in the program's own process, which can answer what it likes."""
    told = {
        "check": f"{suite.prelude}\n{suite.code}",
        "name": suite.names[0] if suite.check is not None else None,
    }
    try:
        session.ask(told)
    except SessionOverError:
        pass
    except Exception as error:
        record.add(_in_words(error))


def _last_call(session: Session) -> str:
    """Tell the last call with what came of it."""
    return session.describe_last()[:_LONGEST]


def _in_words(error: Exception) -> str:
    told = str(error)
    name = type(error).__name__
    return (f"{name}: {told}" if told else name)[:_LONGEST]


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the tests themselves after some time; only in the main thread of a process."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise _TestsTimeoutError

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _report(
    session: Session, record: _Record, ended: Ended, broken: bool, level: str, shared: bool
) -> Report:
    timed_out = ended.timed_out or record.timed_out
    reasons = list(record.told)
    if record.count > len(reasons):
        reasons.append(f"and {record.count - len(reasons)} more")
    if timed_out:
        reasons.insert(0, "took too long")
    elif session.error is not None:
        kind = "when run" if session.compiles else "not valid Python"
        reasons.insert(0, f"{kind}: {session.error}")
    elif broken:
        reasons.insert(0, f"ended by itself (status {ended.status})")
    return Report(
        passed=session.compiles and not reasons,
        reason="; ".join(reasons),
        compiles=session.compiles,
        syntax=session.syntax,
        behaviour=_behaviour(session, broken, timed_out) if session.compiles else None,
        timed_out=timed_out,
        isolation=level + SHARED if shared else level,
        cpu_seconds=ended.cpu_seconds,
        memory_mib=ended.memory_mib,
    )


def _behaviour(session: Session, broken: bool, timed_out: bool) -> str:
    """Hash all calls with what came of them, and how the program ended.

    Of an exception only the type counts: its text may hold an address, which differs each time.
    """
    hashed = blake2b(digest_size=8)
    for call in session.calls:
        hashed.update(call.asked + b"\n" + _without_text(call.answered) + b"\n")
    ending = "took too long" if timed_out else "gone" if broken else session.error or ""
    hashed.update(ending.partition(":")[0].encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


def _without_text(answered: bytes) -> bytes:
    if not answered.startswith(b'{"raised"'):
        return answered
    try:
        return repr(orjson.loads(answered)["raised"][0]).encode("utf-8", "surrogatepass")
    except (ValueError, KeyError, TypeError, IndexError):
        return answered
