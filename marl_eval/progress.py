"""Telling how far a long work is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int, int], None]
"""Told after each group: requests finished, tokens generated."""

_LINE_SECONDS = 15.0


class Progress(Protocol):
    """Opens the progress of one piece of work."""

    def __call__(self, what: str, *, total: int, done: int) -> AbstractContextManager[Advance]:
        """Begin ``total`` requests, of which ``done`` were finished before."""
        ...


@contextlib.contextmanager
def silent(what: str, *, total: int, done: int) -> Iterator[Advance]:
    """Tell nothing."""
    yield lambda requests, tokens: None


def shown() -> Progress:
    """Give the progress that fits where messages go: stderr."""
    return _bar if sys.stderr.isatty() else _lines


@contextlib.contextmanager
def _bar(what: str, *, total: int, done: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, completed=done, rate="")
        started, made = time.monotonic(), 0

        def advance(requests: int, tokens: int) -> None:
            nonlocal made
            made += tokens
            bar.update(task, advance=requests, rate=_rate(made, time.monotonic() - started))

        yield advance


@contextlib.contextmanager
def _lines(what: str, *, total: int, done: int) -> Iterator[Advance]:
    started = told = time.monotonic()
    finished, made = 0, 0

    def tell(now: float) -> None:
        elapsed = now - started
        left = (total - done - finished) * elapsed / finished if finished else 0.0
        reached = f"{what}: {done + finished}/{total}"
        remaining = f"about {_duration(left)} left" if done + finished < total else ""
        print(
            ", ".join(filter(None, (reached, _rate(made, elapsed), remaining))),
            file=sys.stderr,
            flush=True,
        )

    def advance(requests: int, tokens: int) -> None:
        nonlocal finished, made, told
        finished += requests
        made += tokens
        now = time.monotonic()
        if now - told >= _LINE_SECONDS and done + finished < total:
            told = now
            tell(now)

    if done:
        print(f"{what}: continuing after {done} of {total}", file=sys.stderr, flush=True)
    yield advance
    tell(time.monotonic())


def _rate(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:,.0f} tokens/s" if tokens > 0 and seconds > 0 else ""


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
