"""What a layout gives: the examples of a system, each with the generations that were recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marl_eval.types import Example, FinishReason


@dataclass(frozen=True, slots=True)
class Generation:
    """One recorded generation.

    ``text`` is None where only its ``answers`` were recorded. ``answers`` are those that the recorder
    read from it, for a text that does not hold them in tags. ``grades`` and ``confidences`` are in
    order of the answers. ``thinking_opened``: the prompt opened the reasoning; where that is not
    known, the text has to show it. None stands for what was not recorded.
    """

    text: str | None
    answers: tuple[str | None, ...] | None = None
    grades: tuple[int | None, ...] | None = None
    confidences: tuple[float | None, ...] | None = None
    reasoning: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: FinishReason | None = None
    thinking_opened: bool | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """An example with some of its generations; None in place of one that is missing.

    ``place`` says where it stands, for messages.
    """

    place: str
    example: Example
    generations: tuple[Generation | None, ...]


@dataclass(frozen=True, slots=True)
class System:
    """What was recorded of one system; ``recordings`` goes through it from the beginning.

    With ``merge``, recordings of the same id are more generations of one example; without, each is
    an example of its own. ``told`` is what a recording of our own tells of the run that it was, as
    ``run.json`` does.
    """

    name: str
    recordings: Callable[[], Iterator[Recording]]
    merge: bool
    told: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """How the user wants a source to be read.

    ``columns`` is from a field to the column that holds it; ``system`` the one wanted of several;
    ``aliases`` says that a list of gold texts names one answer.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    system: str | None = None
    aliases: bool = False
