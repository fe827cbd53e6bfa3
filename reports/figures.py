"""The command that draws figures of runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def figures(
    runs: Annotated[list[Path], typer.Argument(help="Scored run directories.")],
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
    paper: Annotated[
        bool, typer.Option("--paper", help="Draw the figures of the paper, in its form.")
    ] = False,
    only: Annotated[
        str | None, typer.Option(help="Names of the figures to draw, with commas.  [default: all]")
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(help="Id of the example whose overlap is drawn.  [default: a typical one]"),
    ] = None,
) -> None:
    """Draw runs, each figure as SVG and PNG: coverage, cost, calibration, overlap, training."""
    from dataclasses import replace
    from functools import partial

    from marl_eval.errors import storage_error, unknown
    from marl_eval.reports.drawings import DRAWINGS, PAPER
    from marl_eval.reports.drawings.overlap import draw_overlap
    from marl_eval.reports.drawings.saving import save

    drawings = dict(PAPER if paper else DRAWINGS)
    drawings["overlap"] = replace(drawings["overlap"], draw=partial(draw_overlap, example=example))
    names = list(drawings) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in drawings:
            raise unknown("figure", name, drawings)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(out, error) from error
    made = [name for name in names if save(drawings[name], runs, out / name)]
    print(f"{out}: {', '.join(made) or 'nothing to draw in these runs'}", file=sys.stderr)
    for name in names:
        if name not in made:
            print(f"{name}: not drawn, for it needs {drawings[name].needs}", file=sys.stderr)
