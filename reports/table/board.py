"""What people see of the leaderboard, whatever it is written in: sections, lines, cells and notes.

A section holds the rows that may be compared: those of one task and the same examples. Ceilings come
first, then the models by rank, then floors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marl_eval.reports.table.ranks import ranks
from marl_eval.reports.table.rows import Row
from marl_eval.reports.table.text import one_line, rests_on

if TYPE_CHECKING:
    from marl_eval.results import MetricResult

MARK = "†"
"""Marks a row whose run has errors."""

ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}
_ORDER = ["ceiling", "model", "floor"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A metric of a row; ``best`` if no model of the section is better by more than chance."""

    name: str
    metric: MetricResult | None
    best: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it is shown: ``labels`` under the section's headings, then the cells."""

    row: Row
    labels: list[str]
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one task and the same examples; ``better`` says which way each metric is."""

    title: str
    headings: list[str]
    better: dict[str, str]
    lines: list[Line]
    notes: list[str]


def make_board(rows: Sequence[Row], metrics: Sequence[str] | None = None) -> list[Section]:
    """Arrange rows for people, with the named metrics, or those that matter most.

    Raises:
        UserError: if no row has a metric that was named.
    """
    for name in metrics or []:
        if not any(name in row.metrics for row in rows):
            from marl_eval.errors import unknown

            raise unknown(
                "metric of these runs named", name, {own for row in rows for own in row.metrics}
            )
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return [_section(own, metrics) for own in groups.values()]


def main_metrics(rows: Sequence[Row]) -> list[str]:
    """Name the metrics that matter most, of those that some of the rows have.

    Recall is of a set; beside it stands recall at the largest number of answers that all models
    gave, where there is one.
    """
    models = [row for row in rows if row.role == "model"] or list(rows)
    points = [
        {one.at for one in row.metrics.values() if one.curve == "recall" and one.at is not None}
        for row in models
    ]
    common = set.intersection(*points) if points else set()
    sizes = {row.columns["k"] for row in models}
    names = ["recall"]
    # At the size of every set it would be recall again.
    names += [f"recall@{max(common):g}"] if common and sizes != {max(common)} else []
    names += [f"hit@{size}" if size != 1 else "pass@1" for size in sizes if len(sizes) == 1]
    names += [
        "precision", "distinct_answers", "multi_brier", "ece", "set_brier", "tokens_per_example",
        "tokens_per_correct_answer",
    ]  # fmt: skip
    return [
        name
        for name in names
        if any(name in row.metrics and row.metrics[name].value is not None for row in rows)
    ]


def _section(rows: Sequence[Row], wanted: Sequence[str] | None) -> Section:
    names = main_metrics(rows) if wanted is None else list(wanted)
    ordered = sorted(rows, key=place_of)
    best = {name: _best(ordered, name) for name in names}
    headings, labels = _labels(ordered)
    lines = [
        Line(
            row,
            labels[place],
            [Cell(name, row.metrics.get(name), best[name][place]) for name in names],
        )
        for place, row in enumerate(ordered)
    ]
    better = {name: _better(ordered, name) for name in names}
    first = ordered[0].columns
    title = (
        f"{one_line(str(first['task']))}, {one_line(str(first['split']))}, "
        f"data {str(first['data_sha256'])[:8] or 'unknown'}"
    )
    return Section(title, headings, better, lines, _notes(ordered, names))


def place_of(row: Row) -> tuple[int, float, float]:
    """Say where a row stands: by role, by rank, then by the value ranked by, the better first."""
    metric = None if row.ranked_by is None else row.metrics.get(row.ranked_by)
    value = 0.0 if metric is None or metric.value is None else metric.value
    toward = -value if metric is not None and metric.better == "higher" else value
    return _ORDER.index(row.role), float("inf") if row.rank is None else row.rank, toward


def _best(rows: Sequence[Row], name: str) -> list[bool]:
    """Say which rows are first among the models by a metric; none if there is but one model."""
    models = [place for place, row in enumerate(rows) if row.role == "model"]
    found = ranks([rows[place].metrics.get(name) for place in models])
    best = [False] * len(rows)
    if len([rank for rank in found if rank is not None]) > 1:
        for place, rank in zip(models, found, strict=True):
            best[place] = rank == 1
    return best


def _better(rows: Sequence[Row], name: str) -> str:
    return next((row.metrics[name].better for row in rows if name in row.metrics), "neither")


def _labels(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Give the headings of what tells the rows apart, and each row's labels."""
    columns = ["model", "strategy", "k", "n", "examples"]
    told = [tuple(row.columns[name] for name in columns) for row in rows]
    if len(set(told)) < len(told):
        columns = ["run", *columns]
    labels = []
    for row in rows:
        rank = row.role if row.role != "model" else "-" if row.rank is None else str(row.rank)
        own = [one_line(str(row.columns[name])) for name in columns]
        own[0] += "" if row.complete else f" {MARK}"
        labels.append([rank, *own])
    return ["rank", *columns], labels


def _notes(rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Say what must be known to read the numbers: errors first."""
    models = [row for row in rows if row.role == "model"]
    notes = [_error(row) for row in rows if not row.complete]
    ranked = next((row.ranked_by for row in models if row.ranked_by is not None), None)
    kinds = sorted({str(row.columns["interval"]) for row in rows})
    notes.append(f"Value with its interval: {' or '.join(map(one_line, kinds))}.")
    if ranked is not None:
        notes.append(
            f"Rank by {one_line(ranked)}: 1 + the models whose interval lies wholly on the better "
            f"side; overlapping intervals tie."
        )
    if any(row.role != "model" for row in rows):
        notes.append(
            "Ceiling: a reference that knows the answers, and gives the same set each time; floor: one "
            "that guesses. Neither is ranked."
        )
    if ranked is not None and len({row.columns["k"] for row in models}) > 1:
        notes.append(
            "The sets differ in k, and metrics of a set grow with it; recall@k compares equal "
            "numbers of answers."
        )
    if any(row.columns["parsing"] == "strict" for row in rows):
        strict = [one_line(row.run) for row in rows if row.columns["parsing"] == "strict"]
        notes.append(f"Only what a training reward accepts counts for: {', '.join(strict)}.")
    if any(rests_on(row.metrics[name]) for row in rows for name in names if name in row.metrics):
        notes.append(
            "In round brackets: the share of the answers asked for that the value rests on."
        )
    return notes


def _error(row: Row) -> str:
    left_out = row.metrics.get("error_rate")
    share = (
        "" if left_out is None or left_out.value is None else f", {left_out.value:.1%} of the sets"
    )
    return (
        f"{MARK} ERRORS in {one_line(row.run)}: {row.columns['errors']} of {row.columns['requests']} "
        f"requests failed or are missing; its numbers leave out what they spoil{share}."
    )
