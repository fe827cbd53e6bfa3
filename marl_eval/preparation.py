"""Checking all that a run needs before anything is written or generated."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from marl_eval.answers import AnswerFormat
from marl_eval.answers.format import WORDING_VERSION
from marl_eval.backends import Backend
from marl_eval.errors import UserError
from marl_eval.judging import JudgeSettings
from marl_eval.plan import Asking, Plan, question_plan
from marl_eval.plugins import open_model
from marl_eval.prompts import build_template, read_wording
from marl_eval.provenance import git_state, versions
from marl_eval.settings import RunSettings
from marl_eval.strategies import generation_format
from marl_eval.task import Dataset, Task, TaskOptions, choose, hold_out, read_options
from marl_eval.task_files import find_task
from marl_eval.types import Example, Sampling

SCHEMA_VERSION = 1
"""Of ``run.json``: raised when a field changes meaning."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a run needs, checked, before anything is written or generated."""

    task: Task
    backend: Backend
    asking: Asking
    plan: Plan
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Posed:
    """What a run asks, whichever model answers; ``record`` is its ``run.json`` but for the model."""

    task: Task
    asking: Asking
    record: dict[str, Any]


def prepare(settings: RunSettings) -> Prepared:
    """Load the task, open the model, try the judge and plan the requests.

    Raises:
        UserError: if the settings, the data, the model or the judge are not usable.
    """
    backend = open_model(
        settings.model,
        settings.model_args,
        backend=settings.backend,
        batch_size=settings.batch_size,
    )
    posed = pose(settings)
    record = {**posed.record, "model": dict(backend.fingerprint())}
    plan = question_plan(posed.asking)
    backend.check(plan)
    return Prepared(posed.task, backend, posed.asking, plan, record)


def pose(settings: RunSettings) -> Posed:
    """Load the task, try the judge and put the questions together.

    Raises:
        UserError: if the settings, the data or the judge are not usable.
    """
    task = find_task(settings.task)
    if not task.graded:
        # A confidence is one of being right.
        settings = settings.model_copy(update={"confidence": False})
    layout = settings.layout
    wording = None if settings.prompt is None else read_wording(settings.prompt)
    options = read_options(task, settings.task_args)
    _try_judge(task, options, JudgeSettings(settings.workers, settings.sandbox_min_level))
    dataset = task.load(settings.data, options)
    if not dataset.examples:
        raise UserError(f"The task {task.name!r} has no examples in {dataset.source}.")
    fmt = generation_format(
        layout,
        AnswerFormat(
            k=layout.k,
            confidence=settings.confidence,
            reasoning=settings.reasoning,
            analysis=settings.analysis,
            sum_to_one=dataset.exclusive if settings.sum_to_one is None else settings.sum_to_one,
            noun=task.noun,
            form=task.form,
        ),
    )
    if settings.shots and not any(e.gold or e.distribution for e in dataset.examples):
        raise UserError(
            f"The task {task.name!r} has no right answers to show worked ones of; leave out --shots."
        )
    shots, rest = hold_out(dataset.examples, settings.shots, fmt.k)
    examples = choose(rest, settings.limit)
    if not examples:
        raise UserError(
            f"All {len(dataset.examples)} examples would be shown as worked ones; lower --shots."
        )
    _check_ids(examples)
    template = build_template(fmt, wording=wording, shots=shots)
    record = {
        "schema_version": SCHEMA_VERSION,
        "settings": {
            **settings.identity(),
            "task": task.name,
            "task_args": options.model_dump(mode="json"),
        },
        "task": _task_record(task, dataset, examples),
        "model": {},
        "layout": asdict(layout),
        "format": asdict(fmt),
        "prompt": {
            "wording": WORDING_VERSION if wording is None else "user",
            "sha256": template.sha256(),
            "messages": [asdict(message) for message in template.messages],
        },
        "versions": versions(),
        "git": git_state(),
    }
    sampling = Sampling(
        settings.temperature, settings.top_p, settings.max_tokens, settings.logprobs
    )
    asking = Asking(examples, template, layout, fmt, sampling, settings.seed)
    return Posed(task, asking, record)


def _try_judge(task: Task, options: TaskOptions, settings: JudgeSettings) -> None:
    judge = None if task.judge is None else task.judge(options, settings)
    if judge is not None:
        with judge:
            pass


def _task_record(task: Task, dataset: Dataset, examples: list[Example]) -> dict[str, Any]:
    content = hashlib.sha256()
    for example in examples:
        content.update(orjson.dumps(example))
    return {
        "name": task.name,
        "version": dataset.version,
        "split": dataset.split,
        "licence": dataset.licence,
        "source": dataset.source,
        "exclusive": dataset.exclusive,
        "examples": len(examples),
        "of": len(dataset.examples),
        "sha256": content.hexdigest(),
        **task.origin,
    }


def _check_ids(examples: list[Example]) -> None:
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            raise UserError(f"Two examples have the id {example.id!r}; ids must be unique.")
        seen.add(example.id)
