"""A run's generations with their grades, as the released evaluators would have had them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from marl_eval.answers import AnswerFormat
from marl_eval.errors import UserError
from marl_eval.line_index import index_lines
from marl_eval.lines import read_lines
from marl_eval.metrics.official_reading import read_one, read_several
from marl_eval.score_table import BLOCK
from marl_eval.store import RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.task import Grade
from marl_eval.task_files import task_of
from marl_eval.types import Completion, Example, Recorded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judged:
    """One generation as the released evaluators judge it.

    ``right`` is 1 or 0 for each answer, two answers that name the same gold answer being both right;
    ``confidences`` are those of the answers, None where there is none. ``stated`` is the confidence
    of the un-numbered tag (recorded as missing: NaN), ``readable`` whether the text has one, and
    ``length`` the characters of the text.
    """

    right: tuple[int, ...]
    confidences: tuple[float | None, ...]
    stated: float
    readable: bool
    length: int


def judge_run(run: RunDirectory) -> list[list[Judged]]:
    """Judge every generation of every example of a run.

    Recorded grades and confidences count where there are any, the last recorded confidence of an
    example also for its later generations; elsewhere the run's task grades the answers that the
    released evaluators would read. Follow-ups count as written after the text.

    Raises:
        UserError: if this is not a run directory, or a generation is missing: the released evaluators
            have no number for such a run.
    """
    record = run.read_run()
    several = AnswerFormat(**record["format"]).k > 1
    samples = SetLayout(**record["layout"]).samples
    grade = task_of(record).grader()
    judged = []
    for example, generations in _generations(run, samples):
        own = [_judge(lines, example, grade, several=several) for lines in generations]
        recorded = [lines[0].recorded or Recorded() for lines in generations]
        judged.append(own if several else _with_recorded(own, recorded))
    if not judged:
        raise UserError(f"{run.path} has no examples, so there is no number for it.")
    return judged


def _generations(
    run: RunDirectory, samples: int
) -> Iterator[tuple[Example, list[list[Completion]]]]:
    """Give each example with the stored lines of each of its generations."""
    index = index_lines(run.completions)
    offsets = run.example_offsets()
    for start in range(0, len(offsets) - 1, BLOCK):
        stop = min(start + BLOCK, len(offsets) - 1)
        examples = run.read_examples(offsets, slice(start, stop))
        stored: list[list[list[Completion]]] = [[[] for _ in range(samples)] for _ in examples]
        for line in read_lines(run.completions, index, index.rows(start, stop), Completion):
            stored[line.example - start][line.sample].append(line)
        for example, generations in zip(examples, stored, strict=True):
            if not all(lines and lines[0].stage == 0 for lines in generations):
                raise UserError(
                    f"{run.path} lacks a generation of example {example.id!r}, and the released "
                    f"evaluators have no number for a run with a missing generation."
                )
            yield example, generations


def _judge(lines: Sequence[Completion], example: Example, grade: Grade, *, several: bool) -> Judged:
    text = "".join(line.text for line in lines)
    reading = read_several(text) if several else read_one(text)
    recorded = lines[0].recorded or Recorded()
    grades = recorded.grades or ()
    count = max(len(reading.answers), _reach(grades))
    right = _padded(grades, count, None)
    if None in right:
        own = grade(example, _padded(reading.answers, count, ""))
        right = [
            int(o >= 0) if known is None else known for o, known in zip(own, right, strict=True)
        ]
    stated = reading.confidences if recorded.confidences is None else recorded.confidences
    return Judged(
        right=tuple(y for y in right if y is not None),
        confidences=tuple(_padded(stated, count, None)),
        stated=reading.stated,
        readable=reading.readable,
        length=reading.length,
    )


def _with_recorded(judged: list[Judged], recorded: list[Recorded]) -> list[Judged]:
    """Put recorded confidences in place of those of the text, for generations of one answer."""
    last: float | None = None
    result = []
    for own, of_generation in zip(judged, recorded, strict=True):
        if of_generation.confidences:
            stated = of_generation.confidences[0]
            last = float("nan") if stated is None else stated
        result.append(own if last is None else replace(own, stated=last))
    return result


def _reach(values: Sequence[T | None]) -> int:
    """Count the values up to the last one that is not None."""
    return max((place + 1 for place, value in enumerate(values) if value is not None), default=0)


def _padded(values: Sequence[T], count: int, filler: T) -> list[T]:
    """Give exactly ``count`` values."""
    return [*values[:count], *[filler] * (count - len(values))]
