"""Figures of runs: recall over answers, distinct answers, reliability, and how checkpoints were trained.

Lines differ by dash and marker as well as by colour, so that they can be told apart in grey; the colours
are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can tell apart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from marl_eval.results import Results

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))]
MARKERS = "osD^vXP"
BINS = 10
_RESAMPLES = 500
_PANELS = 3
"""Most panels side by side."""
_SMOOTH = 11


def figures(
    runs: Annotated[list[Path], typer.Argument(help="Scored run directories.")],
    out: Annotated[Path, typer.Option(help="Folder for the figures.")] = Path("figures"),
) -> None:
    """Draw recall over answers, distinct answers, reliability, and the training of checkpoints."""
    from marl_eval.errors import UserError

    try:
        import matplotlib as mpl
    except ImportError as error:
        raise UserError(
            "Figures need matplotlib, which is not installed: pip install 'marl-eval[figures]'."
        ) from error
    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "marl-eval"
    out.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Callable[[Any, Sequence[Path]], bool]] = {
        "recall": draw_recall,
        "distinct": draw_distinct,
        "reliability": draw_reliability,
        "training": draw_training,
    }
    made = [name for name, draw in drawings.items() if _saved(out / name, draw, runs)]
    print(f"{out}: {', '.join(made) or 'nothing to draw in these runs'}", file=sys.stderr)


def _saved(path: Path, draw: Callable[[Any, Sequence[Path]], bool], runs: Sequence[Path]) -> bool:
    """Save a figure as SVG and PNG, if there is something to draw."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    if not draw(figure, runs):
        return False
    # Without a date, the same runs give the same file.
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=150)
    return True


def _style(number: int, label: str) -> dict[str, Any]:
    """Give the look of a line; no two of the first 49 are the same."""
    turn = number + number // len(COLOURS)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[turn % len(DASHES)],
        "marker": MARKERS[turn % len(MARKERS)],
        "markersize": 4,
        "label": label,
    }


def curve(results: Results, name: str) -> list[tuple[float, float, float, float]]:
    """Give the points of a curve: where, value, low and high; none if the run has no such curve."""
    points = []
    for one in results.metrics.values():
        if one.curve == name and one.at is not None and one.value is not None:
            low, high = (one.value if end is None else end for end in (one.low, one.high))
            points.append((one.at, one.value, low, high))
    return sorted(points)


