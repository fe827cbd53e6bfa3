"""Which answers of an example are the same, told by more than their texts: an embedding, or a model.

Each answer in turn joins the first class whose first member it is the same as, or else begins one, as
NoveltyBench groups responses with a classifier (Zhang et al. 2025, arXiv:2504.05228).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Literal

from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged, Question
from marl_eval.judging.embedding import Embedder, check_model, load_embedder
from marl_eval.judging.same_answer import SameAnswer
from marl_eval.plugins import open_model

Partition = Literal["text", "embedding", "judge"]
"""By the task's key alone; by the likeness of embeddings; by asking a model."""


def open_partition(
    partition: Partition, model: str | None, threshold: float
) -> AbstractContextManager[Judge] | None:
    """Give the judge that groups answers, None for ``text``.

    ``model`` is a folder or hub id of an embedding model, or for ``judge`` a model as ``--model`` takes
    it; ``threshold`` is the least cosine of the embeddings of two answers that are the same.

    Raises:
        UserError: if there is no model.
    """
    if partition == "text":
        return None
    if not model:
        raise UserError(
            f"A partition by {partition} needs a model: give it with --task-args "
            f"partition={partition},partition_model=MODEL."
        )
    return by_embedding(model, threshold) if partition == "embedding" else by_model(model)


@contextmanager
def by_embedding(model: str, threshold: float) -> Iterator[Judge]:
    """Group answers by the cosine of their embeddings.

    Raises:
        UserError: if the model is not there, or what runs it is not installed.
    """
    check_model(model)
    load = cache(lambda: load_embedder(model))

    def judge(questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        for place, (_, answers) in enumerate(questions):
            yield place, group_by_likeness(load(), answers, threshold)

    yield judge


def group_by_likeness(embed: Embedder, answers: Sequence[str], threshold: float) -> list[Judged]:
    """Group the answers of one example: their kinds are the numbers of their classes."""
    vectors = embed(answers)
    likeness = (vectors @ vectors.T).tolist()
    firsts: list[int] = []
    found = []
    for own in range(len(answers)):
        cosines = [likeness[own][first] for first in firsts]
        joined = next((kind for kind, q in enumerate(cosines) if q >= threshold), None)
        if joined is not None:
            reason = f"like the first of its class: cosine {cosines[joined]:.3f}"
        else:
            joined = len(firsts)
            firsts.append(own)
            reason = "the first of its class"
            if cosines:
                reason += f": cosine {max(cosines):.3f} with the nearest before"
        found.append(Judged(kind=str(joined), reason=reason))
    return found


@contextmanager
def by_model(model: str) -> Iterator[Judge]:
    """Group answers by asking a model whether two are the same.

    Raises:
        UserError: if there is no such model.
    """
    yield SameAnswer(open_model(model, {}, batch_size=None))
