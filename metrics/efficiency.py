"""What recall costs in tokens, read off the curve of recall against tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import numpy as np

from marl_eval.estimators.division import Array
from marl_eval.metric import Finish, Metric, doc_of
from marl_eval.recall_curve import area_within, curve, recall_and_tokens, tokens_to_reach
from marl_eval.samples import generations_drawn
from marl_eval.score_table import Shape

RECALLS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
_UNKNOWN = (
    "no example has all requests answered and all token counts known, or no token was generated"
)


def metrics(shape: Shape) -> Sequence[Metric]:
    """Give the metrics of the curve: none where it has but one point, or nothing to recall."""
    if shape.samples == 1 or not shape.graded:
        return []
    points = generations_drawn(shape.samples)
    area = _of_curve(
        "recall_token_area", partial(_area, points=points), "higher", (0, 1), _UNKNOWN, None
    )
    tokens = [
        _of_curve(
            f"tokens_to_recall@{recall:g}",
            partial(_tokens_to, points=points, recall=recall),
            "lower",
            (0, float("inf")),
            "the run's generations do not reach this recall",
            ("tokens_to_recall", recall),
        )
        for recall in RECALLS
    ]
    return [area, *tokens]


def _of_curve(
    name: str,
    finish: Finish,
    better: Literal["higher", "lower"],
    bounds: tuple[float, float],
    undefined: str,
    place: tuple[str, float] | None,
) -> Metric:
    return Metric(
        name=name,
        statistics=recall_and_tokens,
        finish=finish,
        better=better,
        bounds=bounds,
        counted="examples",
        denominator=_examples,
        undefined=undefined,
        doc=doc_of(finish),
        curve=place,
    )


def _examples(sums: Array) -> Array:
    return sums[..., -1]


def _area(sums: Array, points: Sequence[int]) -> Array:
    """Area under recall against generated tokens, over the run's own tokens: its mean height.

    recall_token_area = (1/T) * integral from 0 to T of recall(t) dt, T being the generated tokens of
    a question and recall(t) the curve through (0, 0) and (tokens of s generations, recall of s
    generations) for each s.

    Range [0, 1]. For runs of different cost compare at an equal budget (``marl-eval compare``).
    Examples with a failed request, or fewer generations than the run, are left out. No failure can
    improve it.
    Source: area under a learning curve, as active learning uses it.
    Checked against: numerical integration.
    """
    tokens, recall = curve(sums, points)
    return area_within(tokens, recall, tokens[..., -1])


def _tokens_to(sums: Array, points: Sequence[int], recall: float) -> Array:
    """Generated tokens of a question until the gold answers are covered to a given share.

    tokens_to_recall@r = the least t with recall(t) >= r, on the curve through (0, 0) and (tokens of s
    generations, recall of s generations) for each s, straight between.

    Range [0, tokens_per_example]. NaN if the run's generations do not reach r. Examples with a failed
    request, or fewer generations than the run, are left out.
    Source: the tokens-for-K-answers comparison of Puri et al. 2026, arXiv:2603.24844, made continuous.
    Checked against: numpy.interp.
    """
    return tokens_to_reach(*curve(sums, points), np.full(sums.shape[:-1], recall))
