"""The records that travel through a run: example, request, completion, failure.

The path is one way: a task gives examples, a strategy turns them into requests, a backend turns
requests into completions, and everything after that works on stored completions alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from marl_eval.answers import AnswerFormat

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Gold:
    """One right answer.

    ``aliases`` are other texts that name the same answer; ``weight`` is how much the data says this
    answer counts (a probability, a share of people), or None where the data has no weights.
    """

    answer: str
    aliases: tuple[str, ...] = ()
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its gold set.

    ``distribution`` lists, where it is known exactly, the probability in [0, 1] that each possible
    answer is in the gold set given the question; the probabilities sum to 1 only if exactly one
    answer is right. ``meta`` holds plain JSON data of the task's own. ``truth`` is what turned out to
    be the case, where the gold set lists what was plausible. ``asked`` is the number of answers asked
    for, where a recorded run varied it; None is the run's K.
    """

    id: str
    question: str
    gold: tuple[Gold, ...]
    distribution: tuple[tuple[str, float], ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    truth: str | None = None
    asked: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a generation is drawn: temperature 0 is greedy; ``max_tokens`` counts generated tokens."""

    temperature: float
    top_p: float
    max_tokens: int
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One generation to make.

    ``example`` is the row of the example in the run, ``sample`` counts the generations of that
    example, ``stage`` is 0 for the question itself and 1 or 2 for a follow-up that asks for missing
    answers or confidences. ``member`` and ``members`` place the generation within its answer set.
    The generation may end once all of ``endings`` have been written after the reasoning. ``source``
    is the example itself, which only the reference backends may look at.
    """

    id: str
    example: int
    sample: int
    stage: int
    member: int
    members: int
    seed: int
    messages: tuple[Message, ...]
    format: AnswerFormat
    sampling: Sampling
    endings: tuple[str, ...]
    source: Example

    @property
    def key(self) -> tuple[str, int, int, int]:
        """What an answer and a failure begin with: id, example, sample, stage."""
        return self.id, self.example, self.sample, self.stage


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded elsewhere about a generation's answers, one entry for each answer.

    ``grades``: whether the answer is right (1) or wrong (0), None where nothing was recorded;
    ``confidences`` in [0, 1], None where there is none.
    """

    grades: tuple[int | None, ...] | None = None
    confidences: tuple[float | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One generation as the engine returned it; never edited afterwards.

    ``reasoning`` is text that a server returned apart from ``text``. ``thinking_opened`` says that
    the prompt itself already opened the reasoning, so that ``text`` starts inside it. Token counts
    are the engine's own; ``reasoning_tokens`` are those up to the end of the reasoning. ``logprobs``
    are those of the generated tokens, natural logarithm, under the model's own distribution, and
    ``token_ends`` tells for each the number of characters of ``text`` up to its end. All of these are
    None where the engine does not tell. ``recorded`` comes with a generation that was imported.
    """

    id: str
    example: int
    sample: int
    stage: int
    text: str
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: FinishReason | None
    reasoning: str | None = None
    reasoning_tokens: int | None = None
    thinking_opened: bool = False
    logprobs: tuple[float, ...] | None = None
    token_ends: tuple[int, ...] | None = None
    recorded: Recorded | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that failed for good, with the reason in words."""

    id: str
    example: int
    sample: int
    stage: int
    reason: str
