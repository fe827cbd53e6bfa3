"""Sending requests to replicas and taking their answers, from the process of the run."""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from marl_eval.backends import IsDone
from marl_eval.backends.ray.replica import Finished, Replica
from marl_eval.errors import BackendError, UserError
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request

_BATCH = 256
_AHEAD = 2
"""How many times its batch a replica is sent, so that it never waits for the next request."""
_CHUNKS = 8
"""In so many messages what a replica may be sent is sent."""
_LOSSES = 3
"""How often, on average, a replica may be lost before it is not started again."""
_CALLS = 4
"""Calls that a replica takes at once: one waits for answers, others bring requests."""


_PATIENCE_SECONDS = 300.0


@dataclass(slots=True)
class _Running:
    """A replica, and what it was sent and has not answered."""

    actor: Any
    taking: Any
    sent: dict[str, Request] = field(default_factory=dict)


class Driver:
    """The replicas of a model."""

    def __init__(
        self,
        model: str,
        args: Mapping[str, Any],
        batch_size: int | None,
        replicas: int,
        cpus: float,
        gpus: float,
    ) -> None:
        self._kind: Any = ray.remote(Replica).options(
            num_cpus=cpus, num_gpus=gpus, max_concurrency=_CALLS
        )
        self._opening = (model, dict(args), batch_size)
        self._ahead = (batch_size or _BATCH) * _AHEAD
        self._running = [self._run() for _ in range(replicas)]
        self._losses_left = _LOSSES * replicas
        # Ray would wait for the calls that a replica is in, of which one waits for ever.
        weakref.finalize(self, _end, self._running)

    def load(self) -> None:
        """Wait until each replica has its model.

        Raises:
            UserError: if a replica cannot load it, with what it says.
        """
        try:
            loading = [one.actor.load.remote() for one in self._running]
            if len(ray.wait(loading, num_returns=1, timeout=_PATIENCE_SECONDS)[0]) == 0:
                logging.getLogger("marl_eval").warning(
                    "marl-eval: no replica has its model yet; they may wait for room on the cluster, "
                    "which 'ray status' shows."
                )
            for loaded in ray.get(loading):
                if loaded.error is not None:
                    raise loaded.error
        except RayError as error:
            self.end()
            raise UserError(
                f"A replica could not be started ({_told(error)}): see that marl-eval and the model "
                f"are on every machine of the cluster, and that its memory holds the model."
            ) from error

    def processes(self) -> list[int]:
        """Give the processes of the replicas."""
        return [ray.get(one.actor.process.remote()) for one in self._running]

    def end(self) -> None:
        """End all replicas, whatever they are doing."""
        _end(self._running)

    def answer(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, in groups, each as it comes.

        Raises:
            UserError, BackendError: if a replica says that it cannot go on, or too many are lost.
        """
        asked = (request for request in plan if not is_done(request))
        again: deque[Request] = deque()
        chunk = min(
            max(1, len(plan) // (_CHUNKS * len(self._running))), max(1, self._ahead // _CHUNKS)
        )
        while True:
            self._send(asked, again, chunk)
            if not any(one.sent for one in self._running):
                return
            (ready, *_), _ = ray.wait([one.taking for one in self._running], num_returns=1)
            one = next(one for one in self._running if one.taking == ready)
            try:
                finished: Finished = ray.get(ready)
            except RayActorError as error:
                again.extend(self._lost(one, error))
                continue
            # What was asked again elsewhere, and came from here after all, is not given twice.
            own = [item for item in finished.items if one.sent.pop(item.id, None) is not None]
            if own:
                yield own
            if isinstance(finished.error, BackendError):
                ray.kill(one.actor)
                again.extend(self._lost(one, finished.error))
            elif finished.error is not None:
                raise finished.error
            else:
                one.taking = one.actor.take.remote()

    def _send(self, asked: Iterator[Request], again: deque[Request], chunk: int) -> None:
        """Send requests to whoever has the fewest, until all have enough."""
        while True:
            one = min(self._running, key=lambda one: len(one.sent))
            if len(one.sent) + chunk > self._ahead and one.sent:
                return
            requests = [again.popleft() for _ in range(min(chunk, len(again)))]
            requests += islice(asked, chunk - len(requests))
            if not requests:
                return
            one.sent.update((request.id, request) for request in requests)
            one.actor.put.remote(requests)

    def _run(self) -> _Running:
        actor = self._kind.remote(*self._opening)
        return _Running(actor, actor.take.remote())

    def _lost(self, one: _Running, error: Exception) -> list[Request]:
        """Start another replica in place of a lost one, and give what that had not answered."""
        self._losses_left -= 1
        self._running.remove(one)
        if self._losses_left >= 0:
            self._running.append(self._run())
        elif not self._running:
            raise BackendError(
                f"All replicas were lost ({_told(error)}); what is finished is stored, and the same "
                f"command continues: see whether their machines have enough memory, or lower "
                f"--batch-size."
            ) from error
        logging.getLogger("marl_eval").warning(
            "marl-eval: a replica was lost; its %d requests are asked again.", len(one.sent)
        )
        return list(one.sent.values())


def _end(running: list[_Running]) -> None:
    for one in running:
        if ray.is_initialized():
            ray.kill(one.actor)
    running.clear()


def _told(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:200]
