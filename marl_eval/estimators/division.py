"""Division that says NaN, in silence, where there is nothing to divide by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def over(total: Array, count: Array, *, empty: float = np.nan) -> Array:
    """Give ``total / count``, and ``empty`` where ``count`` is not above 0.

    ``total`` and ``count`` are float64[...] of one shape.
    """
    result: Array = np.divide(total, count, out=np.full(total.shape, float(empty)), where=count > 0)
    return result
