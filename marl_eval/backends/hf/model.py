"""A transformers model that answers one batch: prompts, generation, counts."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from marl_eval.backends.conversation import Prompt
from marl_eval.backends.hf.sampling import Sampler, StopAtEndings
from marl_eval.backends.token_text import decode, reasoning_tokens, token_ends
from marl_eval.errors import UserError
from marl_eval.types import Completion, Request

STRIDE = 32
"""Tokens generated before the sequences that have ended are let go."""

_MEMORY = re.compile("out of memory|not enough memory|DefaultCPUAllocator|ALLOC_FAILED", re.I)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """What was drawn for a batch: tokens, and the length at which each sequence ended, if it did."""

    sequences: list[list[int]]
    lengths: list[int | None]
    sampler: Sampler

    def finished(self, row: int, most: int) -> bool:
        """Whether a sequence ended within ``most`` tokens."""
        length = self.lengths[row]
        return length is not None and length <= most

    def tokens(self, row: int, most: int) -> list[int]:
        """Give a sequence's tokens, ``most`` of them if it did not end before."""
        return self.sequences[row][: self.lengths[row] if self.finished(row, most) else most]


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
        self._copies = True
        # What a checkpoint says of sampling would otherwise apply beside what is asked for.
        model.generation_config = GenerationConfig(pad_token_id=self._pad, eos_token_id=eos)

    def generate(self, batch: Sequence[Prompt]) -> list[Completion]:
        """Answer a batch; completions come in its order.

        Raises:
            UserError: if the memory does not suffice.
        """
        drawn = self._draw(batch)
        return [self._completion(prompt, drawn, row) for row, prompt in enumerate(batch)]

    def tokens(self, batch: Sequence[Prompt]) -> list[list[int]]:
        """Answer a batch, and give the tokens alone: up to the one that ended the sequence, with it.

        Raises:
            UserError: if the memory does not suffice.
        """
        drawn = self._draw(batch)
        return [drawn.tokens(row, p.request.sampling.max_tokens) for row, p in enumerate(batch)]

    @torch.no_grad()
    def _draw(self, batch: Sequence[Prompt]) -> _Drawn:
        """Draw the tokens of a batch.

        Without gradients, but not in inference mode: what modules keep would be of no use in training.
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
            if not is_short_of_memory(error):
                raise
            raise UserError(
                f"The memory of {self._device} does not suffice for {len(batch)} generations at "
                f"once: lower --batch-size or --max-tokens. The same command then continues."
            ) from error
        return _Drawn(generated, stop.lengths, sampler)

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
            output = self._engine(ids, mask, cache, min(STRIDE, most - made), [sampler], [stop])
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
            if len(going) < len(sampler.rows) and _keep(cache, going):
                ids, mask = ids[going], mask[going]
                sampler.rows = stop.rows = [sampler.rows[place] for place in going]

    def _shared(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        """Read each prompt once, where several generations have the same, and give what was read.

        Of the last token nothing is read, since the generation begins with it. None where no two are
        the same, or the model's memory of what it read cannot be copied.
        """
        known: dict[tuple[int, ...], int] = {}
        rows = [known.setdefault(tuple(r), len(known)) for r in torch.cat([ids, mask], 1).tolist()]
        if len(known) == len(ids) or ids.shape[1] < 2 or not self._copies:
            return None
        firsts = [rows.index(one) for one in range(len(known))]
        # The token that is generated besides is not read, and goes unused.
        cache = self._engine(ids[firsts, :-1], mask[firsts, :-1], None, 1).past_key_values
        self._copies = _keep(cache, rows)
        return cache if self._copies else None

    def _engine(
        self,
        ids: torch.Tensor,
        mask: torch.Tensor,
        cache: Any,
        most: int,
        processors: Sequence[Sampler] = (),
        criteria: Sequence[StopAtEndings] = (),
    ) -> Any:
        """Let transformers go on with sequences, of which ``cache`` holds what it has read."""
        return self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            generation_config=GenerationConfig(
                max_new_tokens=most,
                do_sample=False,
                pad_token_id=self._pad,
                eos_token_id=self._ends or None,
                return_dict_in_generate=True,
            ),
            logits_processor=LogitsProcessorList(processors),
            stopping_criteria=StoppingCriteriaList(criteria),
        )

    def _completion(self, prompt: Prompt, drawn: _Drawn, row: int) -> Completion:
        request, sampler = prompt.request, drawn.sampler
        most = request.sampling.max_tokens
        tokens = drawn.tokens(row, most)
        text = decode(self._tokenizer, tokens)
        return Completion(
            *request.key,
            text=text,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(tokens),
            finish_reason="stop" if drawn.finished(row, most) else "length",
            reasoning_tokens=reasoning_tokens(
                self._tokenizer, tokens, text, opened=prompt.thinking_opened
            ),
            thinking_opened=prompt.thinking_opened,
            logprobs=sampler.logprobs(row, len(tokens)) if request.sampling.logprobs else None,
            token_ends=token_ends(self._tokenizer, tokens) if request.sampling.logprobs else None,
        )


def is_short_of_memory(error: BaseException) -> bool:
    """Whether memory was short, for which PyTorch has an error of its own on some devices only."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or bool(_MEMORY.search(str(error)))


def _keep(cache: Any, rows: list[int]) -> bool:
    """Keep these sequences of the memory of what was read, each as often as it is named.

    False where that memory has no way to do it. It is done as for beams: of the selections that a
    cache offers, that is the one that also moves the states of linear attention.
    """
    if not hasattr(cache, "reorder_cache"):
        return False
    cache.reorder_cache(torch.tensor(rows))
    return True
