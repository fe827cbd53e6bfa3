"""One generation in the engine: how it is asked for, gone on with, and read.

The engine stops at the tag that closes the last answer. Where that tag was written inside the
reasoning, or before the other answers, the generation goes on from there as a new request of the
engine, whose prompt is what there is so far.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from marl_eval.backends.conversation import Prompt
from marl_eval.backends.endings import is_complete
from marl_eval.backends.token_text import decode, reasoning_tokens, token_ends
from marl_eval.types import Completion


@dataclass(slots=True)
class Generation:
    """A prompt, and what has been generated for it so far."""

    prompt: Prompt
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    ended: bool = False

    def asked(self, thinking_budget: int | None) -> tuple[dict[str, list[int]], SamplingParams]:
        """Give the engine's prompt and parameters for what is left of it.

        Nothing is left to the engine's defaults, which a checkpoint may have changed.
        """
        request = self.prompt.request
        sampling = request.sampling
        params = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p if sampling.temperature > 0 else 1.0,
            seed=seed_of(request.seed, len(self.tokens)) if sampling.temperature > 0 else None,
            max_tokens=sampling.max_tokens - len(self.tokens),
            stop=list(request.endings[-1:]),
            include_stop_str_in_output=True,
            logprobs=0 if sampling.logprobs else None,
            thinking_token_budget=thinking_budget,
            detokenize=bool(request.endings),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        return {"prompt_token_ids": self.prompt.tokens + self.tokens}, params

    def take(self, output: Any, tokenizer: Any) -> bool:
        """Take in what the engine generated, and tell whether that was all."""
        request = self.prompt.request
        self.tokens.extend(output.token_ids)
        if request.sampling.logprobs:
            self.logprobs.extend(
                known[token].logprob
                for token, known in zip(output.token_ids, output.logprobs, strict=True)
            )
        if output.finish_reason != "stop":
            return True
        at_ending = isinstance(output.stop_reason, str)
        self.ended = not at_ending or is_complete(
            decode(tokenizer, self.tokens),
            request.endings,
            thinking_opened=self.prompt.thinking_opened,
        )
        return self.ended or len(self.tokens) >= request.sampling.max_tokens

    def completion(self, tokenizer: Any) -> Completion:
        """Give what was generated."""
        request, prompt = self.prompt.request, self.prompt
        text = decode(tokenizer, self.tokens)
        logprobs = request.sampling.logprobs
        return Completion(
            *request.key,
            text=text,
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(self.tokens),
            finish_reason="stop" if self.ended else "length",
            reasoning_tokens=reasoning_tokens(
                tokenizer, self.tokens, text, opened=prompt.thinking_opened
            ),
            thinking_opened=prompt.thinking_opened,
            logprobs=tuple(self.logprobs) if logprobs else None,
            token_ends=token_ends(tokenizer, self.tokens) if logprobs else None,
        )


def seed_of(seed: int, made: int) -> int:
    """Give the engine's seed, in [0, 2^63), for a request of which ``made`` tokens are generated.

    Going on with the same seed would repeat the draws that were made from it.
    """
    if made:
        content = f"{seed}/{made}".encode()
        seed = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
    return seed >> 1