def draw_recall(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw recall over the number of answers, with bands of 95 % intervals."""
    from marl_eval.results import read_results

    axes = figure.subplots()
    curves = {run: curve(read_results(run), "recall") for run in runs}
    curves = {run: points for run, points in curves.items() if points}
    for number, (run, points) in enumerate(curves.items()):
        at, value, low, high = zip(*points, strict=True)
        style = _style(number, run.name)
        axes.plot(at, value, **style)
        axes.fill_between(at, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axes.set(xlabel="answers asked for", ylabel="recall of the gold set", ylim=(0, None))
    _legend(axes)
    return bool(curves)


def draw_distinct(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw how many of a question's answers are different, as shares of the questions."""
    import numpy as np

    axes = figure.subplots()
    found = {run: distinct_answers(run) for run in runs}
    found = {run: counts for run, counts in found.items() if counts is not None}
    for number, (run, counts) in enumerate(found.items()):
        share = np.bincount(counts) / len(counts)
        style = _style(number, f"{run.name} (mean {counts.mean():.1f})")
        axes.plot(np.arange(len(share)), share, drawstyle="steps-mid", **style)
    axes.set(xlabel="different answers to a question", ylabel="share of questions", ylim=(0, None))
    _legend(axes)
    return bool(found)


def distinct_answers(run: Path) -> Any:
    """Give the number of different answers to each question, int64[questions]; None for one answer."""
    import numpy as np
    from pyarrow import parquet

    from marl_eval.store import SCORES

    table = parquet.read_table(run / SCORES, columns=["example", "same_as", "answer"]).to_pandas()
    if table.groupby("example").size().max() < 2:
        return None
    answered = table.dropna(subset=["answer"])
    counts = answered.groupby("example")["same_as"].nunique()
    every = table["example"].unique()
    return np.asarray(counts.reindex(every, fill_value=0), dtype=np.int64)


def draw_reliability(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw how often answers are right by their confidence, a panel for each run.

    The bars are the share of the answers that lies in each bin.
    """
    import numpy as np

    found = {run: reliability(run) for run in runs}
    found = {run: bins for run, bins in found.items() if bins is not None}
    if not found:
        return False
    rows = -(-len(found) // _PANELS)
    figure.set_size_inches(3 * min(len(found), _PANELS) + 1, 2.8 * rows + 0.4)
    panels = figure.subplots(
        rows, min(len(found), _PANELS), sharex=True, sharey=True, squeeze=False
    ).flat
    for panel, (run, bins) in zip(panels, found.items(), strict=False):
        confidence, accuracy, low, high, count = bins
        panel.bar(
            (np.arange(BINS) + 0.5) / BINS, count / count.sum(), width=0.9 / BINS, color="0.85"
        )
        panel.plot([0, 1], [0, 1], color="0.5", linewidth=1)
        ends = [accuracy - low, high - accuracy]
        panel.errorbar(
            confidence, accuracy, yerr=ends, capsize=2, color=COLOURS[0], marker="o", markersize=4
        )
        panel.set(xlim=(0, 1), ylim=(0, 1))
        panel.set_title(f"{run.name} ({count.sum():.0f} answers)", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in list(panels)[len(found) :]:
        panel.set_visible(False)
    figure.supxlabel("stated confidence", fontsize=10)
    figure.supylabel("share that is right; bars: share of answers", fontsize=10)
    return True


def reliability(run: Path) -> Any:
    """Give the reliability of stated confidences in ten equal bins; None if there are none.

    Returns float64[BINS] five times: mean confidence, accuracy with the low and high end of its 95 %
    interval from resampled questions, and the number of answers; NaN in an empty bin.
    """
    import numpy as np
    from pyarrow import parquet

    from marl_eval.stats import Resampling
    from marl_eval.store import SCORES

    columns = ["example", "confidence", "gold"]
    table = parquet.read_table(run / SCORES, columns=columns).to_pandas()
    stated = table.dropna(subset=["confidence"])
    if stated.empty:
        return None
    rows = stated["example"].astype("category").cat.codes.to_numpy()
    confidence = stated["confidence"].to_numpy()
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    sums = np.zeros((rows.max() + 1, BINS, 3))
    right = (stated["gold"].to_numpy() >= 0).astype(np.float64)
    np.add.at(sums, (rows, place), np.stack([np.ones(len(rows)), confidence, right], axis=1))
    weights = Resampling(len(sums), _RESAMPLES).between(0, len(sums))
    drawn = np.tensordot(weights, sums, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = sums.sum(axis=0)
        mean, accuracy = total[:, 1] / total[:, 0], total[:, 2] / total[:, 0]
        resampled = drawn[..., 2] / drawn[..., 0]
    ends = [
        np.nanquantile(own, [0.025, 0.975]) if np.isfinite(own).any() else [np.nan, np.nan]
        for own in resampled.T
    ]
    low, high = np.array(ends).T
    return mean, accuracy, np.minimum(low, accuracy), np.maximum(high, accuracy), total[:, 0]


def draw_training(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw the reward, and the recall on held-out questions, over the steps of each checkpoint."""
    from marl_eval.training.card import read_card

    folders: dict[Path, str] = {}
    for run in runs:
        folder = _checkpoint(run)
        if folder is not None:
            folders.setdefault(folder, folder.name)
    cards = [(folder, read_card(folder)) for folder in folders]
    curves = [
        (folder, card.curve)
        for folder, card in cards
        if card is not None and card.made_by == "train"
    ]
    if not curves:
        return False
    left, right = figure.subplots(1, 2)
    for number, (folder, points) in enumerate(curves):
        for axes, name in ((left, "reward"), (right, "held_out/recall")):
            known = [(point["step"], point[name]) for point in points if name in point]
            if known:
                steps, values = zip(*known, strict=True)
                style = _style(number, folder.name)
                if axes is left:
                    style["markersize"] = 0
                    values = smooth(values)
                axes.plot(steps, values, **style)
    left.set(xlabel="step", ylabel=f"mean reward of the batch, over {_SMOOTH} points")
    right.set(xlabel="step", ylabel="recall on held-out questions", ylim=(0, None))
    _legend(left)
    return True


def _checkpoint(run: Path) -> Path | None:
    """Give the folder of the checkpoint that a run was made of, if it is still there."""
    from marl_eval.shipped import shipped_checkpoint
    from marl_eval.store import RunDirectory

    settings = RunDirectory(run).read_run()["settings"]
    name = str(settings["model_args"].get("adapter") or settings["model"].rpartition(":")[2])
    folder = Path(name)
    return folder if folder.is_dir() else shipped_checkpoint(name)


def smooth(values: Sequence[float]) -> Any:
    """Give the mean of each value with those around it, fewer at the ends; as many as there are."""
    import numpy as np

    window = np.ones(min(_SMOOTH, len(values)))
    known = np.convolve(np.ones(len(values)), window, "same")
    return np.convolve(values, window, "same") / known


def _legend(axes: Any) -> None:
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
