"""What the tables of a page hold: numbers with their intervals, and what each rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from marl_eval.catalogue import Entry, catalogue
from marl_eval.comparison.differences import Comparison, Difference, compare
from marl_eval.comparison.verdict import SIGNIFICANT, verdict
from marl_eval.errors import UserError
from marl_eval.reports.page.groups import Group, Member
from marl_eval.reports.table.board import place_of
from marl_eval.reports.table.rows import Row, make_rows
from marl_eval.results import MetricResult
from marl_eval.show import notes, number

HEADLINES = {
    "recall": "recall",
    "correct_answers": "right answers",
    "hit@1": "first answer right",
    "distinct_answers": "different answers",
    "multi_brier": "Brier score",
    "ece": "calibration error",
    "auroc": "AUROC",
    "tokens_per_example": "tokens an example",
    "tokens_per_correct_answer": "tokens a right answer",
    "format_ok": "format kept",
}
"""The metrics of the leaderboard and of a comparison's first table, and what they are headed."""

EQUAL_TERMS = {
    "tokens_at_equal_recall": (
        "Generated tokens of a question at the highest recall that both runs reach."
    ),
    "recall_at_equal_tokens": "Recall at the most tokens of a question that both runs spend.",
    "recall_area_at_equal_tokens": (
        "Mean height of the curve of recall against tokens, up to the most tokens that both spend."
    ),
}
"""What a comparison tells besides metrics; see ``marl_eval.comparison.differences.EQUAL_TERMS``."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as it is shown: rounded, with its interval and what it rests on.

    ``why`` there is no interval, where there is a value and none. ``exact`` are the numbers that were
    rounded, by the name of their ``data-`` attribute.
    """

    shown: str
    interval: str
    rests: str
    why: str
    exact: dict[str, str]


