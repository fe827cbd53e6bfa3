"""Reinforcement learning by one of the methods, on TRL's ``GRPOTrainer`` (GRPO: arXiv:2402.03300).

TRL brings the optimisation, processes, precision and adapters; from here come the questions, the
generations of the transformers path, the rewards, and evaluation on the way.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from marl_eval.backends.arguments import need
from marl_eval.errors import UserError, unknown
from marl_eval.judging import JudgeSettings
from marl_eval.judging.judgements import opened_judge
from marl_eval.progress import Progress, silent
from marl_eval.training.material import Material, asked, gather, open_base
from marl_eval.training.rewards import PARTS
from marl_eval.training.session import Session, begun, finished
from marl_eval.training.settings import TrainSettings

PUBLISHED: dict[str, Any] = {
    "num_generations": 32,
    "learning_rate": 1e-6,
    "warmup_steps": 0.05,
    "num_train_epochs": 1,
    "vllm_importance_sampling_correction": False,
}
"""The published settings of training (arXiv:2603.24844), besides those that have names of ours."""

OURS = {
    "output_dir": "out",
    "temperature": "temperature",
    "max_completion_length": "max_tokens",
    "seed": "seed",
    "data_seed": "seed",
    "reward_weights": "rewards",
    "shuffle_dataset": "seed",
    "model_init_kwargs": "model_args",
    "trust_remote_code": "model_args",
}
"""Options of TRL that have other names here."""

_NOT_DRAWN_SO = ("top_k", "min_p", "repetition_penalty", "generation_kwargs")
"""Options of TRL that the engine of the transformers path does not have."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: its folder, which is the checkpoint, and the number of steps."""

    path: Path
    steps: int


def train(settings: TrainSettings, *, progress: Progress = silent) -> Trained:
    """Train a model, or go on with a training that was stopped.

    Raises:
        UserError: if the settings, the data or the model are not usable, the folder belongs to another
            training, or the first batches teach nothing.
        StorageError: if the folder cannot be written.
    """
    need("train", "torch", "transformers", "trl", "accelerate", "peft")
    base = open_base(settings)
    run = asked(settings, settings.method, settings.generation_k, settings.temperature)
    material = gather(settings, base, run, settings.held_out)
    given = grpo_options(settings)
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
    from accelerate import PartialState

    from marl_eval.training.grpo_trainer import make_trainer
    from marl_eval.training.trl_parts import run_trainer

    state = PartialState(cpu=given["use_cpu"])
    with ExitStack() as stack:
        resumed = stack.enter_context(
            begun(session, first=state.is_main_process, wait=state.wait_for_everyone)
        )
        done = finished(settings.out)
        if done is not None:
            return Trained(settings.out, done.step)
        judging = opened_judge(
            material.posed.task,
            material.posed.record,
            JudgeSettings(settings.workers, settings.sandbox_min_level),
        )
        judge = None if judging is None else stack.enter_context(judging)
        steps = run_trainer(make_trainer(session, settings, judge), session, resumed, progress)
        return Trained(settings.out, steps)


def grpo_options(settings: TrainSettings) -> dict[str, Any]:
    """Give what TRL's configuration is made from: the published settings, then the user's.

    Raises:
        UserError: for an option that there is not, that has a name of ours, or that cannot be.
    """
    from trl import GRPOConfig

    known = {field.name for field in fields(GRPOConfig)}
    for name in settings.trl:
        if name in OURS:
            raise UserError(f"The option {name!r} of TRL is set by {OURS[name]!r} here.")
        if name not in known:
            raise unknown("option of TRL's GRPOConfig named", name, known)
        if name in _NOT_DRAWN_SO and not settings.trl.get("use_vllm"):
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


def machine_options() -> dict[str, Any]:
    """Give the options of TRL that follow from this machine, and those by which it tells nothing."""
    import torch

    gpu = torch.cuda.is_available()
    return {
        "bf16": bool(gpu and torch.cuda.is_bf16_supported()),
        "use_cpu": not torch.accelerator.is_available(),
        "dataloader_pin_memory": gpu,
        # TRL's default, by the name that is not on its way out.
        "activation_checkpointing": True,
        "report_to": "none",
        "disable_tqdm": True,
    }


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
