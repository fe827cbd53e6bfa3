"""One run from beginning to end: examples, requests, completions, scores.

``evaluate`` is the whole of it. Everything up to the stored completions needs the model; ``score``
does the rest and needs only the run directory.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from marl_eval.answers import AnswerFormat
from marl_eval.answers.format import WORDING_VERSION
from marl_eval.backends import Backend
from marl_eval.errors import UserError
from marl_eval.followup import STAGES, follow_up_plan
from marl_eval.plan import Plan, question_plan
from marl_eval.plugins import found, load_backend, load_metric_families, load_task
from marl_eval.progress import Progress, silent
from marl_eval.prompts import PromptTemplate, build_template, read_wording
from marl_eval.provenance import git_state, machine, versions
from marl_eval.results import Results, compute_results, write_results
from marl_eval.scoring import write_scores
from marl_eval.settings import RunSettings, make_settings
from marl_eval.stats import DEFAULT_RESAMPLES
from marl_eval.store import (
    EXAMPLES,
    MACHINE,
    RUN,
    Appender,
    RunDirectory,
    dump_json,
    index_lines,
    write_whole,
)
from marl_eval.strategies import SetLayout, generation_format
from marl_eval.task import Dataset, Task, choose, hold_out, read_options
from marl_eval.types import Completion, Example, Failure, Message, Request, Sampling

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: where it is, and its metrics."""

    path: Path
    results: Results


def evaluate(
    settings: RunSettings | None = None, *, progress: Progress = silent, **values: Any
) -> RunResult:
    """Run a model on a task and score it, or continue such a run.

    Args:
        settings: what to run; or give the fields of ``RunSettings`` by name, such as
            ``evaluate(model="reference:oracle", task="ddxsim", k=3)``.
        progress: what to tell of the work; nothing by default.
        values: fields of ``RunSettings``.

    Raises:
        UserError: if the settings, the data or the model are not usable, or the run directory
            belongs to another run.
        StorageError: if the run directory cannot be written any more.
    """
    settings = settings if settings is not None else make_settings(values)
    prepared = _prepare(settings)
    run = RunDirectory(settings.out or _default_path(prepared.record))
    with run.locked():
        _begin(run, prepared)
        _generate(run, prepared, settings, progress)
        results = score(run.path, strict=settings.strict, resamples=settings.resamples)
    return RunResult(run.path, results.results)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that a run needs, checked, before anything is written or generated."""

    task: Task
    examples: list[Example]
    backend: Backend
    template: PromptTemplate
    layout: SetLayout
    format: AnswerFormat
    plan: Plan
    record: dict[str, Any]


def _prepare(settings: RunSettings) -> _Prepared:
    task = load_task(settings.task)
    layout = settings.layout
    wording = None if settings.prompt is None else read_wording(settings.prompt)
    backend_name, _, model_name = _split_model(settings.model)
    backend = load_backend(backend_name)(
        model_name, settings.model_args, batch_size=settings.batch_size
    )
    options = read_options(task, settings.task_args)
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
            sum_to_one=dataset.exclusive,
            noun=task.noun,
        ),
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
        "settings": {**settings.identity(), "task_args": options.model_dump(mode="json")},
        "task": _task_record(task, dataset, examples),
        "model": dict(backend.fingerprint()),
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
    plan = question_plan(examples, template, layout, fmt, sampling, settings.seed)
    backend.check(plan)
    return _Prepared(task, examples, backend, template, layout, fmt, plan, record)


def _split_model(model: str) -> tuple[str, str, str]:
    """Take ``backend:name`` apart; without the name of a backend, the model is one for hf."""
    backend, colon, name = model.partition(":")
    if colon and (backend in found("backends") or re.fullmatch(r"[a-z][a-z-]+", backend)):
        return backend, colon, name
    return "hf", colon, model


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
    }


def _check_ids(examples: list[Example]) -> None:
    seen: set[str] = set()
    for example in examples:
        if example.id in seen:
            raise UserError(f"Two examples have the id {example.id!r}; ids must be unique.")
        seen.add(example.id)


def _default_path(record: Mapping[str, Any]) -> Path:
    """Name a run directory by what is asked: the same command always finds its own run again."""
    asked = hashlib.sha256(orjson.dumps(_identity(record))).hexdigest()[:8]
    settings = record["settings"]
    model = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(settings["model"]).name).strip("-")
    name = f"{settings['task']}-{model}-{settings['strategy']}-k{settings['k']}-{asked}"
    return Path("runs") / name


def _identity(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parts of ``run.json`` that no run may change midway."""
    task = {name: record["task"][name] for name in ("name", "version", "split", "sha256")}
    prompt = {"sha256": record["prompt"]["sha256"]}
    return {
        "settings": record["settings"],
        "task": task,
        "model": record["model"],
        "prompt": prompt,
        "format": record["format"],
    }


