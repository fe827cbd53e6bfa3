"""A trusted process that runs tests: one sandbox, jobs on stdin, reports on stdout.

Started by ``pool``. Each message is pickled, after four bytes of length; both ends are trusted.
"""

from __future__ import annotations

import os
import pickle
import resource
import select
import threading
from dataclasses import dataclass
from typing import IO

from marl_eval.errors import UserError
from marl_eval.sandbox.limits import Limits
from marl_eval.sandbox.sandbox import Sandbox, ServerLostError
from marl_eval.sandbox.suite import Report, Suite, run_suite

_MEMORY = 8 << 30
"""Of the tests themselves, which may be given large values to work on."""

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Opening:
    """The first message: how the worker's sandbox is to be.

    ``core`` is the processor to stay on, with everything that is started, None for any. The tests, the
    server and the program wait for each other in turn, so a second core would bring them nothing
    and waking it costs more than a call.
    """

    limits: Limits
    min_level: str
    packages: tuple[str, ...]
    core: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A program to be tested."""

    program: str
    suite: Suite


def send(stream: IO[bytes], message: object) -> None:
    """Send one message."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(len(content).to_bytes(4, "big") + content)
    stream.flush()


def receive(stream: IO[bytes]) -> object:
    """Receive one message.

    Raises:
        EOFError: if the other side is gone.
    """
    head = stream.read(4)
    content = stream.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
    if not content:
        raise EOFError
    return pickle.loads(content)


def main() -> None:
    """Work until the other end of stdin is closed."""
    jobs, reports = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What tests read and print is nobody's message.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    threading.Thread(target=_end_with_caller, args=(jobs.fileno(),), daemon=True).start()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, hard))
    opening = receive(jobs)
    assert isinstance(opening, Opening)
    if opening.core is not None:
        os.sched_setaffinity(0, {opening.core})
    sandbox = Sandbox(opening.limits, min_level=opening.min_level, packages=opening.packages)
    try:
        with sandbox:
            send(reports, sandbox.level)
            while True:
                job = receive(jobs)
                assert isinstance(job, Job)
                send(reports, _answer(sandbox, job))
    except UserError as error:
        send(reports, error)
    except (EOFError, BrokenPipeError):
        pass


def _end_with_caller(jobs: int) -> None:
    """End, and with this process its sandbox, once nobody is left to send jobs or to hear of them."""
    poller = select.poll()
    poller.register(jobs, 0)
    poller.poll()
    os._exit(0)


def _answer(sandbox: Sandbox, job: Job) -> Report | Exception:
    """Run a program's tests; a program of which the server was lost is run again."""
    tries = 0
    while True:
        tries += 1
        try:
            return run_suite(sandbox, job.program, job.suite)
        except (ServerLostError, UserError) as error:
            # One that could be started before and now could not is lost as well.
            if tries == _TRIES:
                return error
        except Exception as error:
            return error
