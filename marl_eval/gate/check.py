"""Checking a run against rules: which hold, which are broken, and which cannot be told yet.

A rule ``m >= a * baseline + b`` holds as long as its gap, g = m - (a * baseline + b), is not below 0
(for ``<=`` the other way round). What is judged is the interval of g, over examples; against a baseline
its resamples are paired, example by example. With several rules each interval has the level
1 - 0.05 / rules, so that all of them hold together with 95 %.

    pass              the interval does not reach below 0; or it does, but no violation is shown, though
                      the examples would show one of the tolerance's size with a chance of 95 %
    fail              the whole interval is below 0: the violation is real
    too few examples  neither; with the number of examples that would suffice. So it is with five or
                      fewer (more, with several rules), which may all go one way by chance
    undefined         the metric, or the baseline's, has no value

The tolerance is the gap that a run equal to its baseline has, such as 5 % of it in
``recall >= 0.95 * baseline``. A rule without one (``recall >= baseline``, ``ece <= 0.05``) passes only
if that is shown; what would suffice is then told for the gap that was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import ndtri, stdtrit

from marl_eval.comparison.pairing import Pairs, pair
from marl_eval.comparison.per_example import PerExample, of_run, resampled_sums
from marl_eval.errors import UserError, unknown
from marl_eval.gate.baseline import read_baseline
from marl_eval.gate.rules import Rule, needs_baseline
from marl_eval.metric import Array, Metric
from marl_eval.records import Record, finite
from marl_eval.results import Results, interval_of, read_results
from marl_eval.stats import (
    DEFAULT_INTERVAL,
    DEFAULT_RESAMPLES,
    jackknife_groups,
    standard_error,
)
from marl_eval.totals import Total, counted

SCHEMA_VERSION = 1
ERROR_RATE = 0.05
"""Chance that any rule of a check fails without cause, at most."""
POWER = 0.95

Outcome = Literal["pass", "fail", "too few examples", "undefined"]


class Finding(Record):
    """What came of a rule."""

    rule: str = Field(description="as it was written")
    line: int = Field(description="where it stands in its file")
    metric: str = Field(description="the metric")
    outcome: Outcome
    value: float | None = Field(description="the run's value; null if undefined")
    baseline: float | None = Field(description="the baseline's, if the rule speaks of it")
    limit: float | None = Field(description="what the value is held against")
    gap: float | None = Field(description="by how much it is on the right side; below 0 it is not")
    low: float | None = Field(description="lower end of the gap's interval")
    high: float | None = Field(description="upper end of the gap's interval")
    examples: int = Field(description="examples that it rests on")
    enough: int | None = Field(description="examples that would suffice, where they are too few")
    reason: str = Field(description="the outcome in words")


class Check(Record):
    """What came of all rules."""

    schema_version: int = Field(SCHEMA_VERSION, description="raised when a field changes meaning")
    run: str = Field(description="the run's directory")
    baseline: str | None = Field(description="the baseline's directory or file")
    requests: int = Field(description="generations that the run was asked for")
    errors: int = Field(description="those that failed or are missing; no metric counts them")
    errors_allowed: bool
    left_out: int = Field(
        description="shared examples left out of paired gaps: a request failed in run or baseline"
    )
    level: float = Field(description="of each interval, so that all hold together with 95 %")
    resamples: int = Field(description="bootstrap resamples behind each interval")
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Whether no rule is broken or undefined, and no request failed that may not."""
        whole = self.errors == 0 or self.errors_allowed
        return whole and all(one.outcome in ("pass", "too few examples") for one in self.findings)

    @property
    def certain(self) -> bool:
        """Whether the examples suffice for every rule."""
        return all(one.outcome != "too few examples" for one in self.findings)


def check(
    run: Path,
    rules: Sequence[Rule],
    baseline: Path | None = None,
    *,
    common: bool = False,
    allow_errors: bool = False,
    resamples: int = DEFAULT_RESAMPLES,
) -> Check:
    """Check a scored run against rules.

    Args:
        run: a run directory.
        rules: at least one.
        baseline: a run directory, or a file that ``write_baseline`` made.
        common: use the examples that run and baseline share, where they differ.
        allow_errors: let a run pass of which requests failed.
        resamples: bootstrap resamples, at least 100.

    Raises:
        UserError: if the run or the baseline cannot be read or are on different examples, or a rule
            names a metric that one of them lacks, or speaks of a baseline where there is none.
    """
    speaking = needs_baseline(rules)
    if baseline is None and speaking is not None:
        raise UserError(
            f"{speaking.place}: {speaking.text!r} speaks of a baseline: give --baseline RUN_OR_FILE."
        )
    results, side = read_results(run), of_run(run)
    other = read_baseline(baseline) if baseline is not None and speaking is not None else None
    return Check(
        schema_version=SCHEMA_VERSION,
        run=str(run),
        baseline=None if baseline is None else str(baseline),
        requests=results.requests,
        errors=_errors(results),
        errors_allowed=allow_errors,
        left_out=0 if other is None else int((~_kept(side, other, common=common)[1]).sum()),
        level=_level(rules),
        resamples=resamples,
        findings=judge(rules, side, other, common=common, resamples=resamples),
    )


