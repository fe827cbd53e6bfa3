"""TRL's ``SFTTrainer`` over rows that are tokens already, so that they are those of evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from marl_eval.training.session import Session
from marl_eval.training.trl_parts import (
    in_epochs,
    lora_config,
    make_config,
    model_options,
    model_to_train,
)


def make_sft_trainer(session: Session, rows: Sequence[dict[str, list[int]]]) -> SFTTrainer:
    """Make the trainer.

    Raises:
        UserError: if TRL does not take the configuration.
    """
    settings, base = session.settings, session.base
    options = dict(session.config)
    epochs = float(options.pop("num_train_epochs"))
    config = make_config(
        SFTConfig,
        {
            **options,
            "num_train_epochs": 1,
            "output_dir": str(settings.out),
            "seed": settings.seed,
            "max_length": None,
            "train_sampling_strategy": "sequential",
            "dataset_kwargs": {"skip_prepare_dataset": True},
            "model_init_kwargs": model_options(base),
            "trust_remote_code": base.arguments.trust_remote_code,
        },
    )
    table = Dataset.from_dict(
        {name: [row[name] for row in rows] for name in ("input_ids", "labels")}
    )
    return SFTTrainer(
        model=model_to_train(base),
        args=config,
        train_dataset=in_epochs(table, epochs, _needed(config), settings.seed),
        processing_class=base.asker.tokenizer,
        peft_config=lora_config(settings.lora),
    )


def _needed(config: Any) -> int | None:
    """Give the number of rows that so many steps take, None where epochs decide."""
    if config.max_steps < 0:
        return None
    batch = config.train_batch_size * config.world_size * config.gradient_accumulation_steps
    return int(config.max_steps * batch)
