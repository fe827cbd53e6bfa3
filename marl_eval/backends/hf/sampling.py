"""Drawing tokens reproducibly, and ending each sequence where its answers end.

A token is drawn by a race: token i, with probability p_i, arrives after -log(u_i) / p_i, and the first
to arrive is chosen (the Gumbel-max trick in other words). u_i is a hash of the request's seed, the step
and the token: no global generator is involved, so neither the batch nor what was generated before can
change it. And since every token races on its own, a rounding error in the probabilities changes the
winner only where two tokens arrive within that error of each other; drawing from the cumulative
distribution instead would move every boundary at once, and change far more tokens.

Sources: Gumbel 1954; Maddison et al. 2014, arXiv:1411.0030; the hash is SplitMix64, Steele et al. 2014,
doi:10.1145/2660193.2660195; nucleus sampling, Holtzman et al., arXiv:1904.09751.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessor, StoppingCriteria

from marl_eval.backends.endings import THINK_CLOSE, is_complete
from marl_eval.types import Sampling

_TAIL = 24
"""Tokens at the end of a sequence that can hold a closing tag."""


_HEAD = 2.0**-16
"""Tokens less probable than this race as one, and among themselves only if that one wins."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash 64-bit numbers: the finish of SplitMix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def step_keys(seeds: NDArray[np.uint64], step: int) -> NDArray[np.uint64]:
    """Give a key for one step of each request, uint64[batch]."""
    return _mixed(seeds + _GAMMA * np.array([step + 1], dtype=np.uint64))


def exponentials(keys: NDArray[np.uint64], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give standard exponential numbers, each a function of its key and token alone."""
    bits = _mixed(keys + _GAMMA * (tokens.astype(np.uint64) + np.uint64(1)))
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    result: NDArray[np.float64] = -np.log(uniform)
    return result


def race(probability: Tensor, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Draw a token for each row of ``probability`` float[batch, vocabulary].

    The improbable tokens, of which there are many, race as one with their joint probability; only
    where that one wins do they race among themselves. That is the same draw, and much less work.
    """
    batch, vocabulary = probability.shape
    places = (probability > _HEAD).nonzero(as_tuple=True)
    head = probability[places].double().cpu().numpy()
    rows, tokens = (place.cpu().numpy() for place in places)
    waits = exponentials(keys[rows], tokens) / head
    order = np.lexsort((waits, rows))
    first = order[np.unique(rows[order], return_index=True)[1]]
    best = np.full(batch, np.inf)
    winner = np.zeros(batch, dtype=np.int64)
    best[rows[first]], winner[rows[first]] = waits[first], tokens[first]

    total = probability.double().sum(1).cpu().numpy()
    rest = np.maximum(total - np.bincount(rows, head, minlength=batch), 0)
    everyone = np.full(batch, vocabulary)
    with np.errstate(divide="ignore"):
        joint = exponentials(keys, everyone) / rest
        for row in np.flatnonzero(joint < best):
            each = probability[row].double().cpu().numpy()
            each[each > _HEAD] = 0
            own = exponentials(keys[row : row + 1], np.arange(vocabulary)) / each
            winner[row] = own.argmin()
    return winner


class Sampler(LogitsProcessor):
    """Chooses the next token of every sequence of a batch and forbids all others.

    ``rows`` says which sequences of the batch are still going, in the order of the scores.
    """

    def __init__(self, sampling: Sequence[Sampling], seeds: Sequence[int], width: int) -> None:
        self._width = width
        self._temperature = torch.tensor([s.temperature for s in sampling])[:, None]
        self._top_p = torch.tensor([s.top_p for s in sampling])[:, None]
        self._seeds = np.array(seeds, dtype=np.uint64)
        self._logprobs: list[list[float]] = [[] for _ in sampling]
        self._keep_logprobs = any(s.logprobs for s in sampling)
        self.rows = list(range(len(sampling)))

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Give scores float[batch, vocabulary] of 0 for the chosen token and -inf elsewhere."""
        step = input_ids.shape[1] - self._width
        raw = scores.float()
        chosen = self._choose(raw, step)
        if self._keep_logprobs:
            logprob = raw.gather(1, chosen) - raw.logsumexp(1, keepdim=True)
            for row, value in zip(self.rows, logprob[:, 0].tolist(), strict=True):
                self._logprobs[row].append(value)
        only = torch.full_like(scores, -torch.inf)
        return only.scatter_(1, chosen, 0.0)

    def _choose(self, raw: Tensor, step: int) -> Tensor:
        """Give tokens int64[batch, 1]: the likeliest at temperature 0, else drawn."""
        likeliest = raw.argmax(1, keepdim=True)
        temperature, top_p = self._temperature[self.rows], self._top_p[self.rows]
        if not bool((temperature > 0).any()):
            return likeliest
        temperature = temperature.to(raw.device)
        scaled = raw / temperature.clamp_min(torch.finfo(torch.float32).tiny)
        probability = torch.softmax(scaled - scaled.amax(1, keepdim=True), 1)
        if bool((top_p < 1).any()):
            probability = _nucleus(probability, top_p.to(raw.device))
        drawn = torch.from_numpy(race(probability, step_keys(self._seeds[self.rows], step)))
        return torch.where(temperature > 0, drawn[:, None].to(raw.device), likeliest)

    def logprobs(self, row: int, count: int) -> tuple[float, ...]:
        """Give the log-probabilities of a sequence's first ``count`` tokens.

        They are the model's own: natural logarithm, before temperature and nucleus.
        """
        return tuple(self._logprobs[row][:count])


def _nucleus(probability: Tensor, top_p: Tensor) -> Tensor:
    """Keep the likeliest tokens up to the one at which their sum reaches ``top_p``."""
    ordered, order = probability.sort(dim=1, descending=True, stable=True)
    outside = ordered.cumsum(1) - ordered >= top_p
    return probability.masked_fill(outside.scatter(1, order, outside), 0.0)


class StopAtEndings(StoppingCriteria):
    """Ends each sequence at its end token, or once it has all of its endings after its reasoning.

    ``rows`` says which sequences of the batch are still going, in the order of the tokens.
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
        self._lasts = {ending[-1] for own in endings for ending in own} | {THINK_CLOSE[-1]}
        self._closers: dict[int, bool] = {}
        self.lengths: list[int | None] = [None] * len(endings)
        self.rows = list(range(len(endings)))

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Give bool[batch]: the sequences that have ended."""
        length = input_ids.shape[1] - self._width
        tails = input_ids[:, max(self._width, input_ids.shape[1] - _TAIL) :].tolist()
        for place, row in enumerate(self.rows):
            tail = tails[place]
            if self.lengths[row] is None and (
                tail[-1] in self._ends or self._complete(row, tail, input_ids[place])
            ):
                self.lengths[row] = length
        ended = [self.lengths[row] is not None for row in self.rows]
        return torch.tensor(ended, device=input_ids.device)

    def _complete(self, row: int, tail: list[int], tokens: Tensor) -> bool:
        if not self._endings[row] or not self._can_close(tail[-1]):
            return False
        near = self._tokenizer.decode(tail)
        if not any(ending in near for ending in self._endings[row]):
            return False
        text = self._tokenizer.decode(tokens[self._width :])
        return is_complete(text, self._endings[row], thinking_opened=self._opened[row])

    def _can_close(self, token: int) -> bool:
        """Whether a token holds the last character of a tag, without which nothing is complete by it.

        To decode every sequence after every token took a third of the time of a tiny model's products.
        """
        if token not in self._closers:
            text = self._tokenizer.decode([token])
            self._closers[token] = any(last in text for last in self._lasts)
        return self._closers[token]
