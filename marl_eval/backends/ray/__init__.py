"""Replicas of another backend on a Ray cluster: ``--backend ray`` before any model.

The cluster is another way to run the same model: its fingerprint is the model's own, so a run can be
begun on a cluster and continued without one. Requests go to whichever replica has the fewest, and each
answer is given as it comes. What a replica was sent and had not answered when it was lost is sent to the
others. Answers are those of one process: where company changes an answer, as for hf, whole batches are
sent; elsewhere, as far as the model's backend promises the same answer in whatever company.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from marl_eval.backends import Backend, IsDone
from marl_eval.backends.arguments import need, read_arguments
from marl_eval.backends.ray.cluster import Arguments, connect, room
from marl_eval.errors import UserError
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure

if TYPE_CHECKING:
    from marl_eval.backends.ray.driver import Driver


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> RayBackend:
    """Open a model by its name, as it is given without a cluster."""
    need("ray", "ray")
    from marl_eval.plugins import open_model

    own = {key: value for key, value in args.items() if key in Arguments.model_fields}
    rest = {key: value for key, value in args.items() if key not in own}
    arguments = read_arguments("ray", Arguments, own)
    inner = open_model(name, rest, batch_size=batch_size)
    if getattr(inner, "reads_whole_plan", False):
        raise UserError(
            f"{name} has to see all questions to answer one, and a replica sees a part: leave out "
            f"--backend ray."
        )
    return RayBackend(name, rest, batch_size, arguments, inner)


class RayBackend:
    """A model of which replicas are started when the first request is answered."""

    def __init__(
        self,
        name: str,
        args: Mapping[str, Any],
        batch_size: int | None,
        arguments: Arguments,
        inner: Backend,
    ) -> None:
        self._name = name
        self._args = args
        self._batch_size = batch_size
        self._arguments = arguments
        self._inner = inner
        self._driver: Driver | None = None

    def fingerprint(self) -> Mapping[str, Any]:
        """Give the model's own."""
        return self._inner.fingerprint()

    def check(self, plan: Plan) -> None:
        """Look for what would make the plan fail at the model, and for the cluster."""
        self._inner.check(plan)
        if self._arguments.address is not None:
            connect(self._arguments)

    def load(self) -> None:
        """Start the replicas, and wait until each has its model."""
        if self._driver is not None:
            return
        connected = connect(self._arguments)
        import ray

        from marl_eval.backends.ray.driver import Driver

        if connected:
            weakref.finalize(self, ray.shutdown)
        replicas, gpus = room(self._arguments, ray.cluster_resources())
        self._driver = Driver(
            self._inner,
            self._name,
            self._args,
            self._batch_size,
            replicas,
            self._arguments.cpus,
            gpus,
        )
        self._driver.load()

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, each request as its answer comes."""
        self.load()
        driver = self._driver
        assert driver is not None
        try:
            yield from driver.answer(plan, is_done)
        except BaseException:
            # What they were sent is theirs still, and whoever goes on needs them empty.
            driver.end()
            self._driver = None
            raise
