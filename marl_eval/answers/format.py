"""What an answer set looks like as text, and the words that ask for it.

The text form is that of multi-answer RL (arXiv:2603.24844): the reasoning in ``<think>``, then
``<answer1>…</answer1><confidence1>…</confidence1>`` and so on, and an optional ``<analysis>`` of the
uncertainty after the answers. For one answer the tags carry no number. The wording is our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Form = Literal["short", "program", "text"]
"""What kind of text an answer is: a few words, a whole program, or a text of any length."""

WORDING_VERSION = 2
"""Raised whenever the words of ``instructions`` change; stored with every run."""


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """What one generation is asked to hold.

    ``k`` answers (at least 1); a ``confidence`` for each; ``reasoning`` first, between think tags;
    an ``analysis`` of the uncertainty last. ``sum_to_one`` asks that the confidences sum to at most
    1, as they must where only one answer can be right. ``noun`` is what the task calls an answer,
    and ``form`` what kind of text it is.
    """

    k: int
    confidence: bool = True
    reasoning: bool = True
    analysis: bool = False
    sum_to_one: bool = False
    noun: str = "answer"
    form: Form = "short"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"an answer format needs k of at least 1, not {self.k}")

    def suffix(self, position: int) -> str:
        """Give what follows a tag's name for the answer at ``position`` (from 0)."""
        return str(position + 1) if self.k > 1 else ""


def closing_tags(fmt: AnswerFormat) -> tuple[str, ...]:
    """Give the tags of which a complete generation has all, so that it may end with the last.

    Text that follows them holds nothing that was asked for.
    """
    name = "confidence" if fmt.confidence else "answer"
    last = f"</{name}{fmt.suffix(fmt.k - 1)}>"
    return (last, "</analysis>") if fmt.analysis else (last,)


_FORMS: dict[Form, str] = {
    "short": ", as short as it can be: no sentence and no explanation",
    "program": " as complete Python code that runs as it stands: no explanation",
    "text": " itself, with nothing about it",
}


def instructions(fmt: AnswerFormat) -> str:
    """Write the instructions for one generation in this format."""
    plural = "diagnoses" if fmt.noun == "diagnosis" else f"{fmt.noun}s"
    if fmt.form == "text":
        several = f"Give exactly {fmt.k} {plural} that differ from each other as much as they can."
        opening = several if fmt.k > 1 else f"Give one {fmt.noun}."
    elif fmt.k > 1:
        opening = (
            f"Give exactly {fmt.k} different {plural} that could be right, the most likely first. "
            f"No two may mean the same."
        )
    else:
        opening = f"Give the {fmt.noun} that is most likely to be right."
    lines = [opening]
    if fmt.confidence:
        each = f"each {fmt.noun}" if fmt.k > 1 else f"the {fmt.noun}"
        told = (
            f"For {each}, state your confidence: the probability, a number from 0 to 1, "
            f"that it is right."
        )
        if fmt.sum_to_one and fmt.k > 1:
            told += f" Only one {fmt.noun} is right, so the confidences may sum to at most 1."
        lines.append(told)
    if fmt.reasoning:
        lines.append("Reason first, between <think> and </think>.")
    lines += ["Reply in this form and add nothing else:", _skeleton(fmt)]
    lines.append(f"Inside an answer tag write only the {fmt.noun}{_FORMS[fmt.form]}.")
    return "\n".join(lines)


def _skeleton(fmt: AnswerFormat) -> str:
    """Show the form; its words must not read as a confidence if a model copies them."""
    return render(
        fmt,
        [f"{fmt.noun} {i + 1}" if fmt.k > 1 else fmt.noun for i in range(fmt.k)],
        [f"your confidence in {'it' if fmt.k == 1 else 'this one'}"] * fmt.k,
        reasoning="your reasoning",
        analysis="how sure you are, and why",
    )


def render(
    fmt: AnswerFormat,
    answers: Sequence[str],
    confidences: Sequence[float | str] = (),
    *,
    reasoning: str = "",
    analysis: str | None = None,
) -> str:
    """Write a generation that holds these answers.

    Fewer than ``fmt.k`` answers are written as they are: the result is then not strictly valid.
    Confidences are written in the shortest form that reads back as the same number.
    """
    parts = [f"<think>{reasoning}</think>"] if fmt.reasoning else []
    for position, answer in enumerate(answers):
        suffix = fmt.suffix(position)
        line = f"<answer{suffix}>{answer}</answer{suffix}>"
        if fmt.confidence:
            line += f"<confidence{suffix}>{confidences[position]}</confidence{suffix}>"
        parts.append(line)
    if fmt.analysis and analysis is not None:
        parts.append(f"<analysis>{analysis}</analysis>")
    return "\n".join(parts)
