"""What a backend is: it turns requests into completions.

A backend is found by name (entry point group ``marl_eval.backends``): a function that opens a model.
Opening is cheap and checks what can be checked; weights are loaded at the first request. A backend that
runs checkpoints in this process, with the settings of ``checkpoint.CheckpointArguments``, says so by a
true ``RUNS_CHECKPOINTS`` in its module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request

IsDone = Callable[[Request], bool]
"""Whether a request is not to be asked: it is answered, or the run's budget does not allow it.

It is called just before a request is sent. One that is not done counts as sent from then on.
"""


class Backend(Protocol):
    """An opened model.

    One that has to see all of a plan to answer any request of it has a true attribute
    ``reads_whole_plan``, and cannot be one of several replicas, which see a part each.
    """

    def fingerprint(self) -> Mapping[str, Any]:
        """Give what identifies the model and the way it is run: plain JSON, no paths, no clock."""
        ...

    def check(self, plan: Plan) -> None:
        """Look for what would make the plan fail, before anything is written or generated.

        Raises:
            UserError: if the plan cannot be answered at all.
        """
        ...

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer every request that is not done, in groups, each as soon as it is finished.

        ``plan`` has the finished requests too: what a request is answered must not depend on which
        others are left to do. A request that fails for good is answered by a ``Failure``; the rest
        go on.

        Raises:
            UserError: if no request can be answered any more, such as by a wrong key.
            BackendError: if the engine was lost midway, with what to do.
        """
        ...


@runtime_checkable
class Batched(Protocol):
    """A backend of which the answers depend on the company of a request, formed from the whole plan."""

    def batches(self, plan: Plan, is_done: IsDone) -> Iterator[Sequence[Request]]:
        """Give the plan in batches, whole, but for those that are known to be done without a look.

        A batch alone is a plan of which ``stream`` gives the answers that it gives within the whole.
        """
        ...


@runtime_checkable
class Loading(Protocol):
    """A backend that takes long to be ready: it has weights to load, or processes to start."""

    def load(self) -> None:
        """Make the model ready to answer, if it is not; called when something is left to answer.

        Raises:
            UserError: if the model cannot be loaded, such as for want of memory.
        """
        ...


class OpenBackend(Protocol):
    """Opens a model by name."""

    def __call__(self, name: str, args: Mapping[str, Any], *, batch_size: int | None) -> Backend:
        """Open the model ``name``.

        ``args`` are the backend's own settings; ``batch_size`` is how many requests to run at once,
        None to leave it to the backend, and must not change any answer.

        Raises:
            UserError: if the model cannot be found or an argument is wrong.
        """
        ...
