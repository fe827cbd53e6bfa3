"""Everything that a training can be asked for, the same for flags, YAML files and Python calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from marl_eval.backends.arguments import typed
from marl_eval.errors import UserError, unknown
from marl_eval.judging import DEFAULT_ISOLATION
from marl_eval.redaction import redact
from marl_eval.shipped import shipped_checkpoint
from marl_eval.training.card import asked_as_trained, over_defaults, read_card
from marl_eval.training.method import Method
from marl_eval.training.rewards import RewardSettings

DEFAULT_K = 3


def _option(value: Any) -> Any:
    """Give the number or truth value that a text stands for; ``no`` and ``yes`` are words of TRL's."""
    return value if value in ("no", "yes", "off", "on") else typed(value)


Typed = Annotated[Any, BeforeValidator(_option)]


class TrainingSettings(BaseModel):
    """What every training is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(description="folder or hub id of the model to begin from")
    task: str = Field(description="name of the task, or a .py or .yaml file that holds one")
    out: Path = Field(description="folder for the checkpoint")
    data: Path | None = Field(None, description="file or folder of the task's data")
    task_args: dict[str, Any] = Field({}, description="options of the task")
    model_args: dict[str, Any] = Field({}, description="options of the model, as of the backend hf")
    k: int | None = Field(None, ge=1, description="answers in a generation of the multi methods")
    reasoning: bool = Field(True, description="ask for reasoning before the answers")
    analysis: bool = Field(False, description="ask for an analysis of the uncertainty")
    sum_to_one: bool | None = Field(
        None,
        description="ask for confidences that sum to at most 1; if not given, where one is right",
    )
    prompt: Path | None = Field(None, description="file with the wording to use in place of ours")
    max_tokens: int = Field(1536, ge=1, description="most tokens of one generation")
    max_prompt_tokens: int = Field(3072, ge=1, description="most tokens of a prompt")
    drop_long_prompts: bool = Field(False, description="leave examples with longer prompts out")
    limit: int | None = Field(None, ge=1, description="examples to train on, chosen by hash of id")
    seed: int = Field(0, ge=0, description="seed of everything that is drawn")
    lora: dict[str, Typed] | None = Field(
        None, description="train a LoRA adapter: options of peft's LoraConfig"
    )
    trl: dict[str, Typed] = Field({}, description="options of TRL's configuration")

    def identity(self) -> dict[str, Any]:
        """Give the settings that decide what is trained, with secrets hidden."""
        values = self.model_dump(mode="json", exclude={"out", "data", "prompt"})
        values["model"] = redact(self.model)
        values["model_args"] = {name: redact(str(v)) for name, v in self.model_args.items()}
        return values


class TrainSettings(TrainingSettings):
    """What ``marl-eval train`` is asked for: reinforcement learning by one of the methods."""

    method: Method = Field(description="rlvr-single, rlcr-single, rlvr-multi or rlcr-multi")
    temperature: float = Field(0.7, gt=0, allow_inf_nan=False, description="of the generations")
    rewards: RewardSettings = Field(RewardSettings(), description="how answers are rewarded")
    held_out: int = Field(64, ge=1, description="examples kept apart, to evaluate on")
    evaluate_every: int | None = Field(
        None, ge=1, description="steps between evaluations on the examples kept apart"
    )
    workers: int | None = Field(None, ge=1, description="processes that judge answers")
    sandbox_min_level: str = Field(
        DEFAULT_ISOLATION, description="weakest isolation that programs may run in"
    )

    @property
    def generation_k(self) -> int:
        """Answers in one generation."""
        return (self.k or DEFAULT_K) if self.method.multi else 1


class SftSettings(TrainingSettings):
    """What ``marl-eval sft`` is asked for: a supervised warm-up in the format, from gold answers."""

    methods: list[Method] = Field(
        list(Method), min_length=1, description="the methods in whose formats answers are written"
    )
    ks: list[int] = Field(
        [], description="numbers of answers of the multi methods, each as often; k if not given"
    )
    answers: Literal["ranked", "drawn"] = Field(
        "ranked",
        description="ranked: the heaviest right answers first; drawn: in proportion to weight",
    )
    repeats: float = Field(
        0, ge=0, le=1, description="share of drawn answers that may be those given before"
    )
    confidences: Literal["weights", "random"] = Field(
        "weights", description="what the gold answers' weights say, or random, to be learned later"
    )
    restate: str | None = Field(
        None, description="regular expression of what the reasoning repeats of the question"
    )


_OF_BASE = ("prompt", "reasoning", "analysis", "sum_to_one", "max_tokens", "task_args")
"""Settings that a model which was trained before is asked with again."""


Settings = TypeVar("Settings", bound=TrainingSettings)


def _known_of_base(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give how the model to begin from was asked when it was trained, if it has a card."""
    name = str(values.get("model"))
    folder = Path(name) if Path(name).is_dir() else shipped_checkpoint(name)
    card = None if folder is None else read_card(folder)
    if folder is None or card is None:
        return {}
    asks = asked_as_trained(card, folder, str(values.get("task")))
    return {name: asks[name] for name in _OF_BASE if name in asks}


def make_training_settings(kind: type[Settings], values: dict[str, Any]) -> Settings:
    """Check settings of a training; what the card of the model to begin from knows of is added.

    Raises:
        UserError: naming the setting that is unknown, missing or wrong, and what it is for.
    """
    fields = kind.model_fields
    values = over_defaults(_known_of_base(values), values)
    for name in values:
        if name not in fields:
            raise unknown("setting", name, fields)
    try:
        made = kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        top = str(first["loc"][0]) if first["loc"] else "settings"
        name = ".".join(map(str, first["loc"])) or "settings"
        about = f" ({fields[top].description})" if top in fields else ""
        if first["type"] == "missing":
            raise UserError(f"The setting {name!r}{about} is needed.") from error
        raise UserError(
            f"The setting {name!r}{about} cannot be {first['input']!r}: {first['msg'].lower()}."
        ) from error
    if isinstance(made, TrainSettings) and not made.method.multi and (made.k or 1) > 1:
        raise UserError(
            f"The method {made.method.value!r} trains one answer a generation, not {made.k}: leave out "
            f"-k, or train {made.method.value.replace('single', 'multi')!r}."
        )
    return made
