"""Doing pieces of work that wait for each other, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import Any

from marl_eval.errors import BackendError
from marl_eval.progress import Progress
from marl_eval.with_parent import end_with_parent


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work: a function of a module with its arguments, and the names of those before it."""

    name: str
    work: Callable[..., None]
    arguments: tuple[Any, ...]
    after: tuple[str, ...] = ()


def do_all(jobs: Sequence[Job], at_once: int, progress: Progress) -> None:
    """Do the jobs in their order, each once those it waits for are done.

    Raises:
        BackendError: if a process was killed.
    """
    left = list(jobs)
    done: set[str] = set()
    running: dict[Future[None], str] = {}
    others = set(active_children())
    pool = ProcessPoolExecutor(
        at_once, mp_context=get_context("spawn"), initializer=end_with_parent
    )
    try:
        with progress("reproducing", total=len(jobs), done=0) as advance:
            while left or running:
                for job in [j for j in left if done.issuperset(j.after)]:
                    if len(running) == at_once:
                        break
                    left.remove(job)
                    running[pool.submit(job.work, *job.arguments)] = job.name
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    try:
                        future.result()
                    except BrokenProcessPool as error:
                        raise BackendError(
                            f"The process that did {name!r} was killed, perhaps for lack of memory. The "
                            f"same command goes on from what is finished."
                        ) from error
                    done.add(name)
                    advance(1, 0)
    except BaseException:
        # What they are at is gone on with by the same command; none is to work on unseen.
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
