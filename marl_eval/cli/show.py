"""The commands that only look: ``show``, ``tasks``, ``metrics`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show_command(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    example: Annotated[
        str | None,
        typer.Option(help="Explain one example, by its id or its number (from 0)."),
    ] = None,
    task: Annotated[
        Path | None, typer.Option(help="The Python file of the run's task, if it has moved.")
    ] = None,
) -> None:
    """Show a run's metrics, or one example: prompt, completions, parsed answers and grades."""
    from marl_eval import show
    from marl_eval.results import read_results

    if example is None:
        show.print_table(run, read_results(run))
    else:
        show.print_example(run, example, task)


def tasks_command(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the page docs/tasks.md.")
    ] = False,
) -> None:
    """List the tasks that are installed, with their options."""
    from marl_eval import show
    from marl_eval.task_cards import to_markdown

    if markdown:
        print(to_markdown(), end="")
    else:
        show.print_tasks()


def metrics_command(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the page docs/metrics.md.")
    ] = False,
) -> None:
    """List the metrics that are installed: what each is, its range and its source."""
    from marl_eval import show
    from marl_eval.catalogue import catalogue, to_markdown

    if markdown:
        print(to_markdown(catalogue()), end="")
    else:
        show.print_metrics()


def doctor_command() -> None:
    """Say what is installed, what each backend lacks, and what machine this is."""
    from marl_eval.doctor import print_report

    print_report()
