"""Asking a judge, and seeing that it does what a judge must."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged, Question
from marl_eval.matching import WRONG


def ask(
    judge: Judge, questions: Sequence[Question], task: str
) -> Iterator[tuple[int, list[Judged]]]:
    """Have answers judged; gives the number of a question and what was found, in any order.

    Raises:
        UserError: if the judge leaves a question out, tells of another, or names a gold answer that
            there is not; ``task`` is the name of its task.
    """
    waiting = set(range(len(questions)))
    for place, found in judge(questions) if questions else ():
        if place not in waiting or len(found) != len(questions[place][1]):
            raise UserError(
                f"The judge of the task {task!r} is at fault: of {len(questions)} questions it "
                f"told of number {place}, {len(found)} findings, which is not what was asked."
            )
        waiting.remove(place)
        example = questions[place][0]
        most = max(len(example.gold), 1)
        for judged in found:
            if judged.gold is not None and not WRONG <= judged.gold < most:
                raise UserError(
                    f"The judge of the task {task!r} is at fault: it gave an answer of the example "
                    f"{example.id!r} the gold answer {judged.gold}, and there are {most}."
                )
        yield place, found
    if waiting:
        raise UserError(
            f"The judge of the task {task!r} is at fault: it said nothing of {len(waiting)} of "
            f"{len(questions)} questions."
        )
