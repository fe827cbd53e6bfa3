"""How many different things there are, each class counted by its share or by its likeness."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from marl_eval.estimators.division import Array, over

_TOLERANCE = 1e-6


def hill_number(counts: Array, *, order: float) -> Array:
    """Effective number of classes: how many equally common classes would be as diverse.

    hill_q = (sum_c p_c^q)^(1 / (1 - q)), p_c the share of class c;
    hill_1 = exp(-sum_c p_c ln p_c), the limit.

    ``counts`` float64[..., C] are the sizes of the classes, at least 0 and finite, in any unit;
    zeros are no classes, so they may pad. Gives float64[...]. ``order`` is q: 0 counts the classes,
    1 is the exponential of Shannon's entropy, 2 the inverse of Simpson's index; the larger, the
    less rare classes matter. An order within about 1e-6 of 1, but not 1, loses digits.

    Range [1, C], not rising in q; C only if all classes are equal. NaN where there is nothing to
    count: no answers are not 0 kinds of answers. Raises ValueError for a count below 0 or not
    finite, and for an order below 0 or not finite. Of few samples it is biased downward.
    Source: Hill 1973, doi:10.2307/1934352.
    """
    if not 0 <= order < math.inf:
        raise ValueError(f"order must be at least 0 and finite, not {order}")
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError("counts must be at least 0 and finite")
    most = counts.max(axis=-1, keepdims=True, initial=0)
    # Relative to the largest, no power underflows to nothing.
    size = over(counts, np.broadcast_to(most, counts.shape), empty=0.0)
    total = np.maximum(size.sum(axis=-1), 1)
    if order == 1:
        log_number: Array = entr(size / total[..., None]).sum(axis=-1)
    else:
        powers = np.where(counts > 0, size**order, 0).sum(axis=-1)
        log_number = (np.log(np.maximum(powers, 1)) - order * np.log(total)) / (1 - order)
    return np.where(most[..., 0] > 0, np.exp(log_number), np.nan)


def distinct_k(partition: NDArray[np.int64]) -> NDArray[np.int64]:
    """Different generations among k: the classes of a partition that hold one.

    distinct_k = |{c_i : i = 1..k}|, c_i the class of generation i.

    ``partition`` int64[..., k] are class labels, negative for a missing generation, which is in no
    class; gives int64[...]. Range [0, k], 0 only if all are missing. What makes two generations the
    same is the caller's to say; NoveltyBench asks a trained classifier.
    Source: Zhang et al. 2025, "NoveltyBench", arXiv:2504.05228.
    """
    ordered = np.sort(partition, axis=-1)
    new = ordered[..., 1:] != ordered[..., :-1]
    result: NDArray[np.int64] = ((ordered[..., 1:] >= 0) & new).sum(axis=-1)
    result += (ordered[..., :1] >= 0).any(axis=-1)
    return result


def vendi_score(kernel: Array) -> float:
    """Effective number of different items, where likeness is a matter of degree.

    vendi = exp(-sum_i l_i ln l_i), l_i the eigenvalues of kernel / n.

    ``kernel`` float64[n, n] is the likeness of n items to each other: symmetric, positive
    semi-definite, 1 on the diagonal. It is the Hill number of order 1 of the eigenvalues; with a
    kernel of 1 for the same answer and 0 for another, that of the answers' counts. Range [1, n]: 1
    if all items are alike, n if none is like another. NaN without an item. Time grows as n^3.

    Raises ValueError for what is no such kernel, allowing each entry and eigenvalue (of the kernel,
    per item) an error of 1e-6, as a kernel computed in single precision has; eigenvalues below 0
    count as 0.
    Source: Friedman and Dieng 2023, "The Vendi Score", arXiv:2210.02410.
    """
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"a kernel is float64[n, n], not of shape {kernel.shape}")
    if not np.allclose(kernel, kernel.T, rtol=0, atol=_TOLERANCE):
        raise ValueError("a kernel is symmetric and holds no NaN")
    if not np.allclose(kernel.diagonal(), 1, rtol=0, atol=_TOLERANCE):
        raise ValueError("a kernel has 1 on its diagonal: an item is fully like itself")
    share = np.linalg.eigvalsh((kernel + kernel.T) / (2 * max(len(kernel), 1)))
    if share.min(initial=0) < -_TOLERANCE:
        raise ValueError("a kernel is positive semi-definite: no eigenvalue is below 0")
    return float(hill_number(np.maximum(share, 0), order=1))
