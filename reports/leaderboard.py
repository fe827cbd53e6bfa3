"""The command that writes the leaderboard, for programs and for people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Scored run directories.")],
    csv: Annotated[
        Path | None, typer.Option(help="CSV file to write.  [default: stdout, if no other is]")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(help="Markdown file to write.")] = None,
    latex: Annotated[Path | None, typer.Option(help="LaTeX file to write.")] = None,
    html: Annotated[Path | None, typer.Option(help="HTML file to write.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Metric to rank by.  [default: recall, or how many answers differ]"),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Metrics of the forms for people, with commas; the CSV has all.  [default: a few]"
        ),
    ] = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add to the CSV file what it does not have yet.")
    ] = False,
) -> None:
    """Write a row for each run: settings, fingerprints, rank, and every metric with its interval."""
    from marl_eval.errors import UserError
    from marl_eval.reports.table.board import make_board
    from marl_eval.reports.table.csv_file import append as append_to
    from marl_eval.reports.table.csv_file import unique
    from marl_eval.reports.table.csv_text import row_cells, to_csv
    from marl_eval.reports.table.html import to_html
    from marl_eval.reports.table.latex import to_latex
    from marl_eval.reports.table.markdown import to_markdown
    from marl_eval.reports.table.rows import make_rows
    from marl_eval.store import write_whole

    if append and csv is None:
        raise UserError("--append needs the file to add to: name it with --csv.")
    rows = unique(make_rows(runs, by))
    if len(rows) < len(runs):
        print(
            f"{len(runs) - len(rows)} left out: the same run was given more than once",
            file=sys.stderr,
        )
    forms = {markdown: to_markdown, latex: to_latex, html: to_html}
    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    # What cannot be written is told before anything is.
    texts = {
        path: form(make_board(rows, names)) for path, form in forms.items() if path is not None
    }
    table = to_csv([row_cells(row) for row in rows])
    if csv is not None and append:
        print(f"{csv}: {append_to(csv, rows)} rows", file=sys.stderr)
    elif csv is not None:
        write_whole(csv, table.encode("utf-8"))
        print(f"{csv}: {len(rows)} rows", file=sys.stderr)
    elif not texts:
        sys.stdout.write(table)
    for path, text in texts.items():
        write_whole(path, text.encode("utf-8"))
        print(f"{path}: {len(rows)} rows", file=sys.stderr)
