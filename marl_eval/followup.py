"""Asking once more for what a generation lacks (``--force-answer``).

As in the published protocol (arXiv:2603.24844), a generation without all of its answers, or then
without all of its confidences, is asked to finish: at temperature 0, with its own output before it,
for at most 50 tokens an answer or 20 a confidence. The reply is a completion of its own, stored
beside the first and counted in the tokens; the first is never edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from marl_eval.answers import AnswerFormat
from marl_eval.generation import generation_reader
from marl_eval.lines import Index, read_lines
from marl_eval.normalization import Key
from marl_eval.plan import Plan, hash_question, make_request
from marl_eval.prompts import PromptTemplate
from marl_eval.store import RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.types import Example, Message, Request, Sampling

ANSWER_TOKENS, CONFIDENCE_TOKENS = 50, 20
STAGES = {1: "answer", 2: "confidence"}
_BLOCK = 512


def follow_up_plan(
    stage: int,
    run: RunDirectory,
    index: Index,
    examples: Sequence[Example],
    template: PromptTemplate,
    layout: SetLayout,
    fmt: AnswerFormat,
    key: Key,
    seed: int,
) -> Plan:
    """Plan the follow-ups of one stage, from the completions of the stages before it."""

    def make() -> Iterator[Request]:
        for first in range(0, len(examples), _BLOCK):
            last = min(first + _BLOCK, len(examples))
            by_place: dict[tuple[int, int], list[dict[str, Any]]] = {}
            for line in read_lines(run.completions, index, index.rows(first, last)):
                if line["stage"] < stage:
                    by_place.setdefault((line["example"], line["sample"]), []).append(line)
            for (row, sample), lines in by_place.items():
                lacking = _lacking(stage, fmt, key, lines)
                if lacking:
                    yield _request(
                        stage,
                        examples[row],
                        row,
                        sample,
                        lines,
                        lacking,
                        template,
                        layout,
                        fmt,
                        seed,
                    )

    return Plan(make, sum(1 for _ in make()))


def _lacking(stage: int, fmt: AnswerFormat, key: Key, lines: list[dict[str, Any]]) -> list[int]:
    """Give the places (from 0) at which the answer (stage 1) or confidence (stage 2) is missing."""
    parsed = generation_reader(fmt, key)(lines)
    if stage == 1:
        return [i for i, answer in enumerate(parsed.answers) if answer is None]
    if not fmt.confidence:
        return []
    return [
        i
        for i, (answer, confidence) in enumerate(
            zip(parsed.answers, parsed.confidences, strict=True)
        )
        if answer is not None and confidence is None
    ]


def _request(
    stage: int,
    example: Example,
    row: int,
    sample: int,
    lines: list[dict[str, Any]],
    lacking: list[int],
    template: PromptTemplate,
    layout: SetLayout,
    fmt: AnswerFormat,
    seed: int,
) -> Request:
    name = STAGES[stage]
    tags = [f"<{name}{fmt.suffix(i)}>…</{name}{fmt.suffix(i)}>" for i in lacking]
    what = fmt.noun if stage == 1 else "confidence (a number from 0 to 1)"
    ask = (
        f"Your reply lacks something. Write only the missing {what}, in this form: {''.join(tags)}"
    )
    messages = list(template.ask(example.question))
    for line in lines:
        messages += [Message("assistant", line["text"]), Message("user", ask)]
    budget = (ANSWER_TOKENS if stage == 1 else CONFIDENCE_TOKENS) * len(lacking)
    sampling = Sampling(temperature=0.0, top_p=1.0, max_tokens=budget)
    asked = tuple(messages)
    request = make_request(
        hash_question(example.id, asked, sampling),
        example,
        row,
        sample,
        stage,
        layout.members,
        asked,
        replace(fmt, reasoning=False, analysis=False),
        sampling,
        seed,
    )
    return replace(request, endings=(f"</{name}{fmt.suffix(lacking[-1])}>",))
