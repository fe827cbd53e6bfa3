"""``marl-eval reproduce``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

_PREFIX = "miniature-"
_FIRST = "miniature-ddxsim"


def reproduce_command(
    recipe: Annotated[
        list[str] | None,
        typer.Argument(help="Recipes by name, or files; all: every one that comes with marl-eval."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each method.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="So few steps that it shows nothing but that all works.")
    ] = False,
    extra: Annotated[
        bool, typer.Option("--extra", help="Train for other numbers of answers as well.")
    ] = False,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Pieces of work at once.  [default: one a core]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything.")] = Path("reproduction"),
) -> None:
    """Show the paper in miniature: train tiny models by every method, and test its claims."""
    from marl_eval.cli.run import stoppable
    from marl_eval.progress import shown
    from marl_eval.reproduction.recipe import read_reproduction
    from marl_eval.reproduction.reproduce import reproduce
    from marl_eval.show import console
    from marl_eval.training.recipes import recipe_names

    names = recipe or [_FIRST]
    if names == ["all"]:
        names = [name for name in recipe_names() if name.startswith(_PREFIX)]
    recipes = [read_reproduction(name, quick=quick) for name in names]
    with stoppable():
        found = reproduce(
            recipes, out, seeds=range(seeds), extra=extra, at_once=at_once, progress=shown()
        )
    for one in found:
        _print(one, console())
        print(f"{one.folder}: claims.md, claims.json and the reports", file=sys.stderr)


def _print(reproduced: Any, screen: Any) -> None:
    """Print the claims, each with its differences and verdicts."""
    from rich.table import Table

    from marl_eval.show import number

    table = Table(box=None, pad_edge=False, header_style="bold", title=reproduced.folder.name)
    for heading in ("metric", "first", "second", "second - first", "95 % interval", ""):
        table.add_column(heading, justify="left" if heading in ("metric", "") else "right")
    before = ""
    for one in reproduced.tested:
        if one.claim != before:
            table.add_row(f"[bold]{one.claim}[/bold]")
            before = one.claim
        table.add_row(
            f"  {one.metric}",
            f"{one.first} {number(one.first_value)}",
            f"{one.second} {number(one.second_value)}",
            number(one.difference),
            f"[{number(one.low)}, {number(one.high)}]".replace("[", "\\["),
            one.verdict,
        )
    screen.print(table)
    if reproduced.tested:
        over = reproduced.tested[0].over
        screen.print(f"intervals over {over}", style="dim")
