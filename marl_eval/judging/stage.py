"""Judging the answers of a run: every different answer of an example once, stored as it is found.

Answers are judged as they are read leniently, so that strict scoring needs no judging of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import numpy as np

from marl_eval.judging import Judge, Judged, Question
from marl_eval.judging.checking import ask
from marl_eval.judging.judgements import Judgement, answer_hash, judgement_id, storable
from marl_eval.line_index import Index, index_lines
from marl_eval.lines import Appender, read_lines
from marl_eval.progress import Progress, silent
from marl_eval.scoring.blocks import Block, Blocks
from marl_eval.scoring.grading import Scorer, different_answers
from marl_eval.store import RunDirectory
from marl_eval.types import Example


@dataclass(frozen=True, slots=True)
class _Owed:
    """Answers of the example at ``row`` that are left to judge, to be stored as line ``sample``."""

    row: int
    sample: int
    example: Example
    answers: Sequence[str]


def judge_answers(
    run: RunDirectory,
    scorer: Scorer,
    context: bytes,
    judge: AbstractContextManager[Judge],
    progress: Progress = silent,
) -> None:
    """Judge the answers of a run that have not been, opening the judge only if there are any.

    An answer that is stored is not judged again, unless its example has further answers now and the
    judge told their kinds, which rest on all of them.

    Raises:
        UserError: if the judge cannot be opened, fails, or does not do what a judge must.
        StorageError: if the findings cannot be stored.
    """
    stored = index_lines(run.judgements)
    blocks = Blocks(run, scorer.layout.samples)
    with ExitStack() as stack:
        opened: Judge | None = None
        for number in range(blocks.count):
            block = blocks.read(number)
            owed = list(_owed(run, scorer, context, stored, block))
            if opened is None and owed:
                done = block.start + _judged_examples(stored, block.start, blocks.examples)
                advance = stack.enter_context(progress("judging", total=blocks.examples, done=done))
                appender = Appender(run.judgements)
                stack.callback(appender.close)
                opened = stack.enter_context(judge)
            if opened is not None:
                before = _judged_examples(stored, block.start, block.stop)
                fresh = sum(own.sample == 0 for own in owed)
                advance(len(block.examples) - before - fresh, 0)
                questions: list[Question] = [(own.example, own.answers) for own in owed]
                for place, found in ask(opened, questions, scorer.task.name):
                    own = owed[place]
                    appender.append([_line(context, own, found)])
                    advance(int(own.sample == 0), 0)


def _owed(
    run: RunDirectory, scorer: Scorer, context: bytes, stored: Index, block: Block
) -> Iterator[_Owed]:
    """Find what is left to judge of a block."""
    texts = different_answers(scorer, block.examples, block.places, block.lines)
    for place, (example, answers) in enumerate(zip(block.examples, texts, strict=True)):
        row = block.start + place
        rows = stored.rows(row, row + 1)
        if not answers:
            continue
        if rows.start == rows.stop:
            yield _Owed(row, 0, example, answers)
            continue
        hashes = [answer_hash(text) for text in answers]
        if stored.holds_id(rows, judgement_id(context, example, hashes)):
            continue
        lines = read_lines(run.judgements, stored, rows, Judgement)
        alone = [
            line
            for line in lines
            if line.id == judgement_id(context, example, line.answers)
            and all(judged.kind is None for judged in line.found)
        ]
        left = answers
        if len(alone) == len(lines):
            known = {own for line in lines for own in line.answers}
            left = [text for text, own in zip(answers, hashes, strict=True) if own not in known]
        if left:
            yield _Owed(row, lines[-1].sample + 1, example, left)


def _judged_examples(stored: Index, start: int, stop: int) -> int:
    """Count the examples from ``start`` up to ``stop`` of which something is stored."""
    return len(np.unique(stored.examples(stored.rows(start, stop))))


def _line(context: bytes, own: _Owed, found: Sequence[Judged]) -> Judgement:
    hashes = tuple(answer_hash(text) for text in own.answers)
    name = judgement_id(context, own.example, hashes)
    return Judgement(name, own.row, own.sample, 0, hashes, tuple(map(storable, found)))
