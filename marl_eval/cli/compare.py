"""``marl-eval compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

_WIDE, _NARROW = 132, 90
_LEFT_OUT = ("A", "B", "p", "detectable")


def compare_command(
    runs: Annotated[
        list[Path], typer.Argument(help="Scored run directories, the first as the base.")
    ],
    common: Annotated[
        bool, typer.Option("--common", help="Use the examples that both have, where they differ.")
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(help="Metrics to compare, with commas; fewer make a milder correction."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=2, help="Bootstrap resamples.")] = 1000,
    json: Annotated[Path | None, typer.Option(help="File for the whole comparison.")] = None,
) -> None:
    """Compare runs on the same examples: each difference with its interval and p-value."""
    from marl_eval.comparison.differences import compare
    from marl_eval.errors import UserError
    from marl_eval.store import dump_json, write_whole

    if len(runs) < 2:
        raise UserError("compare needs at least two run directories.")
    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    found = [
        compare(runs[0], other, common=common, metrics=names, resamples=resamples)
        for other in runs[1:]
    ]
    for comparison in found:
        _print(comparison)
    if json is not None:
        write_whole(json, dump_json([comparison.model_dump() for comparison in found]))


def _print(comparison: Any) -> None:
    from rich.table import Table

    from marl_eval.comparison.verdict import SIGNIFICANT, verdict
    from marl_eval.show import console, number

    screen = console(width=_WIDE)
    # A narrow terminal shows fewer columns: a number cut short would be another number.
    narrow = screen.width < _WIDE
    screen.width = max(screen.width, _NARROW)
    first, second = (Path(name).name for name in (comparison.first, comparison.second))
    screen.print(f"A  {first}\nB  {second}")
    screen.print(f"{verdict(comparison, 'A', 'B')}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="bold")
    undefined = []
    for name, one in comparison.metrics.items():
        if one.p is None:
            undefined.append(name)
            continue
        cells = {
            "metric": name,
            "A": number(one.first),
            "B": number(one.second),
            "B - A": number(one.difference),
            "95 % interval": f"[{number(one.low)}, {number(one.high)}]",
            "p": _p(one.p),
            "p (Holm)": _p(one.p_holm),
            "detectable": number(one.detectable),
            "": _side(one) if one.p_holm is not None and one.p_holm <= SIGNIFICANT else "",
        }
        shown = [heading for heading in cells if not (narrow and heading in _LEFT_OUT)]
        for heading in shown if not table.columns else []:
            justify: Any = "left" if heading == "metric" else "right"
            table.add_column(heading, justify=justify, no_wrap=True)
        table.add_row(*(cells[heading] for heading in shown))
    screen.print(table)
    for note in _notes(comparison, undefined):
        screen.print(note)
    if narrow:
        screen.print(f"Not shown at this width: {', '.join(_LEFT_OUT)} (--json has all).")


def _side(one: Any) -> str:
    """Say which run is better, or that they differ where neither way is better."""
    if one.better == "neither":
        return "differs"
    return "B better" if (one.difference > 0) == (one.better == "higher") else "A better"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "<0.0001" if value < 1e-4 else f"{value:.4f}"


def _notes(comparison: Any, undefined: list[str]) -> list[str]:
    notes = [
        f"{comparison.examples} examples; the last column says what is real after Holm's correction "
        f"for {len(comparison.metrics) - len(undefined)} metrics, at 5 %; 'detectable' is the "
        f"difference that so many examples show with a chance of 80 %."
    ]
    if undefined:
        notes.append(f"undefined in A or B: {', '.join(undefined)}")
    if comparison.failed:
        notes.append(f"{comparison.failed} examples left out: a request failed in A or B.")
    if comparison.only_first or comparison.only_second:
        notes.append(
            f"left out as not common: {comparison.only_first} examples of A, "
            f"{comparison.only_second} of B."
        )
    return notes
