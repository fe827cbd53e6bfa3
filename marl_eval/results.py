"""Every metric of a run, with its interval: what ``results.json`` holds.

``results.json`` holds no clock, no host and no path, so that two runs that should agree are the same
bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
    sums, resampled, n = _add_up(run, metrics, scored.shape, scored.examples, resamples)
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
            metric.name: _result(metric, total, again, n)
            for metric, total, again in zip(metrics, sums, resampled, strict=True)
        },
    )


def _add_up(
    run: RunDirectory, metrics: Sequence[Metric], shape: Shape, examples: int, resamples: int
) -> tuple[list[Array], list[Array], int]:
    """Sum every metric's statistics, as they are and under each resample, block by block.

    Also count the examples with at least one set that no error spoiled.
    """
    draws = resampling(examples, resamples)
    sums: list[Array] = []
    resampled: list[Array] = []
    n = 0
    file = pq.ParquetFile(run.path / SCORES)
    for block in range(file.num_row_groups):
        table = read_block(file.read_row_group(block, columns=READ_COLUMNS), shape)
        n += int(table.valid.any(axis=1).sum())
        for position, (total, again) in enumerate(_block_sums(metrics, table, draws, block)):
            if block == 0:
                sums.append(total)
                resampled.append(again)
            else:
                sums[position] += total
                resampled[position] += again
    return sums, resampled, n


def _block_sums(
    metrics: Sequence[Metric], table: ScoreTable, draws: Resampling, block: int
) -> list[tuple[Array, Array]]:
    """Give, for each metric, sums float64[d] and resampled sums float64[resamples, d]."""
    statistics = [metric.statistics(table) for metric in metrics]
    weights = draws.weights(block)
    dense = [rows for rows in statistics if not issparse(rows)]
    product = weights @ np.hstack(dense) if dense else np.zeros((draws.resamples, 0))
    result: list[tuple[Array, Array]] = []
    column = 0
    for rows in statistics:
        width = rows.shape[1]
        total: Array = np.asarray(rows.sum(axis=0), dtype=np.float64).reshape(width)
        if issparse(rows):
            again: Array = np.ascontiguousarray((rows.T @ weights.T).T)
        else:
            again = product[:, column : column + width].copy()
            column += width
        result.append((total, again))
    return result


def _result(metric: Metric, sums: Array, resampled: Array, n: int) -> MetricResult:
    value = float(metric.finish(sums))
    low, high = float("nan"), float("nan")
    if n > 1 and len(resampled) > 0 and math.isfinite(value):
        low, high = percentile_interval(metric.finish(resampled), LEVEL)
    return MetricResult(
        value=_number(value),
        low=_number(low),
        high=_number(high),
        n=n,
        denominator=float(metric.denominator(sums)),
        counted=metric.counted,
        better=metric.better,
        share=None if metric.share is None else _number(float(metric.share(sums))),
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
