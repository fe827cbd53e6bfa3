"""Finding tasks, metrics, backends and reports by name, wherever they are installed.

The engine names no particular one. Each is an entry point, the project's own like anybody's, and is
imported only when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from marl_eval.errors import UserError, unknown

if TYPE_CHECKING:
    from marl_eval.backends import Backend, OpenBackend
    from marl_eval.metric import MetricFamily
    from marl_eval.task import Task


@cache
def found(group: str) -> dict[str, EntryPoint]:
    """Give the entry points of ``marl_eval.<group>`` by name, in order of name."""
    return {
        point.name: point
        for point in sorted(entry_points(group=f"marl_eval.{group}"), key=lambda p: p.name)
    }


def load_task(name: str) -> Task:
    """Load an installed task by name.

    Raises:
        UserError: if there is none, it cannot be imported, or it goes by another name, under which a
            run could not find it again.
    """
    from marl_eval.task import Task

    task = _load("tasks", "task", name)
    if not isinstance(task, Task):
        raise UserError(
            f"The installed task {name!r} is of the type {type(task).__name__}, not a "
            f"marl_eval.task.Task: correct its entry point."
        )
    if task.name != name:
        raise UserError(
            f"The installed task {name!r} calls itself {task.name!r}; its entry point and its name "
            f"must be the same."
        )
    return task


def load_backend(name: str) -> OpenBackend:
    """Load the function that opens a model of a backend."""
    backend: OpenBackend = _load("backends", "backend", name)
    return backend


def open_model(
    model: str,
    args: Mapping[str, Any],
    *,
    backend: str | None = None,
    batch_size: int | None = None,
) -> Backend:
    """Open a model of any backend: ``backend:name``, or a name alone.

    A name alone is a checkpoint: vllm runs it if that is installed and sees a GPU, else hf. With
    ``backend``, the whole of ``model`` is its name there, so ``ray`` can be put before any other.

    Raises:
        UserError: if there is no such backend or model, or an argument is wrong.
    """
    if backend is not None:
        return load_backend(backend)(model, args, batch_size=batch_size)
    before, colon, name = model.partition(":")
    if colon and (before in found("backends") or re.fullmatch(r"[a-z][a-z-]+", before)):
        return load_backend(before)(name, args, batch_size=batch_size)
    return load_backend(checkpoint_backend()[0])(model, args, batch_size=batch_size)


def checkpoint_backend() -> tuple[str, str]:
    """Give the backend that runs a checkpoint fastest here, and why that is so in words."""
    if "vllm" not in found("backends") or find_spec("vllm") is None:
        return "hf", "vllm is not installed"
    import torch

    if torch.cuda.is_available():
        return "vllm", "it is installed and there is a GPU"
    return "hf", "there is no GPU for vllm"


def load_metric_family(name: str) -> MetricFamily:
    """Load a family of metrics by name."""
    family: MetricFamily = _load("metrics", "metric family", name)
    return family


def load_metric_families() -> list[MetricFamily]:
    """Load every installed family of metrics, in order of name."""
    return [load_metric_family(name) for name in found("metrics")]


def _load(group: str, kind: str, name: str) -> Any:
    points = found(group)
    if name not in points:
        raise unknown(kind, name, points)
    try:
        return points[name].load()
    except ImportError as error:
        raise UserError(
            f"The {kind} {name!r} needs the package {error.name!r}, which is not installed: "
            f"pip install 'marl-eval[{name}]'."
        ) from error
