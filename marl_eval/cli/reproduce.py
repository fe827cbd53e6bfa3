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
    """Print each claim, with its differences and what came of it."""
    from itertools import groupby

    from rich.table import Table

    screen.print(f"{reproduced.folder.name}: claims of arXiv:2603.24844 in miniature", style="bold")
    for claim, tested in groupby(reproduced.tested, key=lambda one: one.claim):
        screen.print(f"\n{claim}", style="bold")
        table = Table(box=None, pad_edge=False, show_header=False)
        for justify in ("left", "right", "right", "right", "right", "left"):
            table.add_column(justify=justify, no_wrap=justify == "right")
        for one in tested:
            table.add_row(
                f"  {one.metric}",
                f"{one.first} {_number(one.first_value)}",
                f"{one.second} {_number(one.second_value)}",
                _number(one.difference),
                f"[{_number(one.low)}, {_number(one.high)}]",
                f"{one.verdict}{f': {one.reason}' if one.reason else ''}",
            )
        screen.print(table)
    screen.print(
        "\nEach line: a metric, the two runs and their values, second less first with its 95 % "
        f"interval over {_over(reproduced.tested)}, and whether the claim holds."
    )


def _over(tested: Any) -> str:
    return next((one.over for one in tested if one.over != "nothing"), "nothing")


def _number(value: float) -> str:
    from math import isfinite

    from marl_eval.show import number

    return number(value) if isfinite(value) else "-"
