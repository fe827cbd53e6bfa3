"""Reinforcement learning by one of the methods, on TRL's ``GRPOTrainer`` (GRPO: arXiv:2402.03300).

TRL brings the optimisation, processes, precision and adapters; from here come the questions, the
generations of the transformers path, the rewards, and evaluation on the way.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from marl_eval.backends.arguments import need
from marl_eval.errors import UserError
from marl_eval.judging import JudgeSettings
from marl_eval.judging.judgements import opened_judge
from marl_eval.progress import Progress, silent
from marl_eval.training.material import Material, asked, gather, open_base
from marl_eval.training.options import (
    machine_options,
    see_that_they_are_options,
    see_that_vllm_can_generate,
)
from marl_eval.training.rewards import PARTS
from marl_eval.training.session import Session, Trained, run_session
from marl_eval.training.settings import TrainSettings

PUBLISHED: dict[str, Any] = {
    "num_generations": 32,
    "learning_rate": 1e-6,
    "warmup_steps": 0.05,
    "num_train_epochs": 1,
    "vllm_importance_sampling_correction": False,
}
"""The published settings of training (arXiv:2603.24844), besides those that have names of ours."""

_NOT_DRAWN_SO = ("top_k", "min_p", "repetition_penalty", "generation_kwargs")
"""Options of TRL that the engine of the transformers path does not have."""


def train(settings: TrainSettings, *, progress: Progress = silent) -> Trained:
    """Train a model, or go on with a training that was stopped.

    Raises:
        UserError: if the settings, the data or the model are not usable, the folder belongs to another
            training, or the first batches teach nothing.
        StorageError: if the folder cannot be written.
    """
    need("train", "torch", "transformers", "trl", "accelerate", "peft", what="Training")
    given = grpo_options(settings)
    see_that_vllm_can_generate(given)
    base = open_base(settings)
    run = asked(settings, settings.method, settings.generation_k, settings.temperature)
    material = gather(settings, base, run, settings.held_out)
    session = Session(
        made_by="train",
        settings=settings,
        base=base,
        material=material,
        method=settings.method,
        asks=_asks(settings, material),
        config=given,
        weights=dict(zip(PARTS, settings.rewards.weights(settings.method), strict=True)),
    )

    def make(stack: ExitStack) -> Any:
        from marl_eval.training.grpo_trainer import make_trainer

        judging = opened_judge(
            material.posed.task,
            material.posed.record,
            JudgeSettings(settings.workers, settings.sandbox_min_level),
        )
        judge = None if judging is None else stack.enter_context(judging)
        return make_trainer(session, settings, judge)

    return run_session(session, make, progress)


def grpo_options(settings: TrainSettings) -> dict[str, Any]:
    """Give what TRL's configuration is made from: the published settings, then the user's.

    Raises:
        UserError: for an option that there is not, that has a name of ours, or that cannot be.
    """
    from trl import GRPOConfig

    see_that_they_are_options(GRPOConfig, settings.trl)
    for name in _NOT_DRAWN_SO:
        if name in settings.trl and not settings.trl.get("use_vllm"):
            raise UserError(f"The option {name!r} of TRL works with use_vllm alone; leave it out.")
    given = {
        **PUBLISHED,
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 32,
        "logging_steps": 1,
        "save_steps": 100,
        **machine_options(),
        **settings.trl,
    }
    if int(given["num_generations"]) < 2:
        raise UserError(
            "num_generations is the size of the group whose rewards are compared, and must be at least "
            "2: with one there is nothing to learn from."
        )
    return given


def _asks(settings: TrainSettings, material: Material) -> dict[str, Any]:
    """Give the settings of a run that ask as this training does."""
    fmt = material.posed.asking.format
    return {
        "strategy": "multi" if settings.method.multi else "single",
        "k": fmt.k,
        "confidence": fmt.confidence,
        "reasoning": fmt.reasoning,
        "analysis": fmt.analysis,
        "sum_to_one": fmt.sum_to_one,
        "temperature": settings.temperature,
        "max_tokens": settings.max_tokens,
    }
