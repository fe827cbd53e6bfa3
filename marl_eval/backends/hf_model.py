"""A transformers model that answers one batch: prompts, generation, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

from marl_eval.backends.hf_arguments import Arguments
from marl_eval.backends.hf_sampling import Sampler, StopAtEndings
from marl_eval.errors import UserError
from marl_eval.types import Completion, Message, Request

_UNFINISHED_CHARACTER, _LONGEST_CHARACTER = "\ufffd", 4
_THINK_OPEN, _THINK_CLOSE = "<think>", "</think>"
STRIDE = 32
"""Tokens generated before the sequences that have ended are let go."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as tokens; ``problem`` says why it cannot be asked, if it cannot."""

    request: Request
    tokens: list[int]
    thinking_opened: bool
    problem: str | None


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


def hub_commit(name: str, arguments: Arguments) -> str:
    """Give the commit that a model on the hub stands at."""
    try:
        config = AutoConfig.from_pretrained(
            name,
            revision=arguments.revision,
            trust_remote_code=arguments.trust_remote_code,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"There is no folder {name!r}, and the Hugging Face Hub did not give a model of that "
            f"name: {str(error).splitlines()[0]}"
        ) from error
    return str(getattr(config, "_commit_hash", None) or "unknown")


def load_model(name: str, arguments: Arguments) -> Model:
    """Load the weights and the tokenizer.

    Raises:
        UserError: if the files are not those of a model that transformers can run.
    """
    transformers_logging.disable_progress_bar()
    device, dtype = placement(arguments)
    options: dict[str, Any] = {
        "revision": arguments.revision,
        "trust_remote_code": arguments.trust_remote_code,
    }
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left", **options)
        model = AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, dtype), **options)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The model {name!r} cannot be loaded: {error}") from error
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if arguments.chat == "yes" and not has_template:
        raise UserError(
            f"The model {name!r} has no chat template; leave out --model-args chat=yes to ask it "
            f"with a plain prompt."
        )
    chat = has_template if arguments.chat == "auto" else arguments.chat == "yes"
    return Model(model.to(device).eval(), tokenizer, device, chat)


class Model:
    """A loaded model with its tokenizer."""

    def __init__(self, model: Any, tokenizer: Any, device: str, chat: bool) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._device = device
        self._chat = chat
        self._context: int = getattr(model.config, "max_position_embeddings", None) or 1 << 30
        eos = model.generation_config.eos_token_id
        if eos is None:
            eos = tokenizer.eos_token_id
        self._ends: list[int] = eos if isinstance(eos, list) else [] if eos is None else [eos]
        pad = tokenizer.pad_token_id
        self._pad: int = pad if pad is not None else self._ends[0] if self._ends else 0

    def prompts(self, requests: Sequence[Request]) -> list[Prompt]:
        """Turn requests into tokens, those of one conversation once."""
        known: dict[tuple[Message, ...], tuple[list[int], bool]] = {}
        result = []
        for request in requests:
            if request.messages not in known:
                known[request.messages] = self._tokenize(request.messages)
            tokens, opened = known[request.messages]
            needed = len(tokens) + request.sampling.max_tokens
            problem = None
            if needed > self._context:
                problem = (
                    f"the prompt has {len(tokens)} tokens and the answer may take "
                    f"{request.sampling.max_tokens}: more than the model's context of "
                    f"{self._context}; lower --max-tokens"
                )
            result.append(Prompt(request, tokens, opened, problem))
        return result

    def _tokenize(self, messages: tuple[Message, ...]) -> tuple[list[int], bool]:
        if self._chat:
            turns = [{"role": m.role, "content": m.content} for m in messages]
            text = self._tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=False
            )
        else:
            text = "\n\n".join(message.content for message in messages) + "\n\n"
        # Lone surrogates are no text that a tokenizer could take.
        text = text.encode("utf-8", "replace").decode("utf-8")
        tokens = self._tokenizer(text, add_special_tokens=not self._chat)["input_ids"]
        return tokens, text.rstrip().endswith(_THINK_OPEN)

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
        except torch.OutOfMemoryError as error:
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
        cache = None
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

    def _completion(
        self, prompt: Prompt, generated: list[int], length: int | None, sampler: Sampler, row: int
    ) -> Completion:
        request = prompt.request
        most = request.sampling.max_tokens
        finished = length is not None and length <= most
        tokens = generated[: length if finished else most]
        text = self._decode(tokens)
        return Completion(
            id=request.id,
            example=request.example,
            sample=request.sample,
            stage=request.stage,
            text=text,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(tokens),
            finish_reason="stop" if finished else "length",
            reasoning_tokens=self._reasoning_tokens(tokens, text, prompt.thinking_opened),
            thinking_opened=prompt.thinking_opened,
            logprobs=sampler.logprobs(row, len(tokens)) if request.sampling.logprobs else None,
            token_ends=self._token_ends(tokens) if request.sampling.logprobs else None,
        )

    def _token_ends(self, tokens: list[int]) -> tuple[int, ...]:
        """Give, for each token, the number of characters of the text up to its end.

        A token is decoded together with the ones just before it, since it may read differently
        alone. One that ends inside a character ends, for us, where that character begins.
        """
        ends: list[int] = []
        before = shown = total = 0
        for count in range(1, len(tokens) + 1):
            known = self._decode(tokens[before:shown])
            text = self._decode(tokens[before:count])
            if not text.endswith(_UNFINISHED_CHARACTER) or count - shown == _LONGEST_CHARACTER:
                total += len(text) - len(known)
                before, shown = shown, count
            ends.append(total)
        return tuple(ends)

    def _decode(self, tokens: list[int]) -> str:
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _reasoning_tokens(self, tokens: list[int], text: str, opened: bool) -> int:
        """Count the tokens up to the end of the reasoning, by bisection on decoded beginnings."""
        if _THINK_CLOSE not in text:
            return len(tokens) if opened or _THINK_OPEN in text else 0
        closes = text.count(_THINK_CLOSE)
        low, high = 1, len(tokens)
        while low < high:
            middle = (low + high) // 2
            if self._decode(tokens[:middle]).count(_THINK_CLOSE) == closes:
                high = middle
            else:
                low = middle + 1
        return low
