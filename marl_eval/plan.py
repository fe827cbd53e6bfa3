"""The requests of a run, each with an id and a seed of its own.

Both are hashes of what is asked and of nothing else, so they do not depend on the order of work, the
size of batches, the number of workers or interruptions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from marl_eval.answers import AnswerFormat, closing_tags
from marl_eval.prompts import PromptTemplate
from marl_eval.strategies import SetLayout
from marl_eval.types import Example, Message, Request, Sampling


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests in a fixed order, made anew each time they are gone through."""

    make: Callable[[], Iterator[Request]]
    count: int

    def __iter__(self) -> Iterator[Request]:
        return self.make()

    def __len__(self) -> int:
        return self.count


@dataclass(frozen=True, slots=True)
class Asking:
    """What a run asks of every example; ``format`` is that of one generation."""

    examples: Sequence[Example]
    template: PromptTemplate
    layout: SetLayout
    format: AnswerFormat
    sampling: Sampling
    seed: int


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one example, the same for all of its generations; ``digest`` hashes it."""

    messages: tuple[Message, ...]
    format: AnswerFormat
    sampling: Sampling
    endings: tuple[str, ...]
    digest: bytes


def make_question(
    example: Example,
    messages: tuple[Message, ...],
    fmt: AnswerFormat,
    sampling: Sampling,
    endings: tuple[str, ...],
) -> Question:
    """Put a question together."""
    digest = _digest(orjson.dumps([example.id, messages, sampling]))
    return Question(messages, fmt, sampling, endings, digest)


def question_plan(asking: Asking) -> Plan:
    """Plan the generations that ask the questions."""
    fmt, endings = asking.format, closing_tags(asking.format)

    def make() -> Iterator[Request]:
        for row, example in enumerate(asking.examples):
            messages = asking.template.ask(example.question)
            question = make_question(example, messages, fmt, asking.sampling, endings)
            for sample in range(asking.layout.samples):
                yield make_request(asking, question, row, sample, stage=0)

    return Plan(make, len(asking.examples) * asking.layout.samples)


def make_request(
    asking: Asking, question: Question, row: int, sample: int, *, stage: int
) -> Request:
    """Ask ``question`` of the example at ``row``, as its generation ``sample``."""
    example = asking.examples[row]
    place = f"{asking.seed}/{sample}/{stage}".encode()
    own_seed = _digest(f"{example.id}/".encode("utf-8", "surrogatepass") + place)
    return Request(
        id=_digest(question.digest + place).hex(),
        example=row,
        sample=sample,
        stage=stage,
        member=sample % asking.layout.members,
        members=asking.layout.members,
        seed=int.from_bytes(own_seed[:8], "big"),
        messages=question.messages,
        format=question.format,
        sampling=question.sampling,
        endings=question.endings,
        source=example,
    )


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
