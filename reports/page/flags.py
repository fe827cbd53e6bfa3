"""What the list of examples is filtered and sorted by: a few numbers for each example of a run."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from marl_eval.reports.page.groups import Member
from marl_eval.scoring.stage import read_shape
from marl_eval.store import RunDirectory

WRONG, REPEATS, MALFORMED, FAILED, MISSED = 1, 2, 4, 8, 16
"""Bits of an example: no answer is right; an answer repeats another of its set; a generation deviates
from the format; a request failed or is missing; a gold answer is not covered. The sets that a failed
request spoiled count for none of the others; how their generations were written still does."""

_BITS = 32


@dataclass(frozen=True, slots=True)
class Flags:
    """Of each example of a run, in the order of its group.

    ``bits`` uint8[examples]; ``right`` uint16: different gold answers named; ``sure`` float32: the
    highest confidence stated for a wrong answer, NaN if there is none; ``tokens`` uint32: generated
    tokens; ``covered`` uint32[examples, words]: a bit for each gold answer that was named.
    """

    bits: NDArray[np.uint8]
    right: NDArray[np.uint16]
    sure: NDArray[np.float32]
    tokens: NDArray[np.uint32]
    covered: NDArray[np.uint32]

    def encode(self) -> dict[str, str]:
        """Give each array as base64 of its bytes, little-endian."""
        return {
            name: b64encode(getattr(self, name).tobytes()).decode("ascii")
            for name in ("bits", "right", "sure", "tokens", "covered")
        }


def words(scores: Sequence[pa.Table]) -> int:
    """Give how many words of 32 bits hold the gold answers of any example of a group."""
    most = max((pc.max(table.column("gold_size")).as_py() or 0 for table in scores), default=0)
    return int(max(most - 1, 0)) // _BITS + 1


def gold_sizes(member: Member, scores: pa.Table) -> NDArray[np.uint16]:
    """Give the number of gold answers of each example, uint16[examples]."""
    sizes = _cube(member, scores, "gold_size", 0)[:, 0]
    return sizes.astype(np.uint16)


def flags(member: Member, scores: pa.Table, width: int) -> Flags:
    """Tell what there is to say of each example, from the scores of a run.

    ``width`` is the number of ``words``.
    """
    shape = read_shape(RunDirectory(member.path))
    gold = _cube(member, scores, "gold", -2).astype(np.int64)
    valid = _cube(member, scores, "failed", 0) == 0
    gold = np.where(valid, gold, -2)
    covered = np.zeros((len(gold), width), dtype=np.uint32)
    rows, columns = np.nonzero(gold >= 0)
    named = gold[rows, columns]
    bit = np.left_shift(np.uint32(1), (named % _BITS).astype(np.uint32))
    np.bitwise_or.at(covered, (rows, named // _BITS), bit)
    right = np.bitwise_count(covered).sum(axis=1, dtype=np.uint16)
    failed = ~valid.all(axis=1)
    known = valid.any(axis=1) & shape.graded
    same = _cube(member, scores, "same_as", -2).reshape(len(gold), shape.sets, shape.k)
    own = np.sort(np.where(valid.reshape(same.shape), same, -2), axis=2)
    repeats = ((own[..., 1:] == own[..., :-1]) & (own[..., 1:] >= 0)).any(axis=(1, 2))
    malformed = (_cube(member, scores, "strict", 1) == 0).any(axis=1)
    sizes = _cube(member, scores, "gold_size", 0)[:, 0]
    confidence = np.where(
        (gold == -1) & shape.graded, _cube(member, scores, "confidence", np.nan), np.nan
    )
    bits = (
        WRONG * (known & (right == 0))
        | REPEATS * repeats
        | MALFORMED * malformed
        | FAILED * failed
        | MISSED * (known & (right < sizes))
    )
    return Flags(
        bits=bits.astype(np.uint8),
        right=right,
        sure=np.fmax.reduce(confidence, axis=1).astype(np.float32),
        tokens=np.nansum(_cube(member, scores, "completion_tokens", 0), axis=1).astype(np.uint32),
        covered=covered,
    )


def _cube(member: Member, scores: pa.Table, name: str, missing: float) -> NDArray[np.float64]:
    """Give a column of the scores, float64[examples, answers], in the order of the group."""
    layout = member.record["layout"]
    column: Any = scores.column(name).cast(pa.float64()).fill_null(missing).to_numpy()
    result: NDArray[np.float64] = column.reshape(-1, layout["sets"] * layout["k"])[member.rows]
    return result
