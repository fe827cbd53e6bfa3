"""Finding tasks, metrics, backends and reports by name, wherever they are installed.

The engine names no particular one. Each is an entry point, the project's own like anybody's, and is
imported only when it is asked for.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from marl_eval.errors import UserError, unknown

if TYPE_CHECKING:
    from marl_eval.backends import OpenBackend
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
    """Load a task by name."""
    task: Task = _load("tasks", "task", name)
    return task


def load_backend(name: str) -> OpenBackend:
    """Load the function that opens a model of a backend."""
    backend: OpenBackend = _load("backends", "backend", name)
    return backend


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
