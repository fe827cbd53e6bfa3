"""Drawing tokens reproducibly, and ending each sequence where its answers end.

Token t of a request is drawn by inversion: it is the first token, in order of the vocabulary, at
which the cumulative probability passes u_t, and u_t is number t of a counter-based stream keyed by
the request's own seed. No global generator is involved, so neither the batch nor what was generated
before can change a draw.

Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (Philox),
doi:10.1145/2063384.2063405; nucleus sampling, Holtzman et al., arXiv:1904.09751.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria

from marl_eval.types import Sampling

_TAIL = 24
"""Tokens at the end of a sequence that can hold a closing tag."""


def uniforms(seed: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Give the first ``count`` numbers, in [0, 1), of the stream that ``seed`` keys."""
    return np.random.Generator(np.random.Philox(key=seed)).random(count)


class Sampler(LogitsProcessor):
    """Chooses the next token of every sequence of a batch and forbids all others."""

    def __init__(self, sampling: Sequence[Sampling], seeds: Sequence[int], width: int) -> None:
        self._width = width
        self._temperature = torch.tensor([s.temperature for s in sampling])[:, None]
        self._top_p = torch.tensor([s.top_p for s in sampling])[:, None]
        most = max(s.max_tokens for s in sampling)
        self._uniform = torch.from_numpy(np.stack([uniforms(seed, most) for seed in seeds]))
        self._logprobs: list[Tensor] | None = [] if any(s.logprobs for s in sampling) else None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Give scores float[batch, vocabulary] of 0 for the chosen token and -inf elsewhere."""
        step = input_ids.shape[1] - self._width
        raw = scores.float()
        chosen = self._choose(raw, self._uniform[:, step, None].to(raw.device))
        if self._logprobs is not None:
            logprob = raw.gather(1, chosen) - raw.logsumexp(1, keepdim=True)
            self._logprobs.append(logprob[:, 0].cpu())
        only = torch.full_like(scores, -torch.inf)
        return only.scatter_(1, chosen, 0.0)

    def _choose(self, raw: Tensor, uniform: Tensor) -> Tensor:
        """Give tokens int64[batch, 1]: the likeliest at temperature 0, else drawn by inversion."""
        likeliest = raw.argmax(1, keepdim=True)
        if not bool((self._temperature > 0).any()):
            return likeliest
        temperature = self._temperature.to(raw.device)
        scaled = raw / temperature.clamp_min(torch.finfo(torch.float32).tiny)
        probability = torch.softmax(scaled - scaled.amax(1, keepdim=True), 1)
        if bool((self._top_p < 1).any()):
            probability = _nucleus(probability, self._top_p.to(raw.device))
        cumulative = probability.double().cumsum(1)
        drawn = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True)
        drawn = drawn.clamp_max(raw.shape[1] - 1)
        return torch.where(temperature > 0, drawn, likeliest)

    def logprobs(self, row: int, count: int) -> tuple[float, ...]:
        """Give the log-probabilities of a sequence's first ``count`` tokens.

        They are the model's own: natural logarithm, before temperature and nucleus.
        """
        return tuple(float(step[row]) for step in (self._logprobs or [])[:count])


def _nucleus(probability: Tensor, top_p: Tensor) -> Tensor:
    """Keep the likeliest tokens up to the one at which their sum reaches ``top_p``."""
    ordered, order = probability.sort(dim=1, descending=True, stable=True)
    outside = ordered.cumsum(1) - ordered >= top_p
    return probability.masked_fill(outside.scatter(1, order, outside), 0.0)


class StopAtEndings(StoppingCriteria):
    """Ends each sequence at its end token, or once it has all of its endings after its reasoning.

    ``lengths`` holds the number of generated tokens of each sequence that has ended, the one that
    ended it included; None for the others.
    """

    def __init__(
        self,
        tokenizer: Any,
        endings: Sequence[tuple[str, ...]],
        thinking_opened: Sequence[bool],
        ends: Sequence[int],
        width: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._endings = endings
        self._opened = thinking_opened
        self._ends = frozenset(ends)
        self._width = width
        self.lengths: list[int | None] = [None] * len(endings)

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Give bool[batch]: the sequences that have ended."""
        length = input_ids.shape[1] - self._width
        tails = input_ids[:, max(self._width, input_ids.shape[1] - _TAIL) :].tolist()
        for row, tail in enumerate(tails):
            if self.lengths[row] is None and (
                tail[-1] in self._ends or self._complete(row, tail, input_ids)
            ):
                self.lengths[row] = length
        ended = [value is not None for value in self.lengths]
        return torch.tensor(ended, device=input_ids.device)

    def _complete(self, row: int, tail: list[int], input_ids: Tensor) -> bool:
        near = self._tokenizer.decode(tail)
        if not any(ending in near for ending in self._endings[row]):
            return False
        text = self._tokenizer.decode(input_ids[row, self._width :])
        close = text.rfind("</think>")
        if text.rfind("<think>") > close or (self._opened[row] and close < 0):
            return False
        return all(text.find(ending, close + 1) >= 0 for ending in self._endings[row])
