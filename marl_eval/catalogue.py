"""Every installed metric, as the terminal and the documentation list them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from marl_eval.metric import Metric
from marl_eval.money import Price
from marl_eval.plugins import found, load_metric_family
from marl_eval.score_table import SET, Shape

_PART = re.compile(r"^(Source|Checked against):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric, or all points of one curve, with its docstring taken apart.

    ``name`` of a curve ends in ``@k``. ``formula`` is the docstring's second paragraph, ``notes`` what
    follows it, ``source`` and ``checked`` its last two parts.
    """

    family: str
    name: str
    metric: Metric
    summary: str
    formula: str
    notes: str
    source: str
    checked: str


def catalogue() -> list[Entry]:
    """List every metric once, family by family.

    The metrics of further sources of confidence (``ece_frequency`` and so on) are those of the stated
    confidences; they are left out.
    """
    entries: dict[str, Entry] = {}
    for family in found("metrics"):
        for metric in _of_family(family):
            name = metric.name if metric.curve is None else f"{metric.curve[0]}@k"
            if name not in entries:
                entries[name] = _entry(family, name, metric)
    return list(entries.values())


def _of_family(family: str) -> Iterator[Metric]:
    make = load_metric_family(family)
    for shape in _shapes():
        yield from make(shape)


def _shapes() -> Iterator[Shape]:
    """Give runs that between them have every metric."""
    for members in (1, 3):
        yield Shape(
            k=3,
            sets=2,
            members=members,
            exclusive=True,
            levels={"text": np.array([0.5]), SET: np.array([0.5])},
            weighted=True,
            reference="exclusive",
            truth=True,
            overlap=True,
            price=Price(1, 1, "USD"),
            programs=True,
        )


def _entry(family: str, name: str, metric: Metric) -> Entry:
    body, *parts = _PART.split(metric.doc)
    told = dict(zip(parts[::2], parts[1::2], strict=True))
    summary, formula, notes = [*body.split("\n\n", 2), "", ""][:3]
    return Entry(
        family=family,
        name=name,
        metric=metric,
        summary=_line(summary),
        formula=_line(formula),
        notes=_line(notes),
        source=_line(told.get("Source", "")),
        checked=_line(told.get("Checked against", "")),
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def to_markdown(entries: list[Entry]) -> str:
    """Write the catalogue as the page ``docs/metrics.md``."""
    lines = [_HEAD]
    for family in dict.fromkeys(entry.family for entry in entries):
        own = [entry for entry in entries if entry.family == family]
        lines += [
            f"## {family}",
            "",
            "| metric | what it is | range | better |",
            "|---|---|---|---|",
        ]
        lines += [_row(entry) for entry in own]
        for entry in own:
            lines += ["", f"### `{entry.name}`", "", *_section(entry)]
        lines.append("")
    return "\n".join(lines)


_HEAD = """# Metrics

This page is made by `marl-eval metrics --markdown`; a test holds it to what is installed.

Every metric is a sum over examples and a finish. Intervals resample examples, with all of their
generations. A request that failed is left out and counted apart (`error_rate`); an answer that cannot
be read covers nothing. Where a metric rests on a part of the answers only, `results.json` gives the
`share`. `ece`, `auroc` and the other metrics of `calibration`, and `aurc`, are told of every source of
confidence: the stated ones under these names; as `..._logprob` and `..._frequency` where
log-probabilities were stored or several generations made. For each metric
`tests/metrics/test_by_hand.py` has an example worked by hand, and `tests/metrics/test_independent.py`
the comparison named here. Ranges that depend on the run are those of two sets of three answers.
"""


def _row(entry: Entry) -> str:
    low, high = entry.metric.bounds
    summary = entry.summary.replace("|", "\\|")
    return f"| `{entry.name}` | {summary} | [{low:g}, {high:g}] | {entry.metric.better} |"


def _section(entry: Entry) -> list[str]:
    formula = entry.formula if "`" in entry.formula else f"`{entry.formula}`"
    return [
        formula,
        "",
        f"{entry.notes} Counted: {entry.metric.counted}. NaN if {entry.metric.undefined}.",
        "",
        f"Source: {entry.source}",
        "",
        f"Checked against: {entry.checked}",
    ]
