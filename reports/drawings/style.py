"""How every figure looks, and how the runs in it are told apart.

Lines differ by dash and marker as well as by colour, so that they can be told apart in grey; the colours
are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can tell apart.
References are black or grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from marl_eval.reports.drawings.labels import labels
from marl_eval.reports.table.rows import role_of

if TYPE_CHECKING:
    from marl_eval.results import MetricResult, Results

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D"]
DASHES = ["-", "--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), ":"]
MARKERS = "osD^vXP"
_REFERENCES = {"ceiling": "0.0", "floor": "0.5"}

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 3,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    # Letters as wide as the font says, so that text can be highlighted.
    "text.hinting": "none",
    # The same runs give the same file, and text from a model is text.
    "svg.hashsalt": "marl-eval",
    "text.parse_math": False,
}
"""Settings of matplotlib for every figure."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a run looks like in every figure."""

    label: str
    colour: str
    dash: Any
    marker: str

    def line(self, **more: Any) -> dict[str, Any]:
        """Give the arguments of a line, ``more`` among them."""
        return {
            "color": self.colour,
            "linestyle": self.dash,
            "marker": self.marker,
            "label": self.label,
            **more,
        }


def looks(runs: Sequence[Path]) -> dict[Path, Look]:
    """Give each run its look: no two of the first 49 are the same.

    The label of a run with errors says how many of its requests were answered.
    """
    from marl_eval.results import read_results
    from marl_eval.store import RunDirectory

    names = {run: name + _errors(read_results(run)) for run, name in labels(runs).items()}
    found: dict[Path, Look] = {}
    models = 0
    for number, run in enumerate(names):
        role = role_of(RunDirectory(run).read_run())
        if role != "model":
            marker = MARKERS[number % len(MARKERS)]
            found[run] = Look(names[run], _REFERENCES[role], (0, (1, 1.5)), marker)
            continue
        found[run] = look(models, names[run])
        models += 1
    return found


def _errors(results: Results) -> str:
    if results.complete:
        return ""
    answered = results.requests - results.errors.failed - results.errors.missing
    return f" ({answered:,} of {results.requests:,} requests answered)"


def look(number: int, label: str) -> Look:
    """Give the look of one of several things."""
    turn = number + number // len(COLOURS)
    return Look(
        label,
        COLOURS[number % len(COLOURS)],
        DASHES[turn % len(DASHES)],
        MARKERS[turn % len(MARKERS)],
    )


def legend(figure: Any, axes: Any, columns: int = 3) -> None:
    """Put the legend of some axes under the figure, which grows for it, so that it covers nothing."""
    handles, names = axes.get_legend_handles_labels()
    width, height = figure.get_size_inches()
    fitting = max(1, min(columns, int(width * 14) // (max(map(len, names)) + 10)))
    figure.set_size_inches(width, height + 0.17 * (-(-len(names) // fitting) - 1))
    figure.legend(handles, names, loc="outside lower center", ncols=min(fitting, len(names)))


def panels(
    figure: Any, count: int, *, most: int = 3, width: float = 2.7, height: float = 2.6
) -> Any:
    """Give ``count`` axes that share both axes, at most ``most`` side by side."""
    across = min(count, most)
    down = -(-count // across)
    figure.set_size_inches(width * across + 0.8, height * down + 0.6)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    every = list(grid.flat)
    for unused in every[count:]:
        unused.set_visible(False)
    for place in range(count):
        # A panel with none below it tells its axis.
        every[place].tick_params(labelbottom=place + across >= count)
    return every[:count]


def told(metric: MetricResult) -> str:
    """Write a value with its interval, if it has them, as short as a figure has room for."""
    if metric.value is None:
        return "-"
    if metric.low is None or metric.high is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"


def titled(axes: Any, label: str, notes: Iterable[str] = ()) -> None:
    """Give a panel its name, with notes under it in a smaller type."""
    lines = [*wrap(label, 40, max_lines=2, placeholder="…"), *notes]
    axes.set_title("\n".join(lines), fontsize=8)
