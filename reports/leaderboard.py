"""The leaderboard: one row for each run, every metric with its interval, as CSV."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

SCHEMA_VERSION = 2


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.")],
    csv: Annotated[Path | None, typer.Option(help="File to write.  [default: stdout]")] = None,
) -> None:
    """Write one CSV row for each run, with every metric and its interval."""
    rows = [leaderboard_row(run) for run in runs]
    text = to_csv(rows)
    if csv is None:
        sys.stdout.write(text)
        return
    from marl_eval.store import write_whole

    write_whole(csv, text.encode("utf-8"))
    print(f"{csv}: {len(rows)} rows", file=sys.stderr)


def leaderboard_row(path: Path) -> dict[str, Any]:
    """Give a run's row: settings, counts and errors, then value, low and high of each metric.

    Raises:
        UserError: if this is not a scored run.
    """
    from marl_eval.results import read_results
    from marl_eval.store import RunDirectory

    results = read_results(path)
    record = RunDirectory(path).read_run()
    settings, task = record["settings"], record["task"]
    row: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run": path.name,
        "model": settings["model"],
        "task": settings["task"],
        "split": task["split"],
        "data_sha256": task["sha256"],
        "strategy": settings["strategy"],
        "k": settings["k"],
        "n": settings["n"],
        "confidence": settings["confidence"],
        "temperature": settings["temperature"],
        "seed": settings["seed"],
        "prompt_sha256": record["prompt"]["sha256"],
        "examples": results.examples,
        "requests": results.requests,
        "errors": results.errors.failed + results.errors.missing,
        "parsing": results.parsing,
        "confidence_source": results.confidence,
        "interval": results.interval,
    }
    for name, metric in results.metrics.items():
        row[name] = metric.value
        row[f"{name}_low"] = metric.low
        row[f"{name}_high"] = metric.high
    return row


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Write rows as CSV; a run without a metric leaves its cells empty.

    Numbers are written in full. A text that a spreadsheet would take for a formula is preceded by
    an apostrophe.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue()


def _inert(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
