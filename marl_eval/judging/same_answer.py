"""Asking a model whether two answers to a question are the same in what matters.

The model is one of any backend, at temperature 0. One comparison of each question is asked at a time,
those of all questions together, and none that is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from marl_eval.answers import AnswerFormat
from marl_eval.backends import Backend
from marl_eval.errors import UserError
from marl_eval.judging import Judged, Question
from marl_eval.plan import Plan
from marl_eval.types import Completion, Example, Message, Request, Sampling

_WORDING = (
    "Somebody asked for this:\n\n{question}\n\nOne reply was:\n\n{one}\n\nAnother reply was:\n\n{other}"
    "\n\nApart from how they are worded, do both replies give the same thing, so that whoever has "
    "read one gains nothing from the other? Reply with yes or no alone."
)
_SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=16)
_FORMAT = AnswerFormat(1, confidence=False, reasoning=False)
_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


@dataclass(slots=True)
class _Grouping:
    """How far the grouping of one question's answers has come.

    ``firsts`` are the first members of the classes; the answer after ``found`` is being compared with
    the first member of class ``against``.
    """

    example: Example
    answers: Sequence[str]
    firsts: list[int] = field(default_factory=list)
    found: list[Judged] = field(default_factory=list)
    against: int = 0

    def advance(self) -> bool:
        """Place what can be placed without asking; say whether all answers are."""
        while len(self.found) < len(self.answers) and self.against == len(self.firsts):
            told = "unlike those before, says the model" if self.firsts else ""
            self._place(len(self.firsts), f"the first of its class{told and ': '}{told}")
        return len(self.found) == len(self.answers)

    def hear(self, reply: str) -> None:
        """Take in what the model replied to the comparison that was pending."""
        verdict = _VERDICT.search(reply.rpartition("</think>")[2])
        if verdict is not None and verdict[1].lower() == "yes":
            self._place(self.against, "like the first of its class, says the model")
        else:
            self.against += 1

    def _place(self, kind: int, reason: str) -> None:
        if kind == len(self.firsts):
            self.firsts.append(len(self.found))
        self.found.append(Judged(kind=str(kind), reason=reason))
        self.against = 0


@dataclass(frozen=True, slots=True)
class SameAnswer:
    """A judge that groups answers by asking ``backend``. A reply without yes or no counts as no."""

    backend: Backend

    def __call__(self, questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        """Group the answers of each question.

        Raises:
            UserError: if the model cannot answer.
        """
        open_: dict[int, _Grouping] = {}
        for place, (example, answers) in enumerate(questions):
            open_[place] = _Grouping(example, answers)
        while open_:
            for place, grouping in list(open_.items()):
                if grouping.advance():
                    yield place, grouping.found
                    del open_[place]
            for place, reply in self._ask(open_):
                open_[place].hear(reply)

    def _ask(self, pending: dict[int, _Grouping]) -> Iterator[tuple[int, str]]:
        """Ask the pending comparison of each question; give the replies as they come."""
        requests = [_request(place, grouping) for place, grouping in pending.items()]
        plan = Plan(lambda: iter(requests), len(requests))
        if not requests:
            return
        for group in self.backend.stream(plan, lambda request: False):
            for item in group:
                if not isinstance(item, Completion):
                    raise UserError(
                        f"The model that is to say which answers are the same failed: {item.reason}. "
                        f"What is judged is stored; the same command continues."
                    )
                yield item.example, item.text


def _request(place: int, grouping: _Grouping) -> Request:
    one = grouping.answers[grouping.firsts[grouping.against]]
    other = grouping.answers[len(grouping.found)]
    parts = {"question": grouping.example.question, "one": one, "other": other}
    messages = (Message("user", _WORDING.format(**parts)),)
    digest = blake2b(
        messages[0].content.encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()
    return Request(
        id=digest,
        example=place,
        sample=0,
        stage=0,
        member=0,
        members=1,
        seed=0,
        messages=messages,
        format=_FORMAT,
        sampling=_SAMPLING,
        endings=(),
        source=grouping.example,
    )
