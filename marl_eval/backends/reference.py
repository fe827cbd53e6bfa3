"""Reference answers without a model: ceilings and floors for every leaderboard.

- ``oracle`` states the most probable answers with their true probabilities of being right.
- ``prior`` states the answers that are right most often over the whole run, with how often.
- ``random`` states answers drawn evenly from all that occur, with the chance that such a draw is
  right.
- ``echo-gold`` states the gold answers, the heaviest first, with confidence 1.

They write through the same format, and are read by the same parser, as a model. For best-of-k,
generation j of a set states the j-th best answer (``random``: another draw), so that they bound what
any pool of k answers could reach. Fewer answers than asked for are given where there are no more.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marl_eval.answers import render
from marl_eval.backends import IsDone
from marl_eval.errors import UserError, unknown
from marl_eval.plan import Plan
from marl_eval.types import Completion, Example, Failure, Request

_GROUP = 256
_TOKEN = re.compile(r"\w+|[^\w\s]")

Answers = list[tuple[str, float]]
Answerer = Callable[[Request], Answers]


@dataclass(frozen=True, slots=True)
class Reference:
    """A backend that knows, or guesses, the answers."""

    name: str

    @property
    def reads_whole_plan(self) -> bool:
        """Whether answers depend on what else is asked: on the gold answers of the whole run."""
        return self.name in ("prior", "random")

    def fingerprint(self) -> Mapping[str, Any]:
        """Give the name, and what its token counts are."""
        return {"backend": "reference", "name": self.name, "tokens": "words and punctuation marks"}

    def check(self, plan: Plan) -> None:
        """See that the task knows what the reference is to state."""
        for request in plan:
            ANSWERERS[self.name](plan)(request)
            return

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, in groups."""
        answer = ANSWERERS[self.name](plan)
        group: list[Completion | Failure] = []
        for request in plan:
            if is_done(request):
                continue
            group.append(_complete(request, answer(request)))
            if len(group) == _GROUP:
                yield group
                group = []
        if group:
            yield group


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> Reference:
    """Open a reference by name; it takes no arguments."""
    if name not in ANSWERERS:
        raise unknown("reference", name, ANSWERERS)
    if args:
        raise UserError(f"reference:{name} takes no --model-args, but got {', '.join(args)}.")
    return Reference(name)


def _complete(request: Request, answers: Answers) -> Completion:
    text = render(
        request.format,
        [answer for answer, _ in answers],
        [confidence for _, confidence in answers],
        reasoning="No model: these answers come from the data.",
        analysis="The confidences are known.",
    )
    return Completion(
        *request.key,
        text=text,
        prompt_tokens=sum(len(_TOKEN.findall(m.content)) for m in request.messages),
        completion_tokens=len(_TOKEN.findall(text)),
        finish_reason="stop",
    )


def _part(request: Request, ranked: Answers) -> Answers:
    """Give the answers of this generation, out of the best ones for the whole set."""
    k = request.format.k
    return ranked[request.member * k : (request.member + 1) * k]


def _oracle(plan: Plan) -> Answerer:
    def answer(request: Request) -> Answers:
        distribution = request.source.distribution
        if distribution is None:
            raise UserError(
                "reference:oracle states true probabilities, and this task does not know them; "
                "reference:echo-gold is the ceiling it has."
            )
        return _part(request, sorted(distribution, key=lambda pair: -pair[1]))

    return answer


def _prior(plan: Plan) -> Answerer:
    counts, examples = _gold_counts(plan)
    ranked = sorted(
        ((answer, count / examples) for answer, count in counts.items()), key=lambda pair: -pair[1]
    )
    return lambda request: _part(request, ranked)


def _random(plan: Plan) -> Answerer:
    counts, examples = _gold_counts(plan)
    vocabulary = sorted(counts)
    chance = sum(counts.values()) / (len(vocabulary) * examples) if vocabulary else 0.0

    def answer(request: Request) -> Answers:
        rng = random.Random(request.seed)
        drawn = rng.sample(vocabulary, min(request.format.k, len(vocabulary)))
        return [(answer, chance) for answer in drawn]

    return answer


def _echo_gold(plan: Plan) -> Answerer:
    def answer(request: Request) -> Answers:
        gold = sorted(request.source.gold, key=lambda g: -(g.weight or 0))
        return _part(request, [(g.answer, 1.0) for g in gold])

    return answer


def _gold_counts(plan: Plan) -> tuple[dict[str, int], int]:
    """Count in how many examples of the run each possible answer is right."""
    counts: dict[str, int] = {}
    seen: set[int] = set()
    for request in plan:
        if request.example not in seen:
            seen.add(request.example)
            for answer in _possible(request.source):
                counts.setdefault(answer, 0)
            for gold in request.source.gold:
                counts[gold.answer] += 1
    return counts, len(seen)


def _possible(example: Example) -> list[str]:
    listed = [answer for answer, _ in example.distribution or ()]
    return listed + [gold.answer for gold in example.gold]


ANSWERERS: dict[str, Callable[[Plan], Answerer]] = {
    "oracle": _oracle,
    "prior": _prior,
    "random": _random,
    "echo-gold": _echo_gold,
}