def judge(
    rules: Sequence[Rule],
    run: PerExample,
    baseline: PerExample | None,
    *,
    common: bool = False,
    resamples: int = DEFAULT_RESAMPLES,
) -> list[Finding]:
    """Judge each rule; ``baseline`` is needed if one speaks of it.

    Raises:
        UserError: if a rule names a metric that is not there, or the two are on different examples.
    """
    for rule in rules:
        for known in (run, baseline) if rule.slope and baseline is not None else (run,):
            _see_that_it_has(known, rule)
    paired = None
    if baseline is not None:
        names = [rule.metric for rule in rules if rule.slope]
        paired = _resampled(names, run, baseline, common=common, resamples=resamples)
    return [
        _against_number(rule, run, resamples, _level(rules))
        if paired is None or not rule.slope
        else _against_baseline(rule, paired[rule.metric], _level(rules))
        for rule in rules
    ]


def _level(rules: Sequence[Rule]) -> float:
    return 1 - ERROR_RATE / len(rules)


def _errors(results: Results) -> int:
    return results.errors.failed + results.errors.missing


def _see_that_it_has(side: PerExample, rule: Rule) -> None:
    if rule.metric not in side.metrics:
        missing = unknown(f"metric of {side.name} named", rule.metric, side.metrics)
        raise UserError(f"{rule.place}: {missing}")


@dataclass(frozen=True, slots=True)
class _Paired:
    """A metric of a run and of its baseline, on the examples that both answered whole.

    ``run`` and ``baseline`` float64[1 + resamples]: as they are, then under each resample.
    """

    run: Array
    baseline: Array
    examples: int


def _kept(
    run: PerExample, baseline: PerExample, *, common: bool
) -> tuple[Pairs, NDArray[np.bool_]]:
    """Pair the examples, and say of which no request failed, bool[pairs]."""
    pairs = pair(run, baseline, common=common)
    return pairs, run.whole[pairs.first] & baseline.whole[pairs.second]


def _resampled(
    names: Sequence[str], run: PerExample, baseline: PerExample, *, common: bool, resamples: int
) -> dict[str, _Paired]:
    pairs, kept = _kept(run, baseline, common=common)
    if not kept.any():
        raise UserError("No example is left: in each a request failed in the run or its baseline.")
    values: list[dict[str, Array]] = []
    rests: list[dict[str, int]] = []
    for side, rows in ((run, pairs.first[kept]), (baseline, pairs.second[kept])):
        metrics = [side.metrics[name] for name in names]
        sums = resampled_sums(side, [own.statistics for own in metrics], rows, resamples)
        values.append({own.name: own.finish(sums[own.statistics]) for own in metrics})
        rests.append({own.name: counted(own, side.rows(own.statistics)[rows]) for own in metrics})
    return {
        name: _Paired(values[0][name], values[1][name], min(own[name] for own in rests))
        for name in names
    }


def _against_baseline(rule: Rule, paired: _Paired, level: float) -> Finding:
    """Judge the paired gap: g +- t(level) s, s being the standard error of the paired resamples."""
    value, base, examples = paired.run, paired.baseline, paired.examples
    gap = _turned(rule, value - (rule.slope * base + rule.offset))
    known = {"value": finite(value[0]), "baseline": finite(base[0])}
    drawn = gap[1:][np.isfinite(gap[1:])]
    if not math.isfinite(gap[0]) or examples < 2 or len(drawn) < 2:
        return _undefined(rule, known, examples)
    error = standard_error(drawn, examples)
    tail = (1 + level) / 2
    reach = float(stdtrit(examples - 1, tail)) * error
    tolerance = float(_turned(rule, base[0] - (rule.slope * base[0] + rule.offset)))
    return _judged(
        rule,
        known,
        float(gap[0]),
        (gap[0] - reach, gap[0] + reach),
        examples,
        tail,
        error,
        tolerance,
    )


