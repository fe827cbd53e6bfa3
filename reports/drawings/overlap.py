"""Two generations of one question side by side, with the wording that they share highlighted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from marl_eval.reports.drawings.style import looks, told

if TYPE_CHECKING:
    from marl_eval.results import Results

_WORD = re.compile(r"[^\W_]+")
_N = 3
_POINTS = 7.5
_ADVANCE = 1233 / 2048
"""Width of a sign of DejaVu Sans Mono, over its size."""
_COLUMNS, _MOST_LINES, _GAP = 52, 60, 0.35
_SIGN, _LINE = _ADVANCE * _POINTS / 72, 1.35 * _POINTS / 72
"""Inches of a sign and of a line."""
_SHARED = "#F5C55A"
_TOLD = {
    "overlap_3gram": "3-grams",
    "overlap_4gram": "4-grams",
    "overlap_jaccard": "Jaccard",
    "overlap_rouge_l": "ROUGE-L",
}


class Pair(NamedTuple):
    """Two generations of an example that follow each other, and how much their reasoning overlaps."""

    row: int
    example: str
    samples: tuple[int, int]
    texts: tuple[str, str]
    overlaps: dict[str, float]


def draw_overlap(figure: Any, runs: Sequence[Path], example: str | None = None) -> bool:
    """Draw the reasoning of two generations, with the 3-grams of words that both have highlighted.

    The run is the first of which generations were compared, one of single answers before others; the
    pair that of ``example``, or else of the example, whose 3-gram overlap is nearest the median.

    Raises:
        UserError: if no run has compared generations of the example that was asked for.
    """
    from marl_eval.results import read_results

    run = chosen_run(runs)
    if run is None:
        return False
    pair = nearest_median(run, example)
    figure.set_layout_engine("none")
    texts = [shown(text) for text in pair.texts]
    lines = [list(wrapped(text)) for text in texts]
    height = min(max(map(len, lines)), _MOST_LINES + 1) + 1
    side = _COLUMNS * _SIGN
    size = (2 * side + 3 * _GAP, height * _LINE + 1.0)
    figure.set_size_inches(*size)
    _head(figure, size, looks(runs)[run].label, pair, read_results(run))
    shared = ngrams(texts[0]) & ngrams(texts[1])
    for column, (text, own) in enumerate(zip(texts, lines, strict=True)):
        left = _GAP + column * (side + _GAP)
        axes = figure.add_axes(
            (left / size[0], 0.1 / size[1], side / size[0], height * _LINE / size[1])
        )
        axes.set(xlim=(0, _COLUMNS), ylim=(height, 0))
        axes.axis("off")
        _column(axes, f"Generation {pair.samples[column] + 1}", text, own, shared)
    return True


def _head(figure: Any, size: tuple[float, float], label: str, pair: Pair, results: Results) -> None:
    """Write what is shown, and a small table of the overlaps of the pair and of the whole run."""

    def write(left: float, line: int, text: str, **more: Any) -> None:
        top = size[1] - 0.12 - line * 0.18
        figure.text((_GAP + left) / size[0], top / size[1], text, va="top", fontsize=8, **more)

    write(0, 0, f"{label}; question {_cut(pair.example, 60)}", weight="bold")
    write(0, 2, "these two generations")
    write(0, 3, "mean of all such pairs of the run")
    for place, (name, heading) in enumerate(_TOLD.items()):
        left = 2.0 + 1.33 * place
        write(left, 1, heading)
        own = pair.overlaps[name]
        write(left, 2, "-" if math.isnan(own) else f"{own:.3f}")
        write(left, 3, told(results.metrics[name]))


def _column(
    axes: Any, heading: str, text: str, lines: Sequence[tuple[int, int]], shared: set[Ngram]
) -> None:
    from matplotlib.patches import Rectangle

    axes.text(0, 0.8, heading, fontsize=8, weight="bold", va="baseline")
    marked = list(highlighted(text, shared))
    for number, (start, end) in enumerate(lines[:_MOST_LINES], start=1):
        for first, last in marked:
            left, right = max(first, start), min(last, end)
            if left < right:
                axes.add_patch(
                    Rectangle(
                        (left - start, number + 0.05),
                        right - left,
                        0.95,
                        color=_SHARED,
                        linewidth=0,
                    )
                )
        _text(axes, number, text[start:end])
    if len(lines) > _MOST_LINES:
        rest = len(text[lines[_MOST_LINES][0] :].split())
        _text(axes, _MOST_LINES + 1, f"… and {rest:,} more words")


def _text(axes: Any, line: int, text: str) -> None:
    axes.text(
        0, line + 0.8, text, fontsize=_POINTS, family="DejaVu Sans Mono", va="baseline"
    )  # fmt: skip


def chosen_run(runs: Sequence[Path]) -> Path | None:
    """Give the first run whose generations were compared, those of one answer each before others."""
    from marl_eval.results import read_results
    from marl_eval.store import RunDirectory

    compared = []
    for run in runs:
        overlap = read_results(run).metrics.get("overlap_3gram")
        if overlap is not None and overlap.value is not None:
            layout = RunDirectory(run).read_run()["layout"]
            compared.append((layout["k"] > layout["members"], run))
    return min(compared, key=lambda one: one[0])[1] if compared else None


def nearest_median(run: Path, example: str | None = None) -> Pair:
    """Give the pair of generations whose 3-gram overlap is nearest the median, the first of equals.

    Of all pairs of the run, or of those of one example.

    Raises:
        UserError: if the run has no pair of that example.
    """
    from pyarrow import parquet

    from marl_eval.errors import UserError
    from marl_eval.store import SCORES, RunDirectory

    layout = RunDirectory(run).read_run()["layout"]
    columns = ["example", "sample", *_TOLD]
    table = parquet.read_table(run / SCORES, columns=columns).to_pandas()
    table["row"] = table.index // (layout["sets"] * layout["k"])
    pairs = table.dropna(subset=["overlap_3gram"])
    if example is not None:
        pairs = pairs[pairs["example"] == example]
        if pairs.empty:
            raise UserError(
                f"{run} has no example {example!r} of which two generations with reasoning were "
                f"compared; 'marl-eval show {run} --example 0' shows the first."
            )
    values = pairs["overlap_3gram"]
    chosen = pairs.loc[(values - values.median()).abs().idxmin()]
    first = int(chosen["sample"])
    row = int(chosen["row"])
    texts = reasoning(run, row, (first, first + 1))
    overlaps = {name: float(chosen[name]) for name in _TOLD}
    return Pair(row, str(chosen["example"]), (first, first + 1), texts, overlaps)


def reasoning(run: Path, row: int, samples: tuple[int, int]) -> tuple[str, str]:
    """Give the reasoning of two generations of an example."""
    from marl_eval.answers import AnswerFormat
    from marl_eval.answers.parsing import reader
    from marl_eval.line_index import index_lines
    from marl_eval.lines import read_lines
    from marl_eval.scoring.score_rows import reasoning_text
    from marl_eval.store import RunDirectory
    from marl_eval.types import Completion

    directory = RunDirectory(run)
    fmt = AnswerFormat(**directory.read_run()["format"])
    index = index_lines(directory.completions)
    found = read_lines(directory.completions, index, index.rows(row, row + 1), Completion)
    lines = {line.sample: line for line in found if line.stage == 0}
    read = reader(fmt)
    one, other = (
        reasoning_text(line, read(line.text, line.reasoning, line.thinking_opened).reasoning_end)
        for line in (lines[sample] for sample in samples)
    )
    return one, other


Ngram = tuple[str, ...]


def ngrams(text: str) -> set[Ngram]:
    """Give the 3-grams of words of a text, in lower case."""
    words = [match.group().lower() for match in _WORD.finditer(text)]
    return {tuple(words[at : at + _N]) for at in range(len(words) - _N + 1)}


def highlighted(text: str, shared: set[Ngram]) -> Iterator[tuple[int, int]]:
    """Give the parts of a text, as (first, end), whose words belong to a 3-gram of ``shared``.

    What stands between two such words, if they follow each other, belongs to the part.
    """
    words = list(_WORD.finditer(text))
    marked = [False] * len(words)
    for at in range(len(words) - _N + 1):
        if tuple(word.group().lower() for word in words[at : at + _N]) in shared:
            marked[at : at + _N] = [True] * _N
    start = None
    for place, (word, own) in enumerate(zip(words, marked, strict=True)):
        if own and start is None:
            start = word.start()
        if start is not None and not (own and place + 1 < len(words) and marked[place + 1]):
            yield start, word.end()
            start = None


def shown(text: str) -> str:
    """Give a text as it is drawn: control characters visible, tabs as spaces, no blank ends."""
    from marl_eval.inert import inert

    return inert(text.replace("\r\n", "\n").replace("\t", " ")).strip()


def wrapped(text: str) -> Iterator[tuple[int, int]]:
    """Give the lines of a text as (first, end), broken at spaces where they are too long."""
    for paragraph in re.finditer(r"[^\n]+", text):
        start, end = paragraph.span()
        while end - start > _COLUMNS:
            cut = text.rfind(" ", start, start + _COLUMNS + 1)
            if cut <= start:
                cut = start + _COLUMNS
            yield start, cut
            start = cut + (text[cut] == " ")
        yield start, end


def _cut(text: str, most: int) -> str:
    line = " ".join(shown(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
