"""Which examples two runs have in common, and that they are the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marl_eval.comparison.per_example import PerExample
from marl_eval.errors import UserError

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Pairs:
    """Examples that two runs share, in the order of the first run.

    ``first`` and ``second`` int64[pairs] are their rows in each run; ``only_first`` and
    ``only_second`` count the examples left out of each.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    only_first: int
    only_second: int


def pair(first: PerExample, second: PerExample, *, common: bool) -> Pairs:
    """Match the examples of two runs by id, question and gold answers.

    Raises:
        UserError: if the runs are on different examples, saying which differ, unless ``common``
            allows to use those they share; or if they share none.
    """
    here, there = first.contents, second.contents
    shared = [name for name in here if there.get(name) == here[name]]
    missing = [name for name in here if name not in there]
    extra = [name for name in there if name not in here]
    changed = [name for name in here if name in there and there[name] != here[name]]
    if not shared:
        raise UserError(
            f"{first.name} and {second.name} have no example in common: "
            f"{_told(missing, extra, changed, first, second)}"
        )
    if (missing or extra or changed) and not common:
        raise UserError(
            f"{first.name} and {second.name} are not on the same examples: "
            f"{_told(missing, extra, changed, first, second)} "
            f"Add --common to compare them on the {len(shared)} examples they share."
        )
    return Pairs(
        first=_rows(here, shared),
        second=_rows(there, shared),
        only_first=len(here) - len(shared),
        only_second=len(there) - len(shared),
    )


def _rows(contents: Mapping[str, bytes], names: Sequence[str]) -> NDArray[np.int64]:
    row = {name: row for row, name in enumerate(contents)}
    return np.array([row[name] for name in names], dtype=np.int64)


def _told(
    missing: list[str],
    extra: list[str],
    changed: list[str],
    first: PerExample,
    second: PerExample,
) -> str:
    parts = []
    if missing:
        parts.append(f"{len(missing)} are only in {first.name} ({_few(missing)})")
    if extra:
        parts.append(f"{len(extra)} are only in {second.name} ({_few(extra)})")
    if changed:
        parts.append(f"{len(changed)} differ in question or gold answers ({_few(changed)})")
    return "; ".join(parts) + "."


def _few(names: list[str]) -> str:
    listed = ", ".join(repr(name) for name in names[:_NAMED])
    return listed if len(names) <= _NAMED else f"{listed}, ..."
