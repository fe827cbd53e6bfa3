"""Questions that were recorded elsewhere: the task of ``marl-eval import`` if none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from marl_eval.errors import UserError
from marl_eval.task import Card, Dataset, Task


def _load(path: Path | None, options: Any) -> Dataset:
    raise UserError(
        "The task 'recorded' has no data of its own: it is for generations that were recorded "
        "elsewhere, which 'marl-eval import FILE --out DIR' brings in."
    )


CARD = Card(
    asks="whatever was asked elsewhere: it is the task of generations that `marl-eval import` brings "
    "in.",
    gold="as recorded.",
    grading="as said above, or by recorded grades.",
    data="yours: [importing.md](importing.md).",
    limits="It has no examples of its own and cannot be run.",
)


TASK = Task(
    name="recorded",
    description="Generations recorded elsewhere (marl-eval import); answers match as in SQuAD.",
    noun="answer",
    load=_load,
    card=CARD,
)
