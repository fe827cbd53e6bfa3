"""What replicas are sent: requests that each may be answered alone, or whole batches of a backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from marl_eval.backends import Backend, Batched, IsDone
from marl_eval.plan import Plan
from marl_eval.types import Request


@dataclass(slots=True, eq=False)
class Parcel:
    """Requests that are sent in one message; ``wanted`` are those without an answer, by their ids."""

    requests: list[Request]
    wanted: set[str]


def parcels(backend: Backend, plan: Plan, is_done: IsDone, chunk: int) -> Iterator[Parcel]:
    """Give what is not done: the backend's own batches if it has them, else ``chunk`` at a time."""
    if isinstance(backend, Batched):
        for batch in backend.batches(plan, is_done):
            wanted = {request.id for request in batch if not is_done(request)}
            if wanted:
                yield Parcel(list(batch), wanted)
        return
    asked = (request for request in plan if not is_done(request))
    while requests := list(islice(asked, chunk)):
        yield Parcel(requests, {request.id for request in requests})
