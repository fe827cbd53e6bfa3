"""The generated task's best possible answers, with what theory says of each metric of them.

The task knows the posterior over every possible gold set, so the mean of any metric that is a mean
over questions, and its standard error given the questions, follow by enumeration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from marl_eval import evaluate
from marl_eval.results import Results
from marl_eval.tasks import ddxsim
from marl_eval.tasks.ddxsim import Options, build_world

Array = NDArray[np.float64]
Facts = dict[str, Array]
"""Of each metric float64[E, S]: its value for every question under every possible gold set."""

K = 3
SURE, USUAL = 3.29, 1.96
"""Standard errors of a 99.9 % interval, and of a 95 % one."""


@dataclass(frozen=True, eq=False)
class Oracle:
    """A run of the oracle with all that is known of its E questions and S possible gold sets.

    ``p`` float64[E, K]: the true probabilities of its answers; ``gain`` float64[E, K]: their expected
    recall; ``right`` bool[E, S, K]: whether each is in each gold set; ``sizes`` float64[S]: of the
    gold sets; ``posterior`` float64[E, S].
    """

    path: Path
    results: Results
    p: Array
    gain: Array
    right: NDArray[np.bool_]
    sizes: Array
    posterior: Array

    @property
    def held(self) -> NDArray[np.bool_]:
        """bool[E, S]: whether one of the answers is right."""
        held: NDArray[np.bool_] = np.logical_or.reduce(self.right, axis=2)
        return held

    def expect(self, values: Array) -> tuple[float, float]:
        """Give the mean over questions of float64[E, S], and its standard error, over gold sets."""
        mean = (self.posterior * values).sum(axis=1)
        variance = (self.posterior * values**2).sum(axis=1) - mean**2
        return float(mean.mean()), sqrt(max(variance.sum(), 0)) / len(mean)

    def redraw(self, draws: int) -> NDArray[np.bool_]:
        """Redraw the gold sets from the posterior: which answers are right, bool[draws, E, K]."""
        rng = np.random.default_rng(0)
        below = np.cumsum(self.posterior, axis=1)[:, :-1]
        drawn = [np.searchsorted(row, rng.random(draws)) for row in below]
        return self.right[np.arange(len(drawn)), np.array(drawn).T]


def run_oracle(path: Path, examples: int, max_causes: int, resamples: int = 0) -> Oracle:
    args = {"examples": examples, "conditions": 12, "max_causes": max_causes}
    done = evaluate(
        model="reference:oracle", task="ddxsim", k=K, task_args=args, out=path, resamples=resamples
    )
    options = Options.model_validate(args)
    world, data = build_world(options), ddxsim.load(None, options).examples
    told = [[set(re.split(r": |, |\.", line)) for line in e.question.split("\n")] for e in data]
    present, absent = (
        np.array([[finding in lists[line] for finding in world.findings] for lists in told])
        for line in (0, 1)
    )
    stated = [(example.distribution or ())[:K] for example in data]
    place = np.array([[world.conditions.index(name) for name, _ in own] for own in stated])
    gains = [example.meta["expected_recall"] for example in data]
    return Oracle(
        path=done.path,
        results=done.results,
        p=np.array([[chance for _, chance in own] for own in stated]),
        gain=np.array([[g[name] for name, _ in own] for g, own in zip(gains, stated, strict=True)]),
        right=np.moveaxis(world.members[:, place], 0, 1),
        sizes=world.members.sum(axis=1).astype(np.float64),
        posterior=world.posterior(present, absent),
    )


def value(results: Results, name: str) -> float:
    found = results.metrics[name].value
    assert found is not None, name
    return found


def coverage(run: Oracle, right: NDArray[np.bool_], *, given: int = K) -> Facts:
    """Give metrics of every question under every gold set; ``right`` of different answers."""
    named = right.sum(axis=2).astype(np.float64)
    return {
        "recall": named / run.sizes,
        "capped_recall": named / np.minimum(run.sizes, K),
        "precision": named / given,
        "f1": 2 * named / (given + run.sizes),
        "correct_answers": named,
    }


def ranked(right: NDArray[np.bool_]) -> Facts:
    """Give the metrics of answers ``right`` in order of their rank."""
    hits: Facts = {
        f"hit@{k}": np.logical_or.reduce(right[:, :, :k], axis=2).astype(np.float64)
        for k in range(1, K + 1)
    }
    return {"pass@1": hits["hit@1"], **hits}


def calibration(right: NDArray[np.bool_], q: Array) -> Facts:
    """Give the metrics of single answers; those of K that are not there count as 1 in a headline."""
    q, given = q[:, None], q.shape[1]
    loss = ((q - right) ** 2).sum(axis=2)
    return {
        "multi_brier": (loss + K - given) / K,
        "multi_brier_sum": loss + K - given,
        "brier_answered": loss / given,
        "log_score": -np.log(np.where(right, q, 1 - q)).mean(axis=2),
    }


def of_number(right: NDArray[np.bool_], q: Array) -> Facts:
    """Give the metrics of how many answers are right against how many were promised."""
    excess = q.sum(axis=1)[:, None] - right.sum(axis=2)
    return {"correct_bias": excess, "correct_error": np.abs(excess)}


def of_set(run: Oracle, q: Array) -> Facts:
    return {"set_brier": (np.minimum(q.sum(axis=1), 1)[:, None] - run.held) ** 2}


def facts(run: Oracle, q: Array) -> Facts:
    """Give all of them for the oracle's answers in their order, with confidences ``q``."""
    right = run.right
    return coverage(run, right) | ranked(right) | calibration(right, q) | of_number(right, q)
