"""A comparison at a glance: differences from the first run, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marl_eval.reports.drawings.style import Look, looks

if TYPE_CHECKING:
    from marl_eval.comparison.differences import Comparison, Difference

SHOWN = [
    "recall", "precision", "distinct_answers", "multi_brier", "ece", "set_brier",
    "recall_area_at_equal_tokens", "tokens_per_example", "tokens_per_correct_answer",
]  # fmt: skip
_ACROSS = 3
_SIDE = {"higher": "better →", "lower": "← better", "neither": ""}
# The font has these arrows; a reader of grey sees the words.


def draw_forest(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw each run's differences from the first, a panel for each metric, for scales differ."""
    found = compared(runs)
    names = [
        name
        for name in SHOWN
        if any(_told(comparison, name) is not None for comparison in found.values())
    ]
    if not names:
        return False
    known = looks(runs)
    across = min(len(names), _ACROSS)
    down = -(-len(names) // across)
    longest = max(len(known[run].label) for run in found)
    figure.set_size_inches(2.3 * across + 0.07 * longest, (0.75 + 0.24 * len(found)) * down + 0.4)
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in list(grid.flat)[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        _panel(axes, name, {known[run]: _told(one, name) for run, one in found.items()})
    examples = sorted({one.examples for one in found.values()})
    counted = " or ".join(f"{count:,}" for count in examples)
    figure.supxlabel(
        f"difference from {known[runs[0]].label}, on the same {counted} examples", fontsize=9
    )
    return True


def compared(runs: Sequence[Path]) -> dict[Path, Comparison]:
    """Compare each run with the first; those of other examples, or without any left, are left out."""
    from marl_eval.comparison.differences import EQUAL_TERMS, compare
    from marl_eval.errors import UserError
    from marl_eval.results import read_results

    of_first = [*read_results(runs[0]).metrics, *EQUAL_TERMS] if runs else []
    found = {}
    for other in dict.fromkeys(runs[1:]):
        if other == runs[0]:
            continue
        of_both = {*of_first} & {*read_results(other).metrics, *EQUAL_TERMS}
        graded = "recall" in of_both
        names = [name for name in SHOWN if name in of_both and (graded or name not in EQUAL_TERMS)]
        try:
            found[other] = compare(runs[0], other, metrics=names)
        except UserError:
            continue
    return found


def _told(comparison: Comparison, name: str) -> Difference | None:
    one = comparison.metrics.get(name)
    return None if one is None or one.difference is None else one


def _panel(axes: Any, name: str, differences: Mapping[Look, Difference | None]) -> None:
    axes.axvline(0, color="0.3", linewidth=1)
    side = ""
    for place, (look, one) in enumerate(differences.items()):
        if one is None or one.difference is None or one.low is None or one.high is None:
            continue
        side = _SIDE[one.better]
        axes.errorbar(
            one.difference,
            place,
            xerr=[[one.difference - one.low], [one.high - one.difference]],
            capsize=2.5,
            **look.line(linestyle="none"),
        )
    axes.set_yticks(range(len(differences)), [look.label for look in differences])
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_title(name, fontsize=8.5)
    axes.set_xlabel(side, fontsize=7.5, color="0.35")
    axes.xaxis.get_major_locator().set_params(nbins=4)
