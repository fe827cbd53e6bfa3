"""The statistics of a run's metrics, example by example: what comparing it with another run needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse, vstack

from marl_eval.metric import Array, Metric, Statistics
from marl_eval.plugins import load_metric_families
from marl_eval.score_table import BLOCK, Shape, every
from marl_eval.scoring.stage import read_shape
from marl_eval.stats import Resampling
from marl_eval.store import RunDirectory
from marl_eval.totals import tables, weigh

Rows = Array | csr_array[np.float64]


@dataclass(frozen=True, slots=True)
class PerExample:
    """What is known of each example of a run.

    ``name`` says in messages where it comes from. ``contents`` gives, by id in the order of the run, a
    hash of an example's question and gold answers. ``whole`` bool[examples]: no request failed.
    ``rows`` gives the statistics of every example, float64[examples, d].
    """

    name: str
    shape: Shape
    contents: Mapping[str, bytes]
    whole: NDArray[np.bool_]
    metrics: Mapping[str, Metric]
    rows: Callable[[Statistics], Rows]


def of_run(path: Path) -> PerExample:
    """Read a scored run.

    Raises:
        UserError: if it has not been scored, or by a version that this one cannot read.
    """
    run = RunDirectory(path)
    shape = read_shape(run)
    blocks = list(tables(run, shape))
    empty = np.zeros(0, dtype=np.bool_)
    return PerExample(
        name=str(path),
        shape=shape,
        contents=_contents(run),
        whole=np.concatenate([empty, *(every(table.valid) for table in blocks)]),
        metrics=metrics_by_name(shape),
        rows=cache(lambda statistics: _join([statistics(table) for table in blocks])),
    )


def metrics_by_name(shape: Shape) -> dict[str, Metric]:
    """Give the installed metrics that fit a run of this shape."""
    found = [metric for family in load_metric_families() for metric in family(shape)]
    return {metric.name: metric for metric in found}


def resampled_sums(
    side: PerExample, wanted: Iterable[Statistics], rows: NDArray[np.int64], resamples: int
) -> dict[Statistics, Array]:
    """Add up statistics over the examples at ``rows``, in this order, and under each resample.

    Returns float64[1 + resamples, d] for each: first as they are. Two runs that are given the same
    examples in the same order are resampled alike.
    """
    wanted = list(dict.fromkeys(wanted))
    statistics = [side.rows(own)[rows] for own in wanted]
    draws = Resampling(len(rows), resamples)
    sums: list[Array] = []
    for start in range(0, len(rows), BLOCK):
        part = [own[start : start + BLOCK] for own in statistics]
        size = part[0].shape[0]
        weights = np.vstack([np.ones(size), draws.between(start, start + size)])
        products = weigh(part, weights)
        sums = [a + b for a, b in zip(sums, products, strict=True)] if sums else products
    return dict(zip(wanted, sums, strict=True))


def _join(parts: Sequence[Any]) -> Any:
    """Put the rows of blocks under each other, sparse or dense."""
    return vstack(parts, format="csr") if issparse(parts[0]) else np.concatenate(parts)


def _contents(run: RunDirectory) -> dict[str, bytes]:
    """Give, by id, a hash of each example's question and gold answers."""
    offsets = run.example_offsets()
    count = len(offsets) - 1
    contents: dict[str, bytes] = {}
    for start in range(0, count, BLOCK):
        for example in run.read_examples(offsets, slice(start, min(start + BLOCK, count))):
            asked = msgspec.json.encode((example.question, example.gold))
            contents[example.id] = blake2b(asked, digest_size=16).digest()
    return contents
