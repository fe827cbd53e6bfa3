"""Working on blocks all over the cluster, with the results in the order of the blocks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from marl_eval.errors import BackendError, UserError
from marl_eval.parallel import ahead_of_reader
from marl_eval.task_files.python_task import MODULE

T = TypeVar("T")


def is_connected() -> bool:
    """Whether this process is connected to a cluster."""
    import ray

    return bool(ray.is_initialized())


@contextmanager
def in_order_on_cluster(work: Callable[[int], T], count: int) -> Iterator[Iterator[T]]:
    """Give ``work(0)`` to ``work(count - 1)``, in this order, worked out by the cluster.

    ``work`` and what it returns are pickled. It reads files, so every machine has to see them.

    Raises:
        UserError: if a machine does not see them, or lacks a package.
        BackendError: if the processes that score are lost again and again.
    """
    yield _results(work, count)


def _results(work: Callable[[int], T], count: int) -> Iterator[T]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    for name, module in list(sys.modules.items()):
        if name.startswith(MODULE):
            # Only this process has run the task's file.
            ray.cloudpickle.register_pickle_by_value(module)

    def call(work: Callable[[int], Any], block: int) -> Any:
        return work(block)

    # Whatever the replicas hold: they have nothing to do while a run is scored.
    remote = ray.remote(call).options(num_cpus=0, scheduling_strategy="SPREAD")
    held = ray.put(work)
    workers = int(ray.cluster_resources().get("CPU", 1))
    try:
        yield from ahead_of_reader(
            lambda block: remote.remote(held, block), ray.get, count, workers
        )
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, FileNotFoundError):
            raise UserError(
                f"A machine of the cluster does not see {cause.filename}: give --out a directory that "
                f"all of them share, or score the run here by 'marl-eval score'."
            ) from error
        if isinstance(cause, ImportError):
            raise UserError(
                f"A machine of the cluster lacks what scoring needs ({cause}): install there what is "
                f"installed here, or score the run here by 'marl-eval score'."
            ) from error
        if isinstance(cause, Exception):
            raise cause from error
        raise
    except RayError as error:
        raise BackendError(
            f"The cluster could not score the run ({str(error).strip().partition(chr(10))[0][:200]}): "
            f"its completions are stored; score it here by 'marl-eval score'."
        ) from error
