"""A transformers model that answers one batch: prompts, generation, counts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteriaList,
)
from transformers.utils import logging as transformers_logging

from marl_eval.backends.conversation import Asker, Prompt, open_asker
from marl_eval.backends.hf.arguments import Arguments
from marl_eval.backends.hf.sampling import Sampler, StopAtEndings
from marl_eval.backends.token_text import decode, reasoning_tokens, token_ends
from marl_eval.errors import UserError
from marl_eval.types import Completion, Request

STRIDE = 32
"""Tokens generated before the sequences that have ended are let go."""


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


def load_asker(name: str, arguments: Arguments) -> Asker:
    """Load what turns conversations into the model's tokens.

    Raises:
        UserError: if the files are not those of a tokenizer and a configuration.
    """
    options = _hub_options(arguments)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left", **options)
        config = AutoConfig.from_pretrained(name, **options)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The model {name!r} cannot be loaded: {error}") from error
    context = getattr(config, "max_position_embeddings", None) or 1 << 30
    return open_asker(name, tokenizer, context, arguments)


def load_model(name: str, arguments: Arguments, tokenizer: Any) -> Model:
    """Load the weights.

    Raises:
        UserError: if the files are not those of a model that transformers can run.
    """
    transformers_logging.disable_progress_bar()
    device, dtype = placement(arguments)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            name, dtype=getattr(torch, dtype), **_hub_options(arguments)
        )
        if arguments.adapter is not None:
            model = _adapted(model, arguments.adapter)
        model = model.to(device)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The model {name!r} cannot be loaded: {error}") from error
    except (RuntimeError, MemoryError) as error:
        if not _is_short_of_memory(error):
            raise
        raise UserError(
            f"The memory of {device} does not suffice for the model {name!r} in {dtype}: give "
            f"--model-args dtype=bfloat16, another device, or a smaller model."
        ) from error
    return Model(model.eval(), tokenizer, device)


def _adapted(model: Any, adapter: str) -> Any:
    """Give the model with an adapter's weights added to its own."""
    from peft import PeftModel

    try:
        with warnings.catch_warnings():
            # It uses names that transformers has since changed.
            warnings.simplefilter("ignore", FutureWarning)
            return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if _is_short_of_memory(error):
            raise
        raise UserError(
            f"The adapter {adapter!r} cannot be loaded: {str(error).strip().partition(chr(10))[0]}"
        ) from error


def _is_short_of_memory(error: BaseException) -> bool:
    """Whether memory was short: PyTorch has an error of its own for that on GPUs only."""
    told = str(error)
    short = "not enough memory" in told or "DefaultCPUAllocator" in told
    return short or isinstance(error, MemoryError | torch.OutOfMemoryError)


def _hub_options(arguments: Arguments) -> dict[str, Any]:
    return {"revision": arguments.revision, "trust_remote_code": arguments.trust_remote_code}


