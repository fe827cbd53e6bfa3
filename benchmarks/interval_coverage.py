"""How honest the intervals and the comparison are, on simulated runs whose truth is known.

    python benchmarks/interval_coverage.py [--runs 500]

First, for runs of 200 and of 2,000 examples: the share of 95 % intervals, by each method, that hold the
value of a very large run. Aim: 93 to 97 % for means and ratios; a measured figure for all others.
Then, for pairs of runs of equal systems: how often ``compare`` has p <= 0.05, metric by metric (aim: 4
to 6 %), and calls any metric different after Holm's correction (aim: at most 5 %).

A question has a difficulty, so its answers are right or wrong together; a system states rounded, noisy
confidences; answers and confidences go missing and requests fail.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from marl_eval.comparison.differences import (
    Difference,
    _at_equal_terms,
    _corrected,
    _difference,
    _Resampled,
)
from marl_eval.matching import WRONG
from marl_eval.metric import Array, Metric
from marl_eval.money import Price
from marl_eval.plugins import load_metric_families
from marl_eval.recall_curve import curve, recall_and_tokens
from marl_eval.results import interval_of
from marl_eval.samples import generations_drawn
from marl_eval.score_table import MISSING, OVERLAPS, SET, ScoreTable, Shape, every, ranks
from marl_eval.score_table import set_confidence as confidence_of_sets
from marl_eval.stats import IntervalMethod, Resampling, jackknife_groups
from marl_eval.totals import add_up, weigh

SIZES = [200, 2000]
RESAMPLES = 1000
POPULATION, PART = 1_000_000, 20_000
PAIRS = 2
"""Pairs of equal systems for each run: a share near 5 % needs more of them."""
SLOW, EVERY = "smooth_ece", 10
"""A metric that is worked out in one run of ten."""
METHODS: tuple[IntervalMethod, ...] = get_args(IntervalMethod)
NEITHER = (
    "ece", "ece_debiased", "ece_equal_mass", "smooth_ece", "set_ece", "mce", "brier_reliability",
    "brier_resolution", "brier_uncertainty", "sharpness", "auroc", "auprc", "set_auroc", "aurc",
    "risk", "conformal_coverage", "conformal_size", "tokens_to_recall",
)  # fmt: skip
"""Metrics, and curves, that are neither means nor ratios of means."""

K, SETS, STEPS = 3, 2, 20
_APPEAL = np.linspace(2.5, -3, 8)


@dataclass(frozen=True, slots=True)
class System:
    """How log odds are stated: slope and shift, noise shared by a question's answers, own noise."""

    slope: float
    shift: float
    of_question: float
    of_answer: float


OVERCONFIDENT = System(1.2, 0.4, 0.5, 0.6)
CALIBRATED = System(1, 0, 0, 0)


def _shape() -> Shape:
    steps = np.arange(STEPS + 1.0)
    missed = np.unique(np.multiply.outer(np.multiply.outer(steps, steps), steps)) / STEPS**3
    return Shape(
        k=K,
        sets=SETS,
        members=1,
        exclusive=False,
        levels={"text": steps / STEPS, SET: np.sort(1 - missed)},
        weighted=True,
        reference="exclusive",
        truth=True,
        overlap=True,
        price=Price(2, 8, "USD"),
    )


SHAPE = _shape()


@dataclass(frozen=True, slots=True)
class Questions:
    """Questions: ``difficulty`` [Q], and of each candidate answer ``log_odds`` of being right and
    ``gold``, the number of the right answer it is [Q, C].
    """  # noqa: D205

    difficulty: Array
    log_odds: Array
    gold: NDArray[np.int64]


def questions(rng: np.random.Generator, count: int) -> Questions:
    difficulty = rng.normal(size=count)
    log_odds = _APPEAL - difficulty[:, None] + 0.7 * rng.normal(size=(count, len(_APPEAL)))
    right = rng.random(log_odds.shape) < expit(log_odds)
    return Questions(difficulty, log_odds, np.where(right, np.cumsum(right, axis=1) - 1, WRONG))


