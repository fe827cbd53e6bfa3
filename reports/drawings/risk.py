"""Answering only where confident: the share of wrong answers over the share of questions answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from marl_eval.reports.drawings.curves import curve
from marl_eval.reports.drawings.style import legend, looks, told


def draw_risk(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw risk over coverage for the first answer of each set, with 95 % intervals."""
    from marl_eval.results import read_results

    found = {}
    for run, look in looks(runs).items():
        results = read_results(run)
        points = curve(results, "risk")
        if points:
            found[run] = look, points, results.metrics["aurc"]
    if not found:
        return False
    axes = figure.subplots()
    for look, points, area in found.values():
        at, value, low, high = zip(*points, strict=True)
        axes.plot(at, value, **look.line(label=f"{look.label}: area {told(area)}"))
        axes.fill_between(at, low, high, color=look.colour, alpha=0.13, linewidth=0)
    axes.set(
        xlabel="coverage: share of questions answered, the most confident first",
        ylabel="risk: share of wrong first answers",
        xlim=(0, 1.02),
        ylim=(0, None),
    )
    legend(figure, axes, columns=2)
    return True