def _begin(run: RunDirectory, prepared: _Prepared) -> None:
    """Write what was asked, or see that it is what was asked before."""
    if (run.path / RUN).exists():
        before = run.read_run()
        changed = _differences(_identity(before), _identity(prepared.record))
        if changed:
            listed = "\n".join(
                f"  {name}: {old!r} there, {new!r} now" for name, old, new in changed
            )
            raise UserError(
                f"{run.path} holds a run with other settings:\n{listed}\n"
                f"Choose another directory with --out, or delete this one."
            )
    else:
        write_whole(run.path / RUN, dump_json(prepared.record))
    if not (run.path / EXAMPLES).exists():
        run.write_examples(prepared.examples)


def _differences(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    changed: list[tuple[str, Any, Any]] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            changed += _differences(before, after, f"{prefix}{name}.")
        elif orjson.dumps(before) != orjson.dumps(after):
            changed.append((f"{prefix}{name}", before, after))
    return changed


def _generate(
    run: RunDirectory, prepared: _Prepared, settings: RunSettings, progress: Progress
) -> None:
    """Answer every request that is not answered yet."""
    started, clock = datetime.now(UTC), time.monotonic()
    made = [_answer(run, prepared.backend, prepared.plan, progress, "questions")]
    for stage, what in STAGES.items() if settings.force_answer else ():
        index = index_lines(run.completions)
        plan = follow_up_plan(
            stage,
            run,
            index,
            prepared.examples,
            prepared.template,
            prepared.layout,
            prepared.format,
            prepared.task.key,
            settings.seed,
        )
        made.append(_answer(run, prepared.backend, plan, progress, f"missing {what}s"))
    if any(requests for requests, _ in made):
        session = {
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - clock, 3),
            "requests": sum(requests for requests, _ in made),
            "tokens": sum(tokens for _, tokens in made),
            "batch_size": settings.batch_size,
            "machine": machine(),
            "versions": versions(),
        }
        _add_session(run, session)


def _answer(
    run: RunDirectory, backend: Backend, plan: Plan, progress: Progress, what: str
) -> tuple[int, int]:
    """Answer a plan; give the numbers of requests answered and of tokens generated now."""
    done, failed = index_lines(run.completions), index_lines(run.errors)

    def is_done(request: Request) -> bool:
        return done.holds(request) or failed.holds(request)

    left = sum(1 for request in plan if not is_done(request))
    if left == 0:
        return 0, 0
    requests = tokens = 0
    completions, errors = Appender(run.completions), Appender(run.errors)
    try:
        with progress(what, total=len(plan), done=len(plan) - left) as advance:
            for group in backend.stream(plan, is_done):
                finished = [item for item in group if isinstance(item, Completion)]
                errors.append([item for item in group if isinstance(item, Failure)])
                completions.append(finished)
                requests += len(group)
                made = sum(item.completion_tokens for item in finished)
                tokens += made
                advance(len(group), made)
    finally:
        completions.close()
        errors.close()
    return requests, tokens


def _add_session(run: RunDirectory, session: dict[str, Any]) -> None:
    """Add to the file of clocks and machines, which is kept apart from the results."""
    path = run.path / MACHINE
    sessions = orjson.loads(path.read_bytes()) if path.exists() else []
    write_whole(path, dump_json([*sessions, session]))


def read_template(record: Mapping[str, Any]) -> PromptTemplate:
    """Give the prompt template that a ``run.json`` tells of."""
    return PromptTemplate(tuple(Message(**message) for message in record["prompt"]["messages"]))


def score(path: Path, *, strict: bool = False, resamples: int = DEFAULT_RESAMPLES) -> RunResult:
    """Score a run from its directory alone, without the model or the data.

    Writes ``scores.parquet`` and ``results.json``.

    Raises:
        UserError: if this is not a run directory.
        StorageError: if it cannot be written.
    """
    run = RunDirectory(path)
    record = run.read_run()
    task = load_task(record["task"]["name"])
    scored = write_scores(
        run,
        task,
        SetLayout(**record["layout"]),
        AnswerFormat(**record["format"]),
        exclusive=record["task"]["exclusive"],
        strict=strict,
    )
    results = compute_results(
        run, scored, load_metric_families(), strict=strict, resamples=resamples
    )
    write_results(run, results)
    return RunResult(path, results)
