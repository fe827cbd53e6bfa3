"""Calibration error without bins: residuals smoothed by a kernel whose width is the error itself."""

from __future__ import annotations

import numpy as np
from scipy.fft import dct
from scipy.optimize import elementwise
from scipy.sparse import csr_array

from marl_eval.estimators.division import Array

STEPS = 1000
"""Steps of the grid on [0, 1]: confidences of up to three decimals lie on it exactly."""

TOLERANCE = 1e-6
"""How far the width may be from the fixed point."""


def smooth_calibration_error(wrong: Array, right: Array, levels: Array) -> Array:
    """Smooth ECE: the width at which a Gaussian smooths the residuals down to that same number.

    smece = s such that E(s) = s, where
    E(s) = integral over x in [0, 1] of |(1/n) sum_i (y_i - q_i) K_s(x, q_i)| dx
    and K_s is the Gaussian of standard deviation s, reflected at 0 and 1 so that no mass leaves. E does
    not rise with s, so there is one such s. Neighbouring confidences share their evidence as far as the
    error itself reaches; there is no bin to choose, and no jump when a confidence moves a little.

    ``wrong`` and ``right`` float64[..., L] are the answers at each of the ``levels`` float64[L],
    ascending, in [0, 1]; gives float64[...]. Range [0, 1]: at least |mean confidence - accuracy| over
    all answers, at most the mean over answers of |confidence - accuracy| at their level; so 0 (to
    1e-6) if every level is calibrated, and |confidence - accuracy| for a single level. The same when
    all counts are multiplied by one number. NaN without an answer (also for L = 0).

    Computed on a grid of 1/1000, to whose nodes a confidence between them is split by cubic
    interpolation. The cosines diagonalise the kernel, so one width costs one transform. Values from
    0.003 up are within 1e-5 of the exact one, and smaller ones, where the width is no more than the
    grid's step or two, within 3e-4.
    Source: Blasiok and Nakkiran 2024, "Smooth ECE", arXiv:2309.12236, with the Gaussian on the
    confidences themselves, not on their logits. The authors' relplot 1.0.3 differs in that it gives
    half the weight to an answer at exactly 0 or 1, and stops at a multiple of 1/1024.
    """
    n = (wrong + right).sum(axis=-1)
    excess = (right * (1 - levels) - wrong * levels).reshape(n.size, len(levels))
    mass = (excess @ _splitting(levels)) / np.where(n > 0, n, 1).reshape(-1, 1)
    modes = dct(_halve_inside(mass), type=1, axis=-1)

    def surplus(width: Array, row: Array) -> Array:
        """Give E(width) - width for some rows."""
        result: Array = _smoothed(modes[row.astype(np.intp)], width) - width
        return result

    rows = np.arange(n.size, dtype=np.float64)
    # E(1) can be 1, and above it by rounding.
    bracket = np.zeros(n.size), np.full(n.size, 1 + TOLERANCE)
    found = elementwise.find_root(
        surplus,
        bracket,
        args=(rows,),
        tolerances={"xatol": TOLERANCE, "xrtol": 0.0, "fatol": TOLERANCE / 10, "frtol": 0.0},
    )
    return np.where(n > 0, np.minimum(found.x, 1).reshape(n.shape), np.nan)


def _splitting(levels: Array) -> csr_array[np.float64]:
    """Give the matrix that splits a mass at a level among four nodes, keeping its first moments."""
    place = levels * STEPS
    node = np.clip(place.astype(np.intp) - 1, 0, STEPS - 3)
    t = place - node
    shares = (
        (1 - t) * (2 - t) * (3 - t) / 6,
        t * (2 - t) * (3 - t) / 2,
        t * (t - 1) * (3 - t) / 2,
        t * (t - 1) * (t - 2) / 6,
    )
    level = np.tile(np.arange(len(levels)), 4)
    nodes = np.concatenate([node, node + 1, node + 2, node + 3])
    return csr_array((np.concatenate(shares), (level, nodes)), shape=(len(levels), STEPS + 1))


def _halve_inside(values: Array) -> Array:
    """Halve all but the ends, as the trapezoidal rule and the cosine transform ask, mirrored."""
    halved = values / 2
    halved[..., [0, -1]] *= 2
    return halved


def _smoothed(modes: Array, width: Array) -> Array:
    """Give the integral of the absolute residual after smoothing; both per row."""
    wave = np.pi * np.arange(STEPS + 1)
    damped = modes * np.exp(-((wave * width[:, None]) ** 2) / 2)
    height = np.abs(dct(damped, type=1, axis=-1))
    ends = (height[:, 0] + height[:, -1]) / 2
    integral: Array = (height.sum(axis=-1) - ends) / STEPS
    return integral
