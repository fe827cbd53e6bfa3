"""Loading a checkpoint for transformers: its tokenizer, its weights and an adapter."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from marl_eval.backends.checkpoint import Source
from marl_eval.backends.conversation import Asker, open_asker
from marl_eval.backends.hf.arguments import Arguments
from marl_eval.backends.hf.model import Model, is_short_of_memory
from marl_eval.errors import UserError


def placement(arguments: Arguments) -> tuple[str, str]:
    """Give the device and the dtype that ``auto`` stands for.

    Raises:
        UserError: if the device is not there.
    """
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"The device {device!r} is not to be had here: {error}.") from error
    dtype = arguments.dtype
    if dtype == "auto":
        dtype = "float32" if device == "cpu" else "bfloat16"
    return device, dtype


def load_asker(source: Source, arguments: Arguments) -> Asker:
    """Load what turns conversations into the model's tokens.

    Raises:
        UserError: if the files are not those of a tokenizer and a configuration.
    """
    options = {"revision": source.revision, "trust_remote_code": arguments.trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.place, padding_side="left", **options)
        config = AutoConfig.from_pretrained(source.place, **options)
    except Exception as error:
        raise _not_loaded("model", source.name, error) from error
    context = getattr(config, "max_position_embeddings", None) or 1 << 30
    return open_asker(source.name, tokenizer, context, arguments)


def load_model(
    source: Source, adapter: Source | None, arguments: Arguments, tokenizer: Any
) -> Model:
    """Load the weights.

    Raises:
        UserError: if the files are not those of a model that transformers can run, or the memory
            does not suffice.
    """
    transformers_logging.disable_progress_bar()
    device, dtype = placement(arguments)
    loaded = ("model", source.name)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source.place,
            dtype=getattr(torch, dtype),
            revision=source.revision,
            trust_remote_code=arguments.trust_remote_code,
        )
        if adapter is not None:
            loaded = ("adapter", adapter.name)
            model = _adapted(model, adapter)
        model = model.to(device)
    except Exception as error:
        if not is_short_of_memory(error):
            raise _not_loaded(*loaded, error) from error
        raise UserError(
            f"The memory of {device} does not suffice for the model {source.name!r} in {dtype}: "
            f"give --model-args dtype=bfloat16, another device, or a smaller model."
        ) from error
    return Model(model.eval(), tokenizer, device)


def _adapted(model: Any, adapter: Source) -> Any:
    """Give the model with an adapter's weights added to its own."""
    from peft import PeftModel

    with warnings.catch_warnings():
        # It uses names that transformers has since changed.
        warnings.simplefilter("ignore", FutureWarning)
        adapted = PeftModel.from_pretrained(model, adapter.place, revision=adapter.revision)
        return adapted.merge_and_unload()


def _not_loaded(what: str, name: str, error: Exception) -> UserError:
    """Say why something cannot be loaded; transformers passes on whatever its parts raise."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = lines[0].rstrip(".") if lines else type(error).__name__
    return UserError(f"The {what} {name!r} cannot be loaded: {told}.")
