"""What a task is: where its examples come from, what it calls an answer, how it grades one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from marl_eval.answers.format import Form
from marl_eval.errors import UserError, unknown
from marl_eval.judging import OpenJudge
from marl_eval.matching import match
from marl_eval.normalization import Key, normalize
from marl_eval.types import Example

Grade = Callable[[Example, Sequence[str]], Sequence[int]]
"""(example, answers) -> for each answer the index of the gold answer it matches, or -1."""


class TaskOptions(BaseModel):
    """Base of a task's own options, as given by ``--task-args name=value,...``."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Examples with what identifies them.

    ``exclusive`` says that exactly one answer is right for each example. ``source`` names what was
    read, without the folders of one machine.
    """

    examples: Sequence[Example]
    version: str
    split: str
    licence: str
    source: str
    exclusive: bool


@dataclass(frozen=True, slots=True)
class Card:
    """What a reader has to know of a task: sentences for the page of tasks (``marl_eval.task_cards``).

    ``asks``: what the model is given, and what it is asked for. ``gold``: what the gold set is.
    ``grading``: when an answer is right. ``data``: where it comes from, its licence, and how to get
    it. ``limits``: what the numbers do not say. ``sample`` gives a question made for the page.
    """

    asks: str
    gold: str
    grading: str
    data: str
    limits: str
    sample: Callable[[], Example] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A plug-in (entry point group ``marl_eval.tasks``).

    ``load`` reads or makes the examples, from the path the user gave or from wherever the task finds
    its data; it raises ``UserError`` when it cannot. ``key`` is the task's notion of when two answers
    are the same. ``grade`` must need nothing but its arguments, so that a run can be scored without
    the data; it defaults to matching by ``key``. ``form`` is what kind of text an answer is. ``judge``
    opens what grades answers where that takes work (see ``marl_eval.judging``). ``graded``: answers are
    right or wrong; where they are neither, no confidences are asked for and nothing is told that
    rests on grades. ``train_args``: the options that give examples to train on, other than those that
    are evaluated. ``origin`` is set for a task that is a file: what ``run.json`` has to tell of it (see
    ``marl_eval.task_files``). ``card``: what the page of tasks tells of it.
    """

    name: str
    description: str
    noun: str
    load: Callable[[Path | None, Any], Dataset]
    options: type[TaskOptions] = TaskOptions
    key: Key = normalize
    grade: Grade | None = None
    form: Form = "short"
    judge: OpenJudge | None = None
    graded: bool = True
    train_args: Mapping[str, Any] = field(default_factory=dict, compare=False)
    origin: Mapping[str, Any] = field(default_factory=dict, compare=False)
    card: Card | None = field(default=None, compare=False)

    def grader(self) -> Grade:
        """Give the function that grades answers of this task."""
        return self.grade if self.grade is not None else partial(match, key=self.key)


def read_options(task: Task, values: dict[str, Any]) -> TaskOptions:
    """Check a task's options.

    Raises:
        UserError: naming the option that is unknown or has a wrong value, and the known ones.
    """
    for name in values:
        if name not in task.options.model_fields:
            raise unknown(f"option of task {task.name!r} named", name, task.options.model_fields)
    try:
        return task.options.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "options"
        raise UserError(
            f"The option {name!r} of task {task.name!r} cannot be {first['input']!r}: "
            f"{first['msg'].lower()}."
        ) from error


def choose(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """Choose ``limit`` examples, in their own order, the same ones whatever the run's seed.

    Which ones is decided by a hash of their ids: files are often sorted, so the first few would not
    be typical, and a smaller choice is part of every larger one.
    """
    if limit is None or limit >= len(examples):
        return list(examples)
    order = sorted(range(len(examples)), key=lambda i: _hash(examples[i].id))
    return [examples[i] for i in sorted(order[:limit])]


def hold_out(
    examples: Sequence[Example], shots: int, answers: int
) -> tuple[list[Example], list[Example]]:
    """Set ``shots`` examples apart to be shown worked, and give them with the rest.

    They are the last ones that ``choose`` would take, those with at least ``answers`` possible
    answers before the others, so that the worked answer can be complete.
    """
    order = sorted(range(len(examples)), key=lambda i: _hash(examples[i].id), reverse=True)
    order.sort(key=lambda i: _possible(examples[i]) < answers)
    held = order[:shots]
    kept = set(range(len(examples))) - set(held)
    return [examples[i] for i in held], [examples[i] for i in sorted(kept)]


def _possible(example: Example) -> int:
    return len(example.gold if example.distribution is None else example.distribution)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
