"""The released evaluators' numbers of a run beside ours, each with how they differ."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from marl_eval.metrics.official import Official

SCHEMA_VERSION = 1


def official(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.")],
    json: Annotated[Path | None, typer.Option(help="File to write them to as well.")] = None,
) -> None:
    """Print what the released evaluator would report of a run, for comparison with published tables."""
    from marl_eval.metrics.official import MARK
    from marl_eval.metrics.official import official as compute
    from marl_eval.store import dump_json, write_whole

    found = [(run, compute(run), our_values(run)) for run in runs]
    for run, result, ours in found:
        _print(run, result, ours)
    if json is not None:
        entries = [to_entry(run, result, ours) for run, result, ours in found]
        content = {"schema_version": SCHEMA_VERSION, "definition": MARK, "runs": entries}
        write_whole(json, dump_json(content))


def our_values(run: Path) -> dict[str, float | None]:
    """Give our metrics of a run; none if it is not scored yet.

    Raises:
        UserError: if its results cannot be read.
    """
    from marl_eval.results import read_results
    from marl_eval.store import RESULTS

    if not (run / RESULTS).exists():
        return {}
    return {name: metric.value for name, metric in read_results(run).metrics.items()}


def to_entry(run: Path, result: Official, ours: dict[str, float | None]) -> dict[str, Any]:
    """Give a run's numbers as plain data; an undefined one is None."""
    return {
        "run": run.name,
        "answers": "several" if result.several else "one",
        "examples": result.examples,
        "generations": result.generations,
        "figures": {
            figure.name: {
                "value": None if math.isnan(figure.value) else figure.value,
                "ours": None if figure.ours is None else ours.get(figure.ours),
                "our_metric": figure.ours,
                "differs": figure.differs,
            }
            for figure in result.figures
        },
    }


def _print(run: Path, result: Official, ours: dict[str, float | None]) -> None:
    from rich.table import Table

    from marl_eval.metrics.official import MARK
    from marl_eval.show import console

    screen = console(width=140)
    screen.print(f"{run}: {MARK}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("figure", no_wrap=True)
    table.add_column("released", justify="right", no_wrap=True)
    table.add_column("ours", justify="right", no_wrap=True)
    table.add_column("our metric", no_wrap=True)
    table.add_column("how they differ")
    for figure in result.figures:
        own = None if figure.ours is None else ours.get(figure.ours)
        table.add_row(
            figure.name, _shown(figure.value), _shown(own), figure.ours or "-", figure.differs
        )
    screen.print(table)


def _shown(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.6g}"
