"""A generated world of conditions and findings whose posterior is known exactly.

The world is a noisy-OR network, the model behind QMR-DT (Shwe et al. 1991,
doi:10.1055/s-0038-1634846). A patient has between 1 and ``max_causes`` conditions S, with prior
P(S) proportional to the product of the odds of its conditions. A finding f is present with
probability 1 - (1 - leak_f) * prod over c in S of (1 - link_cf). Each finding is examined with
probability 1 - ``ambiguity``; what is not examined is not told. The posterior over all possible S
follows by enumeration, with no approximation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marl_eval.errors import UserError
from marl_eval.task import Card, Dataset, Task, TaskOptions
from marl_eval.types import Example, Gold

VERSION = "1"
_MOST_SETS = 20_000
_CHUNK = 2048
_EXPECTED_CAUSES = 2.0
_SYLLABLES = ["ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve", "zo", "ki"]
_ENDINGS = ["ria", "sis", "lax", "dor", "nia", "tum", "vex", "mol"]
_SIGNS = [
    "cold", "dry", "pale", "red", "swollen", "itchy", "numb", "stiff", "hot", "weak", "sore", "dark",
]  # fmt: skip
_PARTS = [
    "hands", "feet", "eyes", "ears", "knees", "lips", "nails", "cheeks", "elbows", "ankles",
    "fingers", "toes", "wrists", "shoulders", "hips", "gums", "heels", "palms", "temples", "calves",
]  # fmt: skip


class Options(TaskOptions):
    """What the world and its patients are like."""

    examples: int = Field(1000, ge=1, le=10_000_000, description="how many")
    first: int = Field(0, ge=0, le=10_000_000, description="number of the first example")
    conditions: int = Field(16, ge=2, le=500, description="that there are in the world")
    findings: int = Field(
        24, ge=1, le=len(_SIGNS) * len(_PARTS), description="that there are in the world"
    )
    max_causes: int = Field(3, ge=1, le=4, description="most conditions of a patient")
    ambiguity: float = Field(
        0.5, ge=0, le=1, description="chance that a finding is not examined, and not told"
    )
    seed: int = Field(0, ge=0, description="of the world and its patients")


@dataclass(frozen=True, slots=True)
class World:
    """The network.

    ``conditions`` and ``findings`` are names; ``members`` bool[sets, conditions] lists every
    possible S; ``log_prior`` float64[sets]; ``log_present`` and ``log_absent``
    float64[sets, findings] are the log-probabilities of each finding given S.
    """

    conditions: list[str]
    findings: list[str]
    members: NDArray[np.bool_]
    log_prior: NDArray[np.float64]
    log_present: NDArray[np.float64]
    log_absent: NDArray[np.float64]

    def posterior(
        self, present: NDArray[np.bool_], absent: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Give P(S | findings), float64[patients, sets], from bool[patients, findings] twice."""
        joint = (
            self.log_prior
            + present.astype(np.float64) @ self.log_present.T
            + absent.astype(np.float64) @ self.log_absent.T
        )
        joint -= joint.max(axis=1, keepdims=True)
        weight = np.exp(joint)
        result: NDArray[np.float64] = weight / weight.sum(axis=1, keepdims=True)
        return result


def build_world(options: Options) -> World:
    """Draw the world that ``options.seed`` names.

    Raises:
        UserError: if there would be more than 20,000 possible sets of conditions.
    """
    n, causes = options.conditions, min(options.max_causes, options.conditions)
    sets = sum(comb(n, size) for size in range(1, causes + 1))
    if sets > _MOST_SETS:
        raise UserError(
            f"ddxsim with {n} conditions and max_causes={causes} has {sets:,} possible sets of "
            f"conditions; the exact posterior is limited to {_MOST_SETS:,}. Lower one of the two."
        )
    rng = np.random.default_rng([options.seed, 0])
    odds = np.exp(rng.uniform(np.log(0.25), np.log(4.0), n))
    odds *= _EXPECTED_CAUSES / odds.sum()
    linked = rng.random((n, options.findings)) < 0.25
    linked[np.arange(n), rng.integers(options.findings, size=n)] = True
    link = np.where(linked, rng.uniform(0.4, 0.95, linked.shape), 0.0)
    leak = rng.uniform(0.02, 0.15, options.findings)

    members = np.zeros((sets, n), dtype=np.bool_)
    chosen = (c for size in range(1, causes + 1) for c in combinations(range(n), size))
    for row, conditions in enumerate(chosen):
        members[row, list(conditions)] = True
    log_prior: NDArray[np.float64] = members.astype(np.float64) @ np.log(odds)
    log_prior -= np.log(np.exp(log_prior).sum())
    log_absent = np.log1p(-leak) + members @ np.log1p(-link)
    return World(
        conditions=_condition_names(n, rng),
        findings=_finding_names(options.findings, rng),
        members=members,
        log_prior=log_prior,
        log_present=np.log(-np.expm1(log_absent)),
        log_absent=log_absent,
    )


