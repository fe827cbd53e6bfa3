"""Everything that a run can be asked for, the same for flags, YAML files and Python calls."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from marl_eval.checkpoint_defaults import with_checkpoint_defaults
from marl_eval.errors import UserError, unknown
from marl_eval.judging import DEFAULT_ISOLATION
from marl_eval.redaction import redact
from marl_eval.stats import DEFAULT_INTERVAL, DEFAULT_RESAMPLES, IntervalMethod
from marl_eval.strategies import DEFAULT_K, SetLayout, Strategy, set_layout
from marl_eval.yaml_file import read_yaml

SCORING = [
    "strict", "resamples", "interval", "overlap", "prices", "workers", "sandbox_min_level",
]  # fmt: skip
"""The settings that only decide how a run is scored."""

SPEED = ["backend", "batch_size", "max_total_tokens", "max_cost"]
"""The settings that decide where and how fast requests are answered, and when to stop."""


class RunSettings(BaseModel):
    """What one run is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(description="backend:name, or a folder or hub id alone")
    backend: str | None = Field(None, description="the backend, as before the colon of a model")
    task: str = Field(description="name of the task, or a .py or .yaml file that holds one")
    data: Path | None = Field(None, description="file or folder of the task's data")
    task_args: dict[str, Any] = Field({}, description="options of the task")
    model_args: dict[str, Any] = Field({}, description="options of the backend")
    strategy: Strategy = Field(Strategy.MULTI, description="multi, best-of-k or single")
    k: int | None = Field(None, description="answers in a set; 3, or 1 for single, if not given")
    n: int = Field(1, description="answer sets asked for of each question")
    confidence: bool = Field(True, description="ask for a confidence with each answer")
    reasoning: bool = Field(True, description="ask for reasoning before the answers")
    analysis: bool = Field(False, description="ask for an analysis of the uncertainty")
    sum_to_one: bool | None = Field(
        None,
        description="ask for confidences that sum to at most 1; if not given, where one is right",
    )
    temperature: float = Field(0.7, ge=0, description="0 is greedy")
    top_p: float = Field(1.0, gt=0, le=1, description="nucleus of the sampling")
    max_tokens: int = Field(1536, ge=1, description="most tokens of one generation")
    seed: int = Field(0, ge=0, description="seed of the sampling")
    limit: int | None = Field(None, ge=1, description="number of examples, chosen by hash of id")
    shots: int = Field(0, ge=0, description="worked examples shown before the question")
    prompt: Path | None = Field(None, description="file with the wording to use in place of ours")
    force_answer: bool = Field(False, description="ask again for missing answers and confidences")
    logprobs: bool = Field(False, description="store the log-probability of each token")
    batch_size: int | None = Field(None, ge=1, description="generations made at once")
    max_total_tokens: int | None = Field(None, ge=1, description="most tokens the run may cost")
    max_cost: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="most money the run may cost, by --prices"
    )
    strict: bool = Field(False, description="count only what a training reward would accept")
    resamples: int = Field(DEFAULT_RESAMPLES, ge=0, description="bootstrap resamples")
    interval: IntervalMethod = Field(DEFAULT_INTERVAL, description="percentile or BCa")
    overlap: bool = Field(True, description="compare the reasoning of a question's generations")
    prices: Path | None = Field(None, description="YAML table of the prices of tokens")
    workers: int | None = Field(
        None, ge=1, description="processes; if not given, one scores and one a core judges"
    )
    sandbox_min_level: str = Field(
        DEFAULT_ISOLATION, description="weakest isolation that programs may run in"
    )
    out: Path | None = Field(None, description="run directory; named by the settings if not given")

    @model_validator(mode="after")
    def _can_be_sampled(self) -> RunSettings:
        layout = self.layout
        if self.temperature == 0 and layout.samples > 1:
            raise UserError(
                f"At temperature 0 all {layout.samples} generations of a question would be the "
                f"same; ask for one (-n 1, and not best-of-k) or raise --temperature."
            )
        if not math.isfinite(self.temperature):
            raise UserError(f"--temperature must be a finite number, not {self.temperature}.")
        if self.max_cost is not None and self.prices is None:
            raise UserError(
                "--max-cost needs the prices of the model's tokens: give --prices FILE."
            )
        return self

    @property
    def layout(self) -> SetLayout:
        """How generations make up answer sets."""
        k = DEFAULT_K[self.strategy] if self.k is None else self.k
        return set_layout(self.strategy, k, self.n)

    def identity(self) -> dict[str, Any]:
        """Give the settings that decide what is generated: those that no run may change midway.

        Not the place of the data or of the wording (their content is identified apart), nor
        whether confidences may sum to more than 1 (the format tells), nor the task's options (which
        the task checks first), nor what only affects speed or scoring. The model's fingerprint tells
        its backend. Secrets within the model's name or arguments are hidden.
        """
        outside = {"data", "prompt", "task_args", "sum_to_one", "out", *SPEED, *SCORING}
        values = self.model_dump(mode="json", exclude=outside)
        values["k"] = self.layout.k
        values["model"] = redact(self.model)
        values["model_args"] = {name: redact(str(v)) for name, v in self.model_args.items()}
        return values


def make_settings(values: dict[str, Any]) -> RunSettings:
    """Check settings; what the model's card knows is added to what is not given.

    Raises:
        UserError: naming the setting that is unknown, missing or wrong, and what it is for.
    """
    fields = RunSettings.model_fields
    values = with_checkpoint_defaults(values)
    for name in values:
        if name not in fields:
            raise unknown("setting", name, fields)
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        about = f" ({fields[name].description})" if name in fields else ""
        if first["type"] == "missing":
            raise UserError(f"The setting {name!r}{about} is needed.") from error
        raise UserError(
            f"The setting {name!r}{about} cannot be {first['input']!r}: {first['msg'].lower()}."
        ) from error


def read_config(path: Path) -> dict[str, Any]:
    """Read settings from a YAML file.

    Raises:
        UserError: if the file cannot be read or is not a table of settings.
    """
    values = read_yaml(path, "configuration")
    if not isinstance(values, dict):
        raise UserError(f"The configuration {path} must be a table of settings, one a line.")
    return {str(name): value for name, value in values.items()}
