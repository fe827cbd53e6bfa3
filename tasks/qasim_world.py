"""People who share a name, what is known of them, and a question about one: drawn, and its answer known.

Some of what is known is one of two things, each as likely. A question may tell something of the one
who is meant, so the readings of the name are weighed by Bayes' rule, in whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from random import Random
from typing import Literal

from pydantic import Field

from marl_eval.task import TaskOptions

NAMES, KINDS, VALUES = 12, 4, 12
"""How many first names (and last names), kinds of fact, and values of a kind there are."""

SPEAKERS = 10
"""How many people the shares are told of: each reading is meant by at least one."""

Fact = tuple[int, ...]
"""What a person has of one kind: the number of a value, or of two of which each is as likely."""


class Options(TaskOptions):
    """What the questions are like.

    ``gold``: one reading is meant and its answer is right, or the answers of all readings are.
    ``attributes`` facts are told of each person, each out of ``values`` possible ones. ``uncertain``:
    how often a fact is one of two; ``hints``: how often a question tells something of the one who is
    meant (never where there is one attribute, which is asked for). ``distractors``: how many people
    have other names.
    """

    examples: int = Field(1000, ge=1, le=10_000_000, description="how many")
    first: int = Field(0, ge=0, le=10_000_000, description="number of the first example")
    gold: Literal["meant", "readings"] = Field(
        "meant", description="the answer for the one who is meant, or for all who may be"
    )
    min_readings: int = Field(2, ge=1, le=SPEAKERS, description="fewest people of the name")
    max_readings: int = Field(4, ge=1, le=SPEAKERS, description="most people of the name")
    attributes: int = Field(2, ge=1, le=KINDS, description="facts told of each person")
    values: int = Field(8, ge=2, le=VALUES, description="possible values of a fact")
    distractors: int = Field(2, ge=0, le=NAMES - 1, description="people of other names")
    uncertain: float = Field(
        0.25, ge=0, le=1, description="chance that a fact is one of two, each as likely"
    )
    hints: float = Field(
        0.25,
        ge=0,
        le=1,
        description="chance that a question tells something of the one who is meant",
    )
    seed: int = Field(0, ge=0, description="of the draw")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, by the numbers of first and last name, with a fact of each kind."""

    first: int
    last: int
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """A question about the first name of ``readings``.

    ``shares``: how many of the ``SPEAKERS`` mean each reading; ``people``: the readings among people
    of other names; ``asked``: the kind of fact in question; ``told``: the kind and value of a fact of
    the one who is meant.
    """

    readings: tuple[Person, ...]
    shares: tuple[int, ...]
    people: tuple[Person, ...]
    asked: int
    told: tuple[int, int] | None

    def weights(self) -> list[int]:
        """Give how likely each reading is to be meant, as shares of their sum."""
        if self.told is None:
            return list(self.shares)
        kind, value = self.told
        return [
            share * _halves(person.facts[kind], value)
            for share, person in zip(self.shares, self.readings, strict=True)
        ]

    def chance_if_one_is_meant(self, value: int) -> float:
        """Give the probability that ``value`` is the answer for the one who is meant."""
        weights = self.weights()
        halves = sum(
            weight * _halves(person.facts[self.asked], value)
            for weight, person in zip(weights, self.readings, strict=True)
        )
        return halves / (2 * sum(weights))

    def chance_for_any(self, value: int) -> float:
        """Give the probability that ``value`` is the answer for any who may be meant."""
        return 1 - prod(
            1 - _halves(person.facts[self.asked], value) / 2
            for weight, person in zip(self.weights(), self.readings, strict=True)
            if weight
        )


def _halves(fact: Fact, value: int) -> int:
    """Give twice the probability that a fact is ``value``."""
    return 2 * (value in fact) // len(fact)


@dataclass(frozen=True, slots=True)
class Drawn:
    """An ambiguity with what is the case: the reading that is meant, and each reading's answer."""

    ambiguity: Ambiguity
    meant: int
    answers: tuple[int, ...]


def draw(rng: Random, options: Options) -> Drawn:
    """Draw a few people, who shares a name, who is meant, and what is asked."""
    count = rng.randint(options.min_readings, options.max_readings)
    first, *other_names = rng.sample(range(NAMES), 1 + options.distractors)
    readings = tuple(
        Person(first, last, _facts(rng, options)) for last in rng.sample(range(NAMES), count)
    )
    others = [Person(name, rng.randrange(NAMES), _facts(rng, options)) for name in other_names]
    people = tuple(rng.sample([*readings, *others], count + len(others)))
    cuts = sorted(rng.sample(range(1, SPEAKERS), count - 1))
    shares = tuple(b - a for a, b in pairwise((0, *cuts, SPEAKERS)))
    meant = rng.choices(range(count), shares)[0]
    asked, *kinds = rng.sample(range(options.attributes), min(options.attributes, 2))
    told = None
    if kinds and rng.random() < options.hints:
        told = kinds[0], rng.choice(readings[meant].facts[kinds[0]])
    answers = tuple(rng.choice(person.facts[asked]) for person in readings)
    return Drawn(Ambiguity(readings, shares, people, asked, told), meant, answers)


def _facts(rng: Random, options: Options) -> tuple[Fact, ...]:
    return tuple(
        tuple(rng.sample(range(options.values), 2 if rng.random() < options.uncertain else 1))
        for _ in range(options.attributes)
    )
