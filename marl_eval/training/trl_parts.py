"""What both of TRL's trainers are given alike: the configuration, the adapter, the rows, the end."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, PrinterCallback
from transformers.utils import logging as transformers_logging

from marl_eval.errors import UserError
from marl_eval.progress import Progress
from marl_eval.training.callbacks import KeepCurve, ShowProgress, WriteCards
from marl_eval.training.material import Base
from marl_eval.training.options import as_named_here
from marl_eval.training.session import Session


def make_config(kind: type, options: Mapping[str, Any]) -> Any:
    """Make a configuration of TRL.

    Raises:
        UserError: with what TRL has against it.
    """
    try:
        return kind(**as_named_here(kind, options))
    except (TypeError, ValueError) as error:
        raise UserError(f"TRL does not take this configuration: {error}") from error


def model_options(base: Base) -> dict[str, Any] | None:
    """Give how TRL loads the model: in float32 unless another dtype is asked for; None if we load it."""
    if base.adapter is not None:
        return None
    dtype = base.arguments.dtype
    return {
        "dtype": "float32" if dtype == "auto" else dtype,
        "revision": base.source.revision or "main",
    }


def model_to_train(base: Base) -> Any:
    """Give where TRL finds the model, or the model itself with the adapter that is trained on."""
    if base.adapter is None:
        return base.source.place
    dtype = base.arguments.dtype
    model = AutoModelForCausalLM.from_pretrained(
        base.source.place,
        dtype="float32" if dtype == "auto" else dtype,
        revision=base.source.revision or "main",
        trust_remote_code=base.arguments.trust_remote_code,
    )
    return PeftModel.from_pretrained(model, base.adapter.place, is_trainable=True)


def lora_config(options: Mapping[str, Any] | None) -> LoraConfig | None:
    """Make the configuration of the adapter, None to train the model itself.

    Raises:
        UserError: with what peft has against it.
    """
    if options is None:
        return None
    try:
        return LoraConfig(**{"task_type": "CAUSAL_LM", **options})
    except (TypeError, ValueError) as error:
        raise UserError(f"peft does not take these options of LoRA: {error}.") from error


def in_epochs(rows: Dataset, epochs: float, needed: int | None, seed: int) -> Dataset:
    """Give the rows in the order of the training: each epoch an order of its own, drawn from the seed.

    ``needed`` rows at least, where the number of steps decides. The order is fixed beforehand, so that
    a training that goes on in its second epoch finds the rows it would have had.
    """
    count = len(rows)
    total = ceil(count * epochs) if needed is None else needed
    orders = [
        np.random.default_rng([seed, epoch]).permutation(count)
        for epoch in range(ceil(total / count))
    ]
    return rows.select(np.concatenate(orders)[:total])


def run_trainer(trainer: Any, session: Session, resumed: Path | None, progress: Progress) -> int:
    """Train, write the checkpoint and its card, and give the number of steps.

    Raises:
        StorageError: if the folder cannot be written.
    """
    out = session.out
    transformers_logging.disable_progress_bar()
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(KeepCurve(out))
    trainer.add_callback(WriteCards(session.write_card, trainer.accelerator.wait_for_everyone))
    total = trainer.args.max_steps
    if total < 0:
        total = trainer.args.num_train_epochs * len(trainer.get_train_dataloader())
        total = ceil(total / trainer.args.gradient_accumulation_steps)
    done = 0 if resumed is None else int(resumed.name.rpartition("-")[2])
    with warnings.catch_warnings(), progress("training", total=total, done=done) as advance:
        # TRL uses names that transformers has since changed.
        warnings.simplefilter("ignore", FutureWarning)
        trainer.add_callback(ShowProgress(advance))
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    trainer.save_model(str(out))
    trainer.accelerator.wait_for_everyone()
    steps = int(trainer.state.global_step)
    if trainer.is_world_process_zero():
        session.write_card(out, steps)
    trainer.accelerator.wait_for_everyone()
    return steps
