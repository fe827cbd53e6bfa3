"""Evaluating during a training, on examples kept apart, by the metrics that a run has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from transformers import Trainer, TrainerCallback

from marl_eval.backends.conversation import Asker
from marl_eval.backends.hf.model import Model
from marl_eval.plan import question_plan
from marl_eval.preparation import Posed
from marl_eval.scratch_run import score_completions
from marl_eval.settings import RunSettings
from marl_eval.training.rollouts import generating
from marl_eval.types import Completion

_PREFIX = "held_out/"


@dataclass(slots=True)
class HeldOut:
    """The examples kept apart, asked as the training asks."""

    posed: Posed
    settings: RunSettings
    asker: Asker

    def evaluate(self, trainer: Any) -> dict[str, float]:
        """Give every metric that is defined.

        All processes generate, since a model that is divided among them can only do so together; the
        first scores.
        """
        prompts = self.asker.prompts(list(question_plan(self.posed.asking)))
        size = trainer.args.per_device_train_batch_size
        completions: list[Completion] = []
        with generating(trainer) as unwrapped:
            model = Model(unwrapped, self.asker.tokenizer, str(trainer.accelerator.device))
            for start in range(0, len(prompts), size):
                completions += model.generate(prompts[start : start + size])
        if not trainer.is_world_process_zero():
            return {}
        values = score_completions(self.posed, self.settings, completions)
        return {f"{_PREFIX}{name}": v for name, v in values.items() if math.isfinite(v)}


class EvaluateHeldOut(TrainerCallback):
    """Evaluates before the first step, every so many steps, and after the last."""

    def __init__(self, held_out: HeldOut, every: int, trainer: Any) -> None:
        self._held_out = held_out
        self._every = every
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate the model as it comes, unless the training goes on."""
        if state.global_step == 0:
            self._evaluate(control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Evaluate every so many steps, and after the last."""
        if state.global_step % self._every == 0 or state.global_step >= state.max_steps:
            self._evaluate(control)

    def _evaluate(self, control: Any) -> None:
        values = self._held_out.evaluate(self._trainer)
        if values:
            # Past TRL's own, which would add to these what it has gathered for the step's line; and
            # logging takes the wish to log the step back.
            wanted = control.should_log
            Trainer.log(self._trainer, values)
            control.should_log = wanted
