"""What more answers find: recall, or right answers recovered, over the number of answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from marl_eval.reports.drawings.curves import over_answers
from marl_eval.reports.drawings.style import legend, looks


def _draw(figure: Any, runs: Sequence[Path], *, name: str, whole: str, label: str) -> bool:
    from marl_eval.results import read_results
    from marl_eval.store import RunDirectory

    curves = {}
    for run, look in looks(runs).items():
        k = RunDirectory(run).read_run()["settings"]["k"]
        points = over_answers(read_results(run), name, whole, k)
        if points:
            curves[run] = look, points
    if not curves:
        return False
    axes = figure.subplots()
    for look, points in curves.values():
        at, value, low, high = zip(*points, strict=True)
        if len(points) == 1:
            ends = [[value[0] - low[0]], [high[0] - value[0]]]
            axes.errorbar(at, value, yerr=ends, capsize=3, **look.line(linestyle="none"))
            continue
        axes.plot(at, value, **look.line(markevery=max(len(points) // 10, 1)))
        axes.fill_between(at, low, high, color=look.colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="answers in all, k", ylabel=label, ylim=(0, None), xlim=(0, None))
    axes.xaxis.get_major_locator().set_params(integer=True)
    legend(figure, axes)
    return True


draw_recall = partial(
    _draw, name="recall", whole="recall", label="recall (share of the gold answers found)"
)
"""Draw recall over the number of answers, with 95 % intervals."""

draw_correct = partial(
    _draw,
    name="correct",
    whole="correct_answers",
    label="right answers recovered per question",
)
"""Draw the number of right answers found over the number of answers, with 95 % intervals."""
