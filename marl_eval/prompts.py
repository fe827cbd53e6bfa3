"""The conversation that asks a question: our wording, or the user's own, and worked examples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Literal

import orjson

from marl_eval.answers import AnswerFormat, instructions, render
from marl_eval.errors import UserError
from marl_eval.types import Example, Message

QUESTION = "{question}"
_HEADINGS: dict[str, Literal["system", "user"]] = {"[system]": "system", "[user]": "user"}


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A conversation with ``{question}`` where the question goes: once, in the last message.

    It is stored with the run, so that every prompt can be shown again as it was asked.
    """

    messages: tuple[Message, ...]

    def sha256(self) -> str:
        """Give the hash by which two runs can be seen to have asked in the same words."""
        return hashlib.sha256(orjson.dumps(self.messages)).hexdigest()

    def ask(self, question: str) -> tuple[Message, ...]:
        """Give the conversation that asks ``question``."""
        *before, last = self.messages
        return (*before, Message(last.role, last.content.replace(QUESTION, question)))


def build_template(
    fmt: AnswerFormat, *, wording: str | None = None, shots: Sequence[Example] = ()
) -> PromptTemplate:
    """Make the template for one format.

    Args:
        fmt: what one generation is asked for.
        wording: the user's own words in place of ours; see ``read_wording``.
        shots: examples to show worked, before the question.

    The question comes first and the instructions last, next to where the answer begins.
    """
    if wording is None:
        turns = [Message("user", f"{QUESTION}\n\n{instructions(fmt)}")]
    else:
        turns = _turns(wording, fmt)
    *before, last = turns
    worked: list[Message] = []
    for shot in shots:
        worked.append(Message("user", last.content.replace(QUESTION, shot.question)))
        worked.append(Message("assistant", _worked_answer(fmt, shot)))
    return PromptTemplate((*before, *worked, last))


def read_wording(path: Path) -> str:
    """Read the user's own words for the prompt.

    The file is the text of the user's turn, or has parts headed by the lines ``[system]`` and
    ``[user]``. ``{question}`` stands for the question and is needed once, in the user's turn;
    ``{k}``, ``{noun}``, ``{confidence}`` (yes or no) and ``{instructions}`` are filled in; other braces
    are left alone.

    Raises:
        UserError: if the file cannot be read or has no single ``{question}`` in the user's turn.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The prompt file {path} cannot be read: {error}.") from error
    parts = _split(text)
    if not parts or parts[-1][0] != "user":
        raise UserError(f"The prompt file {path} must end with the user's turn ([user]).")
    places = [content.count(QUESTION) for _, content in parts]
    if places[-1] != 1 or sum(places) != 1:
        raise UserError(
            f"The prompt file {path} must hold {QUESTION} exactly once, in its last turn; "
            f"it holds it {sum(places)} times."
        )
    return text


def _split(text: str) -> list[tuple[Literal["system", "user"], str]]:
    parts: list[tuple[Literal["system", "user"], list[str]]] = [("user", [])]
    for line in text.splitlines():
        role = _HEADINGS.get(line.strip())
        if role is not None:
            parts.append((role, []))
        else:
            parts[-1][1].append(line)
    joined = [(role, "\n".join(lines).strip()) for role, lines in parts]
    return [(role, content) for role, content in joined if content]


def _turns(wording: str, fmt: AnswerFormat) -> list[Message]:
    filled = {
        "{k}": str(fmt.k),
        "{noun}": fmt.noun,
        "{confidence}": "yes" if fmt.confidence else "no",
        "{instructions}": instructions(fmt),
    }
    turns = []
    for role, content in _split(wording):
        for place, value in filled.items():
            content = content.replace(place, value)
        turns.append(Message(role, content))
    return turns


def _worked_answer(fmt: AnswerFormat, shot: Example) -> str:
    """Answer a worked example: its most likely answers, with their probabilities as confidences.

    Where no probabilities are known: its heaviest gold answers, with a confidence of 0.9 each, since
    all of them are right; where only one can be, with their shares of the weight.
    """
    if shot.distribution is not None:
        ranked = sorted(shot.distribution, key=lambda pair: -pair[1])[: fmt.k]
    else:
        heaviest = sorted(shot.gold, key=lambda g: -(g.weight or 0))[: fmt.k]
        weights = [0.9 if g.weight is None else g.weight for g in heaviest]
        whole = max(1.0, sum(weights))
        ranked = [
            (gold.answer, weight / whole if fmt.sum_to_one else 0.9)
            for gold, weight in zip(heaviest, weights, strict=True)
        ]
    return render(
        fmt,
        [answer for answer, _ in ranked],
        # Rounded down, so that the sum cannot pass 1.
        [floor(probability * 100) / 100 for _, probability in ranked],
        reasoning="I go through what is asked and weigh what could be right.",
        analysis="The first answers fit best; the others are less likely.",
    )
