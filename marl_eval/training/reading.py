"""Reading and grading the generations of a training step, as evaluation reads and grades them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from marl_eval.answers import AnswerFormat, ParsedAnswers, parse
from marl_eval.judging import Judge, Judged, Question
from marl_eval.judging.checking import ask
from marl_eval.matching import WRONG
from marl_eval.task import Task
from marl_eval.types import Example


@dataclass(frozen=True, slots=True)
class Read:
    """What one generation holds.

    ``grades``: of each answer, the gold answer that it matches or ``matching.WRONG``; empty where the
    generation is not as asked. ``alike``: two of its answers are the same.
    """

    parsed: ParsedAnswers
    grades: tuple[int, ...]
    alike: bool


def read_and_grade(
    task: Task,
    fmt: AnswerFormat,
    generations: Sequence[tuple[Example, str]],
    *,
    judge: Judge | None = None,
    thinking_opened: bool = False,
) -> list[Read]:
    """Read generations, given as their example and their text, and grade their answers.

    Only answers of generations that are exactly as asked are graded, and with a ``judge`` each
    different answer to an example once. Two answers are the same if they have the same key, the
    judge says so, or they match the same gold answer; but all right programs match the one gold
    answer of a problem, and are as different as their texts.
    """
    parsed = [
        parse(fmt, text, thinking_opened=thinking_opened, key=task.key) for _, text in generations
    ]
    kept = [
        (row, [answer for answer in one.answers if answer is not None])
        for row, one in enumerate(parsed)
        if one.strict
    ]
    judged = _judged(task, judge, [(generations[row][0], answers) for row, answers in kept])
    grade = task.grader()
    read = [Read(one, (), "repeated-answer" in one.deviations) for one in parsed]
    for (row, answers), found in zip(kept, judged, strict=True):
        own = list(grade(generations[row][0], answers))
        kinds: list[object] = [task.key(answer) for answer in answers]
        for place, told in enumerate(found):
            if told.gold is not None:
                own[place] = told.gold
            if told.kind is not None:
                kinds[place] = (told.kind,)
            elif own[place] != WRONG and told.program is None:
                kinds[place] = own[place]
        read[row] = Read(parsed[row], tuple(own), len(set(kinds)) < len(kinds))
    return read


def _judged(task: Task, judge: Judge | None, questions: Sequence[Question]) -> list[list[Judged]]:
    """Have the answers judged; an answer that several generations give to an example, once."""
    if judge is None:
        return [[Judged()] * len(answers) for _, answers in questions]
    different: dict[str, dict[str, None]] = {}
    examples = {example.id: example for example, _ in questions}
    for example, answers in questions:
        different.setdefault(example.id, {}).update(dict.fromkeys(answers))
    asked: list[Question] = [(examples[name], list(texts)) for name, texts in different.items()]
    known: dict[tuple[str, str], Judged] = {}
    for place, found in ask(judge, asked, task.name):
        example, texts = asked[place]
        known.update(zip(((example.id, text) for text in texts), found, strict=True))
    return [[known[example.id, answer] for answer in answers] for example, answers in questions]