class Model:
    """A loaded model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, device: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        eos = model.generation_config.eos_token_id
        if eos is None:
            eos = tokenizer.eos_token_id
        self._ends: list[int] = eos if isinstance(eos, list) else [] if eos is None else [eos]
        pad = tokenizer.pad_token_id
        self._pad: int = pad if pad is not None else self._ends[0] if self._ends else 0

    @torch.inference_mode()
    def generate(self, batch: Sequence[Prompt]) -> list[Completion]:
        """Answer a batch; completions come in its order.

        Raises:
            UserError: if the memory does not suffice.
        """
        width = max(len(prompt.tokens) for prompt in batch)
        ids = torch.full((len(batch), width), self._pad)
        mask = torch.zeros((len(batch), width), dtype=torch.long)
        for row, prompt in enumerate(batch):
            ids[row, width - len(prompt.tokens) :] = torch.tensor(prompt.tokens)
            mask[row, width - len(prompt.tokens) :] = 1
        requests = [prompt.request for prompt in batch]
        sampler = Sampler([r.sampling for r in requests], [r.seed for r in requests], width)
        stop = StopAtEndings(
            self._tokenizer,
            [r.endings for r in requests],
            [prompt.thinking_opened for prompt in batch],
            self._ends,
            width,
        )
        try:
            generated = self._generate(ids, mask, requests, sampler, stop)
        except (RuntimeError, MemoryError) as error:
            if not _is_short_of_memory(error):
                raise
            raise UserError(
                f"The memory of {self._device} does not suffice for {len(batch)} generations at "
                f"once: lower --batch-size or --max-tokens. The same command then continues."
            ) from error
        return [
            self._completion(prompt, generated[row], stop.lengths[row], sampler, row)
            for row, prompt in enumerate(batch)
        ]

    def _generate(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        requests: Sequence[Request],
        sampler: Sampler,
        stop: StopAtEndings,
    ) -> list[list[int]]:
        """Generate in strides, and after each go on with the sequences that have not ended.

        So a long sequence does not keep those that have ended running beside it. Which ones go on
        follows from the batch alone, so the batch is still reproducible.
        """
        width = ids.shape[1]
        most = max(request.sampling.max_tokens for request in requests)
        generated: list[list[int]] = [[] for _ in requests]
        ids, mask = ids.to(self._device), mask.to(self._device)
        cache = self._shared(ids, mask)
        while True:
            made = ids.shape[1] - width
            output = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                past_key_values=cache,
                generation_config=GenerationConfig(
                    max_new_tokens=min(STRIDE, most - made),
                    do_sample=False,
                    pad_token_id=self._pad,
                    eos_token_id=self._ends or None,
                    return_dict_in_generate=True,
                ),
                logits_processor=LogitsProcessorList([sampler]),
                stopping_criteria=StoppingCriteriaList([stop]),
            )
            ids, cache = output.sequences, output.past_key_values
            made = ids.shape[1] - width
            for place, row in enumerate(sampler.rows):
                generated[row] = ids[place, width:].tolist()
            going = [
                place
                for place, row in enumerate(sampler.rows)
                if stop.lengths[row] is None and made < requests[row].sampling.max_tokens
            ]
            if not going:
                return generated
            mask = torch.nn.functional.pad(mask, (0, ids.shape[1] - mask.shape[1]), value=1)
            if len(going) < len(sampler.rows) and hasattr(cache, "batch_select_indices"):
                index = torch.tensor(going, device=ids.device)
                ids, mask = ids[index], mask[index]
                cache.batch_select_indices(index)
                sampler.rows = stop.rows = [sampler.rows[place] for place in going]

    def _shared(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        """Read each prompt once, where several generations have the same, and give what was read.

        Of the last token nothing is read, since the generation begins with it. None where no two are
        the same, or the model's memory of what it read cannot be copied.
        """
        prompts = torch.cat([ids, mask], 1)
        _, place = torch.unique(prompts, dim=0, return_inverse=True)
        order = place.tolist()
        firsts = sorted({order.index(one) for one in order})
        if len(firsts) == len(ids) or ids.shape[1] < 2:
            return None
        own, seen = ids[firsts, :-1], mask[firsts, :-1]
        cache = self._model(
            input_ids=own,
            attention_mask=seen,
            position_ids=(seen.cumsum(1) - 1).clamp(min=0),
            use_cache=True,
            logits_to_keep=1,
        ).past_key_values
        if not hasattr(cache, "batch_select_indices"):
            return None
        rows = [firsts.index(order.index(one)) for one in order]
        cache.batch_select_indices(torch.tensor(rows, device=ids.device))
        return cache

    def _completion(
        self, prompt: Prompt, generated: list[int], length: int | None, sampler: Sampler, row: int
    ) -> Completion:
        request = prompt.request
        most = request.sampling.max_tokens
        finished = length is not None and length <= most
        tokens = generated[: length if finished else most]
        text = decode(self._tokenizer, tokens)
        return Completion(
            id=request.id,
            example=request.example,
            sample=request.sample,
            stage=request.stage,
            text=text,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(tokens),
            finish_reason="stop" if finished else "length",
            reasoning_tokens=reasoning_tokens(
                self._tokenizer, tokens, text, opened=prompt.thinking_opened
            ),
            thinking_opened=prompt.thinking_opened,
            logprobs=sampler.logprobs(row, len(tokens)) if request.sampling.logprobs else None,
            token_ends=token_ends(self._tokenizer, tokens) if request.sampling.logprobs else None,
        )
