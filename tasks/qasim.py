"""Ambiguous questions: several people share the name that is asked about, and each has an answer.

A question holds a small knowledge base drawn for it alone, with how often each of the people is meant
by the name, so the probability of every answer follows from the question, exactly: the shares of
readings with the same answer add up, a fact that is one of two counts by half, and what a question
tells of the one who is meant rules readings out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from marl_eval.errors import UserError
from marl_eval.task import Card, Dataset, Task
from marl_eval.tasks.qasim_english import KINDS, describe
from marl_eval.tasks.qasim_world import Drawn, Options, draw
from marl_eval.types import Example, Gold

VERSION = "1"


def load(data: Path | None, options: Options) -> Dataset:
    """Draw the questions.

    With ``gold=meant`` the answer for the one who is meant is right, and no other. With
    ``gold=readings`` there is a gold answer for each reading that may be meant, weighted by how
    likely it is meant; readings with the same answer are one.

    Raises:
        UserError: if the options contradict each other.
    """
    if data is not None:
        raise UserError(f"qasim generates its examples and reads no data: leave out --data {data}.")
    if options.min_readings > options.max_readings:
        raise UserError(
            f"qasim cannot draw from {options.min_readings} to {options.max_readings} readings: "
            f"min_readings must not be above max_readings."
        )
    return Dataset(
        examples=list(_examples(options)),
        version=VERSION,
        split="generated",
        licence="Apache-2.0",
        source=f"qasim seed {options.seed}",
        exclusive=options.gold == "meant",
    )


def _examples(options: Options) -> Iterator[Example]:
    one_is_meant = options.gold == "meant"
    for number in range(options.first, options.first + options.examples):
        drawn = draw(Random(f"qasim-{options.seed}-{number}"), options)
        ambiguity = drawn.ambiguity
        chance = ambiguity.chance_if_one_is_meant if one_is_meant else ambiguity.chance_for_any
        names = KINDS[ambiguity.asked].values
        # With what cannot be right as well, so that there are answers enough to give.
        chances = [(names[value], chance(value)) for value in range(options.values)]
        yield Example(
            id=f"qasim-{options.seed}-{number}",
            question=describe(ambiguity, one_is_meant=one_is_meant),
            gold=_meant(drawn) if one_is_meant else _readings(drawn),
            distribution=tuple(sorted(chances, key=lambda pair: -pair[1])),
        )


def _meant(drawn: Drawn) -> tuple[Gold, ...]:
    names = KINDS[drawn.ambiguity.asked].values
    return (Gold(names[drawn.answers[drawn.meant]]),)


def _readings(drawn: Drawn) -> tuple[Gold, ...]:
    """Give the answers of those who may be meant, the most likely first."""
    names = KINDS[drawn.ambiguity.asked].values
    weights: dict[int, int] = {}
    for answer, weight in zip(drawn.answers, drawn.ambiguity.weights(), strict=True):
        if weight:
            weights[answer] = weights.get(answer, 0) + weight
    total = sum(weights.values())
    ranked = sorted(weights.items(), key=lambda pair: -pair[1])
    return tuple(Gold(names[answer], weight=weight / total) for answer, weight in ranked)


CARD = Card(
    asks="a fact about somebody whose name several people share: the family of `ambigqa` in miniature.",
    gold="the answer for the one who is meant (`gold=meant`; exactly one is right), or the answers of "
    "all who may be meant, weighted by how likely each is (`gold=readings`).",
    grading="as said above.",
    data="generated from `seed`; Apache-2.0; no download. `examples=2000,first=1000` leaves the first "
    "thousand unseen.",
    limits="All that is needed stands in the question, in a closed vocabulary and few forms of "
    "sentence. The best possible is known (`reference:oracle`), and it is not 1.",
    sample=lambda: next(_examples(Options(examples=1))),
)


TASK = Task(
    name="qasim",
    description="Generated ambiguous questions with exact probabilities; no download",
    noun="answer",
    load=load,
    options=Options,
    train_args={"first": 1000, "examples": 10_000},
    card=CARD,
)
