"""The report: everything there is to see of some runs on one HTML page that opens from disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Scored run directories, the first as the base.")
    ],
    html: Annotated[Path, typer.Option(help="File for the page.")] = Path("report.html"),
    resamples: Annotated[
        int, typer.Option(min=2, help="Bootstrap resamples of the comparisons.")
    ] = 1000,
) -> None:
    """Write one HTML page: summary, leaderboard, figures, comparisons and every example."""
    from marl_eval.reports.page.build import folder_of, write_page

    write_page(runs, html, resamples=resamples)
    folder = folder_of(html)
    beside = f" (with {folder.name}, which must stay beside it)" if folder.exists() else ""
    print(f"{html}{beside}", file=sys.stderr)
