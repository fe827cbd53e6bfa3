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


def question_plan(
    examples: Sequence[Example],
    template: PromptTemplate,
    layout: SetLayout,
    fmt: AnswerFormat,
    sampling: Sampling,
    seed: int,
) -> Plan:
    """Plan the generations that ask the questions; ``fmt`` is the format of one generation."""

    def make() -> Iterator[Request]:
        for row, example in enumerate(examples):
            messages = template.ask(example.question)
            asked = hash_question(example.id, messages, sampling)
            for sample in range(layout.samples):
                yield make_request(
                    asked, example, row, sample, 0, layout.members, messages, fmt, sampling, seed
                )

    return Plan(make, len(examples) * layout.samples)


def make_request(
    asked: bytes,
    example: Example,
    row: int,
    sample: int,
    stage: int,
    members: int,
    messages: tuple[Message, ...],
    fmt: AnswerFormat,
    sampling: Sampling,
    seed: int,
) -> Request:
    """Make one request; ``asked`` is the hash of its example, messages and sampling."""
    place = f"{seed}/{sample}/{stage}".encode()
    own_seed = _digest(f"{example.id}/".encode("utf-8", "surrogatepass") + place)
    return Request(
        id=_digest(asked + place).hex(),
        example=row,
        sample=sample,
        stage=stage,
        member=sample % members,
        members=members,
        seed=int.from_bytes(own_seed[:8], "big"),
        messages=messages,
        format=fmt,
        sampling=sampling,
        endings=closing_tags(fmt),
        source=example,
    )


def hash_question(example_id: str, messages: tuple[Message, ...], sampling: Sampling) -> bytes:
    """Hash what is asked of one example, apart from which of its generations it is."""
    return _digest(orjson.dumps([example_id, messages, sampling]))


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
