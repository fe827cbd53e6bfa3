"""Working on blocks in several processes, with the results in the order of the blocks."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
H = TypeVar("H")

_AHEAD = 2
"""Blocks that each worker may be ahead of the reader, which bounds the memory."""

_work: Callable[[int], Any]


@contextmanager
def in_order(work: Callable[[int], T], count: int, workers: int) -> Iterator[Iterator[T]]:
    """Give ``work(0)`` to ``work(count - 1)``, in this order, worked out by ``workers`` processes.

    The processes are forked, so that ``work`` may hold anything; what it returns is pickled.
    """
    if workers == 1 or count <= 1:
        yield map(work, range(count))
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(
        min(workers, count), mp_context=context, initializer=_take, initargs=(work,)
    ) as pool:
        yield ahead_of_reader(
            lambda block: pool.submit(_call, block), Future.result, count, workers
        )


def ahead_of_reader(
    submit: Callable[[int], H], result: Callable[[H], T], count: int, workers: int
) -> Iterator[T]:
    """Give the results of blocks in their order; ``workers`` of them work on those to come."""
    pending: deque[H] = deque()
    for block in range(count):
        pending.append(submit(block))
        if len(pending) > workers * _AHEAD:
            yield result(pending.popleft())
    while pending:
        yield result(pending.popleft())


def _take(work: Callable[[int], Any]) -> None:
    """Keep the work for this process, which is forked for it alone."""
    global _work
    _work = work


def _call(block: int) -> Any:
    return _work(block)
