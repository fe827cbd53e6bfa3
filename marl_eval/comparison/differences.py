"""Comparing two runs on the same examples: every difference with its interval and p-value.

Both runs are resampled with the same weights, example by example, so that what makes an example hard
for both does not blur their difference. Examples of which a request failed in either run are left out
of both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import stdtr, stdtrit

from marl_eval.comparison.pairing import pair
from marl_eval.comparison.per_example import PerExample, of_run, resampled_sums
from marl_eval.errors import UserError, unknown
from marl_eval.metric import Array, Metric
from marl_eval.recall_curve import (
    area_within,
    curve,
    recall_and_tokens,
    recall_within,
    tokens_to_reach,
)
from marl_eval.records import Record, finite
from marl_eval.samples import generations_drawn
from marl_eval.stats import DEFAULT_RESAMPLES, holm, percentile_interval, standard_error
from marl_eval.totals import counted

SCHEMA_VERSION = 1
LEVEL = 0.95
POWER = 0.8


class Difference(Record):
    """One metric of two runs, on the same examples."""

    first: float | None = Field(description="value of the first run; null if undefined")
    second: float | None = Field(description="value of the second run; null if undefined")
    difference: float | None = Field(description="second less first")
    low: float | None = Field(description="lower end of the difference's 95 % interval")
    high: float | None = Field(description="upper end of the difference's 95 % interval")
    ratio: float | None = Field(description="second over first, where both are above 0")
    ratio_low: float | None = Field(description="lower end of the ratio's 95 % interval")
    ratio_high: float | None = Field(description="upper end of the ratio's 95 % interval")
    p: float | None = Field(description="p-value of no difference")
    p_holm: float | None = Field(description="p-value, corrected for all metrics compared (Holm)")
    detectable: float | None = Field(
        description="difference that this many examples show with a chance of 80 %, at 5 %"
    )
    better: Literal["higher", "lower", "neither"] = Field(description="which way is better")
    reason: str | None = Field(None, description="why there is no difference to tell")


class Comparison(Record):
    """Two runs compared."""

    schema_version: int = Field(SCHEMA_VERSION, description="raised when a field changes meaning")
    first: str = Field(description="directory of the first run")
    second: str = Field(description="directory of the second run")
    examples: int = Field(description="examples that the comparison rests on")
    failed: int = Field(description="shared examples left out: a request failed in one of the runs")
    only_first: int = Field(description="examples of the first run that the second lacks")
    only_second: int = Field(description="examples of the second run that the first lacks")
    resamples: int = Field(description="bootstrap resamples behind each interval")
    metrics: dict[str, Difference]


def compare(
    first: Path,
    second: Path,
    *,
    common: bool = False,
    metrics: Sequence[str] | None = None,
    resamples: int = DEFAULT_RESAMPLES,
) -> Comparison:
    """Compare two scored runs, metric by metric.

    The difference's interval is d +- t(0.975) s, its p-value 2 T(-|d| / s), T being Student's
    distribution with n - 1 degrees of freedom, n the examples that the metric rests on in both runs,
    and s the standard deviation of the paired resamples times sqrt(n / (n - 1)): for a mean, the
    paired t-test. Where every resample gives the same difference, the p-value is that of the sign
    test, 2^(1 - n). ``detectable`` is (t(0.975) + t(0.8)) s. The ratio's interval is the percentile
    interval. Holm's correction is over all metrics compared: name fewer to be told more.

    Args:
        first: a run directory.
        second: another, of the same examples.
        common: use the examples that both have, where they differ.
        metrics: names of the metrics to compare; all that both runs have, if not given.
        resamples: bootstrap resamples, at least 2.

    Raises:
        UserError: if the runs have not been scored, are on different examples, or lack a metric.

    Source: Efron and Tibshirani 1993, chapters 13 and 16; Holm 1979, https://www.jstor.org/stable/4615733.
    """
    sides = [of_run(first), of_run(second)]
    pairs = pair(*sides, common=common)
    terms = list(EQUAL_TERMS) if all(side.shape.graded for side in sides) else []
    names = _chosen(sides[0].metrics, sides[1].metrics, terms, metrics)
    kept = sides[0].whole[pairs.first] & sides[1].whole[pairs.second]
    count = int(kept.sum())
    if count == 0:
        raise UserError("No example is left: in each a request failed in one of the two runs.")
    wanted = [*names, *terms] if metrics is None else list(metrics)
    one = _resampled(sides[0], names, pairs.first[kept], resamples)
    other = _resampled(sides[1], names, pairs.second[kept], resamples)
    values = {name: (one.values[name], other.values[name]) for name in names}
    values |= _at_equal_terms(one, other)
    better = {**{name: sides[0].metrics[name].better for name in names}, **EQUAL_TERMS}
    told = {}
    for name in wanted:
        rests = min(one.counted.get(name, count), other.counted.get(name, count))
        told[name] = _difference(*values[name], better[name], rests)
    return Comparison(
        schema_version=SCHEMA_VERSION,
        first=str(first),
        second=str(second),
        examples=count,
        failed=len(kept) - count,
        only_first=pairs.only_first,
        only_second=pairs.only_second,
        resamples=resamples,
        metrics=_corrected(told),
    )


def _chosen(
    one: Mapping[str, Metric],
    other: Mapping[str, Metric],
    terms: Sequence[str],
    wanted: Sequence[str] | None,
) -> list[str]:
    both = [name for name in one if name in other]
    for name in wanted or []:
        if name not in both and name not in terms:
            raise unknown("metric that both runs have named", name, [*both, *terms])
    return both if wanted is None else [name for name in wanted if name not in terms]


@dataclass(frozen=True, slots=True)
class _Resampled:
    """Of one run: the value of each metric, then that under each resample, float64[1 + resamples].

    ``tokens`` and ``recall`` float64[1 + resamples, corners] are the curve of recall. ``counted`` are
    the examples that each metric rests on.
    """

    values: dict[str, Array]
    counted: dict[str, int]
    tokens: Array
    recall: Array


def _resampled(
    side: PerExample, names: Sequence[str], rows: NDArray[np.int64], resamples: int
) -> _Resampled:
    """Resample the examples at ``rows``, in this order."""
    metrics = [side.metrics[name] for name in names]
    wanted = [*(metric.statistics for metric in metrics), recall_and_tokens]
    sums = resampled_sums(side, wanted, rows, resamples)
    points = generations_drawn(side.shape.samples)
    tokens, recall = curve(sums[recall_and_tokens], points)
    values = {m.name: m.finish(sums[m.statistics]) for m in metrics}
    rests = {m.name: counted(m, side.rows(m.statistics)[rows]) for m in metrics}
    return _Resampled(values, rests, tokens, recall)


EQUAL_TERMS: dict[str, Literal["higher", "lower", "neither"]] = {
    "tokens_at_equal_recall": "lower",
    "recall_at_equal_tokens": "higher",
    "recall_area_at_equal_tokens": "higher",
}
"""What two runs give at equal recall or equal cost, read off their curves of recall against tokens.

