"""From stored completions to ``scores.parquet``, from which every metric is computed.

Needs the run directory and nothing else: neither the model nor the data.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from marl_eval.answers import AnswerFormat
from marl_eval.errors import storage_error
from marl_eval.generation import generation_reader
from marl_eval.grading import Scorer, grade_block
from marl_eval.lines import index_lines, read_lines
from marl_eval.score_table import BLOCK, SCHEMA, Shape
from marl_eval.store import SCORES, RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.task import Task

_MOST_LEVELS = 4096


@dataclass(frozen=True, slots=True)
class Scored:
    """What writing ``scores.parquet`` found out about the whole run.

    ``failed`` requests failed for good; ``missing`` ones were never finished; ``deviations`` counts
    the generations that show each deviation from the format.
    """

    shape: Shape
    examples: int
    requests: int
    failed: int
    missing: int
    deviations: dict[str, int]


def write_scores(
    run: RunDirectory,
    task: Task,
    layout: SetLayout,
    fmt: AnswerFormat,
    *,
    exclusive: bool,
    strict: bool,
) -> Scored:
    """Grade every completion of a run and write ``scores.parquet``.

    ``fmt`` is the format of one generation. With ``strict``, a generation that deviates from the
    format at all holds no answers; otherwise what can be read of it counts.

    Raises:
        StorageError: if the file cannot be written.
    """
    scorer = Scorer(
        layout=layout,
        read=generation_reader(fmt, task.key),
        task=task,
        strict=strict,
    )
    index = index_lines(run.completions)
    failures = index_lines(run.errors)
    offsets = run.example_offsets()
    count = len(offsets) - 1
    levels: set[float] = set()
    deviations: Counter[str] = Counter()
    target = run.path / SCORES
    temporary = target.with_name(f".{SCORES}")
    try:
        with (
            _no_garbage_collection(),
            pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer,
        ):
            for start in range(0, count, BLOCK):
                stop = min(start + BLOCK, count)
                examples = run.read_examples(offsets, slice(start, stop))
                found = index.rows(start, stop)
                places = index.places(found, start, layout.samples)
                lines = read_lines(run.completions, index, found)
                rows = grade_block(scorer, examples, places, lines)
                levels.update(rows.column("confidence").drop_null().unique().to_pylist())
                deviations.update(_count_deviations(rows))
                writer.write_table(rows, row_group_size=len(rows))
        temporary.replace(target)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise storage_error(target, error) from error
    requests = count * layout.samples
    asked = index.questions() + failures.questions()
    return Scored(
        shape=Shape(
            k=layout.k,
            sets=layout.sets,
            members=layout.members,
            confidence=fmt.confidence,
            exclusive=exclusive,
            levels=_grid(levels),
        ),
        examples=count,
        requests=requests,
        failed=len(failures),
        missing=max(requests - asked, 0),
        deviations=dict(sorted(deviations.items())),
    )


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Stop the search for reference cycles: a block makes millions of objects and no cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _grid(levels: set[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give the distinct confidences, or a grid of 1/4096 where there are too many of them."""
    if len(levels) <= _MOST_LEVELS:
        return np.array(sorted(levels))
    return np.linspace(0, 1, _MOST_LEVELS + 1)


def _count_deviations(rows: pa.Table) -> Counter[str]:
    counted: Counter[str] = Counter()
    for entry in rows.column("deviations").value_counts().to_pylist():
        for deviation in (entry["values"] or "").split():
            counted[deviation] += entry["counts"]
    return counted
