"""Answering in batches that are a function of the plan, for engines in which company changes an answer.

Padding changes the arithmetic, and some engines seed a whole batch. So batches are formed from windows
of the whole plan, whatever of it is done, and one of which a part is done is generated whole, so that
the rest comes out as it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from marl_eval.backends import IsDone
from marl_eval.backends.conversation import Asker, Prompt
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request


@dataclass(frozen=True, slots=True)
class Batching:
    """How a backend forms its batches: ``group`` makes them of the prompts of a window that fit."""

    asker: Asker
    window: int
    group: Callable[[list[Prompt]], Iterable[list[Prompt]]]

    def prompts(self, plan: Plan, is_done: IsDone) -> Iterator[list[Prompt]]:
        """Give the batches, and of each window those prompts that cannot be asked.

        A window of which all is done is passed over.
        """
        requests = iter(plan)
        while window := list(islice(requests, self.window)):
            if all(is_done(request) for request in window):
                continue
            prompts = self.asker.prompts(window)
            refused = [prompt for prompt in prompts if prompt.problem is not None]
            if refused:
                yield refused
            yield from self.group([prompt for prompt in prompts if prompt.problem is None])

    def requests(self, plan: Plan, is_done: IsDone) -> Iterator[list[Request]]:
        """Give the batches as requests; each is a plan of its own that is answered alike."""
        for batch in self.prompts(plan, is_done):
            yield [prompt.request for prompt in batch]

    def answers(
        self,
        plan: Plan,
        is_done: IsDone,
        generate: Callable[[list[Prompt], set[str]], Sequence[Completion]],
    ) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, a batch at a time; ``generate`` gives those of the named ids."""
        for batch in self.prompts(plan, is_done):
            left = {p.request.id for p in batch if not is_done(p.request)}
            if not left:
                continue
            if batch[0].problem is None:
                yield list(generate(batch, left))
            else:
                yield [
                    Failure(*p.request.key, str(p.problem)) for p in batch if p.request.id in left
                ]
