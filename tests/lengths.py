"""A task file with a judge: words are "programs", right if they are as long as the gold answer.

Set LENGTHS_LOG to a file that is told of each opening of the judge, and of each answer judged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged, JudgeSettings, Program, Question
from marl_eval.normalization import exact
from marl_eval.task import Dataset, Task, TaskOptions
from marl_eval.types import Example, Gold

WORDS = ["def", "DEF", "for", "FOR", "pass", "Pass", "while", "x <", "a<b", "<b>", "lambda", "l\nx"]
RIGHT = ["def", "pass", "while"]


class Options(TaskOptions):
    examples: int = Field(40, description="number of examples")
    delay: float = Field(0, description="seconds that an answer takes to judge")
    kinds: bool = Field(False, description="tell kinds: wrong words are the same by first letter")
    broken: bool = Field(False, description="the judge does not work here")


def load(path: Path | None, options: Any) -> Dataset:
    even = tuple((word, round(1 / len(WORDS), 6)) for word in WORDS)
    examples = [
        Example(f"w{row}", f"Which word is number {row}?", (Gold(RIGHT[row % 3]),), even)
        for row in range(options.examples)
    ]
    return Dataset(examples, "1", "test", "CC0", "made", exclusive=False)


def log(line: str) -> None:
    if "LENGTHS_LOG" in os.environ:
        with Path(os.environ["LENGTHS_LOG"]).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def judged(example: Example, word: str, *, kinds: bool) -> Judged:
    """Judge one word.

    With < it does not compile; case is no matter of syntax; length is behaviour: "for" has none.
    """
    right = len(word) == len(example.gold[0].answer)
    compiles = "<" not in word
    return Judged(
        gold=0 if right else -1,
        kind=word[0] if kinds else None,
        reason="" if right else f"{len(word)} letters, not {len(example.gold[0].answer)}",
        program=Program(
            compiles=compiles,
            syntax=word.lower() if compiles else None,
            behaviour=str(len(word)) if compiles and word.lower() != "for" else None,
            isolation="weak" if word == "lambda" else "full",
            cpu_seconds=len(word) / 1000,
            memory_mib=float(len(word)),
        ),
    )


@contextmanager
def open_judge(options: Any, settings: JudgeSettings) -> Iterator[Judge]:
    if options.broken:
        raise UserError("The judge of lengths does not work here.")
    log(f"open {settings.workers} {settings.min_isolation}")

    def judge(questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        # Backwards, as the order is free.
        for place, (example, words) in reversed(list(enumerate(questions))):
            found = []
            for word in words:
                time.sleep(options.delay)
                log(f"{example.id} {word!r}")
                found.append(judged(example, word, kinds=options.kinds))
            yield place, found

    yield judge


TASK = Task(
    name="lengths",
    description="Words by their length",
    noun="program",
    load=load,
    options=Options,
    key=exact,
    form="program",
    judge=open_judge,
)
