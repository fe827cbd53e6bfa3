"""Scoring what lm-eval generated, and naming the metrics that this will give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from marl_eval.judging import JudgeSettings
from marl_eval.judging.judgements import opened_judge
from marl_eval.metric import Metric
from marl_eval.plan import question_plan
from marl_eval.plugins import load_metric_families
from marl_eval.preparation import Posed
from marl_eval.score_table import SET, Array, Shape
from marl_eval.scratch_run import score_completions
from marl_eval.settings import RunSettings
from marl_eval.strategies import SetLayout
from marl_eval.types import Completion


@dataclass(frozen=True, slots=True)
class Answered:
    """The texts generated for the example at ``row`` of what was posed."""

    row: int
    texts: tuple[str, ...]
    thinking_opened: bool

    def __str__(self) -> str:
        """What lm-eval logs of it beside the texts, once for each metric."""
        return ""


def score_answered(
    posed: Posed, settings: RunSettings, answered: Sequence[Answered]
) -> dict[str, float]:
    """Give the value of every metric over the examples that were answered, NaN if undefined.

    Raises:
        UserError: if answers cannot be judged here.
        StorageError: if there is no room for temporary files.
    """
    asking = replace(posed.asking, examples=[posed.asking.examples[item.row] for item in answered])
    completions = (
        Completion(
            id=request.id,
            example=request.example,
            sample=request.sample,
            stage=0,
            text=answered[request.example].texts[request.sample],
            prompt_tokens=None,
            completion_tokens=None,
            finish_reason=None,
            thinking_opened=answered[request.example].thinking_opened,
        )
        for request in question_plan(asking)
    )
    return score_completions(replace(posed, asking=asking), settings, completions)


def metrics_that_fit(posed: Posed, settings: RunSettings) -> list[Metric]:
    """Give the metrics that the run will have, as far as what is asked decides it.

    lm-eval wants their names of every example and of every process alike, before any is scored.
    """
    asking, task = posed.asking, posed.task
    examples, layout = asking.examples, asking.layout
    weighted = any(gold.weight is not None for e in examples for gold in e.gold)
    exact = weighted or any(e.distribution for e in examples)
    exclusive = bool(posed.record["task"]["exclusive"])
    judged = opened_judge(task, posed.record, JudgeSettings()) is not None
    shape = Shape(
        k=layout.k,
        sets=layout.sets,
        members=layout.members,
        exclusive=exclusive,
        levels=_levels(layout, confidence=asking.format.confidence),
        weighted=weighted,
        reference=("exclusive" if weighted or exclusive else "independent") if exact else None,
        truth=any(e.truth is not None for e in examples),
        overlap=settings.overlap and layout.samples > 1,
        graded=task.graded and any(e.gold for e in examples),
        programs=judged and asking.format.form == "program",
    )
    return [metric for family in load_metric_families() for metric in family(shape)]


def _levels(layout: SetLayout, *, confidence: bool) -> dict[str, Array]:
    sources = ["text", SET] if confidence else []
    if layout.samples > 1:
        sources.append("frequency")
    return {source: np.array([0.0, 1.0]) for source in sources}
