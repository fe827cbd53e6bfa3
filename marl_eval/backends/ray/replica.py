"""One replica of a backend on a cluster: it answers what it is sent, and hands over what is finished.

The backend runs in a thread of its own, for as long as there is something to answer, so that its batch
stays full while requests come and answers go.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from marl_eval.backends import Backend, Batched, Loading
from marl_eval.errors import BackendError, UserError
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request

_GRACE_SECONDS = 0.05
"""How long more requests are waited for before the backend is told that there are none.

A backend that was told so empties its batch before it is asked again.
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a replica hands over: answers, or the error that ended it."""

    items: list[Completion | Failure]
    error: Exception | None = None


class Replica:
    """An opened backend in a process of the cluster."""

    def __init__(self, model: str, args: Mapping[str, Any], batch_size: int | None) -> None:
        self._model = model
        self._args = args
        self._batch_size = batch_size
        self._arrived: SimpleQueue[tuple[Sequence[Request], Collection[str]]] = SimpleQueue()
        self._finished: SimpleQueue[Finished] = SimpleQueue()
        self._ready = threading.Event()
        self._failed: Exception | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def load(self) -> Finished:
        """Wait until the model is loaded; the error if it cannot be."""
        self._ready.wait()
        return Finished([], self._failed)

    def process(self) -> int:
        """Give the number of this process."""
        return os.getpid()

    def put(self, requests: Sequence[Request], wanted: Collection[str]) -> None:
        """Take requests, to answer those that are ``wanted``, by their ids."""
        self._arrived.put((requests, wanted))

    def take(self) -> Finished:
        """Wait until something is finished, and give all that is."""
        taken = self._finished.get()
        items, error = list(taken.items), taken.error
        while error is None:
            try:
                more = self._finished.get_nowait()
            except Empty:
                break
            items += more.items
            error = more.error
        return Finished(items, error)

    def _run(self) -> None:
        from marl_eval.plugins import open_model

        try:
            backend = open_model(self._model, self._args, batch_size=self._batch_size)
            if isinstance(backend, Loading):
                backend.load()
            self._ready.set()
            while True:
                for group in self._answers(backend):
                    self._finished.put(Finished(group))
        except (UserError, BackendError) as error:
            self._end(error)
        except Exception as error:
            # Whatever it is, the run has to be told, and the others go on.
            self._end(BackendError(f"A replica failed ({type(error).__name__}: {error})."))

    def _end(self, error: Exception) -> None:
        self._failed = error
        self._ready.set()
        self._finished.put(Finished([], error))

    def _answers(self, backend: Backend) -> Iterator[list[Completion | Failure]]:
        """Wait for requests, and answer one batch of them, or all until no more arrive."""
        if not isinstance(backend, Batched):
            return backend.stream(Plan(self._requests, 0), lambda request: False)
        batch, wanted = self._arrived.get()
        return backend.stream(
            Plan(lambda: iter(batch), len(batch)), lambda request: request.id not in wanted
        )

    def _requests(self) -> Iterator[Request]:
        requests, wanted = self._arrived.get()
        while True:
            yield from (request for request in requests if request.id in wanted)
            try:
                requests, wanted = self._arrived.get(timeout=_GRACE_SECONDS)
            except Empty:
                return
