"""Testing many programs on several cores.

Each worker is a trusted process with a sandbox of its own; this process only hands out jobs. A
program that was ended by a limit on time is tried once more at the end, with nothing beside it,
before that is taken for its fault.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType

from marl_eval.errors import UserError
from marl_eval.sandbox.levels import LEVELS, at_least
from marl_eval.sandbox.limits import Limits
from marl_eval.sandbox.suite import Report
from marl_eval.sandbox.worker import Job, Opening, receive, send

_AHEAD = 4
"""Jobs that may wait for each worker, which bounds the memory."""

_STUCK = 4.0
"""How many times its limit of waiting a job may take, before its worker is taken for stuck."""

_START = "from marl_eval.sandbox.worker import main; main()"

_Answer = tuple[int, Report | BaseException]


class Pool:
    """Workers that test programs.

    Args:
        workers: how many; None for one a core.
        limits, min_level, packages: as for ``Sandbox``.

    Raises:
        UserError: when it is entered, if this machine does not allow the level.
    """

    def __init__(
        self,
        workers: int | None = None,
        limits: Limits | None = None,
        *,
        min_level: str = LEVELS[0],
        packages: Sequence[str] = (),
    ) -> None:
        at_least(min_level)
        self.workers = workers if workers is not None else len(os.sched_getaffinity(0))
        limits = limits if limits is not None else Limits()
        self._opening = Opening(limits, min_level, tuple(packages))
        self._idle: list[_Worker] = []

    def __enter__(self) -> Pool:
        # One tells whether it can be done at all; the rest are started when they are needed.
        self._idle = [_Worker(self._opening)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._idle:
            worker.close()
        self._idle = []

    @property
    def level(self) -> str:
        """The level of isolation that was reached."""
        return self._idle[0].level

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, Report]]:
        """Test programs; give the number of each job with its report, as they are finished.

        Jobs with the same suite next to each other are quicker than mixed ones.

        Raises:
            SyntaxError: if tests are no valid Python.
        """
        late: list[tuple[int, Job]] = []
        kept: dict[int, Job] = {}

        def numbered() -> Iterator[tuple[int, Job]]:
            for number, job in enumerate(jobs):
                kept[number] = job
                yield number, job

        for number, report in self._spread(numbered(), self.workers):
            job = kept.pop(number)
            if report.timed_out:
                late.append((number, job))
            else:
                yield number, report
        yield from self._spread(iter(late), 1)

    def _spread(
        self, jobs: Iterator[tuple[int, Job]], workers: int
    ) -> Iterator[tuple[int, Report]]:
        """Hand jobs to workers, each of which is looked after by a thread."""
        waiting: queue.Queue[tuple[int, Job] | None] = queue.Queue(workers * _AHEAD)
        answers: queue.Queue[_Answer] = queue.Queue()
        threads: list[threading.Thread] = []
        out = 0

        def answered() -> tuple[int, Report]:
            nonlocal out
            number, report = answers.get()
            out -= 1
            if isinstance(report, BaseException):
                raise report
            return number, report

        try:
            for job in jobs:
                while waiting.full():
                    yield answered()
                waiting.put(job)
                out += 1
                if len(threads) < min(workers, out):
                    thread = threading.Thread(target=self._look_after, args=(waiting, answers))
                    thread.start()
                    threads.append(thread)
                while not answers.empty():
                    yield answered()
            while out > 0:
                yield answered()
        finally:
            while not waiting.empty():
                waiting.get_nowait()
            for _ in threads:
                waiting.put(None)
            for thread in threads:
                thread.join()

    def _look_after(
        self, waiting: queue.Queue[tuple[int, Job] | None], answers: queue.Queue[_Answer]
    ) -> None:
        """Give one worker job after job, until there is a None."""
        worker: _Worker | None = None
        try:
            while (item := waiting.get()) is not None:
                number, job = item
                try:
                    if worker is None:
                        worker = self._idle.pop() if self._idle else _Worker(self._opening)
                    answers.put((number, worker.ask(job)))
                except _StuckError as error:
                    worker = None
                    answers.put((number, error.report))
                except BaseException as error:
                    answers.put((number, error))
        finally:
            if worker is not None:
                self._idle.append(worker)


class _StuckError(Exception):
    """A worker did not answer in time and was ended."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.reason)
        self.report = report


class _Worker:
    """A running worker process."""

    def __init__(self, opening: Opening) -> None:
        self._limits = opening.limits
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._jobs, self._reports = self._process.stdin, self._process.stdout
        send(self._jobs, opening)
        try:
            first = receive(self._reports)
        except EOFError:
            first = UserError("The process that tests programs ended when it was started.")
        if isinstance(first, UserError):
            self.close()
            raise first
        self.level = str(first)

    def ask(self, job: Job) -> Report:
        """Have a program tested.

        Raises:
            SyntaxError: if the tests are no valid Python.
            ServerLostError: if the fork server is lost again and again.
            _StuckError: if nothing comes; this worker has then ended.
        """
        seconds = max(self._limits.wall_seconds, 4 * (job.suite.cpu_seconds or 0))
        watch = threading.Timer(_STUCK * seconds, self._process.kill)
        watch.start()
        try:
            send(self._jobs, job)
            report = receive(self._reports)
        except (EOFError, BrokenPipeError):
            self.close()
            raise _StuckError(_stuck(self.level)) from None
        finally:
            watch.cancel()
        if isinstance(report, Report):
            return report
        assert isinstance(report, BaseException)
        raise report

    def close(self) -> None:
        """End the process, and with it its sandbox."""
        self._jobs.close()
        self._process.kill()
        self._process.wait()
        self._reports.close()


def _stuck(level: str) -> Report:
    return Report(
        passed=False,
        reason="the tests did not end with what the program gave them",
        compiles=True,
        syntax=None,
        behaviour=None,
        timed_out=True,
        isolation=level,
        cpu_seconds=0.0,
        memory_mib=0.0,
    )