def _against_number(rule: Rule, side: PerExample, resamples: int, level: float) -> Finding:
    """Judge by the metric's own interval, that of ``results.json`` where there is one rule."""
    metric = side.metrics[rule.metric]
    total = _total(metric, side, resamples)
    value = float(metric.finish(total.sums))
    low, high, why = interval_of(metric, total, value, resamples, DEFAULT_INTERVAL, level)
    examples = total.n[metric.name]
    known = {"value": finite(value), "baseline": None}
    if why is not None and examples > 1 and resamples > 0:
        # Every example has the same value: there is no spread, as there is none against a baseline.
        low = high = value
    elif not math.isfinite(value) or why is not None:
        return _undefined(rule, known, examples)
    gap = float(_turned(rule, value - rule.offset))
    ends = sorted(float(_turned(rule, end - rule.offset)) for end in (low, high))
    tail = (1 + level) / 2
    # The interval need not be even: what counts is how far it reaches towards the limit.
    reach = gap - ends[0] if gap >= 0 else ends[1] - gap
    error = reach / float(ndtri(tail))
    return _judged(rule, known, gap, (ends[0], ends[1]), examples, tail, error, 0.0)


def _total(metric: Metric, side: PerExample, resamples: int) -> Total:
    rows, count = side.rows(metric.statistics), len(side.whole)
    every = np.arange(count)
    sums = resampled_sums(side, [metric.statistics], every, resamples)[metric.statistics]
    left_out: Array = np.asarray(jackknife_groups(count, 0, count) @ rows)
    return Total(sums[0], np.vstack([sums[1:], left_out]), {metric.name: counted(metric, rows)})


def _turned(rule: Rule, over: Array | float) -> Array:
    """Give the gap from what the value is above its limit."""
    return np.asarray(over if rule.relation == ">=" else np.negative(over), dtype=np.float64)


def _undefined(rule: Rule, known: dict[str, float | None], examples: int) -> Finding:
    reason = (
        "the value is undefined" if known["value"] is None
        else "the baseline's value is undefined" if rule.slope and known["baseline"] is None
        else "it has no interval: too few examples"
    )  # fmt: skip
    return Finding(
        rule=rule.text, line=rule.line, metric=rule.metric, outcome="undefined", **known,
        limit=None, gap=None, low=None, high=None, examples=examples, enough=None, reason=reason,
    )  # fmt: skip


def _judged(
    rule: Rule,
    known: dict[str, float | None],
    gap: float,
    ends: tuple[float, float],
    examples: int,
    tail: float,
    error: float,
    tolerance: float,
) -> Finding:
    low, high = ends
    seen = tolerance if tolerance > 0 else abs(gap)
    # What rounding leaves of no gap at all is none.
    needed = _enough(error / seen, examples, tail) if seen > 1e-12 else None
    outcome: Outcome
    if examples < _fewest(tail):
        outcome, reason = "too few examples", "so few may all go one way by chance"
        needed = max(needed or 0, _fewest(tail))
    elif high < 0:
        outcome, reason = "fail", "beyond the limit by more than chance"
    elif low >= 0:
        outcome, reason = "pass", "within the limit, by more than chance"
    elif tolerance > 0 and needed is not None and needed <= examples:
        outcome, reason = "pass", "not shown to be beyond the limit"
    else:
        outcome, reason = "too few examples", "within chance of the limit"
    undecided = outcome == "too few examples"
    enough = max(needed, examples + 1) if undecided and needed is not None else None
    return Finding(
        rule=rule.text,
        line=rule.line,
        metric=rule.metric,
        outcome=outcome,
        **known,
        limit=rule.slope * (known["baseline"] or 0.0) + rule.offset,
        gap=gap,
        low=low,
        high=high,
        examples=examples,
        enough=enough,
        reason=reason,
    )


def _enough(error: float, examples: int, tail: float) -> int:
    """Give how many examples show a gap with a chance of ``POWER``.

    ``error`` is the standard error that ``examples`` have, as a share of the gap. For normal quantiles
    z of ``tail`` and ``POWER`` it is (z + z')^2 error^2 examples + z^2 / 2, and ``_fewest`` at least.
    Source: Guenther 1981, "Sample Size Formulas for Normal Theory T Tests".
    """
    reach, power = float(ndtri(tail)), float(ndtri(POWER))
    needed = examples * ((reach + power) * error) ** 2 + reach**2 / 2
    return max(math.ceil(needed), _fewest(tail))


def _fewest(tail: float) -> int:
    """Give how many examples any verdict needs: fewer may all go one way by chance.

    The p-value of the sign test, 2^(1 - n) for n examples that agree, is at most 2 (1 - tail).
    """
    return math.ceil(-math.log2(1 - tail))
