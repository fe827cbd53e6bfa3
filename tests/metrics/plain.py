"""A score table as plain Python objects: what independent implementations of metrics read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from marl_eval.score_table import MISSING, ScoreTable


@dataclass(frozen=True)
class Answer:
    """An answer that was given; ``label`` is the same for answers that are the same.

    ``programs`` are its classes by text, by syntax and by behaviour.
    """

    position: int
    generation: int
    gold: int
    label: int
    confidence: float | None
    weight: float
    truth: bool | None
    probability: float | None
    compiles: bool
    programs: tuple[int, ...]

    @property
    def right(self) -> bool:
        return self.gold >= 0


@dataclass(frozen=True)
class AnswerSet:
    """The answers given in a set, by position; ``k`` is how many were asked for."""

    answers: tuple[Answer, ...]
    k: int
    members: int
    failed: bool
    strict: bool
    prompt_tokens: float | None
    completion_tokens: float | None
    reasoning_tokens: float | None

    @property
    def ranked(self) -> list[Answer]:
        """The answers by confidence, then by position; those without a confidence last."""
        return sorted(self.answers, key=lambda a: (a.confidence is None, -(a.confidence or 0)))

    @property
    def distinct(self) -> list[Answer]:
        """The different answers, each at its best rank."""
        best: dict[int, Answer] = {}
        for answer in self.ranked:
            best.setdefault(answer.label, answer)
        return list(best.values())

    @property
    def named(self) -> set[int]:
        """The gold answers that are named."""
        return {answer.gold for answer in self.answers if answer.right}

    @property
    def generations(self) -> list[list[Answer]]:
        """The answers of each generation asked for: of a pool, one for each answer asked for."""
        asked = 1 if self.members == 1 else self.k
        return [[a for a in self.answers if a.generation == g] for g in range(asked)]

    @property
    def complete(self) -> bool:
        """Whether every answer asked for has a confidence."""
        stated = [answer for answer in self.answers if answer.confidence is not None]
        return len(stated) == self.k


@dataclass(frozen=True)
class Question:
    """An example with its sets."""

    sets: tuple[AnswerSet, ...]
    gold_size: int
    weight_total: float | None
    truth_known: bool
    best_probability: float | None
    second_half: bool
    overlaps: dict[str, list[float | None]]
    exclusive: bool

    @property
    def valid(self) -> list[AnswerSet]:
        """The sets of which no request failed."""
        return [answers for answers in self.sets if not answers.failed]

    @property
    def whole(self) -> bool:
        """Whether no request failed."""
        return len(self.valid) == len(self.sets)


def questions(table: ScoreTable, source: str = "") -> list[Question]:
    """Read a table, with the stated confidences or with those of another source."""
    confidences = table.derived[source] if source else table.confidence
    k, members = table.shape.k, table.shape.members

    def answer(example: int, set_: int, position: int) -> Answer:
        place = example, set_, position
        truth = _known(table.truth[place])
        return Answer(
            position=position,
            generation=position // (k // members),
            gold=int(table.gold[place]),
            label=int(table.same_as[place]),
            confidence=_known(confidences[place]),
            weight=float(table.weight[place]),
            truth=None if truth is None else truth > 0,
            probability=_known(table.probability[place]),
            compiles=bool(table.compiles[place]),
            programs=tuple(int(own[place]) for own in table.programs.values()),
        )

    def answer_set(example: int, set_: int) -> AnswerSet:
        given = [i for i in range(k) if table.gold[example, set_, i] != MISSING]
        return AnswerSet(
            answers=tuple(answer(example, set_, position) for position in given),
            k=int(table.asked[example]),
            members=members,
            failed=bool(table.failed[example, set_]),
            strict=bool(table.strict[example, set_]),
            prompt_tokens=_known(table.prompt_tokens[example, set_]),
            completion_tokens=_known(table.completion_tokens[example, set_]),
            reasoning_tokens=_known(table.reasoning_tokens[example, set_]),
        )

    return [
        Question(
            sets=tuple(answer_set(example, set_) for set_ in range(table.shape.sets)),
            gold_size=int(table.gold_size[example]),
            weight_total=_known(table.weight_total[example]),
            truth_known=not all(math.isnan(truth) for truth in table.truth[example].flat),
            best_probability=_known(table.best_probability[example]),
            second_half=bool(table.second_half[example]),
            overlaps={
                name: list(map(_known, own[example])) for name, own in table.overlaps.items()
            },
            exclusive=table.shape.exclusive,
        )
        for example in range(len(table.gold))
    ]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def mean(values: Iterable[float]) -> float:
    """Give the mean, NaN of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def ratio(part: float, whole: float) -> float:
    """Divide, NaN by nothing."""
    return part / whole if whole else math.nan


def mean_over_sets(among: Sequence[Question], of: Callable[[Question, AnswerSet], float]) -> float:
    """Give the mean over questions of the mean over their sets of which no request failed."""
    return mean(
        mean(float(of(question, answers)) for answers in question.valid)
        for question in among
        if question.valid
    )


def pairs(among: Sequence[Question]) -> tuple[list[float], list[int]]:
    """List the confidences of all answers that have one, and whether each is right."""
    stated = [
        (answer.confidence, int(answer.right))
        for question in among
        for answers in question.valid
        for answer in answers.answers
        if answer.confidence is not None
    ]
    return [q for q, _ in stated], [y for _, y in stated]
