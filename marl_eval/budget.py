"""A cap on what a run may cost, in tokens or money, that is kept and not only noticed.

A request counts as costing a token for each byte of its prompt, and all the tokens that it may
generate, from the moment it is sent until its answer tells what it did cost. So requests on their way
can never pass the cap together; as it comes near, fewer are sent at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from marl_eval.money import Price
from marl_eval.types import Completion, Failure, Request

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a run may cost; None is no limit. ``price`` is needed for a cap on money."""

    tokens: int | None = None
    money: float | None = None
    price: Price | None = None

    @property
    def limits(self) -> bool:
        """Whether there is a limit at all."""
        return self.tokens is not None or self.money is not None


class Budget:
    """What is left of a cap, given the tokens that the run has cost before."""

    def __init__(self, cap: Cap, prompt_tokens: int, completion_tokens: int) -> None:
        self._cap = cap
        self._prompt, self._completion = prompt_tokens, completion_tokens
        self._sent: dict[str, tuple[int, int]] = {}
        self._prompt_sent = self._completion_sent = 0
        self.refused = False

    def admits(self, request: Request) -> bool:
        """Whether the request may be sent; it counts as sent from then on."""
        if request.id in self._sent:
            return True
        expected = sum(len(m.content.encode("utf-8", "replace")) for m in request.messages)
        most = request.sampling.max_tokens
        if self._exceeded(
            self._prompt + self._prompt_sent + expected,
            self._completion + self._completion_sent + most,
        ):
            self.refused = True
            return False
        self._sent[request.id] = (expected, most)
        self._prompt_sent += expected
        self._completion_sent += most
        return True

    def settle(self, items: Sequence[Completion | Failure]) -> None:
        """Take in what was answered. A count that the engine does not tell is taken as expected."""
        for item in items:
            prompt, completion = self._sent.pop(item.id, (0, 0))
            self._prompt_sent -= prompt
            self._completion_sent -= completion
            if isinstance(item, Failure):
                continue
            self._prompt += prompt if item.prompt_tokens is None else item.prompt_tokens
            self._completion += (
                completion if item.completion_tokens is None else item.completion_tokens
            )

    def begin(self) -> None:
        """Begin to go through the plan again: what was refused may fit now."""
        self._sent.clear()
        self._prompt_sent = self._completion_sent = 0
        self.refused = False

    def told(self) -> str:
        """Say what the run has cost, beside its cap."""
        parts = []
        if self._cap.tokens is not None:
            parts.append(f"{self._prompt + self._completion:,} of {self._cap.tokens:,} tokens")
        if self._cap.money is not None and self._cap.price is not None:
            spent = self._money(self._prompt, self._completion)
            parts.append(f"{spent:.4g} of {self._cap.money:.4g} {self._cap.price.currency}")
        return " and ".join(parts)

    def _exceeded(self, prompt: int, completion: int) -> bool:
        cap = self._cap
        too_many = cap.tokens is not None and prompt + completion > cap.tokens
        return too_many or (cap.money is not None and self._money(prompt, completion) > cap.money)

    def _money(self, prompt: int, completion: int) -> float:
        price = self._cap.price
        if price is None:
            return 0.0
        return (prompt * price.prompt + completion * price.completion) / _MILLION
