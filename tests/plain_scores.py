"""The rows of ``scores.parquet`` by plain loops over one answer after the other."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from marl_eval.answers import ParsedAnswers
from marl_eval.estimators.overlap import overlaps
from marl_eval.judging import Judged
from marl_eval.matching import WRONG
from marl_eval.score_table import OVERLAPS, PROGRAMS
from marl_eval.scoring.generation import generation_reader
from marl_eval.scoring.grading import Scorer
from marl_eval.types import Completion, Example, Recorded

Row = dict[str, Any]
Generations = Sequence[Sequence[Completion] | None]
"""The generations of one example, each with its follow-ups; None for one that is not there."""


Findings = Mapping[str, Judged]
"""What a judge found of each text."""


def plain_rows(
    scorer: Scorer, example: Example, generations: Generations, findings: Findings | None = None
) -> list[Row]:
    """Score one example."""
    layout, each = scorer.layout, scorer.fmt.k
    asked = layout.k if example.asked is None else min(example.asked, layout.k)
    parsed = [_parsed(scorer, example, stages) for stages in generations]
    rows: list[Row] = []
    for place in range(layout.k * layout.sets):
        set_, position = divmod(place, layout.k)
        sample, within = divmod(place, each)
        stages, found = generations[sample], parsed[sample]
        needed = [set_ * layout.members + other // each for other in range(asked)]
        row = {
            "example": example.id,
            "set": set_,
            "position": position,
            "asked": position < asked,
            "sample": sample,
            "failed": any(generations[other] is None for other in needed),
            "gold_size": len(example.gold),
        }
        row |= _of_example(example, layout.k)
        row |= _answer(scorer, example, stages, found, within, findings)
        if within == 0:
            row |= _of_generation(stages, found)
        rows.append(row)
    for place, row in enumerate(rows):
        row["same_as"] = _first_of_class(rows, row)
        for name in PROGRAMS:
            row[name] = _first_program(rows, row, name)
        row["confidence_frequency"] = _frequency(rows, row, generations)
        own = rows[place // layout.k * layout.k :][: layout.k]
        row["rank"] = sorted(own, key=_trust).index(row)
        if place % layout.k == 0:
            row["set_confidence"] = _of_set(own, exclusive=scorer.exclusive)
    if scorer.overlap:
        for sample in range(layout.samples - 1):
            pair = generations[sample : sample + 2], parsed[sample : sample + 2]
            rows[sample * each].update(_alike(*pair))
    for row in rows:
        del row["class"]
        row.pop("classes", None)
    return rows


def _parsed(
    scorer: Scorer, example: Example, stages: Sequence[Completion] | None
) -> ParsedAnswers | None:
    if stages is None:
        return None
    own = scorer.fmt
    if example.asked is not None and scorer.layout.members == 1:
        own = replace(own, k=min(example.asked, own.k))
    parsed = generation_reader(own, scorer.task.key)(stages)
    more: tuple[None, ...] = (None,) * (scorer.fmt.k - own.k)
    if scorer.strict and not parsed.strict:
        more, parsed = (None,) * scorer.fmt.k, parsed._replace(answers=(), confidences=())
    return parsed._replace(
        answers=(*parsed.answers, *more), confidences=(*parsed.confidences, *more)
    )


def _answer(
    scorer: Scorer,
    example: Example,
    stages: Sequence[Completion] | None,
    parsed: ParsedAnswers | None,
    place: int,
    findings: Findings | None,
) -> Row:
    """Grade one answer."""
    key = scorer.task.key
    truth = None if example.truth is None else False
    missing = {"gold": None, "class": None, "truth": truth}
    if stages is None or parsed is None:
        return missing
    answer, recorded = parsed.answers[place], stages[0].recorded or Recorded()
    grade = None if recorded.grades is None else recorded.grades[place]
    if answer is None and grade is None:
        return missing
    gold = WRONG if answer is None else scorer.task.grader()(example, [answer])[0]
    judged = Judged() if findings is None or answer is None else findings[answer]
    gold = gold if judged.gold is None else judged.gold
    if grade is not None:
        gold = max(gold, 0) if grade else WRONG
    stated = parsed.confidences[place]
    row: Row = {
        "answer": answer,
        "gold": gold,
        "class": gold
        if gold >= 0
        else object()
        if answer is None
        else ("key", key(answer))
        if judged.kind is None
        else ("kind", judged.kind),
        "truth": truth
        if example.truth is None
        else answer is not None and key(answer) == key(example.truth),
        "confidence": stated,
    }
    if scorer.stated == "recorded":
        known = recorded.confidences
        row |= {"confidence": None if known is None else known[place], "confidence_text": stated}
    if judged.program is not None:
        assert answer is not None
        program = judged.program
        text = ("text", key(answer))
        syntax = ("syntax", program.syntax) if program.compiles and program.syntax else text
        run = ("run", program.behaviour) if program.compiles and program.behaviour else syntax
        row |= {"compiles": program.compiles, "isolation": program.isolation}
        row["classes"] = dict(zip(PROGRAMS, (text, syntax, run), strict=True))
    weights = [g.weight for g in example.gold]
    weighted = any(weight is not None for weight in weights)
    if weighted and gold >= 0:
        row["gold_weight"] = weights[gold] or 0
    if example.distribution is not None:
        chances = [p for text, p in example.distribution if answer and key(text) == key(answer)]
        row["probability"] = chances[0] if chances else 0
    elif weighted:
        row["probability"] = row.get("gold_weight", 0) / _whole(example)
    return row


def _of_example(example: Example, k: int) -> Row:
    row: Row = {}
    weights = [g.weight or 0 for g in example.gold]
    known = any(g.weight is not None for g in example.gold)
    if known:
        row["weight_total"] = sum(weights)
    if example.distribution is not None:
        weights, known = [p for _, p in example.distribution], True
    elif known:
        weights = [weight / _whole(example) for weight in weights]
    if known:
        row["best_probability"] = sum(sorted(weights)[::-1][: example.asked or k])
    return row


def _whole(example: Example) -> float:
    """Weights that sum to more than 1 are shares of their sum."""
    return max(sum(g.weight or 0 for g in example.gold), 1)


def _of_generation(stages: Sequence[Completion] | None, parsed: ParsedAnswers | None) -> Row:
    if stages is None or parsed is None:
        return {}
    row = {
        "strict": parsed.strict,
        "finish_reason": stages[0].finish_reason,
        "deviations": " ".join(parsed.deviations),
        "reasoning_tokens": stages[0].reasoning_tokens,
    }
    for name in ("prompt_tokens", "completion_tokens"):
        counts = [getattr(line, name) for line in stages]
        row[name] = None if None in counts else sum(counts)
    return row


def _first_of_class(rows: Sequence[Row], row: Row) -> int | None:
    if row["gold"] is None:
        return None
    return next(place for place, other in enumerate(rows) if _same(other, row))


def _first_program(rows: Sequence[Row], row: Row, name: str) -> int | None:
    own = row.get("classes")
    if own is None:
        return None
    told = [other.get("classes", {}).get(name) for other in rows]
    return told.index(own[name])


def _same(one: Row, other: Row) -> bool:
    if one["gold"] is None or other["gold"] is None:
        return False
    # A right answer and a wrong one are never the same, whatever a recorded grade says of them.
    return bool((one["gold"] >= 0) == (other["gold"] >= 0) and one["class"] == other["class"])


def _frequency(rows: Sequence[Row], row: Row, generations: Generations) -> float | None:
    if row["gold"] is None or len(generations) == 1:
        return None
    giving = {other["sample"] for other in rows if _same(other, row)}
    return len(giving) / sum(stages is not None for stages in generations)


def _trust(row: Row) -> tuple[bool, bool, float, int]:
    q = row.get("confidence")
    return row["gold"] is None, q is None, -(q or 0), row["position"]


def _of_set(own: Sequence[Row], *, exclusive: bool) -> float | None:
    asked = [row for row in own if row["asked"]]
    if any(row.get("confidence") is None for row in asked):
        return None
    different: list[Row] = []
    for row in sorted(own, key=_trust):
        if row["gold"] is not None and not any(_same(row, other) for other in different):
            different.append(row)
    confidences = [row.get("confidence") or 0 for row in different]
    return min(sum(confidences), 1) if exclusive else 1 - math.prod(1 - q for q in confidences)


def _alike(stages: Generations, parsed: Sequence[ParsedAnswers | None]) -> Row:
    texts = []
    for lines, found in zip(stages, parsed, strict=True):
        if lines is None or found is None:
            return {}
        text = re.sub("</?think>", " ", lines[0].text[: found.reasoning_end])
        texts.append(lines[0].reasoning or text)
    values = overlaps(*texts)
    return {name: None if math.isnan(q) else q for name, q in zip(OVERLAPS, values, strict=True)}
