"""Runs on the same examples, put together: only they are compared, and read side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from marl_eval.inert import inert
from marl_eval.results import Results, read_results
from marl_eval.store import RunDirectory

HEAD = 120
"""Characters of a question that the list of examples shows."""
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Member:
    """A run of a group: ``rows`` int64[examples] are the rows in it of the group's examples.

    ``name`` is what the page calls it; no two runs of a page have the same. ``so_far`` is, of a run
    that still goes on, how many of how many requests are stored.
    """

    path: Path
    name: str
    record: dict[str, Any]
    results: Results
    rows: NDArray[np.int64]
    so_far: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Runs on the same examples, in the order given; the first is what others are compared with.

    ``ids`` and ``heads`` are the ids and the beginnings of the questions, in the order of that run.
    """

    members: list[Member]
    ids: list[str]
    heads: list[str]


def make_groups(runs: Sequence[Path], so_far: Mapping[Path, tuple[int, int]]) -> list[Group]:
    """Put scored runs on the same examples (id, question and gold answers) together.

    ``so_far`` tells of the runs that still go on; see ``Member``.

    Raises:
        UserError: if one is not a scored run, or its examples are damaged.
    """
    groups: list[tuple[Group, dict[str, bytes]]] = []
    for path, name in zip(runs, names(runs), strict=True):
        results, record = read_results(path), RunDirectory(path).read_run()
        contents, heads = _contents(path)
        going = so_far.get(path)
        for group, known in groups:
            if known == contents:
                place = {id_: row for row, id_ in enumerate(contents)}
                rows = np.array([place[id_] for id_ in known], dtype=np.int64)
                group.members.append(Member(path, name, record, results, rows, going))
                break
        else:
            member = Member(path, name, record, results, np.arange(len(contents)), going)
            groups.append((Group([member], list(contents), heads), contents))
    return [group for group, _ in groups]


def names(runs: Sequence[Path]) -> list[str]:
    """Name each run by its folder, and by as many folders above it as tell it from the others."""
    parts = [path.resolve().parts for path in runs]
    found = []
    for place, own in enumerate(parts):
        others = [other for number, other in enumerate(parts) if number != place]
        depth = 1
        while depth < len(own) and any(other[-depth:] == own[-depth:] for other in others):
            depth += 1
        # The same folder given twice.
        again = parts[:place].count(own)
        name = "/".join(own[-depth:] if not again and parts.count(own) == 1 else own[-1:])
        found.append(inert(name if not again else f"{name} ({again + 1})"))
    return found


def _contents(path: Path) -> tuple[dict[str, bytes], list[str]]:
    """Give, by id, a hash of each question with its gold answers; and how each question begins."""
    run = RunDirectory(path)
    offsets = run.example_offsets()
    count = len(offsets) - 1
    contents: dict[str, bytes] = {}
    heads = []
    for start in range(0, count, _AT_ONCE):
        for example in run.read_examples(offsets, slice(start, min(start + _AT_ONCE, count))):
            asked = msgspec.json.encode((example.question, example.gold))
            contents[example.id] = blake2b(asked, digest_size=16).digest()
            heads.append(inert(" ".join(example.question[: 2 * HEAD].split())[:HEAD]))
    return contents, heads
