"""Options of TRL's configurations: those that are ours to set, and those that the machine decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from marl_eval.backends.arguments import need
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

_NEW, _OLD = "activation_checkpointing", "gradient_checkpointing"
"""One option: as transformers 5.23 calls it, and as 5.19 does, the newest that vLLM 0.32 takes."""


def see_that_they_are_options(config: type, names: Iterable[str]) -> None:
    """See that a configuration of TRL has these options, and that they are the user's to set.

    Raises:
        UserError: naming the option that there is not, or that has another name here.
    """
    known = {field.name for field in fields(config)} | {_NEW}
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
        _NEW: True,  # TRL's default
        "report_to": "none",
        "disable_tqdm": True,
    }


def see_that_vllm_can_generate(options: Mapping[str, Any]) -> None:
    """See that vLLM, where TRL is to generate with it, can be had and be given the weights of a step.

    Raises:
        UserError: if it is not installed, or would generate on a CPU, where it packs its weights and
            lets go of those that could be changed.
    """
    if not options.get("use_vllm"):
        return
    need("vllm", "vllm", what="use_vllm")
    if options["use_cpu"]:
        raise UserError(
            "On a CPU vLLM cannot take the weights of each step: leave use_vllm out, or switch off a "
            "recipe's by --trl use_vllm=false."
        )


def as_named_here(config: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give the options by the names that a configuration of TRL has with the transformers at hand."""
    named = dict(options)
    if _OLD in named:
        named[_NEW] = named.pop(_OLD)
    if _NEW in named and _NEW not in {field.name for field in fields(config)}:
        named[_OLD] = named.pop(_NEW)
    return named
