"""What a promised coverage costs: the size of split-conformal answer sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marl_eval.reports.drawings.curves import point
from marl_eval.reports.drawings.style import Look, legend, looks

if TYPE_CHECKING:
    from marl_eval.results import Results

_SIZE, _COVERAGE = "conformal_size@", "conformal_coverage@"


def draw_conformal(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw answers in a set, and the coverage obtained, for each coverage promised."""
    from marl_eval.results import read_results

    results = {run: read_results(run) for run in runs}
    targets = sorted(
        {
            float(name.removeprefix(_SIZE))
            for one in results.values()
            for name, metric in one.metrics.items()
            if name.startswith(_SIZE) and metric.value is not None
        }
    )
    if not targets:
        return False
    known = {run: look for run, look in looks(runs).items() if _has(results[run])}
    figure.set_size_inches(6.8, 3.4)
    left, right = figure.subplots(1, 2)
    for place, (run, look) in enumerate(known.items()):
        shift = (place + 0.5) / len(known) - 0.5
        _dots(left, _SIZE, results[run], targets, look, shift * 0.6)
        _dots(right, _COVERAGE, results[run], targets, look, shift * 0.6)
    for place, target in enumerate(targets):
        right.hlines(target, place - 0.4, place + 0.4, color="0.3", linestyle="--", linewidth=1)
    for axes in (left, right):
        axes.set_xticks(range(len(targets)), [f"{target:.0%}" for target in targets])
        axes.set(xlabel="coverage promised", xlim=(-0.5, len(targets) - 0.5))
        axes.grid(visible=False, axis="x")
    left.set(ylabel="answers in a question's set", ylim=(0, None))
    right.set(ylabel="coverage obtained (dashed: promised)")
    figure.get_layout_engine().set(wspace=0.08)
    legend(figure, left)
    return True


def _has(results: Results) -> bool:
    return any(
        name.startswith(_SIZE) and metric.value is not None
        for name, metric in results.metrics.items()
    )


def _dots(
    axes: Any, name: str, results: Results, targets: Sequence[float], look: Look, shift: float
) -> None:
    found = [
        (place + shift, point(metric, 0))
        for place, target in enumerate(targets)
        if (metric := results.metrics[f"{name}{target:g}"]).value is not None
    ]
    at, points = zip(*found, strict=True)
    value = [one.value for one in points]
    ends = [[one.value - one.low for one in points], [one.high - one.value for one in points]]
    axes.errorbar(at, value, yerr=ends, capsize=2, **look.line(linestyle="none"))
