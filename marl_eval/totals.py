"""Adding up the statistics of metrics over examples, under any number of weightings at once.

The sum is the metric's input; the weightings are bootstrap resamples and groups to be left out. All
metrics, and all weightings, meet in one matrix product a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import csr_array

from marl_eval.metric import Array, Metric, Statistics
from marl_eval.score_table import ScoreTable, Shape
from marl_eval.scoring.score_rows import read_block, read_columns
from marl_eval.store import SCORES, RunDirectory

Weights = Callable[[int, int], Array]
"""(first, last) -> float64[weightings, last - first]: weights of the examples of a block."""


@dataclass(slots=True)
class Total:
    """Statistics added up over examples.

    ``sums`` float64[d] as they are; ``weighted`` float64[weightings, d]; ``n`` how many examples
    are counted by each metric, by its name.
    """

    sums: Array
    weighted: Array
    n: dict[str, int]


_NARROW = 256
"""Most columns of sparse statistics that are quicker multiplied as dense ones."""

Totals = Mapping[Statistics, Total]


def tables(run: RunDirectory, shape: Shape) -> Iterator[ScoreTable]:
    """Give the score tables of a run, block by block."""
    columns = read_columns(shape)
    file = pq.ParquetFile(run.path / SCORES)
    for block in range(file.num_row_groups):
        yield read_block(file.read_row_group(block, columns=columns), shape)


def add_up(metrics: Sequence[Metric], blocks: Iterable[ScoreTable], weights: Weights) -> Totals:
    """Add up every metric's statistics; those that several metrics share, once."""
    sharing: dict[Statistics, list[Metric]] = {}
    for metric in metrics:
        sharing.setdefault(metric.statistics, []).append(metric)
    totals: dict[Statistics, Total] = {}
    first = 0
    for table in blocks:
        last = first + len(table.gold)
        rows = [statistics(table) for statistics in sharing]
        parts = weigh(rows, weights(first, last))
        for (statistics, own), each, part in zip(sharing.items(), rows, parts, strict=True):
            sums: Array = np.asarray(each.sum(axis=0), dtype=np.float64).reshape(-1)
            n = {metric.name: counted(metric, each) for metric in own}
            total = totals.get(statistics)
            if total is None:
                totals[statistics] = Total(sums, part.copy(order="K"), n)
                continue
            total.sums += sums
            total.weighted += part
            for name, count in n.items():
                total.n[name] += count
        first = last
    return totals


def weigh(rows: Sequence[Array | csr_array[np.float64]], weights: Array) -> list[Array]:
    """Give ``weights @ rows`` for each of several statistics, as many as can be in one product."""
    if len(weights) == 0:
        return [np.empty((0, own.shape[1])) for own in rows]
    narrow = [_narrowed(own) for own in rows]
    dense = [own for own in narrow if not isinstance(own, csr_array)]
    product = weights @ np.hstack(dense) if dense else weights[:, :0]
    turned = np.ascontiguousarray(weights.T) if len(dense) < len(rows) else weights.T
    result: list[Array] = []
    column = 0
    for own in narrow:
        if isinstance(own, csr_array):
            turned_product: Any = own.T @ turned
            result.append(turned_product.T)
        else:
            width = own.shape[1]
            result.append(product[:, column : column + width])
            column += width
    return result


def _narrowed(rows: Array | csr_array[np.float64]) -> Array | csr_array[np.float64]:
    """Give sparse statistics as dense ones where that is quicker."""
    if isinstance(rows, csr_array) and rows.shape[1] <= _NARROW:
        return rows.toarray()
    return rows


def counted(metric: Metric, rows: Array | csr_array[np.float64]) -> int:
    """Count the examples in which the metric counts anything.

    The last of sparse statistics says what was asked for, so the others tell.
    """
    if isinstance(rows, csr_array):
        return int(np.count_nonzero(np.diff(rows[:, :-1].indptr)))
    return int(np.count_nonzero(metric.denominator(rows)))
