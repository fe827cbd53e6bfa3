"""How often what is said with a confidence is right: of answers, and of whole sets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marl_eval.reports.drawings.resampled import (
    LEVEL,
    add_statistics,
    find_metric,
    interval_ends,
)
from marl_eval.reports.drawings.style import Look, looks, panels, titled, told

if TYPE_CHECKING:
    from marl_eval.metric import Array


class Reliability(NamedTuple):
    """Bins of confidence, float64[bins] each: NaN where a bin is empty, but for its ``number``.

    Mean ``confidence``; ``accuracy``, the share that is right, with the ends of its 95 % interval from
    resampled examples; ``number`` of what is in the bin.
    """

    confidence: Array
    accuracy: Array
    low: Array
    high: Array
    number: Array


def reliability(run: Path, metric: str = "ece") -> Reliability | None:
    """Give the bins that ``ece`` (answers) or ``set_ece`` (sets) is computed of; None if there are none.

    Where every answer of a bin is right, or none is, resampling shows no spread; there the interval is
    that of Clopper and Pearson for the examples in the bin.
    """
    from marl_eval.estimators.division import over
    from marl_eval.statistics import BINS, split_bins
    from marl_eval.stats import interval_of_a_constant

    own = find_metric(run, metric)
    sums = None if own is None else add_statistics(run, own.statistics)
    if sums is None:
        return None
    count, confidence, right, *_ = split_bins(sums.total[:-2])
    if count.sum() == 0:
        return None
    drawn, _, drawn_right, *_ = split_bins(sums.resampled[:, :-2])
    accuracy = over(right, count)
    low, high = interval_ends(over(drawn_right, drawn))
    for place in range(BINS):
        if count[place] and accuracy[place] in (0, 1):
            low[place], high[place] = interval_of_a_constant(
                float(accuracy[place]), (0, 1), float(sums.examples[place]), LEVEL
            )
    return Reliability(
        over(confidence, count),
        accuracy,
        np.fmin(low, accuracy),
        np.fmax(high, accuracy),
        count,
    )


def _draw(figure: Any, runs: Sequence[Path], *, metric: str, things: str) -> bool:
    found = {run: bins for run in runs if (bins := reliability(run, metric)) is not None}
    if not found:
        return False
    known = looks(runs)
    for axes, (run, bins) in zip(panels(figure, len(found)), found.items(), strict=True):
        _panel(axes, known[run], bins)
        titled(axes, known[run].label, [_told(run, metric, int(bins.number.sum()), things)])
    figure.supxlabel(f"stated confidence that {_WHAT[metric]}", fontsize=9)
    figure.supylabel(f"share that is right; bars: share of the {things}", fontsize=9)
    return True


_WHAT = {"ece": "an answer is right", "set_ece": "the set holds a right answer"}


def _panel(axes: Any, look: Look, bins: Reliability) -> None:
    size = len(bins.number)
    middle = (np.arange(size) + 0.5) / size
    axes.bar(middle, bins.number / bins.number.sum(), width=0.9 / size, color="0.82")
    axes.plot([0, 1], [0, 1], color="0.45", linewidth=1, linestyle="--")
    axes.errorbar(
        bins.confidence,
        bins.accuracy,
        yerr=[bins.accuracy - bins.low, bins.high - bins.accuracy],
        capsize=2,
        **look.line(linestyle="none"),
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])


def _told(run: Path, metric: str, count: int, things: str) -> str:
    from marl_eval.results import read_results

    name = metric.replace("_ece", " ECE").replace("ece", "ECE")
    return f"{count:,} {things}; {name} {told(read_results(run).metrics[metric])}"


draw_reliability = partial(_draw, metric="ece", things="answers")
"""Draw how often answers are right by their confidence, a panel for each run."""

draw_set_reliability = partial(_draw, metric="set_ece", things="sets")
"""Draw how often sets hold a right answer by their confidence, a panel for each run."""
