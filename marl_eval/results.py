"""Every metric of a run, with its interval: what ``results.json`` holds.

``results.json`` holds no clock, no host and no path, so that two runs that should agree are the same
bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from scipy.sparse import issparse

from marl_eval.errors import UserError
from marl_eval.metric import Array, Metric, MetricFamily
from marl_eval.score_table import READ_COLUMNS, ScoreTable, Shape, read_block
from marl_eval.scoring import Scored
from marl_eval.stats import Resampling, percentile_interval, resampling
from marl_eval.store import RESULTS, SCORES, RunDirectory, dump_json, write_whole

SCHEMA_VERSION = 1
LEVEL = 0.95


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MetricResult(_Record):
    """One metric's value."""

    value: float | None = Field(description="the value; null if it is undefined")
    low: float | None = Field(description="lower end of the interval; null if there is none")
    high: float | None = Field(description="upper end of the interval; null if there is none")
    n: int = Field(description="examples that the value rests on, errors left out")
    denominator: float = Field(description="how many things were counted")
    counted: str = Field(description="what was counted")
    better: Literal["higher", "lower", "neither"] = Field(description="which way is better")
    share: float | None = Field(None, description="share of the answers asked for it rests on")
    reason: str | None = Field(None, description="why the value is undefined")


class Errors(_Record):
    """Requests without a completion; they are left out of every metric, never counted as wrong."""

    failed: int = Field(description="requests that failed for good (see errors.jsonl)")
    missing: int = Field(description="requests that were never finished")


class Results(_Record):
    """What ``results.json`` holds."""

    schema_version: int = Field(SCHEMA_VERSION, description="raised when a field changes meaning")
    examples: int = Field(description="examples of the run")
    requests: int = Field(description="generations asked for, follow-ups not counted")
    errors: Errors
    parsing: Literal["lenient", "strict"] = Field(description="what of a malformed text counts")
    interval: str = Field(description="what low and high are")
    resamples: int = Field(description="bootstrap resamples behind each interval")
    deviations: dict[str, int] = Field(description="generations with each deviation of format")
    metrics: dict[str, MetricResult]

    @property
    def complete(self) -> bool:
        """Whether every request was answered."""
        return self.errors.failed == 0 and self.errors.missing == 0


def compute_results(
    run: RunDirectory,
    scored: Scored,
    families: Sequence[MetricFamily],
    *,
    strict: bool,
    resamples: int,
) -> Results:
    """Compute every metric that fits the run from its ``scores.parquet``."""
    metrics = [metric for family in families for metric in family(scored.shape)]
    totals = _add_up(run, metrics, scored.shape, scored.examples, resamples)
    return Results(
        schema_version=SCHEMA_VERSION,
        examples=scored.examples,
        requests=scored.requests,
        errors=Errors(failed=scored.failed, missing=scored.missing),
        parsing="strict" if strict else "lenient",
        interval=f"{LEVEL:.0%} percentile bootstrap over examples",
        resamples=resamples,
        deviations=scored.deviations,
        metrics={
            metric.name: _result(metric, total)
            for metric, total in zip(metrics, totals, strict=True)
        },
    )


@dataclass(slots=True)
class _Total:
    """One metric's statistics added up over examples.

    ``sums`` float64[d] as they are, ``resampled`` float64[resamples, d] under each resample, ``n``
    the examples that contributed anything.
    """

    sums: Array
    resampled: Array
    n: int


def _add_up(
    run: RunDirectory, metrics: Sequence[Metric], shape: Shape, examples: int, resamples: int
) -> list[_Total]:
    """Add up every metric's statistics, block by block."""
    draws = resampling(examples, resamples)
    totals: list[_Total] = []
    file = pq.ParquetFile(run.path / SCORES)
    for block in range(file.num_row_groups):
        table = read_block(file.read_row_group(block, columns=READ_COLUMNS), shape)
        parts = _block_totals(metrics, table, draws, block)
        if not totals:
            totals = parts
            continue
        for total, part in zip(totals, parts, strict=True):
            total.sums += part.sums
            total.resampled += part.resampled
            total.n += part.n
    return totals


def _block_totals(
    metrics: Sequence[Metric], table: ScoreTable, draws: Resampling, block: int
) -> list[_Total]:
    """Add up one block; the weights meet the dense statistics of all metrics in one product."""
    statistics = [metric.statistics(table) for metric in metrics]
    weights = draws.weights(block)
    product = weights @ np.hstack([rows for rows in statistics if not issparse(rows)])
    totals: list[_Total] = []
    column = 0
    for rows in statistics:
        width = rows.shape[1]
        sums: Array = np.asarray(rows.sum(axis=0), dtype=np.float64).reshape(width)
        if issparse(rows):
            resampled: Array = np.ascontiguousarray((rows.T @ weights.T).T)
            contributing = len(np.unique(rows.nonzero()[0]))
        else:
            resampled = product[:, column : column + width].copy()
            column += width
            contributing = int(np.count_nonzero(np.asarray(rows).any(axis=1)))
        totals.append(_Total(sums, resampled, contributing))
    return totals


def _result(metric: Metric, total: _Total) -> MetricResult:
    value = float(metric.finish(total.sums))
    low, high = float("nan"), float("nan")
    if total.n > 1 and len(total.resampled) > 0 and math.isfinite(value):
        low, high = percentile_interval(metric.finish(total.resampled), LEVEL)
    return MetricResult(
        value=_number(value),
        low=_number(low),
        high=_number(high),
        n=total.n,
        denominator=float(metric.denominator(total.sums)),
        counted=metric.counted,
        better=metric.better,
        share=None if metric.share is None else _number(float(metric.share(total.sums))),
        reason=None if math.isfinite(value) else metric.undefined,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def write_results(run: RunDirectory, results: Results) -> None:
    """Write ``results.json``."""
    write_whole(run.path / RESULTS, dump_json(results.model_dump()))


def read_results(path: Path) -> Results:
    """Read the ``results.json`` of a run directory.

    Raises:
        UserError: if the run has not been scored, or by a version this one cannot read.
    """
    RunDirectory(path).read_run()
    try:
        return Results.model_validate_json((path / RESULTS).read_bytes())
    except FileNotFoundError:
        raise UserError(
            f"{path} has no {RESULTS} yet: finish the run, or score what there is with "
            f"'marl-eval score {path}'."
        ) from None
    except ValidationError as error:
        raise UserError(
            f"{path / RESULTS} is not of schema version {SCHEMA_VERSION}: score the run again with "
            f"'marl-eval score {path}'."
        ) from error
