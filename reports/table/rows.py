"""A row of the leaderboard for each run: its settings, its fingerprints, its metrics and its rank."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from marl_eval.reports.table.ranks import headline, ranks

if TYPE_CHECKING:
    from marl_eval.results import MetricResult, Results

Role = Literal["model", "ceiling", "floor"]
Column = str | int | float | bool | None

_REFERENCES: dict[str, Role] = {
    "oracle": "ceiling",
    "echo-gold": "ceiling",
    "prior": "floor",
    "random": "floor",
}
_SETTINGS = [
    "confidence", "reasoning", "analysis", "temperature", "top_p", "max_tokens", "seed", "limit",
    "shots", "force_answer", "logprobs",
]  # fmt: skip
KEY = ("identity", "parsing")
"""The columns in which two rows agree that are one: the same run, read equally strictly."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run on the leaderboard.

    ``identity`` is the SHA-256 of what makes two runs the same run (``marl_eval.identity``); a run
    directory that was not named by the user ends in its first digits. ``role``: a reference that knows
    the answers is a ceiling, one that guesses a floor; neither has a rank. ``rank`` is that among the
    models of ``group``, the rows that may be compared, by the metric ``ranked_by``; None where that
    metric has no interval. ``columns`` are settings, counts and fingerprints by the names of the CSV
    columns, in their order. ``complete``: every request was answered.
    """

    run: str
    path: Path
    identity: str
    role: Role
    rank: int | None
    ranked_by: str | None
    columns: dict[str, Column]
    metrics: dict[str, MetricResult]
    complete: bool

    @property
    def group(self) -> tuple[Column, ...]:
        """What rows have in common that may be compared: the task and its very examples."""
        return group_of(self.columns)

    @property
    def key(self) -> tuple[Column, ...]:
        """What makes this row one with another."""
        return tuple(self.columns[name] for name in KEY)


def group_of(columns: Mapping[str, Any]) -> tuple[Any, ...]:
    """Give what rows that may be compared have in common."""
    return tuple(columns[name] for name in ("task", "split", "data_sha256"))


def make_rows(runs: Sequence[Path], by: str | None = None) -> list[Row]:
    """Make a row of each run, in the order given, ranked among those of the same examples.

    ``by`` is the metric to rank by; else it is the headline of each group (``ranks.headline``).

    Raises:
        UserError: if one is not a scored run, or no run has the metric ``by``, or neither way of it is
            better.
    """
    rows = [_unranked(run) for run in runs]
    groups: dict[tuple[Column, ...], list[int]] = {}
    for place, row in enumerate(rows):
        if row.role == "model":
            groups.setdefault(row.group, []).append(place)
    if by is not None:
        _see_that_it_ranks(rows, by)
    for places in groups.values():
        metrics = [rows[place].metrics for place in places]
        name = headline(metrics) if by is None else by
        if name is None:
            continue
        # A run that is given twice is ahead of others once.
        once = {rows[place].key: rows[place].metrics.get(name) for place in places}
        found = dict(zip(once, ranks(list(once.values())), strict=True))
        for place in places:
            rows[place] = replace(rows[place], rank=found[rows[place].key], ranked_by=name)
    return rows


def _see_that_it_ranks(rows: Sequence[Row], by: str) -> None:
    from marl_eval.errors import UserError, unknown

    having = [row.metrics[by] for row in rows if by in row.metrics]
    if not having:
        raise unknown("metric of these runs named", by, {m for row in rows for m in row.metrics})
    if having[0].better == "neither":
        raise UserError(
            f"The metric {by!r} cannot rank: neither more nor less of it is better. Choose another "
            f"with --by; 'marl-eval metrics' says which way each is better."
        )


def _unranked(path: Path) -> Row:
    from marl_eval.results import read_results
    from marl_eval.store import RunDirectory

    results = read_results(path)
    record = RunDirectory(path).read_run()
    name = path.absolute().name
    identity = _identity(record)
    return Row(
        run=name,
        path=path,
        identity=identity,
        role=role_of(record),
        rank=None,
        ranked_by=None,
        columns={"run": name, **_columns(record, results), "identity": identity},
        metrics=results.metrics,
        complete=results.complete,
    )


def role_of(record: Mapping[str, Any]) -> Role:
    """Say what the run of a ``run.json`` is on a leaderboard."""
    fingerprint = record["model"]
    if fingerprint.get("backend") != "reference":
        return "model"
    return _REFERENCES.get(fingerprint["name"], "model")


def _identity(record: Mapping[str, Any]) -> str:
    from marl_eval.identity import identity

    known = identity(record)
    if record["model"].get("backend") == "import":
        # One file may hold the generations of several systems.
        known["system"] = record["settings"]["model"]
    return _sha256(known)


def _sha256(value: Any) -> str:
    import orjson

    return hashlib.sha256(orjson.dumps(value)).hexdigest()


def _columns(record: Mapping[str, Any], results: Results) -> dict[str, Column]:
    import orjson

    settings, task = record["settings"], record["task"]
    return {
        "model": settings["model"],
        "task": settings["task"],
        "split": task["split"],
        "strategy": settings["strategy"],
        "k": settings["k"],
        "n": settings["n"],
        "examples": results.examples,
        "requests": results.requests,
        "errors": results.errors.failed + results.errors.missing,
        **{name: settings.get(name) for name in _SETTINGS},
        "task_args": orjson.dumps(settings["task_args"], option=orjson.OPT_SORT_KEYS).decode(),
        "parsing": results.parsing,
        "confidence_source": results.confidence,
        "interval": results.interval,
        "resamples": results.resamples,
        "currency": results.currency,
        "task_version": task["version"],
        "data_sha256": task["sha256"],
        "prompt_sha256": record["prompt"]["sha256"],
        "model_sha256": _sha256(record["model"]),
    }
