"""Testing many programs on several cores.

Each worker is a trusted process with a sandbox of its own; this process only hands out jobs. A
program that was ended by a limit on time is tried once more at the end, with nothing beside it,
before that is taken for its fault.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import TracebackType

from marl_eval.errors import UserError
from marl_eval.sandbox.levels import LEVELS, at_least
from marl_eval.sandbox.limits import Limits
from marl_eval.sandbox.server_process import hide_memory
from marl_eval.sandbox.suite import Report
from marl_eval.sandbox.worker import Job, Opening
from marl_eval.sandbox.worker_process import LostError, StuckError, Worker

_AHEAD = 4
"""Jobs that may wait for each worker, which bounds the memory."""

_TRIES = 5
"""Workers that a job is given to, one after the other, if they are lost."""

_Numbered = tuple[int, Job]
_Answer = tuple[int, Report | BaseException]


class Pool:
    """Workers that test programs.

    ``level`` is the level of isolation that was reached, once it is entered.

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
        if workers is not None and workers < 1:
            raise ValueError("a pool needs at least one worker")
        self.workers = workers if workers is not None else len(os.sched_getaffinity(0))
        limits = limits if limits is not None else Limits()
        self._opening = Opening(limits, min_level, tuple(packages))
        cores = sorted(os.sched_getaffinity(0))
        # With more workers than cores, the kernel shares the cores out better than we could.
        self._cores = cores if self.workers <= len(cores) else []
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._open = False
        self.level = ""

    def __enter__(self) -> Pool:
        # One tells whether it can be done at all; the rest are started when they are needed.
        try:
            first = self._new_worker()
        except LostError:
            told = "The process that tests programs ended when it was started."
            raise UserError(told) from None
        self._idle = [first]
        self.level = first.level
        hide_memory(self.level)
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._open = False
            for worker in self._busy:
                worker.kill()
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()
            self._free(worker.core)

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[int, Report]]:
        """Test programs; give the number of each job with its report, as they are finished.

        Jobs with the same suite next to each other are quicker than mixed ones.

        Raises:
            SyntaxError: if tests are no valid Python.
            ServerLostError: if a fork server is lost again and again.
        """
        late: list[_Numbered] = []
        kept: dict[int, Job] = {}

        def numbered() -> Iterator[_Numbered]:
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

    def _spread(self, jobs: Iterator[_Numbered], workers: int) -> Iterator[tuple[int, Report]]:
        """Hand jobs to workers, each of which is looked after by a thread."""
        waiting: queue.Queue[_Numbered | None] = queue.Queue(workers * _AHEAD)
        answers: queue.Queue[_Answer] = queue.Queue()
        left = threading.Event()
        threads: list[threading.Thread] = []
        out = 0

        def look_after() -> None:
            while (item := waiting.get()) is not None:
                number, job = item
                try:
                    answers.put((number, self._test(job, left)))
                except BaseException as error:
                    answers.put((number, error))

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
                    # One that nobody waits for any more must not keep this process from ending.
                    threads.append(threading.Thread(target=look_after, daemon=True))
                    threads[-1].start()
                while not answers.empty():
                    yield answered()
            while out > 0:
                yield answered()
        finally:
            if out > 0:
                # Nobody wants the rest.
                left.set()
                with self._lock:
                    for worker in self._busy:
                        worker.kill()
            with suppress(queue.Empty):
                while True:
                    waiting.get_nowait()
            for _ in threads:
                waiting.put(None)
            for thread in threads:
                thread.join()

    def _test(self, job: Job, left: threading.Event) -> Report:
        """Have a program tested; by another worker if the first is lost, but not for ever."""
        lost: Exception = LostError()
        for _ in range(_TRIES):
            try:
                with self._taken(left) as worker:
                    return worker.test(job)
            except StuckError:
                reason = "the tests did not end with what the program gave them"
                return self._unfinished(reason, timed_out=True)
            except (LostError, UserError) as error:
                # The first worker could be started, so another that could not was ended.
                if left.is_set() or not self._open:
                    raise
                lost = error
        if isinstance(lost, UserError):
            raise lost
        reason = f"the process of the tests was lost {_TRIES} times"
        return self._unfinished(reason, timed_out=False)

    def _new_worker(self) -> Worker:
        """Start a worker, on a core that no other has where there are enough of them."""
        with self._lock:
            core = self._cores.pop(0) if self._cores else None
        try:
            return Worker(replace(self._opening, core=core))
        except BaseException:
            self._free(core)
            raise

    def _free(self, core: int | None) -> None:
        if core is not None:
            with self._lock:
                self._cores.append(core)

    @contextmanager
    def _taken(self, left: threading.Event) -> Iterator[Worker]:
        """Take a worker that is idle, or a new one, for one job."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = self._new_worker()
        with self._lock:
            self._busy.add(worker)
            if left.is_set() or not self._open:
                worker.kill()
        try:
            yield worker
        finally:
            with self._lock:
                self._busy.discard(worker)
                if not worker.lost:
                    self._idle.append(worker)
            if worker.lost:
                worker.close()
                self._free(worker.core)

    def _unfinished(self, reason: str, *, timed_out: bool) -> Report:
        return Report(
            passed=False,
            reason=reason,
            compiles=True,
            syntax=None,
            behaviour=None,
            timed_out=timed_out,
            isolation=self.level,
            cpu_seconds=0.0,
            memory_mib=0.0,
        )
