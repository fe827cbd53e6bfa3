"""One run from beginning to end: examples, requests, completions, scores.

``evaluate`` is the whole of it. Everything up to the stored completions needs the model; ``score``
does the rest and needs only the run directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marl_eval.answering import answer
from marl_eval.budget import Cap
from marl_eval.errors import UserError
from marl_eval.followup import STAGES, follow_up_plan
from marl_eval.identity import default_path, differences, identity
from marl_eval.judging import DEFAULT_ISOLATION, JudgeSettings
from marl_eval.judging.judgements import judging_context, opened_judge
from marl_eval.judging.stage import judge_answers
from marl_eval.money import read_price
from marl_eval.plugins import load_metric_families
from marl_eval.preparation import Prepared, prepare
from marl_eval.progress import Progress, silent
from marl_eval.prompts import PromptTemplate
from marl_eval.provenance import machine, versions
from marl_eval.results import Results, compute_results, write_results
from marl_eval.scoring.stage import ScoringOptions, scorer_of, write_scores
from marl_eval.settings import SCORING, RunSettings, make_settings
from marl_eval.stats import DEFAULT_INTERVAL, DEFAULT_RESAMPLES, IntervalMethod
from marl_eval.store import EXAMPLES, MACHINE, RUN, RunDirectory, dump_json, write_whole
from marl_eval.task import Task
from marl_eval.types import Message


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
    if settings.prices is not None:
        read_price(settings.prices, settings.model)
    prepared = prepare(settings)
    run = RunDirectory(settings.out or default_path(prepared.record))
    with run.locked():
        _begin(run, prepared)
        _generate(run, prepared, settings, progress)
        return score(
            run.path,
            task=prepared.task,
            progress=progress,
            held=True,
            cluster="ray" in (settings.backend, settings.model.partition(":")[0]),
            **{name: getattr(settings, name) for name in SCORING},
        )


def _begin(run: RunDirectory, prepared: Prepared) -> None:
    """Write what was asked, or see that it is what was asked before."""
    if (run.path / RUN).exists():
        before = run.read_run()
        changed = differences(identity(before), identity(prepared.record))
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
        run.write_examples(prepared.asking.examples)


def _generate(
    run: RunDirectory, prepared: Prepared, settings: RunSettings, progress: Progress
) -> None:
    """Answer every request that is not answered yet."""
    started = datetime.now(UTC)
    price = None if settings.prices is None else read_price(settings.prices, settings.model)
    cap = Cap(settings.max_total_tokens, settings.max_cost, price)
    made = [answer(run, prepared.backend, prepared.plan, progress, "questions", cap)]
    for stage, what in STAGES.items() if settings.force_answer else ():
        plan = follow_up_plan(stage, run, prepared.asking, prepared.task.key)
        made.append(answer(run, prepared.backend, plan, progress, f"missing {what}s", cap))
    if any(work.requests for work in made):
        session = {
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(sum(work.seconds for work in made), 3),
            "loading_seconds": round(sum(work.loading_seconds for work in made), 3),
            "requests": sum(work.requests for work in made),
            "tokens": sum(work.tokens for work in made),
            "batch_size": settings.batch_size,
            "machine": machine(),
            "versions": versions(),
        }
        _add_session(run, session)


def _add_session(run: RunDirectory, session: dict[str, Any]) -> None:
    """Add to the file of clocks and machines, which is kept apart from the results."""
    write_whole(run.path / MACHINE, dump_json([*run.read_sessions(), session]))


def read_template(record: Mapping[str, Any]) -> PromptTemplate:
    """Give the prompt template that a ``run.json`` tells of."""
    return PromptTemplate(tuple(Message(**message) for message in record["prompt"]["messages"]))


def score(
    path: Path,
    *,
    strict: bool = False,
    resamples: int = DEFAULT_RESAMPLES,
    interval: IntervalMethod = DEFAULT_INTERVAL,
    overlap: bool = True,
    prices: Path | None = None,
    workers: int | None = None,
    cluster: bool = False,
    sandbox_min_level: str = DEFAULT_ISOLATION,
    task: Task | Path | str | None = None,
    progress: Progress = silent,
    held: bool = False,
) -> RunResult:
    """Score a run from its directory alone, without the model or the data.

    Writes ``scores.parquet`` and ``results.json``, and before them what a judge finds of answers that
    have not been judged. See ``RunSettings`` for the arguments; ``task`` is the Python file of a run
    that was made with one, if it has moved; ``cluster``: on the Ray cluster that this process is
    connected to; ``held``: this process holds the directory already.

    Raises:
        UserError: if this is not a run directory, ``prices`` does not hold the run's model, or
            answers cannot be judged here.
        StorageError: if it cannot be written.
    """
    run = RunDirectory(path)
    record = run.read_run()
    price = None if prices is None else read_price(prices, record["settings"]["model"])
    options = ScoringOptions(strict, overlap, price, workers or 1, cluster, task)
    scorer = scorer_of(record, options)
    judge = opened_judge(scorer.task, record, JudgeSettings(workers, sandbox_min_level))
    if judge is not None:
        with nullcontext() if held else run.locked():
            judge_answers(run, scorer, judging_context(record), judge, progress)
    scored = write_scores(run, replace(options, task=scorer.task))
    results = compute_results(
        run,
        scored,
        load_metric_families(),
        strict=strict,
        resamples=resamples,
        interval=interval,
    )
    write_results(run, results)
    return RunResult(path, results)
