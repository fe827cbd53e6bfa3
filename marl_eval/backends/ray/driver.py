"""Sending requests to replicas and taking their answers, from the process of the run."""

from __future__ import annotations

import logging
import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayError

from marl_eval.backends import Backend, Batched, IsDone
from marl_eval.backends.ray.parcels import Parcel, parcels
from marl_eval.backends.ray.replica import Finished, Replica
from marl_eval.errors import BackendError, UserError
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure

_BATCH = 256
_AHEAD = 2
"""How many times its batch a replica is sent, so that it never waits for the next request."""
_CHUNKS = 8
"""In so many messages what a replica may be sent is sent, where its backend has no batches."""
_LOSSES = 3
"""How often, on average, a replica may be lost before it is not started again."""
_CALLS = 4
"""Calls that a replica takes at once: one waits for answers, others bring requests."""
_PATIENCE_SECONDS = 300.0
"""How long all replicas are waited for before the work begins with those that are ready."""

_log = logging.getLogger("marl_eval")


@dataclass(slots=True, eq=False)
class _Running:
    """A replica, the call it is in, and what it was sent and has not answered, by id.

    The call is the loading of its model until it is ``ready``, then the taking of answers.
    """

    actor: Any
    call: Any
    ready: bool = False
    sent: dict[str, Parcel] = field(default_factory=dict)

    def parcels(self) -> list[Parcel]:
        """Give the parcels of which it has not answered all."""
        return list(dict.fromkeys(self.sent.values()))


class Driver:
    """The replicas of a model, which ``inner`` has opened in this process as well."""

    def __init__(
        self,
        inner: Backend,
        model: str,
        args: Mapping[str, Any],
        batch_size: int | None,
        replicas: int,
        cpus: float,
        gpus: float,
    ) -> None:
        self._inner = inner
        self._kind: Any = ray.remote(Replica).options(
            num_cpus=cpus, num_gpus=gpus, max_concurrency=_CALLS
        )
        self._opening = (model, dict(args), batch_size)
        self._ahead = (batch_size or _BATCH) * _AHEAD
        self._chunk = max(1, self._ahead // _CHUNKS)
        self._running = [self._start() for _ in range(replicas)]
        self._losses_left = _LOSSES * replicas
        # Ray would wait for the calls that a replica is in, of which one waits for ever.
        weakref.finalize(self, _end, self._running)

    def load(self) -> None:
        """Wait until each replica has its model, or has had much time and another has it.

        Raises:
            UserError: if a replica cannot load it, with what it says.
        """
        until = time.monotonic() + _PATIENCE_SECONDS
        try:
            while waiting := [one for one in self._running if not one.ready]:
                one = self._next(waiting, until - time.monotonic())
                if one is None:
                    _log.warning(
                        "marl-eval: %d of %d replicas have their model after %.0f s; the others may "
                        "wait for room on the cluster, which 'ray status' shows, and join when they "
                        "are ready.", len(self._running) - len(waiting), len(self._running),
                        _PATIENCE_SECONDS,
                    )  # fmt: skip
                    if len(waiting) < len(self._running):
                        return
                    one = self._next(waiting, None)
                    assert one is not None
                loaded: Finished = ray.get(one.call)
                if loaded.error is not None:
                    raise loaded.error
                self._take(one)
        except RayError as error:
            self.end()
            raise UserError(
                f"A replica could not be started ({_told(error)}): see that marl-eval and the model "
                f"are on every machine of the cluster, and that its memory holds the model."
            ) from error

    def processes(self) -> list[int]:
        """Give the processes of the replicas that are ready."""
        return [ray.get(one.actor.process.remote()) for one in self._running if one.ready]

    def end(self) -> None:
        """End all replicas, whatever they are doing."""
        _end(self._running)

    def answer(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, in groups, each as it comes.

        Raises:
            UserError, BackendError: if a replica says that it cannot go on, or too many are lost.
        """
        few = max(1, len(plan) // (_CHUNKS * len(self._running)))
        asked = parcels(self._inner, plan, is_done, min(self._chunk, few))
        again: deque[Parcel] = deque()
        while True:
            all_sent = self._send(asked, again)
            if all_sent and not any(one.sent for one in self._running):
                return
            one = self._next(self._running, _PATIENCE_SECONDS if not self._has_ready() else None)
            if one is None:
                _log.warning(
                    "marl-eval: all replicas were lost, and none could be started in their place so "
                    "far; see 'ray status'."
                )
                continue
            try:
                finished: Finished = ray.get(one.call)
            except RayError as error:
                again.extend(self._lost(one, error))
                continue
            # What was asked again elsewhere, and came from here after all, is not given twice.
            own = [item for item in finished.items if _is_wanted(one, item)]
            if own:
                yield own
            if isinstance(finished.error, UserError) and one.ready:
                raise finished.error
            if finished.error is not None:
                ray.kill(one.actor)
                again.extend(self._lost(one, finished.error))
            else:
                self._take(one)

    def _send(self, asked: Iterator[Parcel], again: deque[Parcel]) -> bool:
        """Send to whoever has the least until all have enough, and tell whether that was all."""
        while ready := [one for one in self._running if one.ready and self._has_room(one)]:
            parcel = again.popleft() if again else next(asked, None)
            if parcel is None:
                return True
            one = min(ready, key=lambda one: len(one.sent))
            one.sent.update(dict.fromkeys(parcel.wanted, parcel))
            one.actor.put.remote(parcel.requests, frozenset(parcel.wanted))
        return False

    def _has_room(self, one: _Running) -> bool:
        if isinstance(self._inner, Batched):
            return len(one.parcels()) < _AHEAD
        return not one.sent or len(one.sent) + self._chunk <= self._ahead

    def _has_ready(self) -> bool:
        return any(one.ready for one in self._running)

    def _next(self, among: list[_Running], seconds: float | None) -> _Running | None:
        """Wait for one of which the call has ended, None if there is none within the time."""
        timeout = None if seconds is None else max(seconds, 0.0)
        ended, _ = ray.wait([one.call for one in among], num_returns=1, timeout=timeout)
        return next((one for one in among if one.call in ended), None)

    def _start(self) -> _Running:
        actor = self._kind.remote(*self._opening)
        return _Running(actor, actor.load.remote())

    def _take(self, one: _Running) -> None:
        one.ready = True
        one.call = one.actor.take.remote()

    def _lost(self, one: _Running, error: Exception) -> list[Parcel]:
        """Start another replica in place of a lost one, and give what that had not answered."""
        self._losses_left -= 1
        self._running.remove(one)
        if self._losses_left >= 0:
            # It is sent nothing until it is ready: there may be no room for it any more.
            self._running.append(self._start())
        elif not self._running:
            raise BackendError(
                f"All replicas were lost ({_told(error)}); what is finished is stored, and the same "
                f"command continues: see whether their machines have enough memory, or lower "
                f"--batch-size."
            ) from error
        _log.warning(
            "marl-eval: a replica was lost; its %d requests are asked again.", len(one.sent)
        )
        return one.parcels()


def _is_wanted(one: _Running, item: Completion | Failure) -> bool:
    parcel = one.sent.pop(item.id, None)
    if parcel is None:
        return False
    parcel.wanted.discard(item.id)
    return True


def _end(running: list[_Running]) -> None:
    for one in running:
        if ray.is_initialized():
            ray.kill(one.actor)
    running.clear()


def _told(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")[:200]
