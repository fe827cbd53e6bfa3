"""Asking once more for what a generation lacks (``--force-answer``).

As in the published protocol (arXiv:2603.24844), a generation without all of its answers, or then
without all of its confidences, is asked to finish: at temperature 0, with its own output before it,
for at most 50 tokens an answer or 20 a confidence. The reply is a completion of its own, stored
beside the first and counted in the tokens; the first is never edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from marl_eval.answers import AnswerFormat
from marl_eval.line_index import index_lines
from marl_eval.lines import read_lines
from marl_eval.normalization import Key
from marl_eval.plan import Asking, Plan, make_question, make_request
from marl_eval.scoring.generation import generation_reader
from marl_eval.store import RunDirectory
from marl_eval.types import Completion, Message, Request, Sampling

STAGES = {1: "answer", 2: "confidence"}
"""What each stage asks for, if it is missing."""

TOKENS = {1: 50, 2: 20}
"""Most tokens that each stage may take for one missing thing."""

_BLOCK = 512

Lines = Sequence[Completion]
"""The stored lines of one generation and its follow-ups, in order of stage."""


def follow_up_plan(stage: int, run: RunDirectory, asking: Asking, key: Key) -> Plan:
    """Plan the follow-ups of one stage, from the completions of the stages before it."""
    index = index_lines(run.completions)

    def make() -> Iterator[Request]:
        count = len(asking.examples)
        for first in range(0, count, _BLOCK):
            by_place: dict[tuple[int, int], list[Completion]] = {}
            rows = index.rows(first, min(first + _BLOCK, count))
            for line in read_lines(run.completions, index, rows, Completion):
                if line.stage < stage:
                    by_place.setdefault((line.example, line.sample), []).append(line)
            for lines in by_place.values():
                lacking = _lacking(stage, asking.format, key, lines)
                if lacking:
                    yield _request(stage, asking, key, lines, lacking)

    return Plan(make, sum(1 for _ in make()))


def _lacking(stage: int, fmt: AnswerFormat, key: Key, lines: Lines) -> list[int]:
    """Give the places (from 0) at which the answer (stage 1) or confidence (stage 2) is missing."""
    parsed = generation_reader(fmt, key)(lines)
    if stage == 1:
        return [place for place, answer in enumerate(parsed.answers) if answer is None]
    if not fmt.confidence:
        return []
    pairs = zip(parsed.answers, parsed.confidences, strict=True)
    return [p for p, (answer, q) in enumerate(pairs) if answer is not None and q is None]


def _request(stage: int, asking: Asking, key: Key, lines: Lines, lacking: Sequence[int]) -> Request:
    """Ask for what is lacking, after all that was said before."""
    row, fmt = lines[0].example, asking.format
    example = asking.examples[row]
    messages = list(asking.template.ask(example.question))
    for count, line in enumerate(lines, start=1):
        messages.append(Message("assistant", line.text))
        if count < len(lines):
            then = lines[count].stage
            messages.append(_ask(then, fmt, _lacking(then, fmt, key, lines[:count])))
    messages.append(_ask(stage, fmt, lacking))
    question = make_question(
        example,
        tuple(messages),
        replace(fmt, reasoning=False, analysis=False),
        Sampling(temperature=0.0, top_p=1.0, max_tokens=TOKENS[stage] * len(lacking)),
        endings=(f"</{STAGES[stage]}{fmt.suffix(lacking[-1])}>",),
    )
    return make_request(asking, question, row, lines[0].sample, stage=stage)


def _ask(stage: int, fmt: AnswerFormat, lacking: Sequence[int]) -> Message:
    name = STAGES[stage]
    what = fmt.noun if stage == 1 else "confidence (a number from 0 to 1)"
    tags = [f"<{name}{fmt.suffix(place)}>…</{name}{fmt.suffix(place)}>" for place in lacking]
    return Message(
        "user",
        f"Your reply lacks something. Write only the missing {what}, in this form: {''.join(tags)}",
    )
