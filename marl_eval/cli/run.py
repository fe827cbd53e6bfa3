"""``marl-eval run`` and ``marl-eval score``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

INTERRUPTED = 130


def run_command(
    model: Annotated[
        str | None,
        typer.Option(
            help="backend:name, or a folder or hub id alone: vllm on a GPU if installed, else hf."
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="The backend, if not named in --model; ray goes before any other."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="The task: a name (see 'marl-eval tasks') or a .py or .yaml file."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="File or folder of the task's data.")] = None,
    strategy: Annotated[
        str | None, typer.Option(help="multi, best-of-k or single.  [default: multi]")
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", help="Answers in a set.  [default: 3; 1 for single]")
    ] = None,
    n: Annotated[
        int | None, typer.Option("-n", help="Answer sets asked for of each question.  [default: 1]")
    ] = None,
    confidence: Annotated[
        bool | None,
        typer.Option("--confidence/--no-confidence", help="Ask for confidences.  [default: yes]"),
    ] = None,
    reasoning: Annotated[
        bool | None,
        typer.Option("--reasoning/--no-reasoning", help="Ask for reasoning.  [default: yes]"),
    ] = None,
    analysis: Annotated[
        bool | None,
        typer.Option(
            "--analysis/--no-analysis", help="Ask for an analysis of the uncertainty. [default: no]"
        ),
    ] = None,
    sum_to_one: Annotated[
        bool | None,
        typer.Option(
            "--sum-to-one/--no-sum-to-one",
            help="Ask for confidences that sum to at most 1.  [default: where only one answer is right]",
        ),
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy.  [default: 0.7]")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus sampling.  [default: 1]")] = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Most tokens of a generation.  [default: 1536]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the sampling.  [default: 0]")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Use this many examples, always the same ones.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="Worked examples before the question.  [default: 0]")
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="File with your wording of the prompt.")
    ] = None,
    force_answer: Annotated[
        bool | None,
        typer.Option("--force-answer", help="Ask again for missing answers and confidences."),
    ] = None,
    logprobs: Annotated[
        bool | None, typer.Option("--logprobs", help="Store the log-probability of each token.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Generations made at once; changes speed only.")
    ] = None,
    max_total_tokens: Annotated[
        int | None, typer.Option(help="Stop before the run costs more tokens than this.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Stop before the run costs more money, by --prices.")
    ] = None,
    task_args: Annotated[
        str | None, typer.Option(help="Options of the task: name=value,name=value.")
    ] = None,
    model_args: Annotated[
        str | None, typer.Option(help="Options of the backend: name=value,name=value.")
    ] = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict", help="Count only what a training reward would accept."),
    ] = None,
    resamples: Annotated[
        int | None, typer.Option(help="Bootstrap resamples for intervals.  [default: 1000]")
    ] = None,
    interval: Annotated[
        str | None, typer.Option(help="Kind of interval: percentile or BCa.  [default: BCa]")
    ] = None,
    overlap: Annotated[
        bool | None,
        typer.Option(
            "--overlap/--no-overlap",
            help="Compare the reasoning of a question's generations.  [default: yes]",
        ),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="YAML table of prices of a million tokens, by model.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; changes speed only.  [default: 1 scores, one a core judges]"),
    ] = None,
    sandbox_min_level: Annotated[
        str | None,
        typer.Option(help="Weakest isolation that programs may run in.  [default: full]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run directory.  [default: named by the settings, in runs/]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings; flags go before it.")
    ] = None,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Exit with 0 even if requests failed.")
    ] = False,
) -> None:
    """Run a model on a task and score it; the same command continues a run that was stopped."""
    flags = dict(locals())
    for not_a_setting in ("config", "allow_errors"):
        del flags[not_a_setting]
    from marl_eval.progress import shown
    from marl_eval.run import evaluate
    from marl_eval.settings import make_settings, read_config

    values = {} if config is None else read_config(config)
    for name in ("task_args", "model_args"):
        flags[name] = None if flags[name] is None else pairs(name, flags[name])
    values.update({name: value for name, value in flags.items() if value is not None})
    settings = make_settings(values)
    with stoppable():
        result = evaluate(settings, progress=shown())
    finish(result, allow_errors=allow_errors)


def score_command(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Count only what a training reward would accept.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples.")] = 1000,
    interval: Annotated[str, typer.Option(help="Kind of interval: percentile or BCa.")] = "BCa",
    overlap: Annotated[
        bool,
        typer.Option(
            "--overlap/--no-overlap", help="Compare the reasoning of a question's generations."
        ),
    ] = True,
    prices: Annotated[
        Path | None, typer.Option(help="YAML table of prices of a million tokens, by model.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes; changes speed only.  [default: 1 scores, one a core judges]"
        ),
    ] = None,
    sandbox_min_level: Annotated[
        str, typer.Option(help="Weakest isolation that programs may run in.")
    ] = "full",
    task: Annotated[
        Path | None, typer.Option(help="The Python file of the run's task, if it has moved.")
    ] = None,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Exit with 0 even if requests failed.")
    ] = False,
) -> None:
    """Score a run again from its directory alone, without the model or the data."""
    from marl_eval.progress import shown
    from marl_eval.run import score
    from marl_eval.stats import interval_method

    with stoppable():
        result = score(
            run,
            strict=strict,
            resamples=resamples,
            interval=interval_method(interval),
            overlap=overlap,
            prices=prices,
            workers=workers,
            sandbox_min_level=sandbox_min_level,
            task=task,
            progress=shown(),
        )
    finish(result, allow_errors=allow_errors)


@contextmanager
def stoppable() -> Iterator[None]:
    """Leave with what to do next if the user, or a scheduler, stops the work."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        print(
            "\nStopped. Everything finished is stored; the same command continues.", file=sys.stderr
        )
        raise typer.Exit(INTERRUPTED) from None


def finish(result: Any, *, allow_errors: bool) -> None:
    """Print a run's table, and exit with 1 if requests failed."""
    from marl_eval.show import print_table

    print_table(result.path, result.results)
    if not result.results.complete and not allow_errors:
        raise typer.Exit(1)


def pairs(option: str, text: str) -> dict[str, str]:
    """Read name=value,name=value.

    Raises:
        UserError: if it is not of that form.
    """
    from marl_eval.errors import UserError

    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            flag = option.replace("_", "-")
            raise UserError(f"--{flag} takes name=value,name=value; {part!r} is not of that form.")
        found[name.strip()] = value.strip()
    return found