def answered(rng: np.random.Generator, asked: Questions, system: System) -> ScoreTable:
    """Answer each question with ``SETS`` sets of ``K``."""
    count = len(asked.difficulty)
    cube, per_set = (count, SETS, K), (count, SETS)
    appeal = asked.log_odds[:, None, :] + rng.gumbel(size=(count, SETS, len(_APPEAL)))
    named = np.argsort(-appeal, axis=2)[:, :, :K]
    again = rng.random(per_set) < 0.04
    named[:, :, 2] = np.where(again, named[:, :, 0], named[:, :, 2])
    missing = np.broadcast_to(rng.random((count, SETS, 1)) < 0.005, cube).copy()
    missing[:, :, 2] |= rng.random(per_set) < 0.05
    silent = missing | (rng.random(cube) < 0.02)
    log_odds = np.take_along_axis(asked.log_odds[:, None, :], named, axis=2)
    gold = np.where(missing, MISSING, np.take_along_axis(asked.gold[:, None, :], named, axis=2))
    belief = system.slope * log_odds + system.shift + system.of_answer * rng.normal(size=cube)
    belief += system.of_question * rng.normal(size=(count, 1, 1))
    confidence = np.where(silent, np.nan, np.rint(expit(belief) * STEPS) / STEPS)
    # What is missing is like nothing else.
    label = np.where(missing, -1 - np.arange(SETS * K).reshape(SETS, K), named).reshape(count, -1)
    first = (label[:, :, None] == label[:, None, :]).argmax(axis=2).reshape(cube)
    same_as = np.where(missing, MISSING, first)
    rank = ranks(gold, confidence)
    chance = expit(asked.log_odds)
    total = np.where(asked.gold >= 0, chance, 0).sum(axis=1, keepdims=True)
    effort = 0.3 * (asked.difficulty[:, None] + rng.normal(size=per_set))
    tokens = np.rint(np.exp(5 + effort))
    prompt = np.rint(100 + 20 * np.abs(asked.difficulty))
    alike = rng.beta(2, 6, size=per_set)
    alike[:, -1] = np.nan
    return ScoreTable(
        shape=SHAPE,
        asked=np.full(count, K),
        gold=gold,
        same_as=same_as,
        rank=rank,
        confidence=confidence,
        derived={},
        gold_size=(asked.gold >= 0).sum(axis=1),
        weight=np.where(gold >= 0, expit(log_odds), 0),
        weight_total=np.where(total > 0, total, np.nan)[:, 0],
        truth=np.where(total[:, :, None] > 0, gold == 0, np.nan),
        probability=np.where(missing, np.nan, expit(log_odds)),
        best_probability=np.sort(chance, axis=1)[:, -K:].sum(axis=1),
        second_half=np.arange(count) % 2 > 0,
        failed=rng.random(per_set) < 0.02,
        set_confidence=confidence_of_sets(
            confidence, same_as, rank, np.ones((count, 1, K), dtype=np.bool_), exclusive=False
        ),
        strict=~silent.any(axis=2) & ~again,
        prompt_tokens=np.repeat(prompt[:, None], SETS, axis=1),
        completion_tokens=tokens,
        reasoning_tokens=np.floor(0.8 * tokens),
        compiles=np.zeros(cube, dtype=np.bool_),
        programs={},
        overlaps=dict.fromkeys(OVERLAPS, alike),
    )


def all_metrics() -> list[Metric]:
    return [metric for family in load_metric_families() for metric in family(SHAPE)]


def is_mean(metric: Metric) -> bool:
    """Whether it is a mean or a ratio of means."""
    return metric.name.partition("@")[0] not in NEITHER


