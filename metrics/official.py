"""The released evaluators' own numbers, for comparison with published tables; not ours.

The code released with RLCR (arXiv:2507.16806) and with multi-answer RL (arXiv:2603.24844) computes
them so, with known faults. They are kept here as they are, bit for bit, so that a published figure
can be checked against a run; each comes with a sentence on how it differs from ours. They have no
intervals, and no other metric uses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from marl_eval.answers import AnswerFormat
from marl_eval.estimators.without_replacement import chance_found
from marl_eval.metric import Array
from marl_eval.metrics.official_judging import Judged, judge_run
from marl_eval.store import RunDirectory

MARK = "released evaluator's definition, for comparison with published tables"
"""What every output of these numbers says."""

_RANKS = (1, 2, 3)
_MOST_DRAWN = 32
_BINS = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the released evaluators, under their name for it.

    ``ours`` is the metric to compare it with, None if there is none; ``differs`` says how it differs.
    """

    name: str
    value: float
    ours: str | None
    differs: str


@dataclass(frozen=True, slots=True)
class Official:
    """What the released evaluators would report of a run.

    ``several`` says whether a generation holds several answers; ``examples`` and ``generations`` are
    counts.
    """

    several: bool
    examples: int
    generations: int
    figures: tuple[Figure, ...]


def official(path: Path) -> Official:
    """Compute the released evaluators' numbers from a run directory.

    Raises:
        UserError: if this is not a run directory, or a generation is missing: the released evaluators
            have no number for such a run.
    """
    run = RunDirectory(path)
    judged = judge_run(run)
    record = run.read_run()
    several = AnswerFormat(**record["format"]).k > 1
    ranked = bool(record["settings"]["confidence"])
    figures = _of_several(judged, ranked=ranked) if several else _of_one(judged)
    figures += _of_all(list(chain.from_iterable(judged)), several=several)
    return Official(several, len(judged), sum(map(len, judged)), tuple(figures))


def brier(right: Array, confidence: Array) -> float:
    """Mean of (q - y)^2, for ``right`` y in {0, 1} and ``confidence`` q in [0, 1], float64[n]."""
    return float(np.mean((confidence - right) ** 2))


def ece(right: Array, confidence: Array) -> float:
    """Expected calibration error over ten bins of [0, 1], weighted by count; 0 for no answer.

    ece = sum over bins b of (n_b / n) * |mean q in b - mean y in b|, for float64[n].

    An edge belongs to the bin above it, 1 to the last. The edges are those of ``numpy.linspace``, of
    which three lie just above 0.3, 0.6 and 0.7, so that these very confidences fall below them.
    """
    cell = np.searchsorted(np.linspace(0, 1, _BINS + 1)[1:-1], confidence, side="right")
    total = 0.0
    for b in range(_BINS):
        inside = (cell == b) & ~np.isnan(confidence)
        if inside.any():
            gap = np.abs(np.mean(confidence[inside]) - np.mean(right[inside]))
            total += float(inside.sum() / len(confidence) * gap)
    return total


