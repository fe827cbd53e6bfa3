"""Figures of runs: one module for each, found by name in ``DRAWINGS`` and ``PAPER``.

Importing this imports no matplotlib; drawing does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marl_eval.reports.drawings.conformal import draw_conformal
from marl_eval.reports.drawings.distinct import draw_distinct
from marl_eval.reports.drawings.forest import draw_forest
from marl_eval.reports.drawings.overlap import draw_overlap
from marl_eval.reports.drawings.recall import draw_correct, draw_recall
from marl_eval.reports.drawings.reliability import draw_reliability, draw_set_reliability
from marl_eval.reports.drawings.risk import draw_risk
from marl_eval.reports.drawings.tokens import draw_tokens
from marl_eval.reports.drawings.training import draw_answers_in_training, draw_training

Draw = Callable[[Any, Sequence[Path]], bool]
"""Draws scored runs into a ``matplotlib.figure.Figure``; false if they have nothing of it to draw."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: what it is called, what it shows, what runs it needs, and what draws it."""

    title: str
    caption: str
    needs: str
    draw: Draw


_SINGLE_OR_MORE = "a run whose answers are graded"
_DISTINCT = Drawing(
    "Distinct answers",
    "Share of the questions by how many of all the answers to them are different, right or wrong; "
    "bars: 95 % intervals of Wilson; dashed: the mean, whose interval is in the title.",
    "a run of several answers to a question",
    draw_distinct,
)
_RELIABILITY = Drawing(
    "Reliability of answers",
    "How often answers are right by their stated confidence, in ten bins of equal width, with 95 % "
    "intervals from resampled questions. Grey bars: the share of the answers in each bin. Dashed: "
    "perfect calibration.",
    "a run with stated confidences",
    draw_reliability,
)
_OVERLAP = Drawing(
    "Overlap of two generations",
    "The reasoning of two generations of one question, with the phrases of three words or more that "
    "both have highlighted.",
    "a run of several generations with reasoning, compared when it was scored (not --no-overlap)",
    draw_overlap,
)

DRAWINGS: Mapping[str, Drawing] = {
    "recall": Drawing(
        "Recall over answers",
        "Recall of the gold answers by k answers in all, estimated without bias from all generations "
        "of the run; bands: 95 % intervals from resampled questions.",
        _SINGLE_OR_MORE,
        draw_recall,
    ),
    "tokens": Drawing(
        "Recall against tokens",
        "Recall by the generated tokens of a question, as more generations are made; bands: 95 % "
        "intervals from resampled questions. Grey: the frontier, the most recall that any run has for "
        "so many tokens.",
        "a run whose answers are graded and whose engine told token counts",
        draw_tokens,
    ),
    "distinct": _DISTINCT,
    "reliability": _RELIABILITY,
    "set_reliability": Drawing(
        "Reliability of sets",
        "How often a set holds a right answer by the confidence that its answers state together, in "
        "ten bins of equal width, with 95 % intervals from resampled questions. Grey bars: the share "
        "of the sets in each bin. Dashed: perfect calibration.",
        "a run with stated confidences",
        draw_set_reliability,
    ),
    "risk": Drawing(
        "Risk and coverage",
        "Share of wrong first answers when only the most confident questions are answered; bands: 95 % "
        "intervals from resampled questions.",
        "a run with stated confidences",
        draw_risk,
    ),
    "conformal": Drawing(
        "Conformal sets",
        "Answers that a question's split-conformal set needs to hold a right one as often as promised, "
        "and how often it does, with 95 % intervals from resampled questions. A run is absent where too "
        "few of its questions have a right answer with a confidence.",
        "a run with stated confidences, right often enough for a threshold to reach a coverage",
        draw_conformal,
    ),
    "overlap": _OVERLAP,
    "training": Drawing(
        "Training",
        "Reward of a completion, a mean over neighbouring points with its 95 % interval, and recall on "
        "held-out questions, with the widest 95 % interval that its mean allows.",
        "a run of a checkpoint that 'marl-eval train' made and that is still there",
        draw_training,
    ),
    "forest": Drawing(
        "Comparison",
        "Difference of each run from the first, on the same questions, with paired 95 % intervals. An "
        "interval without 0 is a difference at the 5 % level, before any correction for how many are "
        "looked at.",
        "two runs of the same examples",
        draw_forest,
    ),
}
"""Every figure, by name."""

PAPER: Mapping[str, Drawing] = {
    "recall": Drawing(
        "Right answers over answers",
        "Distinct right answers recovered by k answers in all, estimated without bias from all "
        "generations of the run; bands: 95 % intervals from resampled questions.",
        _SINGLE_OR_MORE,
        draw_correct,
    ),
    "distinct": _DISTINCT,
    "reliability": _RELIABILITY,
    "overlap": _OVERLAP,
    "training": Drawing(
        "Training for each K",
        "Right answers in a set, and the share of sets whose answers are all different, over the steps "
        "of training: means over neighbouring points with their 95 % intervals.",
        "a run of a checkpoint that 'marl-eval train' made and that is still there",
        draw_answers_in_training,
    ),
}
"""The figures of the multi-answer RL paper (arXiv:2603.24844), in its form."""
