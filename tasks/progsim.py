"""Find the program from too few examples: several fit, and which is how likely is known exactly.

A program is drawn from a stated distribution over a small language, and shown by its values for a few
inputs. The answers are programs; two that agree on all inputs are the same, so those that were not
shown decide. The posterior over functions follows from a count of every program of the language.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from marl_eval.errors import UserError
from marl_eval.task import Card, Dataset, Task, TaskOptions
from marl_eval.tasks.progsim_language import key
from marl_eval.tasks.progsim_space import LIMIT, SHORTEST, Space, build_space
from marl_eval.types import Example, Gold

VERSION = "1"
_MOST_TRIES = 1000


class Options(TaskOptions):
    """What the programs are like, and how much of them is shown.

    ``length`` is the largest number of variables and constants in a program. At least ``fitting``
    different functions fit what is shown, so that so many answers can be given.
    """

    examples: int = Field(1000, ge=1, le=10_000_000, description="how many")
    first: int = Field(0, ge=0, le=10_000_000, description="number of the first example")
    variables: int = Field(2, ge=1, le=2, description="x, or x and y")
    constants: int = Field(3, ge=1, le=9, description="the numbers from 1 to this one")
    length: int = Field(
        4, ge=SHORTEST, le=5, description="most variables and constants in a program"
    )
    shown: int = Field(3, ge=1, le=10, description="inputs with their values")
    fitting: int = Field(
        5, ge=1, le=1000, description="least number of different functions that fit what is shown"
    )
    seed: int = Field(0, ge=0, description="of the draw")


def load(data: Path | None, options: Options) -> Dataset:
    """Draw the programs, and what is shown of them.

    Raises:
        UserError: if there are too many programs to count, or too few fit what is shown.
    """
    if data is not None:
        raise UserError(
            f"progsim generates its examples and reads no data: leave out --data {data}."
        )
    return Dataset(
        examples=list(_examples(options)),
        version=VERSION,
        split="generated",
        licence="Apache-2.0",
        source=f"progsim seed {options.seed}",
        exclusive=True,
    )


def _examples(options: Options) -> Iterator[Example]:
    space = build_space(options.variables, options.constants, options.length)
    functions, places = range(len(space.programs)), range(len(space.inputs))
    cumulated = list(accumulate(space.prior.tolist()))
    language = _language(options)
    for number in range(options.first, options.first + options.examples):
        rng = random.Random(f"progsim-{options.seed}-{number}")
        for _ in range(_MOST_TRIES):
            (drawn,) = rng.choices(functions, cum_weights=cumulated)
            shown = np.array(sorted(rng.sample(places, options.shown)))
            values = space.outputs[drawn, shown]
            fitting, chances = space.posterior(shown, values)
            # Only what is shown decides whether to draw again, so the posterior stays as it is.
            if len(fitting) >= options.fitting:
                break
        else:
            raise UserError(
                f"progsim shows f for {options.shown} inputs, and {options.fitting} different "
                f"programs hardly ever fit: lower shown or fitting, or raise length or constants."
            )
        yield Example(
            id=f"progsim-{options.seed}-{number}",
            question="\n".join([*language, *_told(space, shown, values), "Which program is f?"]),
            gold=(Gold(space.programs[drawn]),),
            distribution=tuple(
                (space.programs[function], chance)
                for function, chance in zip(fitting.tolist(), chances.tolist(), strict=True)
            ),
        )


def _language(options: Options) -> list[str]:
    """Say what could be f and how likely each program was drawn: all that the posterior follows from."""
    names = ["x", "y"][: options.variables]
    numbers = [str(number) for number in range(1, options.constants + 1)]
    lengths = [str(length) for length in range(SHORTEST, options.length + 1)]
    drawn = f"{_listed(lengths, 'or')}{', each as likely' * (len(lengths) > 1)}"
    both = " and ".join(names)
    return [
        f"f is a Python expression of {_listed([*names, *numbers], 'and')}, with + - * %, "
        f"max(a, b), min(a, b), a if b > c else d, and brackets where needed. "
        f"{both} {'are whole numbers' if len(names) > 1 else 'is a whole number'} from 0 to 9.",
        f"Its length, the count of variables and numbers in it, is {drawn}. Of a length, every "
        f"expression is as likely that depends on {both} and in which nothing is a remainder by 0, "
        f"above {LIMIT} or below -{LIMIT}, for any {both}.",
    ]


def _listed(words: list[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])


def _told(space: Space, shown: NDArray[np.int64], values: NDArray[np.int8]) -> list[str]:
    return [
        f"f({', '.join(map(str, place))}) = {value}"
        for place, value in zip(space.inputs[shown].tolist(), values.tolist(), strict=True)
    ]


CARD = Card(
    asks="a short expression that fits a few values: the family of programs hinted at by examples, in "
    "miniature.",
    gold="the one that was drawn; exactly one function is right.",
    grading="if the expression agrees with the gold one on all inputs from 0 to 9. Two that agree on "
    "all of them are the same answer. Expressions are read by a parser of our own; nothing is run.",
    data="generated from `seed`; Apache-2.0; no download. `examples=2000,first=1000` leaves the first "
    "thousand unseen.",
    limits="The values that are shown do not settle the function: of the `fitting` or more that fit, "
    "the shorter are likelier. The best possible is known (`reference:oracle`), and it is not 1.",
    sample=lambda: next(_examples(Options(examples=1))),
)


TASK = Task(
    name="progsim",
    description="Generated programs to find from a few values, with an exact posterior; no download",
    noun="program",
    load=load,
    options=Options,
    train_args={"first": 1000, "examples": 10_000},
    key=key,
    card=CARD,
)
