"""Which examples two runs have in common, and that they are the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from marl_eval.errors import UserError
from marl_eval.score_table import BLOCK
from marl_eval.store import RunDirectory

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


def pair(first: RunDirectory, second: RunDirectory, *, common: bool) -> Pairs:
    """Match the examples of two runs by id, question and gold answers.

    Raises:
        UserError: if the runs are on different examples, saying which differ, unless ``common``
            allows to use those they share; or if they share none.
    """
    here, there = _contents(first), _contents(second)
    shared = [
        name for name, (_, content) in here.items() if there.get(name, (0, b""))[1] == content
    ]
    missing = [name for name in here if name not in there]
    extra = [name for name in there if name not in here]
    changed = [name for name in here if name in there and there[name][1] != here[name][1]]
    if not shared:
        raise UserError(
            f"{first.path} and {second.path} have no example in common: "
            f"{_told(missing, extra, changed, first, second)}"
        )
    if (missing or extra or changed) and not common:
        raise UserError(
            f"{first.path} and {second.path} are not on the same examples: "
            f"{_told(missing, extra, changed, first, second)} "
            f"Add --common to compare them on the {len(shared)} examples they share."
        )
    return Pairs(
        first=np.array([here[name][0] for name in shared]),
        second=np.array([there[name][0] for name in shared]),
        only_first=len(here) - len(shared),
        only_second=len(there) - len(shared),
    )


def _contents(run: RunDirectory) -> dict[str, tuple[int, bytes]]:
    """Give, by id, the row of each example and a hash of its question and gold answers."""
    run.read_run()
    offsets = run.example_offsets()
    count = len(offsets) - 1
    contents: dict[str, tuple[int, bytes]] = {}
    for start in range(0, count, BLOCK):
        examples = run.read_examples(offsets, slice(start, min(start + BLOCK, count)))
        for row, example in enumerate(examples, start=start):
            asked = msgspec.json.encode((example.question, example.gold))
            contents[example.id] = row, blake2b(asked, digest_size=16).digest()
    return contents


def _told(
    missing: list[str],
    extra: list[str],
    changed: list[str],
    first: RunDirectory,
    second: RunDirectory,
) -> str:
    parts = []
    if missing:
        parts.append(f"{len(missing)} are only in {first.path} ({_few(missing)})")
    if extra:
        parts.append(f"{len(extra)} are only in {second.path} ({_few(extra)})")
    if changed:
        parts.append(f"{len(changed)} differ in question or gold answers ({_few(changed)})")
    return "; ".join(parts) + "."


def _few(names: list[str]) -> str:
    listed = ", ".join(repr(name) for name in names[:_NAMED])
    return listed if len(names) <= _NAMED else f"{listed}, ..."
