"""Recall against generated tokens, and the frontier: the most recall that each cost buys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marl_eval.reports.drawings.resampled import add_statistics, interval_ends
from marl_eval.reports.drawings.style import legend, looks
from marl_eval.reports.table.rows import role_of

if TYPE_CHECKING:
    from marl_eval.metric import Array

_GRID = 200


class Curve(NamedTuple):
    """A run's corners, float64[corners] each, and the interval of recall on a grid of tokens."""

    tokens: Array
    recall: Array
    budget: Array
    low: Array
    high: Array


def draw_tokens(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw the curve of recall against tokens of each run, and the frontier of all.

    References are drawn only where there is nothing else: what they count as tokens are words.
    """
    from marl_eval.store import RunDirectory

    curves = {run: found for run in runs if (found := token_curve(run)) is not None}
    models = [run for run in curves if role_of(RunDirectory(run).read_run()) == "model"]
    curves = {run: curves[run] for run in models or curves}
    if not curves:
        return False
    axes = figure.subplots()
    edge = frontier(list(curves.values()))
    axes.plot(*edge, color="0.8", linewidth=6, solid_capstyle="round", label="frontier", zorder=1)
    for run, look in looks(runs).items():
        if run in curves:
            own = curves[run]
            axes.plot(
                own.tokens[1:], own.recall[1:],
                **look.line(markevery=max(len(own.tokens) // 10, 1)),
            )  # fmt: skip
            axes.fill_between(
                own.budget, own.low, own.high, color=look.colour, alpha=0.15, linewidth=0
            )
    axes.set(
        xlabel="generated tokens of a question",
        ylabel="recall (share of the gold answers found)",
        xlim=(0, None),
        ylim=(0, None),
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    legend(figure, axes)
    return True


def token_curve(run: Path) -> Curve | None:
    """Give a run's curve (``marl_eval.recall_curve``); None if it has no recall or no token counts."""
    from marl_eval.recall_curve import curve, recall_and_tokens, recall_within
    from marl_eval.samples import generations_drawn
    from marl_eval.scoring.stage import read_shape
    from marl_eval.store import RunDirectory

    shape = read_shape(RunDirectory(run))
    sums = add_statistics(run, recall_and_tokens) if shape.graded else None
    if sums is None or sums.total[-1] == 0 or sums.total[-2] == 0:
        return None
    points = generations_drawn(shape.samples)
    tokens, recall = curve(sums.total, points)
    drawn_tokens, drawn_recall = curve(sums.resampled, points)
    # The interval begins where a whole generation has been made.
    budget = np.linspace(tokens[1], tokens[-1], _GRID if len(points) > 1 else 1)
    within = np.column_stack(
        [
            recall_within(drawn_tokens, drawn_recall, np.minimum(spent, drawn_tokens[:, -1]))
            for spent in budget
        ]
    )
    low, high = interval_ends(within)
    return Curve(tokens, recall, budget, low, high)


def frontier(curves: Sequence[Curve]) -> tuple[Array, Array]:
    """Give the most recall that any run has for at most so many tokens: tokens and recall.

    From the cheapest whole generation on; between its corners a curve is straight, so the tokens are
    those of all corners and of a grid.
    """
    start = min(own.tokens[1] for own in curves)
    end = max(own.tokens[-1] for own in curves)
    corners = np.concatenate([own.tokens[1:] for own in curves])
    # Where a run begins, the frontier may jump.
    before = np.nextafter([own.tokens[1] for own in curves], start)
    at = np.unique(np.concatenate([corners, before, np.linspace(start, end, _GRID)]))
    best = np.zeros(len(at))
    for own in curves:
        reached = np.interp(at, own.tokens[1:], own.recall[1:], left=0)
        best = np.maximum(best, reached)
    return at, np.maximum.accumulate(best)
