"""What a reproduction does: the settings of its trainings and runs, and the claims that it tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from marl_eval.errors import UserError
from marl_eval.training.recipes import read_recipe
from marl_eval.yaml_file import merged

_MODEL = ConfigDict(extra="forbid", frozen=True)


class TrainedModel(BaseModel):
    """A checkpoint to train, by settings of ``train``; an ``extra`` one only if asked for."""

    model_config = _MODEL
    train: dict[str, Any]
    extra: bool = False


class Condition(BaseModel):
    """A run to make, by settings of ``run``; the model ``base`` is the warmed-up one."""

    model_config = _MODEL
    model: str
    run: dict[str, Any]


class Contrast(BaseModel):
    """Two runs compared in one metric; the claim is that the second is higher, or lower."""

    model_config = _MODEL
    metric: str
    first: str
    second: str
    second_is: Literal["higher", "lower"]


class Claim(BaseModel):
    """A claim in words, and the tests of it; ``tasks`` are those that it is about, all if not given."""

    model_config = _MODEL
    claim: str
    tests: list[Contrast] = Field(min_length=1)
    tasks: list[str] | None = None


class Comparison(BaseModel):
    """The checkpoints to train, the runs to make of them, and what these are to show."""

    model_config = _MODEL
    models: dict[str, TrainedModel]
    runs: dict[str, Condition]
    claims: list[Claim]


class Report(BaseModel):
    """An installed report to make of the runs: the files for its options, and of one seed or all."""

    model_config = _MODEL
    files: dict[str, str]
    one_seed: bool = False


class Recipe(BaseModel):
    """A reproduction on one task.

    ``wording`` asks in few words, and what the regular expression ``phrases`` finds is one token.
    ``warm_up``, ``train`` and ``run`` are settings of ``sft``, ``train`` and ``run`` that hold for all;
    ``quick`` has changes of these for a short look that shows nothing but that all of it works.
    """

    model_config = _MODEL
    task: str
    wording: str
    phrases: str | None = None
    comparison: Comparison
    warm_up: dict[str, Any]
    train: dict[str, Any]
    run: dict[str, Any]
    reports: dict[str, Report] = {}

    @property
    def name(self) -> str:
        """The task's name, as a folder's."""
        return Path(self.task).stem


def read_reproduction(name: str, *, quick: bool) -> Recipe:
    """Read a recipe by its name or from a file, with the comparison that it names.

    A recipe that is ``like`` another is that one but for what it says itself.

    Raises:
        UserError: if it cannot be read, or is not a recipe of a reproduction.
    """
    values, read = read_recipe(name), {name}
    while "like" in values:
        other = str(values.pop("like"))
        if other in read:
            raise UserError(f"The recipe {name} is like {other}, and that in turn like itself.")
        read.add(other)
        values = merged(read_recipe(other), values)
    changes = values.pop("quick", {})
    if quick:
        values = merged(values, changes)
    try:
        if "comparison" in values:
            values["comparison"] = read_recipe(str(values["comparison"]))
        return Recipe.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            f"The recipe {name} is not one of a reproduction: {place}: {first['msg'].lower()}."
        ) from error
