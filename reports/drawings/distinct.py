"""How many of a question's answers are different: a histogram for each run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from marl_eval.reports.drawings.style import looks, told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marl_eval.metric import Array

_MOST_BARS = 40


def draw_distinct(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw the share of the questions that have each number of different answers."""
    found = {run: distinct_answers(run) for run in runs}
    found = {
        run: (counts, most) for run, (counts, most) in found.items() if most > 1 and len(counts)
    }
    if not found:
        return False
    known = looks(runs)
    most = max(most for _, most in found.values())
    top = max(int(counts.max()) for counts, _ in found.values())
    figure.set_size_inches(6.5, 1.25 * len(found) + 0.7)
    highest = 0.0
    for axes, (run, (counts, own)) in zip(_stacked(figure, len(found)), found.items(), strict=True):
        look = known[run]
        share, low, high = shares(counts, top)
        wide = np.arange(top + 1)
        there = share > 0
        axes.bar(wide, share, width=0.85, color=look.colour, alpha=0.55, edgecolor=look.colour)
        axes.errorbar(
            wide[there], share[there], yerr=np.array([share - low, high - share])[:, there],
            fmt="none", ecolor="0.15", elinewidth=0.8, capsize=1.5 if top <= _MOST_BARS else 0,
        )  # fmt: skip
        axes.axvline(counts.mean(), color="black", linestyle="--", linewidth=1)
        axes.set_title(f"{look.label}: mean {_mean(run)} of {own} answers", fontsize=8, loc="left")
        highest = max(highest, float(high[there].max()))
        # All panels share their axes.
        axes.set(ylim=(0, 1.05 * highest), xlim=(-0.6, min(most, top + 1) + 0.6))
        axes.yaxis.get_major_locator().set_params(nbins=3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    every = {own for _, own in found.values()}
    figure.supxlabel(
        "different answers to a question" + (f", out of {most}" if len(every) == 1 else ""),
        fontsize=9,
    )
    figure.supylabel("share of questions", fontsize=9)
    return True


def _stacked(figure: Any, count: int) -> Any:
    return figure.subplots(count, 1, sharex=True, sharey=True, squeeze=False)[:, 0]


def _mean(run: Path) -> str:
    """Tell the mean with its interval, as the results have it."""
    from marl_eval.results import read_results

    metrics = read_results(run).metrics
    one = metrics.get("distinct_answers_of_all", metrics["distinct_answers"])
    return told(one)


def distinct_answers(run: Path) -> tuple[NDArray[np.int64], int]:
    """Give the number of different answers to each question, and how many were asked for at most.

    int64[questions], in all of the question's sets together; questions of which a set failed are left
    out, as ``distinct_answers_of_all`` leaves them out.
    """
    from marl_eval.estimators.diversity import distinct_k
    from marl_eval.scoring.stage import read_shape
    from marl_eval.statistics import pooled_sets
    from marl_eval.store import RunDirectory
    from marl_eval.totals import tables

    directory = RunDirectory(run)
    shape = read_shape(directory)
    parts = [np.zeros(0, dtype=np.int64)]
    for table in tables(directory, shape):
        whole, pooled = pooled_sets(table.same_as, table.valid)
        parts.append(distinct_k(pooled)[whole[:, 0]])
    return np.concatenate(parts), shape.k * shape.sets


def shares(counts: NDArray[np.int64], most: int) -> tuple[Array, Array, Array]:
    """Give the share of the questions with each number from 0 to ``most``, and its 95 % interval.

    float64[most + 1] three times: share, low and high. The interval is that of Wilson 1927,
    doi:10.1080/01621459.1927.10502953, for a binomial share.
    """
    from scipy.stats import binomtest

    found = np.bincount(counts, minlength=most + 1)
    tests = [binomtest(int(own), len(counts)).proportion_ci(method="wilson") for own in found]
    low, high = (np.array([end[side] for end in tests]) for side in (0, 1))
    share = found / len(counts)
    # At 0 and 1 rounding may put the end on the other side of the share.
    return share, np.minimum(low, share), np.maximum(high, share)
