"""Curves that a run's results hold: their points with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from marl_eval.results import MetricResult, Results


class Point(NamedTuple):
    """A point of a curve with the ends of its interval, which are the value if there is none."""

    at: float
    value: float
    low: float
    high: float


def curve(results: Results, name: str) -> list[Point]:
    """Give the points of a curve, in order; none if the run has no such curve."""
    points = [
        point(one, one.at)
        for one in results.metrics.values()
        if one.curve == name and one.at is not None and one.value is not None
    ]
    return sorted(points)


def point(metric: MetricResult, at: float) -> Point:
    """Give a defined metric as a point."""
    assert metric.value is not None
    low, high = (metric.value if end is None else end for end in (metric.low, metric.high))
    return Point(at, metric.value, low, high)


def over_answers(results: Results, name: str, whole: str, k: int) -> list[Point]:
    """Give the points of a curve over answers; of a single generation, the metric ``whole`` at k."""
    points = curve(results, name)
    only = results.metrics.get(whole)
    if points or only is None or only.value is None:
        return points
    return [point(only, k)]
