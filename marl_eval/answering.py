"""Having a plan of requests answered and stored, within a budget, from wherever it was left."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from marl_eval.backends import Backend, IsDone, Loading
from marl_eval.budget import Budget, Cap
from marl_eval.line_index import index_lines
from marl_eval.lines import Appender, read_lines
from marl_eval.plan import Plan
from marl_eval.progress import Progress
from marl_eval.redaction import redact
from marl_eval.store import RunDirectory
from marl_eval.types import Completion, Failure

_AT_ONCE = 4096
"""Lines read at once."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done now: requests answered, tokens generated, and the seconds that both took.

    The time in which the model was loaded is apart.
    """

    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loading_seconds: float = 0.0


def answer(
    run: RunDirectory, backend: Backend, plan: Plan, progress: Progress, what: str, cap: Cap
) -> Work:
    """Answer what is not answered yet, and store each answer as it comes.

    Raises:
        UserError, BackendError: if the backend cannot go on; what it answered is stored.
        StorageError: if the run directory cannot be written.
    """
    stored = _stored(run)
    left = sum(1 for request in plan if not stored(request))
    if left == 0:
        return Work()
    loading = _load(backend, progress)
    budget = Budget(cap, *_tokens_spent(run)) if cap.limits else None
    requests = tokens = 0
    completions, errors = Appender(run.completions), Appender(run.errors)
    started = time.monotonic()
    try:
        with progress(what, total=len(plan), done=len(plan) - left) as advance:
            for group in _stream(run, backend, plan, stored, budget):
                finished = [item for item in group if isinstance(item, Completion)]
                errors.append(
                    [replace(i, reason=redact(i.reason)) for i in group if isinstance(i, Failure)]
                )
                completions.append(finished)
                requests += len(group)
                made = sum(item.completion_tokens or 0 for item in finished)
                tokens += made
                advance(len(group), made)
    finally:
        completions.close()
        errors.close()
    if budget is not None and budget.refused:
        logging.getLogger("marl_eval").warning(
            "marl-eval: the run has cost %s, and another request could pass that: stopped with %d of "
            "%d %s left. Raise the cap and give the same command to continue.",
            budget.told(), left - requests, len(plan), what,
        )  # fmt: skip
    return Work(requests, tokens, time.monotonic() - started, loading)


def _load(backend: Backend, progress: Progress) -> float:
    """Make the backend ready, and give the seconds that it took.

    It is done before the clock of the requests starts, so that their speed is the engine's own.
    """
    if not isinstance(backend, Loading):
        return 0.0
    started = time.monotonic()
    with progress("loading the model", total=1, done=0) as advance:
        backend.load()
        advance(1, 0)
    return time.monotonic() - started


def _stored(run: RunDirectory) -> IsDone:
    done, failed = index_lines(run.completions), index_lines(run.errors)
    return lambda request: done.holds(request) or failed.holds(request)


def _stream(
    run: RunDirectory, backend: Backend, plan: Plan, stored: IsDone, budget: Budget | None
) -> Iterator[list[Completion | Failure]]:
    """Answer what is not stored, within the budget.

    What the budget refused while other requests were on their way may fit once they are answered, so
    the plan is gone through until nothing more fits.
    """
    if budget is None:
        yield from backend.stream(plan, stored)
        return
    answered = True
    while answered:
        answered = False
        budget.begin()
        for group in backend.stream(plan, _refuses(stored, budget)):
            budget.settle(group)
            answered = answered or bool(group)
            yield group
        if not budget.refused:
            return
        stored = _stored(run)


def _refuses(stored: IsDone, budget: Budget) -> IsDone:
    return lambda request: stored(request) or not budget.admits(request)


def _tokens_spent(run: RunDirectory) -> tuple[int, int]:
    """Give the tokens of prompts and of generations that the run has cost so far."""
    index = index_lines(run.completions)
    prompt = completion = 0
    for start in range(0, len(index), _AT_ONCE):
        rows = slice(start, min(start + _AT_ONCE, len(index)))
        for line in read_lines(run.completions, index, rows, Completion):
            prompt += line.prompt_tokens or 0
            completion += line.completion_tokens or 0
    return prompt, completion