def auroc(right: Array, confidence: Array) -> float:
    """Area under the ROC curve by trapezoids; NaN if all are right, all wrong, or some q is NaN."""
    ones = right.sum()
    zeros = len(right) - ones
    if ones == 0 or zeros == 0 or np.isnan(confidence).any():
        return float("nan")
    ranks: Array = rankdata(confidence)
    return float((ranks[right == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def pass_at(found: NDArray[np.int64], *, of: int, drawn: int) -> float:
    """Mean over examples of 1 - C(n-c, k) / C(n, k), for c = ``found`` int64[examples] right ones.

    n is ``of``, the generations of each example, and k is ``drawn``.
    Source: Chen et al. 2021 (arXiv:2107.03374).
    """
    return float(np.mean(chance_found(found, np.full(len(found), of), drawn=drawn)))


def rank(confidences: Sequence[float | None]) -> list[int]:
    """Give the places of answers by confidence, the highest first: ties by place, missing ones last."""
    return sorted(
        range(len(confidences)),
        key=lambda place: np.inf if (q := confidences[place]) is None else -q,
    )


def set_brier(right: Sequence[int], confidences: Sequence[float | None]) -> float:
    """Sum over a set of (q - y)^2, a missing confidence being 0; 0 for a set without answers."""
    return float(sum(((q or 0.0) - y) ** 2 for q, y in zip(confidences, right, strict=True)))


_SAME = "The same, but for answers that are read differently."


def _of_one(judged: list[list[Judged]]) -> list[Figure]:
    """Give the figures of generations of one answer."""
    samples = len(judged[0])
    found = np.array([sum(one.right[0] for one in own) for own in judged])
    drawn = [
        *range(1, min(samples, _MOST_DRAWN) + 1),
        *([samples] if samples > _MOST_DRAWN else []),
    ]
    passes = [
        Figure(f"pass@{k}", pass_at(found, of=samples, drawn=k), f"pass@{k}", _SAME) for k in drawn
    ]
    own = list(chain.from_iterable(judged))
    score = brier(_column([one.right[0] for one in own]), _column([one.stated for one in own]))
    return [
        *passes,
        Figure("accuracy", passes[0].value, "pass@1", "pass@1 by another name."),
        Figure(
            "brier_score",
            score,
            "brier_answered",
            "A confidence that cannot be read counts as 0; ours leaves it out here and counts it as 1 "
            "in multi_brier.",
        ),
    ]


def _of_several(judged: list[list[Judged]], *, ranked: bool) -> list[Figure]:
    """Give the figures of generations of several answers, which rest on each example's first one."""
    firsts = [own[0] for own in judged]
    orders = [rank(one.confidences) if ranked else list(range(len(one.right))) for one in firsts]

    def hit(k: int) -> float:
        hits = [
            any(one.right[place] for place in order[:k])
            for one, order in zip(firsts, orders, strict=True)
        ]
        return float(np.mean(hits))

    how = "Of each example only the first generation counts; ours takes the mean over all of them."
    passes = [Figure(f"pass@{k}", hit(k), f"hit@{k}", how) for k in _RANKS]
    figures = [*passes, Figure("accuracy", passes[0].value, "hit@1", "pass@1 by another name.")]
    if ranked:
        score = float(np.mean([set_brier(one.right, one.confidences) for one in firsts]))
        differs = (
            "A set without any answer counts as 0, the best value, and a missing confidence as one of "
            "0; ours counts each answer or confidence that is missing as 1, the worst."
        )
        figures.append(Figure("set_brier", score, "multi_brier_sum", differs))
    return figures


def _of_all(judged: list[Judged], *, several: bool) -> list[Figure]:
    """Give the figures that rest on all answers of all generations.

    Every answer goes with its generation's un-numbered confidence.
    """
    right = _column([y for one in judged for y in one.right])
    confidence = _column([one.stated for one in judged for _ in one.right])
    unread = "a confidence that cannot be read counts as 0, where ours leaves it out."
    fault = (
        "The un-numbered confidence tag is read, which a set of several answers does not have, so "
        "every confidence is 0"
    )
    edges = "0.3, 0.6 and 0.7 fall into the bin below them, where ours puts them above;"
    return [
        Figure(
            "ece",
            ece(right, confidence),
            "ece",
            f"{fault}." if several else f"{edges} {unread}",
        ),
        Figure(
            "auroc",
            auroc(right, confidence),
            "auroc",
            f"{fault} and the area 0.5." if several else f"{unread[0].upper()}{unread[1:]}",
        ),
        Figure(
            "completion length",
            float(np.mean([one.length for one in judged])),
            "tokens_per_example",
            "Characters of a generation; ours are tokens of all generations of an example.",
        ),
        Figure(
            "confidence level",
            float(np.mean(confidence)) if len(confidence) > 0 else 0.0,
            None,
            f"{fault}." if several else f"Mean confidence; {unread}",
        ),
        Figure(
            "confidence format adherence",
            float(np.mean([one.readable for one in judged])),
            "format_ok",
            "Share of texts with a readable un-numbered confidence; ours asks for the whole format.",
        ),
    ]


def _column(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float64)
