"""Figures of runs: recall over answers, distinct answers, reliability, and how checkpoints were trained.

Lines differ by dash and marker as well as by colour, so that they can be told apart in grey; the colours
are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can tell apart.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
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


def _styles(runs: Sequence[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    for number, run in enumerate(runs):
        yield (
            run,
            {
                "color": COLOURS[number % len(COLOURS)],
                "linestyle": DASHES[number % len(DASHES)],
                "marker": MARKERS[number % len(MARKERS)],
                "markersize": 4,
                "label": run.name,
            },
        )


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
    drawn = False
    for run, style in _styles(runs):
        points = curve(read_results(run), "recall")
        if not points:
            continue
        at, value, low, high = zip(*points, strict=True)
        axes.plot(at, value, **style)
        axes.fill_between(at, low, high, color=style["color"], alpha=0.15, linewidth=0)
        drawn = True
    axes.set(xlabel="answers asked for", ylabel="recall of the gold set", ylim=(0, None))
    _legend(axes, drawn)
    return drawn


def draw_distinct(figure: Any, runs: Sequence[Path]) -> bool:
    """Draw how many of a question's answers are different, as shares of the questions."""
    import numpy as np

    axes = figure.subplots()
    drawn = False
    for run, style in _styles(runs):
        counts = distinct_answers(run)
        if counts is None:
            continue
        share = np.bincount(counts) / len(counts)
        label = f"{style.pop('label')} (mean {counts.mean():.1f})"
        axes.plot(np.arange(len(share)), share, drawstyle="steps-mid", label=label, **style)
        drawn = True
    axes.set(xlabel="different answers to a question", ylabel="share of questions", ylim=(0, None))
    _legend(axes, drawn)
    return drawn


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
    """Draw how often answers are right by their confidence, and below how many there are."""
    import numpy as np

    found = [(run, style, reliability(run)) for run, style in _styles(runs)]
    found = [one for one in found if one[2] is not None]
    if not found:
        return False
    axes, sizes = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="calibrated")
    for number, (_, style, bins) in enumerate(found):
        confidence, accuracy, low, high, count = bins
        # Side by side, so that the intervals of one run do not hide another's.
        x = confidence + 0.006 * (number - len(found) / 2)
        axes.errorbar(x, accuracy, yerr=[accuracy - low, high - accuracy], capsize=2, **style)
        width = 0.8 / BINS / len(found)
        place = (np.arange(BINS) + 0.5) / BINS + width * (number - len(found) / 2 + 0.5)
        sizes.bar(place, count, width=width, color=style["color"])
    axes.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1))
    sizes.set(xlabel="stated confidence", ylabel="answers")
    _legend(axes, drawn=True)
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
    for (folder, points), (_, style) in zip(curves, _styles([f for f, _ in curves]), strict=True):
        style["markersize"] = 0
        for axes, name in ((left, "reward"), (right, "held_out/recall")):
            known = [(point["step"], point[name]) for point in points if name in point]
            if known:
                dots = {**style, "markersize": 4} if axes is right else style
                axes.plot(*zip(*known, strict=True), **{**dots, "label": folder.name})
    left.set(xlabel="step", ylabel="mean reward of the batch")
    right.set(xlabel="step", ylabel="recall on held-out questions", ylim=(0, None))
    _legend(left, drawn=True)
    return True


def _checkpoint(run: Path) -> Path | None:
    """Give the folder of the checkpoint that a run was made of, if it is still there."""
    from marl_eval.shipped import shipped_checkpoint
    from marl_eval.store import RunDirectory

    settings = RunDirectory(run).read_run()["settings"]
    name = str(settings["model_args"].get("adapter") or settings["model"].rpartition(":")[2])
    folder = Path(name)
    return folder if folder.is_dir() else shipped_checkpoint(name)


def _legend(axes: Any, drawn: bool) -> None:
    if drawn:
        axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
