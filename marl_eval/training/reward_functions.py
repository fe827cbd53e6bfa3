"""The parts of the reward as functions that TRL calls, over one reading of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from marl_eval.answers import AnswerFormat
from marl_eval.backends.endings import opens_thinking
from marl_eval.backends.token_text import decode
from marl_eval.judging import Judge
from marl_eval.task import Task
from marl_eval.training.reading import read_and_grade
from marl_eval.training.rewards import PARTS, Parts, RewardSettings, reward_parts
from marl_eval.types import Example

RewardFunction = Callable[..., list[float]]


@dataclass(slots=True)
class PartRewards:
    """Reads and grades a batch once, and gives its parts one by one.

    ``malformed`` is the last generation that was not as asked, and why.
    """

    task: Task
    format: AnswerFormat
    examples: Sequence[Example]
    settings: RewardSettings
    tokenizer: Any
    judge: Judge | None = None
    malformed: tuple[str, tuple[str, ...]] | None = None
    _batch: object = None
    _parts: list[Parts] = field(default_factory=list)

    def functions(self) -> list[RewardFunction]:
        """Give a function for each part, by its name, in the order of ``PARTS``."""
        return [self._function(place, name) for place, name in enumerate(PARTS)]

    def _function(self, place: int, name: str) -> RewardFunction:
        def part(
            prompts: list[str], completion_ids: list[list[int]], example: list[int], **_: Any
        ) -> list[float]:
            return [own[place] for own in self._of(prompts, completion_ids, example)]

        part.__name__ = name
        return part

    def _of(self, prompts: list[str], completions: list[list[int]], rows: list[int]) -> list[Parts]:
        if completions is not self._batch:
            texts = [decode(self.tokenizer, tokens) for tokens in completions]
            read = read_and_grade(
                self.task,
                self.format,
                [(self.examples[row], text) for row, text in zip(rows, texts, strict=True)],
                judge=self.judge,
                thinking_opened=opens_thinking(prompts[0]),
            )
            self._parts = [
                reward_parts(self.settings, one.parsed, one.grades, alike=one.alike) for one in read
            ]
            for text, one in zip(texts, read, strict=True):
                if not one.parsed.strict:
                    self.malformed = text, tuple(one.parsed.deviations)
            self._batch = completions
        return self._parts
