"""How checkpoints were trained: curves from their cards, for each method and K."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from marl_eval.reports.drawings.style import legend, look

if TYPE_CHECKING:
    from marl_eval.metric import Array
    from marl_eval.training.card import Card

SMOOTH = 11


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity of a card's curve; ``smoothed`` if it is that of a batch."""

    name: str
    label: str
    smoothed: bool = True


_REWARD = Panel("reward", "reward of a completion")
_CORRECT = Panel("rewards/correctness/mean", "right answers in a set")
_DISTINCT = Panel("rewards/distinctness/mean", "share of sets of different answers")
_HELD_OUT = Panel("held_out/recall", "recall on held-out questions", smoothed=False)


class Smooth(NamedTuple):
    """A smoothed curve with the ends of its interval, float64[points] each."""

    value: Array
    low: Array
    high: Array


def smooth(values: Sequence[float]) -> Smooth:
    """Give the mean of each value with those around it, fewer at the ends; as many as there are.

    The interval is that of the mean of the window's values, taken for independent:
    mean +- t(0.975) s / sqrt(m) for m values of standard deviation s; a single value has none.
    """
    from scipy.stats import t

    given = np.asarray(values, dtype=np.float64)
    half = min(SMOOTH, len(given)) // 2
    windows = [given[max(at - half, 0) : at + half + 1] for at in range(len(given))]
    mean = np.array([window.mean() for window in windows])
    reach = np.array(
        [
            t.ppf(0.975, len(window) - 1) * window.std(ddof=1) / np.sqrt(len(window))
            if len(window) > 1
            else 0.0
            for window in windows
        ]
    )
    return Smooth(mean, mean - reach, mean + reach)


def widest(values: Sequence[float], questions: int) -> Array:
    """Give how far the 95 % interval of a mean in [0, 1] reaches down and up at the most.

    float64[2, points]. Numbers in [0, 1] of mean p have a variance of p (1 - p) at most; the interval is
    that of Wilson 1927 with it, doi:10.1080/01621459.1927.10502953. A card keeps the mean alone.
    """
    p, z2 = np.asarray(values, dtype=np.float64), 1.959963984540054**2
    middle = (p + z2 / (2 * questions)) / (1 + z2 / questions)
    reach = np.sqrt(z2 * (p * (1 - p) / questions + z2 / (4 * questions**2))) / (1 + z2 / questions)
    return np.maximum([p - middle + reach, middle + reach - p], 0)


def _draw(figure: Any, runs: Sequence[Path], *, shown: Sequence[Panel]) -> bool:
    cards = trained(runs)
    shown = [panel for panel in shown if any(_points(card, panel) for card in cards.values())]
    if not shown:
        return False
    figure.set_size_inches(3.4 * len(shown) + 0.3, 3.2)
    every = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, panel in zip(every, shown, strict=True):
        for number, (label, card) in enumerate(cards.items()):
            points = _points(card, panel)
            if points:
                questions = int(card.settings["held_out"])
                _line(axes, points, panel, look(number, label).line(), questions)
        axes.set(xlabel="training step", ylabel=panel.label)
        if panel is not _REWARD:
            axes.set_ylim(0, None)
    figure.get_layout_engine().set(wspace=0.08)
    legend(figure, every[0])
    return True


def _line(
    axes: Any,
    points: Sequence[tuple[float, float]],
    panel: Panel,
    line: dict[str, Any],
    questions: int,
) -> None:
    steps, values = zip(*points, strict=True)
    if not panel.smoothed:
        ends = widest(values, questions)
        axes.errorbar(steps, values, yerr=ends, capsize=2, **line)
        return
    mean, low, high = smooth(values)
    axes.plot(steps, mean, **line, markevery=max(len(steps) // 8, 1))
    axes.fill_between(steps, low, high, color=line["color"], alpha=0.15, linewidth=0)


def _points(card: Card, panel: Panel) -> list[tuple[float, float]]:
    return [(one["step"], one[panel.name]) for one in card.curve if panel.name in one]


def trained(runs: Sequence[Path]) -> dict[str, Card]:
    """Give the cards of the trained checkpoints that the runs were made of, by method and K."""
    from marl_eval.inert import inert
    from marl_eval.training.card import read_card

    cards: dict[Path, Card] = {}
    for run in runs:
        folder = _checkpoint(run)
        card = None if folder is None else read_card(folder)
        if folder is not None and card is not None and card.made_by == "train" and card.curve:
            cards.setdefault(folder.resolve(), card)
    named: dict[str, Card] = {}
    ordered = sorted(cards.items(), key=lambda one: (one[1].method or "", one[1].format["k"]))
    for folder, card in ordered:
        label = f"{card.method}, K = {card.format['k']}"
        if label in named:
            label = f"{label} ({inert(folder.parent.name)}/{inert(folder.name)})"
        named[label] = card
    return named


def _checkpoint(run: Path) -> Path | None:
    """Give the folder of the checkpoint that a run was made of, if it is still there.

    A relative name is looked for here and in the folders that the run lies in. A card that is not the
    one that the run's fingerprint tells of is another checkpoint's.
    """
    from marl_eval.shipped import shipped_checkpoint
    from marl_eval.store import RunDirectory
    from marl_eval.training.card import CARD

    record = RunDirectory(run).read_run()
    settings = record["settings"]
    arguments = settings.get("model_args", {})
    name = str(arguments.get("adapter") or settings["model"].rpartition(":")[2])
    places = [Path(name), *(parent / name for parent in run.absolute().parents)]
    known = record["model"].get("files", {}).get(CARD)
    for folder in [*places, shipped_checkpoint(name)]:
        if folder is None or not (folder / CARD).is_file():
            continue
        if known in (None, hashlib.sha256((folder / CARD).read_bytes()).hexdigest()):
            return folder
    return None


draw_training = partial(_draw, shown=[_REWARD, _HELD_OUT])
"""Draw the reward, and the recall on held-out questions, over the steps of each checkpoint."""

draw_answers_in_training = partial(_draw, shown=[_CORRECT, _DISTINCT])
"""Draw right answers in a set, and how many sets are all different, over the steps of each K."""