``tokens_at_equal_recall``: generated tokens of a question at the highest recall that both reach; its
ratio says how much cheaper the second is. ``recall_at_equal_tokens``: recall at the most tokens that
both spend. ``recall_area_at_equal_tokens``: mean height of the curve up to that budget.
"""


def _at_equal_terms(one: _Resampled, other: _Resampled) -> dict[str, tuple[Array, Array]]:
    sides = [(one.tokens, one.recall), (other.tokens, other.recall)]
    level = np.minimum(one.recall[..., -1], other.recall[..., -1])
    budget = np.minimum(one.tokens[..., -1], other.tokens[..., -1])
    return {
        "tokens_at_equal_recall": _both(tokens_to_reach, sides, level),
        "recall_at_equal_tokens": _both(recall_within, sides, budget),
        "recall_area_at_equal_tokens": _both(area_within, sides, budget),
    }


def _both(
    reading: Callable[[Array, Array, Array], Array],
    sides: Sequence[tuple[Array, Array]],
    at: Array,
) -> tuple[Array, Array]:
    first, second = (reading(tokens, recall, at) for tokens, recall in sides)
    return first, second


def _difference(
    first: Array, second: Array, better: Literal["higher", "lower", "neither"], examples: int
) -> Difference:
    """Tell a difference from two rows of values: as they are, then under each resample."""
    change = second - first
    value, drawn = float(change[0]), change[1:][np.isfinite(change[1:])]
    known = {"first": finite(first[0]), "second": finite(second[0]), "better": better}
    reason = None
    if not math.isfinite(value):
        reason = "undefined in one of the runs"
    elif examples < 2 or len(drawn) < 2:
        reason = "too few examples or resamples"
    if reason is not None:
        return Difference(**known, **dict.fromkeys(_TOLD), reason=reason)
    ratio, ratio_low, ratio_high = _ratio(first, second)
    scale = standard_error(drawn, examples)
    freedom = examples - 1
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * scale
    if scale <= 1e-12 * max(abs(value), 1):
        p, detectable = (1.0 if abs(value) < 1e-12 else 2.0 ** (1 - examples)), None
    else:
        p = float(2 * stdtr(freedom, -abs(value) / scale))
        detectable = float(reach + stdtrit(freedom, POWER) * scale)
    return Difference(
        **known,
        difference=value,
        low=value - reach,
        high=value + reach,
        ratio=ratio,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        p=p,
        p_holm=None,
        detectable=detectable,
    )


_TOLD = [
    "difference", "low", "high", "ratio", "ratio_low", "ratio_high", "p", "p_holm", "detectable",
]  # fmt: skip


def _ratio(first: Array, second: Array) -> tuple[float | None, float | None, float | None]:
    """Give the second over the first with its interval; nothing unless all of both are above 0."""
    if not ((first > 0) & (second > 0)).all():
        return None, None, None
    ratios = second / first
    low, high = percentile_interval(ratios[1:], LEVEL)
    return float(ratios[0]), low, high


def _corrected(told: Mapping[str, Difference]) -> dict[str, Difference]:
    """Put in the p-values corrected for the number of metrics."""
    tested = [name for name, one in told.items() if one.p is not None]
    corrected = holm(np.array([told[name].p for name in tested], dtype=np.float64))
    by_name = dict(zip(tested, corrected.tolist(), strict=True))
    return {
        name: one.model_copy(update={"p_holm": by_name.get(name)}) for name, one in told.items()
    }