def _condition_names(count: int, rng: np.random.Generator) -> list[str]:
    every = [a + b + end for a in _SYLLABLES for b in _SYLLABLES for end in _ENDINGS]
    return [every[i].capitalize() for i in rng.permutation(len(every))[:count]]


def _finding_names(count: int, rng: np.random.Generator) -> list[str]:
    every = [f"{sign} {part}" for sign in _SIGNS for part in _PARTS]
    return [every[i] for i in rng.permutation(len(every))[:count]]


def load(data: Path | None, options: Options) -> Dataset:
    """Generate the patients of one world."""
    if data is not None:
        raise UserError(
            f"ddxsim generates its examples and reads no data: leave out --data {data}."
        )
    world = build_world(options)
    return Dataset(
        examples=list(_patients(world, options)),
        version=VERSION,
        split="generated",
        licence="Apache-2.0",
        source=f"ddxsim seed {options.seed}",
        exclusive=options.max_causes == 1,
    )


def _patients(world: World, options: Options) -> Iterator[Example]:
    sizes = world.members.sum(axis=1)
    last = options.first + options.examples
    for start in range(options.first - options.first % _CHUNK, last, _CHUNK):
        # Whole chunks, so that a shorter data set is the beginning of a longer one to the last bit.
        rng = np.random.default_rng([options.seed, 1, start])
        truth = rng.choice(len(world.log_prior), p=np.exp(world.log_prior), size=_CHUNK)
        chance = np.exp(world.log_present[truth])
        shows = rng.random(chance.shape) < chance
        examined = rng.random(chance.shape) >= options.ambiguity
        posterior = world.posterior(shows & examined, ~shows & examined)
        # Rounding may carry a sum of probabilities past 1, which would read as a percentage.
        marginal = np.minimum(posterior @ world.members, 1)
        gain = np.minimum(posterior @ (world.members / sizes[:, None]), 1)
        for row in range(max(options.first - start, 0), min(last - start, _CHUNK)):
            yield Example(
                id=f"ddxsim-{options.seed}-{start + row}",
                question=_describe(world, shows[row], examined[row]),
                gold=tuple(
                    Gold(world.conditions[c]) for c in np.flatnonzero(world.members[truth[row]])
                ),
                distribution=_by_condition(world, marginal[row]),
                meta={"expected_recall": dict(_by_condition(world, gain[row]))},
            )


def _by_condition(world: World, values: NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
    """Pair each condition with its value, the largest first."""
    order = np.argsort(-values, kind="stable")
    return tuple((world.conditions[c], float(values[c])) for c in order)


def _describe(world: World, shows: NDArray[np.bool_], examined: NDArray[np.bool_]) -> str:
    present = [world.findings[f] for f in np.flatnonzero(shows & examined)]
    absent = [world.findings[f] for f in np.flatnonzero(~shows & examined)]
    return (
        f"A patient has: {', '.join(present) or 'no finding'}.\n"
        f"The patient does not have: {', '.join(absent) or 'no finding was ruled out'}.\n"
        f"What could the patient be ill with?"
    )


CARD = Card(
    asks="what a patient with these findings could be ill with: the family of `ddxplus` in miniature.",
    gold="the one to `max_causes` conditions that the patient has.",
    grading="as said above.",
    data="generated from `seed`; Apache-2.0; no download. A shorter data set is the beginning of a "
    "longer one, and `examples=2000,first=1000` leaves the first thousand unseen.",
    limits="A world of made-up words: a model that was not trained on it has nothing to go by. The "
    "best possible is known (`reference:oracle`), and it is not 1: findings do not settle what the "
    "patient has.",
    sample=lambda: _first(Options(examples=1)),
)


def _first(options: Options) -> Example:
    return next(_patients(build_world(options), options))


TASK = Task(
    name="ddxsim",
    description="Generated diagnosis with an exact posterior; no download",
    noun="diagnosis",
    load=load,
    options=Options,
    train_args={"first": 1000, "examples": 10_000},
    card=CARD,
)
