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
from pydantic import Field, ValidationError

from marl_eval.errors import UserError
from marl_eval.metric import Array, Metric, MetricFamily
from marl_eval.records import Record, finite
from marl_eval.scoring.stage import Scored
from marl_eval.stats import (
    DEFAULT_INTERVAL,
    IntervalMethod,
    Resampling,
    bca_interval,
    interval_of_a_constant,
    interval_of_a_distance,
    jackknife_groups,
    percentile_interval,
)
from marl_eval.store import RESULTS, RunDirectory, dump_json, write_whole
from marl_eval.totals import Total, add_up, tables

SCHEMA_VERSION = 2
LEVEL = 0.95


class MetricResult(Record):
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
    no_interval: str | None = Field(None, description="why a value has no interval")
    curve: str | None = Field(None, description="the curve it is a point of")
    at: float | None = Field(None, description="where on that curve")


class Errors(Record):
    """Requests without a completion; they are left out of every metric, never counted as wrong."""

    failed: int = Field(description="requests that failed for good (see errors.jsonl)")
    missing: int = Field(description="requests that were never finished")


class Results(Record):
    """What ``results.json`` holds."""

    schema_version: int = Field(SCHEMA_VERSION, description="raised when a field changes meaning")
    examples: int = Field(description="examples of the run")
    requests: int = Field(description="generations asked for, follow-ups not counted")
    errors: Errors
    parsing: Literal["lenient", "strict"] = Field(description="what of a malformed text counts")
    confidence: Literal["recorded", "text"] | None = Field(
        description="where the confidences come from; metrics of another source end in its name"
    )
    interval: str = Field(description="what low and high are")
    resamples: int = Field(description="bootstrap resamples behind each interval")
    currency: str | None = Field(description="of the metrics that count money")
    deviations: dict[str, int] = Field(description="generations with each deviation of format")
    isolation: dict[str, int] = Field(
        {}, description="answers that are programs, by the isolation that they ran in"
    )
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
    interval: IntervalMethod = DEFAULT_INTERVAL,
) -> Results:
    """Compute every metric that fits the run from its ``scores.parquet``."""
    metrics = [metric for family in families for metric in family(scored.shape)]
    draws = Resampling(scored.examples, resamples)

    def weights(first: int, last: int) -> Array:
        drawn = draws.between(first, last)
        if interval == "percentile":
            return drawn
        return np.vstack([drawn, jackknife_groups(scored.examples, first, last)])

    totals = add_up(metrics, tables(run, scored.shape), weights)
    return Results(
        schema_version=SCHEMA_VERSION,
        examples=scored.examples,
        requests=scored.requests,
        errors=Errors(failed=scored.failed, missing=scored.missing),
        parsing="strict" if strict else "lenient",
        confidence=scored.shape.stated,
        interval=f"{LEVEL:.0%} {interval} bootstrap over examples (calibration errors: basic)",
        resamples=resamples,
        currency=None if scored.shape.price is None else scored.shape.price.currency,
        deviations=scored.deviations,
        isolation=scored.isolation,
        metrics={
            metric.name: _result(metric, totals.get(metric.statistics), resamples, interval)
            for metric in metrics
        },
    )


def _result(
    metric: Metric, total: Total | None, resamples: int, method: IntervalMethod
) -> MetricResult:
    if total is None:
        return MetricResult(
            value=None, low=None, high=None, n=0, denominator=0, counted=metric.counted,
            better=metric.better, reason="there is no example",
        )  # fmt: skip
    value = float(metric.finish(total.sums))
    low, high, no_interval = interval_of(metric, total, value, resamples, method)
    name, at = metric.curve if metric.curve is not None else (None, None)
    return MetricResult(
        value=finite(value),
        low=finite(low),
        high=finite(high),
        n=total.n[metric.name],
        denominator=float(metric.denominator(total.sums)),
        counted=metric.counted,
        better=metric.better,
        share=None if metric.share is None else finite(float(metric.share(total.sums))),
        reason=None if math.isfinite(value) else metric.undefined,
        no_interval=no_interval,
        curve=name,
        at=at,
    )


def interval_of(
    metric: Metric,
    total: Total,
    value: float,
    resamples: int,
    method: IntervalMethod,
    level: float = LEVEL,
) -> tuple[float, float, str | None]:
    """Give the ends of a metric's interval, or why there is none.

    ``total`` holds the resamples' sums, and for BCa after them those of the jackknife's groups.
    """
    nan = float("nan")
    if not math.isfinite(value):
        return nan, nan, None
    if resamples == 0:
        return nan, nan, "no resamples were asked for"
    if total.n[metric.name] < 2:
        return nan, nan, "one example has no spread"
    resampled = metric.finish(total.weighted[:resamples])
    if metric.noise is not None:
        noise = metric.finish(metric.noise(total.sums, total.weighted[:resamples]))
        low, high = interval_of_a_distance(value, resampled, noise, metric.bounds, level)
    elif method == "BCa" and metric.smooth:
        without = metric.finish(total.sums - total.weighted[resamples:])
        low, high = bca_interval(value, resampled, without, level)
    else:
        low, high = percentile_interval(resampled, level)
    if high - low > 1e-12 * max(abs(value), 1):
        return low, high, None
    rests = min(total.n[metric.name], float(metric.denominator(total.sums)))
    low, high = interval_of_a_constant(value, metric.bounds, rests, level)
    if math.isnan(low) or math.isnan(high):
        return nan, nan, "every example gives the same value, and nothing bounds it"
    return low, high, None


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
