"""Making the generations of a training step: on transformers by the engine that evaluates, or on vLLM.

On transformers every token is drawn by a hash of the seed, the step and the generation's place in the
whole batch (see ``backends.hf.sampling``). So what is generated does not depend on how many processes
share the work, nor on the state of a generator, and a training that was stopped goes on exactly. A
prompt that a group shares is read once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from trl.models.utils import unwrap_model_for_generation

from marl_eval.answers import AnswerFormat
from marl_eval.backends.conversation import Asker, Prompt
from marl_eval.backends.endings import opens_thinking
from marl_eval.backends.hf.model import Model
from marl_eval.types import Example, Request, Sampling


@dataclass(slots=True)
class Rollouts:
    """TRL's ``rollout_func``: generations for its prompts, which are texts."""

    asker: Asker
    format: AnswerFormat
    sampling: Sampling
    seed: int
    _step: int = -1
    _times: int = 0

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """Give the tokens of prompts and generations, and with vLLM their log-probabilities."""
        known = {text: self._tokens(text) for text in dict.fromkeys(prompts)}
        tokens = [known[text] for text in prompts]
        if trainer.use_vllm:
            return self._by_vllm(tokens, trainer)
        step = trainer.state.global_step
        self._times = self._times + 1 if step == self._step else 0
        self._step = step
        first = trainer.accelerator.process_index * len(prompts)
        batch = [
            self._prompt(text, own, f"{step}/{self._times}/{first + place}")
            for place, (text, own) in enumerate(zip(prompts, tokens, strict=True))
        ]
        with generating(trainer) as model:
            made = Model(model, self.asker.tokenizer, str(trainer.accelerator.device)).tokens(batch)
        return {"prompt_ids": tokens, "completion_ids": made, "logprobs": None}

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self.asker.tokenizer(text, add_special_tokens=not self.asker.chat)[
            "input_ids"
        ]
        return ids

    def _by_vllm(self, tokens: list[list[int]], trainer: Any) -> dict[str, Any]:
        _, made, logprobs, _ = trainer.vllm_generation.generate(
            prompts=tokens,
            images=None,
            num_generations=trainer.num_generations,
            profiler=nullcontext(),
        )
        first = [[token[0] for token in sequence] for sequence in logprobs]
        return {"prompt_ids": tokens, "completion_ids": made, "logprobs": first}

    def _prompt(self, text: str, tokens: list[int], place: str) -> Prompt:
        # No endings: a generation is to learn to end by itself, as other engines need it.
        request = Request(
            id=place,
            example=0,
            sample=0,
            stage=0,
            member=0,
            members=1,
            seed=draw_seed(self.seed, place),
            messages=(),
            format=self.format,
            sampling=self.sampling,
            endings=(),
            source=_NOTHING,
        )
        return Prompt(request, tokens, opens_thinking(text), None)


_NOTHING = Example("", "", ())


def draw_seed(seed: int, place: str) -> int:
    """Give the seed of one generation of a training, in [0, 2^64)."""
    digest = hashlib.blake2b(f"{seed}/{place}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@contextmanager
def generating(trainer: Any) -> Iterator[Any]:
    """Give the trainer's model as one that generates, and put it back as it was."""
    with (
        unwrap_model_for_generation(
            trainer.model_wrapped,
            trainer.accelerator,
            gather_deepspeed3_params=trainer.args.ds3_gather_for_generation,
            gradient_checkpointing_kwargs=trainer.args.gradient_checkpointing_kwargs,
        ) as model,
        torch.no_grad(),
        trainer._dist.summon_full_params(trainer.model_wrapped, recurse=False),
    ):
        configured, was_training = model.generation_config, model.training
        model.eval()
        try:
            yield model
        finally:
            model.generation_config = configured
            model.train(was_training)
