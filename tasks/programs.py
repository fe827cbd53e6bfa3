"""What the tasks that ask for programs share: their options, and the judge that runs the programs.

A program is right if it passes every test of its problem. The tests are trusted and are kept with the
example, so that a run can be scored from its directory alone; the programs run in the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field, field_validator

from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged, JudgeSettings, Program, Question
from marl_eval.matching import WRONG
from marl_eval.sandbox import Job, Limits, Pool, Report, Suite
from marl_eval.task import TaskOptions
from marl_eval.tasks.program_text import complete, read_program

BLANK = "the answer is empty"
INPUTS_ONLY = "The data has inputs and no tests: take the file with OriginFmt in its name."


class ProgramOptions(TaskOptions):
    """What a program may use."""

    cpu_seconds: float = Field(
        3.0, gt=0, le=3600, description="processor time for all tests; slow problems have more"
    )
    memory_mib: int = Field(512, ge=64, le=1 << 20, description="address space of a program")
    packages: tuple[str, ...] = Field(
        (), description="packages that programs may import, joined by +"
    )

    @field_validator("packages", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        return tuple(filter(None, value.split("+"))) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Problem:
    """What decides whether a program is right; the rest is as in ``sandbox.Suite``.

    ``names`` are those that the tests take from the program. ``prompt``, if there is one, ends in the
    definition of the first of them, which the program completes or replaces. ``cpu_seconds`` is the
    time that the problem needs where that is more than usual.
    """

    names: tuple[str, ...]
    tests: str
    check: str | None = None
    prelude: str = ""
    prompt: str = ""
    cpu_seconds: float | None = None

    def meta(self) -> dict[str, Any]:
        """Give it as the plain JSON of an example."""
        return {**asdict(self), "names": list(self.names)}


def wrong_data(task: str) -> UserError:
    """Say that the data is that of another task."""
    return UserError(f"The data is of the task {task!r}: give other data, or --task {task}.")


def problem_of(meta: Mapping[str, Any]) -> Problem:
    """Give the problem that an example holds."""
    return Problem(**{**meta, "names": tuple(meta["names"])})


def whole_program(answer: str, problem: Problem) -> str | None:
    """Give the program to run for an answer, None if there is nothing in it."""
    program = read_program(answer, problem.names)
    if not program.strip():
        return None
    return complete(program, problem.names[0], problem.prompt) if problem.prompt else program


@contextmanager
def open_judge(options: ProgramOptions, settings: JudgeSettings) -> Iterator[Judge]:
    """Open a judge that runs programs against their tests.

    Raises:
        UserError: if the sandbox does not reach the least level of isolation here.
    """
    limits = Limits(cpu_seconds=options.cpu_seconds, memory_mib=options.memory_mib)
    pool = Pool(
        settings.workers, limits, min_level=settings.min_isolation, packages=options.packages
    )
    with pool:
        yield lambda questions: _judge(pool, options, questions)


def _judge(
    pool: Pool, options: ProgramOptions, questions: Sequence[Question]
) -> Iterator[tuple[int, list[Judged]]]:
    places: list[tuple[int, int]] = []
    left = [len(answers) for _, answers in questions]
    found = [[_blank(pool.level)] * len(answers) for _, answers in questions]

    def jobs() -> Iterator[Job]:
        for row, (example, answers) in enumerate(questions):
            problem = problem_of(example.meta)
            suite = _suite(problem, options)
            for place, answer in enumerate(answers):
                program = whole_program(answer, problem)
                if program is None:
                    left[row] -= 1
                else:
                    places.append((row, place))
                    yield Job(program, suite)

    done = set()
    for number, report in pool.run(jobs()):
        row, place = places[number]
        found[row][place] = _judged(report)
        left[row] -= 1
        if left[row] == 0:
            done.add(row)
            yield row, found[row]
    for row in range(len(questions)):
        if row not in done:
            yield row, found[row]


def _suite(problem: Problem, options: ProgramOptions) -> Suite:
    needed = problem.cpu_seconds
    return Suite(
        code=problem.tests,
        names=problem.names,
        check=problem.check,
        prelude=problem.prelude,
        cpu_seconds=None if needed is None else max(needed, options.cpu_seconds),
    )


def _judged(report: Report) -> Judged:
    program = Program(
        compiles=report.compiles,
        syntax=report.syntax,
        behaviour=report.behaviour,
        isolation=report.isolation,
        cpu_seconds=report.cpu_seconds,
        memory_mib=report.memory_mib,
    )
    return Judged(gold=0 if report.passed else WRONG, reason=report.reason, program=program)


def _blank(level: str) -> Judged:
    return Judged(WRONG, reason=BLANK, program=Program(False, None, None, level, 0.0, 0.0))
