"""Score tables drawn at random, with everything that can go wrong in a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from marl_eval.money import Price
from marl_eval.score_table import ScoreTable
from tests.metrics.tables import M, Place, W, score_table

_CONFIDENCES = [0.5, 0.0, 1.0, 0.1, 0.3, 0.7, 0.05, 0.29, 0.85, np.nan, np.nan]
_TOKENS = [7, 0, 30, 400, np.nan]


@st.composite
def tables(draw: st.DrawFn, *, full: bool = False) -> ScoreTable:
    """Draw tables of 1-6 examples, 1-3 sets and 1-4 answers, with everything that can go wrong.

    A ``full`` table knows everything that a run can know: weights, probabilities, the truth, other
    sources of confidence, overlaps, prices, and examples that were asked for fewer answers.
    """
    examples, sets, k = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    members = draw(st.sampled_from([1, k]))
    cube, per_set = (examples, sets, k), (examples, sets)
    size = _choices(draw, [1, 2, 3, 0], (examples,))
    kind = _choices(draw, [0, 1, 2, -1, -2, M * 10], cube)
    asked = np.full(examples, k)
    if full:
        asked = np.minimum(_choices(draw, [k, 1, 2], (examples,)), k)
    kind = np.where(np.arange(k) < asked[:, None, None], kind, M * 10)
    in_gold = (kind >= 0) & (kind < size[:, None, None])
    missing = kind == M * 10
    completion_tokens = _choices(draw, _TOKENS, per_set)
    more: dict[str, Any] = {}
    if full:
        probability = np.where(missing, np.nan, np.array([0.5, 0.25, 0.125, 0, 0.0625])[kind % 5])
        known = _choices(draw, [True, True, False], (examples,))
        weighted = _choices(draw, [True, True, True, False], (examples,))
        more = {
            "exclusive": draw(st.booleans()),
            "asked": asked.tolist(),
            "weights": [
                [0.5, 0.25, 0.125][:n] if has else []
                for n, has in zip(size.tolist(), weighted.tolist(), strict=True)
            ],
            "probability": np.where(known[:, None, None], probability, np.nan).tolist(),
            "best_probability": np.where(known, 0.9375, np.nan).tolist(),
            "reference": draw(st.sampled_from(["exclusive", "independent"])),
            "truth": np.where(
                _choices(draw, [1, 1, 0], (examples,))[:, None, None], kind == 0, np.nan
            ),
            "second_half": _choices(draw, [True, False], (examples,)).tolist(),
            "frequency": np.where(
                missing, np.nan, _choices(draw, [1, 0.5, 0.25, np.nan], cube)
            ).tolist(),
            "overlaps": _choices(draw, [1, 0.5, 0, np.nan], (examples, sets * members)).tolist(),
            "reasoning_tokens": np.minimum(
                _choices(draw, [0, 3, 0, np.nan], per_set), completion_tokens
            ).tolist(),
            "price": Price(2, 8, "USD"),
            "compiles": (~missing & _choices(draw, [True, True, False], cube)).tolist(),
            "programs": [
                np.where(missing, M, _choices(draw, list(range(n)), cube)).tolist()
                for n in (5, 4, 3)
            ],
        }
    return score_table(
        np.where(missing, M, np.where(in_gold, kind, W)).tolist(),
        confidence=_choices(draw, _CONFIDENCES, cube).tolist(),
        same_as=np.where(missing, M, np.where(in_gold, kind, 10 + kind)).tolist(),
        gold_size=size.tolist(),
        failed=_choices(draw, [False, False, False, True], per_set).tolist(),
        strict=_choices(draw, [True, False], per_set).tolist(),
        prompt_tokens=_choices(draw, _TOKENS, per_set).tolist(),
        completion_tokens=completion_tokens.tolist(),
        members=members,
        **more,
    )


def _choices(draw: st.DrawFn, among: Sequence[float], shape: tuple[int, ...]) -> NDArray[Any]:
    """Draw an array of some of these values, the first one being the simplest.

    Bytes are drawn for it: hypothesis takes ten times as long over a list.
    """
    size = math.prod(shape)
    drawn = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype=np.uint8)
    chosen: NDArray[Any] = np.array(among)[drawn % len(among)].reshape(shape)
    return chosen


@st.composite
def tables_with_a_place(
    draw: st.DrawFn,
    only: Callable[[ScoreTable], NDArray[np.bool_]] = lambda t: t.given,
    *,
    full: bool = False,
) -> tuple[ScoreTable, Place]:
    """Draw a table and the place of one of its answers: one of those in the mask ``only``."""
    table = draw(tables(full=full).filter(lambda t: bool(only(t).any())))
    example, set_, position = draw(st.sampled_from(np.argwhere(only(table)).tolist()))
    return table, (example, set_, position)
