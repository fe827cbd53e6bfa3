"""Options of TRL's configurations: those that are ours to set, and those that the machine decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from marl_eval.errors import UserError, unknown

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


_SECRET = ("hub_token", "push_to_hub_token")


def see_that_they_are_options(config: type, names: Iterable[str]) -> None:
    """See that a configuration of TRL has these options, and that they are the user's to set.

    Raises:
        UserError: naming the option that there is not, or that has another name here.
    """
    known = {field.name for field in fields(config)}
    for name in names:
        if name in _SECRET:
            raise UserError(
                f"The option {name!r} of TRL would be written down beside the checkpoint: leave it "
                f"out, and set HF_TOKEN in the environment."
            )
        if name in OURS:
            raise UserError(f"The option {name!r} of TRL is set by {OURS[name]!r} here.")
        if name not in known:
            raise unknown(f"option of TRL's {config.__name__} named", name, known)


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
