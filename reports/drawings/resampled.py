"""Statistics of a run, added up and resampled as those of its results are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from marl_eval.metric import Array, Metric, Statistics

RESAMPLES = 1000
LEVEL = 0.95


class Sums(NamedTuple):
    """Statistics added up over the examples of a run.

    ``total`` float64[d] as they are; ``resampled`` float64[RESAMPLES, d], with the weights of the
    intervals of ``results.json``; ``examples`` float64[d]: in how many examples each is not 0.
    """

    total: Array
    resampled: Array
    examples: Array


def find_metric(run: Path, name: str) -> Metric | None:
    """Give a metric of a scored run by name, None if it has none of that name."""
    from marl_eval.plugins import load_metric_families
    from marl_eval.scoring.stage import read_shape
    from marl_eval.store import RunDirectory

    shape = read_shape(RunDirectory(run))
    found = [metric for family in load_metric_families() for metric in family(shape)]
    return next((metric for metric in found if metric.name == name), None)


def add_statistics(run: Path, statistics: Statistics) -> Sums | None:
    """Add up dense statistics over the examples of a scored run; None if it has no example."""
    from marl_eval.results import read_results
    from marl_eval.scoring.stage import read_shape
    from marl_eval.stats import Resampling
    from marl_eval.store import RunDirectory
    from marl_eval.totals import tables

    directory = RunDirectory(run)
    draws = Resampling(read_results(run).examples, RESAMPLES)
    found: Sums | None = None
    first = 0
    for table in tables(directory, read_shape(directory)):
        rows = np.asarray(statistics(table))
        weights = draws.between(first, first + len(rows))
        part = Sums(rows.sum(axis=0), weights @ rows, (rows != 0).sum(axis=0).astype(np.float64))
        found = part if found is None else Sums(*(a + b for a, b in zip(found, part, strict=True)))
        first += len(rows)
    return found


def interval_ends(resampled: Array) -> Array:
    """Give the ends of the 95 % interval of each column, float64[2, d]; NaN where all are NaN."""
    known = np.isfinite(resampled).any(axis=0)
    ends = np.full((2, resampled.shape[1]), np.nan)
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    ends[:, known] = np.nanquantile(resampled[:, known], tails, axis=0)
    return ends