def population(
    metrics: Sequence[Metric], system: System, examples: int = POPULATION
) -> dict[str, float]:
    """Give the values of a very large run, added up part by part."""
    rng = np.random.default_rng(1)
    sums = {metric.statistics: np.zeros(1) for metric in metrics}
    for _ in range(examples // PART):
        table = answered(rng, questions(rng, PART), system)
        for own in sums:
            sums[own] = sums[own] + np.asarray(own(table).sum(axis=0)).reshape(-1)
    return {metric.name: float(metric.finish(sums[metric.statistics])) for metric in metrics}


Interval = tuple[float, float]


def simulated_runs(
    metrics: Sequence[Metric],
    system: System,
    *,
    examples: int,
    runs: int,
    resamples: int = RESAMPLES,
) -> Iterator[dict[str, tuple[float, list[Interval]]]]:
    """Give, run by run, each defined metric's value and its interval by each method."""
    rng = np.random.default_rng([2, examples])
    for run in range(runs):
        now = [metric for metric in metrics if metric.name != SLOW or run % EVERY == 0]
        table = answered(rng, questions(rng, examples), system)
        drawn = Resampling(examples, resamples, seed=run).between(0, examples)
        weights = np.vstack([drawn, jackknife_groups(examples, 0, examples)])
        totals = add_up(now, [table], lambda first, last, own=weights: own)  # type: ignore[misc]
        found = {}
        for metric in now:
            total = totals[metric.statistics]
            value = float(metric.finish(total.sums))
            if np.isfinite(value):
                ends = [interval_of(metric, total, value, resamples, method) for method in METHODS]
                found[metric.name] = value, [(low, high) for low, high, _ in ends]
        tell_progress(f"{examples} examples", run + 1, runs)
        yield found


def holds(interval: Interval, truth: float) -> bool:
    """Whether an interval holds the truth, but for rounding."""
    slack = 1e-9 * max(abs(truth), 1)
    return interval[0] - slack <= truth <= interval[1] + slack


def equal_systems(
    metrics: Sequence[Metric], *, examples: int, pairs: int, resamples: int = RESAMPLES
) -> Iterator[dict[str, Difference]]:
    """Compare, pair by pair, two runs of one system on the same questions, as ``compare`` does."""
    rng = np.random.default_rng([3, examples])
    points = generations_drawn(SETS)
    for pair in range(pairs):
        now = [metric for metric in metrics if metric.name != SLOW or pair % EVERY == 0]
        wanted = list(dict.fromkeys([*(metric.statistics for metric in now), recall_and_tokens]))
        asked = questions(rng, examples)
        tables = [answered(rng, asked, OVERCONFIDENT) for _ in range(2)]
        kept = every(tables[0].valid & tables[1].valid)
        count = int(kept.sum())
        weights = np.vstack([np.ones(count), Resampling(count, resamples, pair).between(0, count)])
        sides = []
        for table in tables:
            products = weigh([own(table)[kept] for own in wanted], weights)
            sums = dict(zip(wanted, products, strict=True))
            values = {metric.name: metric.finish(sums[metric.statistics]) for metric in now}
            sides.append(_Resampled(values, {}, *curve(sums[recall_and_tokens], points)))
        one, other = sides
        both = {name: (one.values[name], other.values[name]) for name in one.values}
        both |= _at_equal_terms(one, other)
        told = {name: _difference(*values, "neither", count) for name, values in both.items()}
        tell_progress("pairs", pair + 1, pairs)
        yield _corrected(told)


def tell_progress(what: str, done: int, of: int) -> None:
    if done % max(of // 5, 1) == 0:
        print(f"  ... {what}: {done} of {of}", file=sys.stderr, flush=True)


def rate(hits: Sequence[bool]) -> str:
    """Write a share with its Monte Carlo error, in percent."""
    share = np.mean(hits)
    return f"{100 * share:5.1f} +- {100 * np.sqrt(share * (1 - share) / len(hits)):.1f}"


def print_coverage(
    system: System,
    metrics: Sequence[Metric],
    truth: Mapping[str, float],
    *,
    examples: int,
    runs: int,
) -> None:
    found = list(simulated_runs(metrics, system, examples=examples, runs=runs))
    means: list[list[float]] = []
    print(f"{'metric':28}{'truth':>10}{'mean':>10}{'bias':>10}{'runs':>6}", *METHODS, sep="   ")
    for metric in sorted(metrics, key=is_mean, reverse=True):
        own = [run[metric.name] for run in found if metric.name in run]
        true = truth[metric.name]
        if not own or not np.isfinite(true):
            continue
        mean = float(np.mean([value for value, _ in own]))
        held = [[holds(ends[i], true) for _, ends in own] for i in range(len(METHODS))]
        print(
            f"{metric.name:28}{true:10.4g}{mean:10.4g}{mean - true:+10.2g}{len(own):6}",
            *map(rate, held),
            "" if is_mean(metric) else "neither mean nor ratio",
            sep="   ",
        )
        if is_mean(metric):
            means.append([float(np.mean(hits)) for hits in held])
    for method, shares in zip(METHODS, np.array(means).T, strict=False):
        inside = int(((shares >= 0.93) & (shares <= 0.97)).sum())
        print(
            f"{method}: {inside} of {len(shares)} means and ratios are held by 93 to 97 % of intervals "
            f"(aim: all); least {100 * shares.min():.1f}, mean {100 * shares.mean():.1f} %"
        )


def print_false_alarms(metrics: Sequence[Metric], *, examples: int, pairs: int) -> None:
    found = list(equal_systems(metrics, examples=examples, pairs=pairs))
    shares = []
    print(f"{'metric':28}{'pairs':>6}   p <= 0.05   interval without 0 (%)")
    for name in found[0]:
        told = [one[name] for one in found if name in one and one[name].p is not None]
        if not told:
            continue
        alarms = [own.p is not None and own.p <= 0.05 for own in told]
        apart = [not holds((own.low or 0, own.high or 0), 0) for own in told]
        print(f"{name:28}{len(told):6}   {rate(alarms)}   {rate(apart)}")
        shares.append(np.mean(alarms))
    inside = sum(0.04 <= share <= 0.06 for share in shares)
    print(
        f"{inside} of {len(shares)} metrics are within 4 to 6 %; mean {100 * np.mean(shares):.1f} %"
    )
    real = [any(own.p_holm is not None and own.p_holm <= 0.05 for own in f.values()) for f in found]
    print(f"pairs with any difference after Holm's correction: {rate(real)} % (aim: at most 5)")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=500)
    runs = parser.parse_args().runs
    metrics = all_metrics()
    others = [metric for metric in metrics if not is_mean(metric)]
    for system, own in ((OVERCONFIDENT, metrics), (CALIBRATED, others)):
        truth = population(own, system)
        for examples in SIZES:
            print(f"\n{runs} runs of {examples} examples, {system}: share of intervals (%)")
            print_coverage(system, own, truth, examples=examples, runs=runs)
    print(f"\n{PAIRS * runs} pairs of equal systems on {SIZES[0]} examples (%; aim: 4 to 6)")
    print_false_alarms(metrics, examples=SIZES[0], pairs=PAIRS * runs)


if __name__ == "__main__":
    main()
