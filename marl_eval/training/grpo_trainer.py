"""TRL's ``GRPOTrainer`` with our questions, generations, rewards and evaluation."""

from __future__ import annotations

import warnings
from math import ceil
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from marl_eval.errors import UserError
from marl_eval.judging import Judge
from marl_eval.training.callbacks import WatchEqualRewards
from marl_eval.training.held_out import EvaluateHeldOut, HeldOut
from marl_eval.training.material import asked
from marl_eval.training.reward_functions import PartRewards
from marl_eval.training.rollouts import Rollouts
from marl_eval.training.session import Session
from marl_eval.training.settings import TrainSettings
from marl_eval.training.trimming import TrimmingTrainer
from marl_eval.training.trl_parts import (
    in_epochs,
    lora_config,
    make_config,
    model_options,
    model_to_train,
)
from marl_eval.types import Sampling


def make_trainer(session: Session, settings: TrainSettings, judge: Judge | None) -> GRPOTrainer:
    """Make the trainer.

    Raises:
        UserError: if TRL does not take the configuration, or a training could not go on exactly.
    """
    base, material = session.base, session.material
    asking = material.posed.asking
    options = dict(session.config)
    epochs = float(options.pop("num_train_epochs"))
    config = make_config(
        GRPOConfig,
        {
            **options,
            "num_train_epochs": 1,
            "output_dir": str(settings.out),
            "temperature": settings.temperature,
            "max_completion_length": settings.max_tokens,
            "reward_weights": list(session.weights.values()),
            "seed": settings.seed,
            "shuffle_dataset": False,
            "model_init_kwargs": model_options(base),
            "trust_remote_code": base.arguments.trust_remote_code,
        },
    )
    _check_saving(config)
    rewards = PartRewards(
        material.posed.task,
        asking.format,
        material.examples,
        settings.rewards,
        base.asker.tokenizer,
        judge,
    )
    sampling = Sampling(settings.temperature, config.top_p, settings.max_tokens)
    ask = asking.template.ask
    rows = Dataset.from_dict(
        {
            "prompt": [base.asker.text(ask(example.question)) for example in material.examples],
            "example": list(range(len(material.examples))),
        }
    )
    with warnings.catch_warnings():
        # It says that rollout_func may change; the versions that we are tested with are bounded.
        warnings.filterwarnings("ignore", message=".*rollout_func.*", category=UserWarning)
        trainer = TrimmingTrainer(
            model=model_to_train(base),
            reward_funcs=rewards.functions(),
            args=config,
            train_dataset=in_epochs(rows, epochs, _needed(config), settings.seed),
            processing_class=base.asker.tokenizer,
            peft_config=lora_config(settings.lora),
            rollout_func=Rollouts(base.asker, asking.format, sampling, settings.seed),
        )
    trainer.add_callback(WatchEqualRewards(rewards))
    if settings.evaluate_every is not None:
        run = asked(settings, settings.method, settings.generation_k, settings.temperature)
        held_out = HeldOut(material.posed, run, base.asker)
        trainer.add_callback(EvaluateHeldOut(held_out, settings.evaluate_every, trainer))
    return trainer


def _check_saving(config: Any) -> None:
    """See that a checkpoint is only written where the next step generates anew."""
    micro = config.steps_per_generation * config.num_iterations
    steps = ceil(micro / config.gradient_accumulation_steps)
    if config.save_strategy == "steps" and config.save_steps % steps:
        raise UserError(
            f"Generations are used for {steps} steps, and a training can only go on exactly from where "
            f"they end: make save_steps a multiple of {steps}, not {config.save_steps:g}."
        )


def _needed(config: Any) -> int | None:
    """Give the number of questions that so many steps ask, None where epochs decide."""
    if config.max_steps < 0:
        return None
    micro = config.steps_per_generation * config.num_iterations
    generations = ceil(config.max_steps * config.gradient_accumulation_steps / micro)
    return int(generations * config.generation_batch_size // config.num_generations)
