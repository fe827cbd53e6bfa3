"""Starting a worker (``worker``), and having it test programs."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import suppress

from marl_eval.errors import UserError
from marl_eval.sandbox.suite import Report
from marl_eval.sandbox.worker import Job, Opening, receive, send

_STUCK = 4.0
"""How many times its limit of waiting a job may take, before its worker is taken for stuck."""

_START = "from marl_eval.sandbox.worker import main; main()"


class LostError(Exception):
    """A worker ended before it had answered."""


class StuckError(Exception):
    """A worker did not answer in time and was ended."""


class Worker:
    """A running worker process.

    Raises:
        UserError: when it is made, if this machine does not allow the sandbox.
        LostError: if it ends at once.
    """

    def __init__(self, opening: Opening) -> None:
        self._limits = opening.limits
        self.core = opening.core
        # Modules are found where this process finds them, and the tests hash as they do every time.
        start = f"import sys; sys.path[:] = {sys.path!r}; {_START}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", start],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._jobs, self._reports = self._process.stdin, self._process.stdout
        self.lost = False
        try:
            send(self._jobs, opening)
            first = receive(self._reports)
        except (EOFError, BrokenPipeError) as error:
            self.close()
            raise LostError from error
        except BaseException:
            self.close()
            raise
        if isinstance(first, UserError):
            self.close()
            raise first
        self.level = str(first)

    def test(self, job: Job) -> Report:
        """Have a program tested.

        Raises:
            SyntaxError: if the tests are no valid Python.
            ServerLostError: if the fork server is lost again and again.
            StuckError, LostError: if nothing comes; this worker has then ended.
        """
        seconds = _STUCK * max(self._limits.wall_seconds, 4 * (job.suite.cpu_seconds or 0))
        try:
            send(self._jobs, job)
            poller = select.poll()
            poller.register(self._reports, select.POLLIN)
            if not poller.poll(seconds * 1000):
                self.kill()
                raise StuckError
            report = receive(self._reports)
        except (EOFError, OSError) as error:
            self.lost = True
            raise LostError from error
        if isinstance(report, Report):
            return report
        assert isinstance(report, BaseException)
        raise report

    def kill(self) -> None:
        """End the process, and with it its sandbox; whoever waits for it is told that it is lost."""
        self.lost = True
        self._process.kill()

    def close(self) -> None:
        """End the process and let go of it."""
        self.kill()
        with suppress(OSError):
            self._jobs.close()
        self._process.wait()
        self._reports.close()
