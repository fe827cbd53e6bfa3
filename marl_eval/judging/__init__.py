"""What a judge is: it grades answers where grading takes work, and its findings are stored.

Most tasks grade by comparing keys, which costs nothing and is done anew each time a run is scored.
Running a program, or asking a model whether two answers say the same, is work: it is done once for
each different answer of an example, between the completions and the scores, and stored
(``judgements.jsonl``). A stopped run goes on where it was, and scoring needs no judge a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from marl_eval.types import Example


@dataclass(frozen=True, slots=True)
class Program:
    """What was found of an answer that is a program.

    ``compiles``: it is valid syntax. ``syntax`` and ``behaviour`` are hashes that are equal for
    programs with the same normalised syntax tree, and with the same results on the task's own
    inputs; None where there is nothing to hash. ``isolation`` is the level of the sandbox that it
    ran in. ``cpu_seconds`` and ``memory_mib`` (peak) are measurements: they differ from run to run.
    """

    compiles: bool
    syntax: str | None
    behaviour: str | None
    isolation: str
    cpu_seconds: float
    memory_mib: float


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge found of one answer.

    ``gold``: the index of the gold answer it matches, or ``matching.WRONG``; None leaves the grade to
    the task's key. ``kind``: answers of one example with the same kind are the same answer; None
    leaves that to the key. ``reason``: why, in words for a person.
    """

    gold: int | None = None
    kind: str | None = None
    reason: str = ""
    program: Program | None = None


Question = tuple[Example, Sequence[str]]
"""An example and the different answers given to it, as texts."""


class Judge(Protocol):
    """An opened judge."""

    def __call__(self, questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        """Judge some questions, several at once where that is faster.

        Gives, as each is finished and so in any order, the index of the question and what was found
        of each of its answers.
        """
        ...


DEFAULT_ISOLATION = "full"


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How a judge works, which no run depends on for its numbers.

    ``workers``: processes, None for one a core. ``min_isolation``: the weakest level of the sandbox
    that programs may run in.
    """

    workers: int | None = None
    min_isolation: str = DEFAULT_ISOLATION


OpenJudge = Callable[[Any, JudgeSettings], AbstractContextManager[Judge] | None]
"""Gives the judge for the task's options, to be opened by entering it; None if they need none.

It is opened and closed before anything is generated, and opened again once there is something to
judge; so entering should be cheap, and what takes long be loaded for the first question.

Raises:
    UserError: if it cannot work here.
"""
