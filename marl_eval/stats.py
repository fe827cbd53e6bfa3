"""Resampling of examples: the one mechanism behind every interval.

A bootstrap resample of n examples is a vector of multinomial weights, so all resamples of a metric
are one matrix product of weights with statistics. The example, with all of its generations, is the
unit, so intervals are clustered as they must be.

Source: Efron, "Bootstrap Methods: Another Look at the Jackknife", doi:10.1214/aos/1176344552.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marl_eval.score_table import BLOCK

Array = NDArray[np.float64]

DEFAULT_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Resampling:
    """Multinomial weights for ``examples`` examples, given out block by block.

    The weights depend on the three numbers alone, so two runs on the same examples get the same
    ones. ``allocation`` int64[resamples, blocks] says how many of a resample's draws fall in each
    block; within a block draws are uniform. Together that is exactly multinomial.
    """

    examples: int
    resamples: int
    seed: int
    allocation: NDArray[np.int64]

    def weights(self, block: int) -> Array:
        """Give the weights of a block's examples, float64[resamples, examples in the block]."""
        size = min(BLOCK, self.examples - block * BLOCK)
        draws = self.allocation[:, block]
        rng = np.random.default_rng([self.seed, self.examples, 1, block])
        place = rng.integers(0, size, size=int(draws.sum()), dtype=np.int32).astype(np.int64)
        place += np.repeat(np.arange(self.resamples) * size, draws)
        counts = np.bincount(place, minlength=self.resamples * size)
        return counts.reshape(self.resamples, size).astype(np.float64)


def resampling(examples: int, resamples: int, seed: int = 0) -> Resampling:
    """Prepare ``resamples`` bootstrap resamples of ``examples`` examples."""
    blocks = max(1, -(-examples // BLOCK))
    sizes = np.full(blocks, BLOCK)
    sizes[-1] = examples - BLOCK * (blocks - 1)
    rng = np.random.default_rng([seed, examples, 0])
    share = sizes / max(examples, 1)
    allocation = rng.multinomial(examples, share / max(share.sum(), 1), size=resamples)
    return Resampling(examples, resamples, seed, allocation)


def percentile_interval(values: Array, level: float) -> tuple[float, float]:
    """Give the central interval that holds ``level`` of the finite values; NaN if there are none.

    Range: within the values. Percentile method; for small samples it is somewhat too narrow.
    """
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
