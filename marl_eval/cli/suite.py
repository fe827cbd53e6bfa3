"""``marl-eval suite``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def suite_command(
    file: Annotated[
        Path,
        typer.Argument(help="YAML file of models, tasks and strategies; paper: the shipped one."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for everything.  [default: the file's name]")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs, with their settings checked.")
    ] = False,
    allow_errors: Annotated[
        bool, typer.Option("--allow-errors", help="Exit with 0 even if requests failed.")
    ] = False,
) -> None:
    """Make every run of a suite that is missing; score, compare and report all."""
    from marl_eval.cli.run import stoppable
    from marl_eval.comparison.verdict import verdict
    from marl_eval.inert import inert
    from marl_eval.progress import shown
    from marl_eval.redaction import redact
    from marl_eval.show import console
    from marl_eval.suite import make_suite, read_suite, runs_of

    suite = read_suite(file)
    folder = out or Path(file.stem)
    if dry_run:
        for asked in runs_of(suite, folder):
            print(inert(f"{asked.path}: {redact(asked.settings.model)} on {asked.settings.task}"))
        return
    with stoppable():
        made = make_suite(suite, folder, progress=shown())
    screen = console()
    for one in made.comparisons:
        first, second = (Path(name).name for name in (one.first, one.second))
        screen.print(verdict(one, first, second))
    for name, reason in made.failed.items():
        print(redact(inert(f"NOT MADE {name}: {reason}")), file=sys.stderr)
    for name in made.incomplete:
        print(inert(f"ERRORS: requests of {name} failed or are missing."), file=sys.stderr)
    print(f"{folder}: {len(made.runs)} runs, {len(made.comparisons)} comparisons", file=sys.stderr)
    if made.failed or (made.incomplete and not allow_errors):
        raise typer.Exit(1)
