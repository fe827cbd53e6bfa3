"""``marl-eval import``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def import_command(
    files: Annotated[
        list[Path],
        typer.Argument(help="JSON lines, Parquet or Arrow files, or save_to_disk folders."),
    ],
    out: Annotated[Path, typer.Option(help="Run directory; of several systems, their folder.")],
    task: Annotated[
        str, typer.Option(help="The task that grades the answers: a name or file, as of 'run'.")
    ] = "recorded",
    layout: Annotated[
        str | None, typer.Option(help="columns, rlcr or lm-eval.  [default: seen from the columns]")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--map", help="field=column,field=column; 'field=' for no column."),
    ] = None,
    system: Annotated[
        str | None, typer.Option(help="The one system (lm-eval: filter) to import.  [default: all]")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of the model.  [default: of the system or file]")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="multi, best-of-k or single.  [default: single if K is 1, else multi]"),
    ] = None,
    k: Annotated[
        int | None,
        typer.Option("-k", help="Answers in a set.  [default: as the generations show]"),
    ] = None,
    confidence: Annotated[
        bool | None,
        typer.Option("--confidence/--no-confidence", help="Confidences were asked for."),
    ] = None,
    reasoning: Annotated[
        bool | None, typer.Option("--reasoning/--no-reasoning", help="Reasoning was asked for.")
    ] = None,
    analysis: Annotated[
        bool, typer.Option("--analysis", help="An analysis of the uncertainty was asked for.")
    ] = False,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="One answer is right for each example.")
    ] = False,
    aliases: Annotated[
        bool, typer.Option("--aliases", help="A list of gold texts names one answer.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Count only what a training reward would accept.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=0, help="Bootstrap resamples.")] = 1000,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Exit with 0 even if generations are missing.")
    ] = False,
) -> None:
    """Bring generations recorded elsewhere into run directories and score them."""
    from marl_eval.cli.run import pairs
    from marl_eval.errors import UserError, unknown
    from marl_eval.importing.generations import Choices
    from marl_eval.importing.runs import Wishes, import_runs
    from marl_eval.inert import inert
    from marl_eval.run import score
    from marl_eval.show import print_table
    from marl_eval.strategies import Strategy

    strategies = [known.value for known in Strategy]
    if strategy is not None and strategy not in strategies:
        raise unknown("strategy", strategy, strategies)
    if k is not None and k < 1:
        raise UserError(f"-k is the number of answers in a set and must be at least 1, not {k}.")
    runs = import_runs(
        files,
        out,
        layout=layout,
        choices=Choices(pairs("map", columns or ""), system, aliases),
        wishes=Wishes(
            task=task,
            model=model,
            strategy=None if strategy is None else Strategy(strategy),
            k=k,
            confidence=confidence,
            reasoning=reasoning,
            analysis=analysis,
            exclusive=exclusive,
        ),
    )
    complete = True
    for run in runs:
        for note in run.notes:
            print(inert(f"{run.path.name}: {note}"), file=sys.stderr)
        result = score(run.path, strict=strict, resamples=resamples)
        print_table(run.path, result.results)
        complete &= result.results.complete
    if not complete and not allow_errors:
        raise typer.Exit(1)