@dataclass(frozen=True, slots=True)
class MetricLine:
    """One metric of every run of a group; ``about`` is the id of its explanation on the page."""

    name: str
    about: str | None
    better: str
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard of a group, in order of rank; ``ranked_by`` is the metric that ranks.

    ``first`` are the models of the first rank with that metric, the best value first; empty where there
    is but one model. ``sizes_differ``: the models' sets do not all have the same k.
    """

    metrics: list[str]
    ranked_by: str | None
    rows: list[tuple[Member, Row, list[Cell | None]]]
    first: list[tuple[Member, Cell | None]]
    sizes_differ: bool


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """One metric of a comparison, with its difference in words; ``side`` styles them."""

    name: str
    about: str | None
    found: Difference
    side: str
    words: str


@dataclass(frozen=True, slots=True)
class Versus:
    """A run compared with the first of its group; ``refused`` says why it could not be."""

    base: Member
    other: Member
    refused: str
    comparison: Comparison | None = None
    sentence: str = ""
    lines: tuple[DifferenceLine, ...] = ()
    notes: tuple[str, ...] = ()


def cell(metric: MetricResult | None) -> Cell | None:
    """Give a metric as it is shown; None if the run does not have it."""
    if metric is None:
        return None
    rests = f"{metric.denominator:,.10g} {metric.counted}"
    if metric.counted != "examples":
        rests += f" of {metric.n:,} examples"
    if metric.share is not None and metric.share < 1:
        rests += f", {metric.share:.1%} of those asked for"
    interval = why = ""
    if metric.value is None:
        rests = f"undefined: {metric.reason}"
    elif metric.low is None or metric.high is None:
        why = metric.no_interval or "not told"
    else:
        interval = f"[{number(metric.low)}, {number(metric.high)}]"
    exact = {
        name: "" if value is None else repr(value)
        for name, value in (
            ("value", metric.value), ("low", metric.low), ("high", metric.high),
            ("n", metric.n), ("denominator", metric.denominator),
        )
    }  # fmt: skip
    return Cell(number(metric.value), interval, rests, why, exact)


def board(group: Group) -> Board:
    """Make the leaderboard of a group: ceilings first, then models by rank, then floors."""
    rows = make_rows([member.path for member in group.members])
    metrics = [
        name
        for name in HEADLINES
        if any(name in member.results.metrics for member in group.members)
    ]
    entries = [
        (member, row, [cell(member.results.metrics.get(name)) for name in metrics])
        for member, row in zip(group.members, rows, strict=True)
    ]
    entries.sort(key=lambda entry: place_of(entry[1]))
    ranked_by = next((row.ranked_by for row in rows if row.ranked_by is not None), None)
    models = [(member, row) for member, row, _ in entries if row.role == "model"]
    first = [
        (member, cell(row.metrics.get(ranked_by or "")))
        for member, row in models
        if row.rank == 1 and len(models) > 1
    ]
    sizes = {row.columns["k"] for _, row in models}
    return Board(metrics, ranked_by, entries, first, len(sizes) > 1)


def metric_lines(group: Group) -> dict[str, list[MetricLine]]:
    """Give every metric of the runs of a group, by family."""
    found = [member.results.metrics for member in group.members]
    known: dict[str, MetricResult] = {}
    for one in found:
        for name, metric in one.items():
            known.setdefault(name, metric)
    lines: dict[str, list[MetricLine]] = {}
    for name, metric in known.items():
        entry = _entry(name, metric.curve)
        line = MetricLine(
            name, about(name, metric.curve), metric.better, [cell(one.get(name)) for one in found]
        )
        lines.setdefault("other" if entry is None else entry.family, []).append(line)
    return lines


def comparisons(group: Group, resamples: int) -> list[Versus]:
    """Compare each run of a group with the first."""
    base, *others = group.members
    return [_versus(base, other, resamples) for other in others]


def _versus(base: Member, other: Member, resamples: int) -> Versus:
    try:
        found = compare(base.path, other.path, resamples=resamples)
    except UserError as error:
        return Versus(base, other, refused=str(error))
    lines = [
        DifferenceLine(name, about(name, None), one, *_side(one, base.name, other.name))
        for name, one in found.metrics.items()
        if one.p is not None
    ]
    order = {name: place for place, name in enumerate(HEADLINES)}
    lines.sort(key=lambda line: order.get(line.name, len(order)))
    told = [
        f"{found.examples:,} examples, paired. A difference is called real where its p-value stays "
        f"below {SIGNIFICANT:g} after Holm's correction for {len(lines)} metrics. 'Detectable' is "
        f"the difference that so many examples show with a chance of 80 %."
    ]
    undefined = [name for name, one in found.metrics.items() if one.p is None]
    if undefined:
        reasons = sorted({one.reason or "" for one in found.metrics.values() if one.p is None})
        told.append(f"No difference to tell ({'; '.join(reasons)}): {', '.join(undefined)}.")
    if found.failed:
        told.append(
            f"{found.failed:,} examples are left out: a request failed or is missing in one of the two."
        )
    sentence = verdict(found, base.name, other.name)
    sets = [member.record["layout"]["sets"] for member in (base, other)]
    if sets[0] != sets[1]:
        # Right answers are those of one set, tokens those of all.
        sentence += f" {base.name} makes {sets[0]} and {other.name} {sets[1]} sets a question."
    return Versus(base, other, "", found, sentence, tuple(lines), tuple(told))


def _side(one: Difference, base: str, other: str) -> tuple[str, str]:
    """Say which run is better, as a style and in words."""
    if one.p_holm is None or one.p_holm > SIGNIFICANT or one.difference is None:
        return "none", "no difference that could be told"
    if one.better == "neither":
        return "differs", "they differ"
    second = (one.difference > 0) == (one.better == "higher")
    return ("better", f"{other} is better") if second else ("worse", f"{base} is better")


def trouble(member: Member) -> str:
    """Say what must stand beside every number of a run; empty if every request was answered."""
    errors = member.results.errors
    if member.so_far is not None:
        done, total = member.so_far
        failed = f", of which {errors.failed:,} failed" if errors.failed else ""
        return f"so far: {done:,} of {total:,} requests{failed}"
    parts = [f"{errors.failed:,} failed"] if errors.failed else []
    parts += [f"{errors.missing:,} missing"] if errors.missing else []
    return f"{' and '.join(parts)} of {member.results.requests:,} requests" if parts else ""


def remarks(member: Member) -> list[str]:
    """Say what must be known to read the numbers of a run."""
    told = notes(member.results)
    if member.so_far is not None:
        told = [note for note in told if not note.startswith("ERRORS")]
    return told


def about(name: str, curve: str | None) -> str | None:
    """Give the id of the explanation of a metric; None if it is not in the catalogue."""
    if name in EQUAL_TERMS:
        return f"about-{name}"
    entry = _entry(name, curve)
    return None if entry is None else f"about-{entry.name.replace('@', '-at-')}"


def explanations(names: Mapping[str, str | None]) -> list[tuple[str, Entry]]:
    """Give id and entry of what explains each of some metrics, given with their curves."""
    found = {entry.name: entry for n, c in names.items() if (entry := _entry(n, c)) is not None}
    return [(about(name, None) or "", entry) for name, entry in found.items()]


@cache
def _entries() -> dict[str, Entry]:
    return {entry.name: entry for entry in catalogue()}


@cache
def _entry(name: str, curve: str | None) -> Entry | None:
    """Find what explains a metric: its own entry, that of its curve, or of the same from the text."""
    known = _entries()
    if curve is not None and f"{curve}@k" in known:
        return known[f"{curve}@k"]
    stem, _, point = name.partition("@")
    for tried in (name, f"{stem}@k" if point else name, name.rpartition("_")[0]):
        if tried in known:
            return known[tried]
    return None


def names_of(groups: Sequence[Group]) -> dict[str, str | None]:
    """Give the metrics of all runs with the curve that each is a point of."""
    return {
        name: metric.curve
        for group in groups
        for member in group.members
        for name, metric in member.results.metrics.items()
    }


def described(member: Member) -> dict[str, Any]:
    """Tell how a run asked, in a few words each."""
    settings = member.record["settings"]
    n = settings["n"]
    k = settings["k"]
    how = {
        "multi": f"{k} answers in one generation",
        "best-of-k": f"one answer in each of {k} generations",
        "single": "one answer",
    }.get(settings["strategy"], str(settings["strategy"]))
    return {
        "model": settings["model"],
        "how": how if n == 1 else f"{how}, {n} times",
        "temperature": settings.get("temperature"),
    }
