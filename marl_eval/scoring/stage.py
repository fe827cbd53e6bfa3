"""From stored completions to ``scores.parquet``, from which every metric is computed.

Needs the run directory and nothing else: neither the model nor the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from marl_eval.answers import AnswerFormat
from marl_eval.errors import UserError, storage_error
from marl_eval.judging import JudgeSettings
from marl_eval.judging.judgements import opened_judge, read_findings
from marl_eval.line_index import index_lines
from marl_eval.money import Price
from marl_eval.parallel import in_order
from marl_eval.score_table import SCHEMA, SET, Array, Shape
from marl_eval.scoring.blocks import Blocks, no_garbage_collection
from marl_eval.scoring.grading import Scorer, grade_block
from marl_eval.store import SCORES, RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.task import Task
from marl_eval.task_files import task_of

_MOST_LEVELS, _GRID = 4096, 1024
_REPETITIVE = ["example", "answer", "isolation", "finish_reason", "deviations"]
"""Columns that are stored as a dictionary; for the others it costs more time than it saves room."""
_SHAPE = "marl_eval.shape"
"""Under this name ``scores.parquet`` carries the shape of the run."""


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """How a run is scored.

    ``strict``: a generation that deviates from the format at all holds no answers; otherwise what
    can be read of it counts. ``overlap``: compare the reasoning of an example's generations.
    ``price`` of tokens, None if money is not to be told. ``workers``: processes, which change
    nothing but the speed, as does ``cluster``: the Ray cluster that this process is connected to, if it
    is. ``task``: of the run, or its Python file; where that is needed and None, a
    file with its hash that the user gave before.
    """

    strict: bool = False
    overlap: bool = True
    price: Price | None = None
    workers: int = 1
    cluster: bool = False
    task: Task | Path | str | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """What writing ``scores.parquet`` found out about the whole run.

    ``failed`` requests failed for good; ``missing`` ones were never finished; ``deviations`` counts
    the generations that show each deviation from the format, and ``isolation`` the answers that are
    programs by the level at which they ran.
    """

    shape: Shape
    examples: int
    requests: int
    failed: int
    missing: int
    deviations: dict[str, int]
    isolation: dict[str, int]


def write_scores(run: RunDirectory, options: ScoringOptions) -> Scored:
    """Grade every completion of a run and write ``scores.parquet``.

    Raises:
        UserError: if this is not a run directory, a file of it is damaged, or answers that need it
            have not been judged (``judging.stage``).
        StorageError: if the file cannot be written.
    """
    record = run.read_run()
    scorer = scorer_of(record, options)
    # Processes elsewhere are in other working directories.
    blocks = _Graded(RunDirectory(run.path.resolve()), scorer)
    # A recording without gold answers and grades tells nothing of what is right; elsewhere an empty
    # gold set says that no answer is.
    found = _Found(graded=record.get("recorded", {}).get("grades", True))
    target = run.path / SCORES
    temporary = target.with_name(f".{SCORES}")
    try:
        with (
            pq.ParquetWriter(
                temporary, SCHEMA, compression="lz4", use_dictionary=_REPETITIVE
            ) as writer,
            _spread(blocks.grade, blocks.blocks.count, options) as graded,
        ):
            for rows in graded:
                found.add(rows, scorer.layout)
                writer.write_table(rows, row_group_size=max(len(rows), 1))
            shape = found.shape(scorer, options.price)
            writer.add_key_value_metadata({_SHAPE: dump_shape(shape)})
        temporary.replace(target)
    except OSError as error:
        raise storage_error(target, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    failures = index_lines(run.errors)
    requests = found.requests
    return Scored(
        shape=shape,
        examples=blocks.blocks.examples,
        requests=requests,
        failed=len(failures),
        missing=max(requests - blocks.blocks.index.questions() - failures.questions(), 0),
        deviations=dict(sorted(found.deviations.items())),
        isolation=dict(sorted(found.isolation.items())),
    )


def _spread(
    work: Callable[[int], pa.Table], count: int, options: ScoringOptions
) -> AbstractContextManager[Iterator[pa.Table]]:
    if options.cluster:
        from marl_eval.backends.ray.blocks import in_order_on_cluster, is_connected

        if is_connected():
            return in_order_on_cluster(work, count)
    return in_order(work, count, options.workers)


def dump_shape(shape: Shape) -> str:
    """Write a shape as JSON."""
    values = {field.name: getattr(shape, field.name) for field in fields(shape)}
    values["levels"] = {source: levels.tolist() for source, levels in shape.levels.items()}
    return msgspec.json.encode(values).decode()


def load_shape(text: str | bytes) -> Shape:
    """Read a shape that ``dump_shape`` wrote; a KeyError, TypeError or DecodeError if it is none."""
    values = msgspec.json.decode(text)
    price = values.pop("price")
    levels = {source: np.array(own) for source, own in values.pop("levels").items()}
    return Shape(**values, levels=levels, price=None if price is None else Price(**price))


def read_shape(run: RunDirectory) -> Shape:
    """Read the shape of a scored run, which its ``scores.parquet`` carries.

    Raises:
        UserError: if the run has not been scored, or by another version.
    """
    run.read_run()
    try:
        metadata = pq.read_metadata(run.path / SCORES).metadata or {}
        return load_shape(metadata[_SHAPE.encode()])
    except FileNotFoundError:
        found = "has not been scored"
    except (KeyError, TypeError, pa.ArrowInvalid, msgspec.DecodeError):
        found = "has scores that this version cannot read"
    raise UserError(f"{run.path} {found}: score it with 'marl-eval score {run.path}'.")


def scorer_of(record: Mapping[str, Any], options: ScoringOptions) -> Scorer:
    """Give what grades the run that a ``run.json`` tells of."""
    task = task_of(record, options.task)
    layout, fmt = SetLayout(**record["layout"]), AnswerFormat(**record["format"])
    recorded = bool(record.get("recorded", {}).get("confidences"))
    return Scorer(
        task=task,
        layout=layout,
        fmt=fmt,
        exclusive=record["task"]["exclusive"],
        strict=options.strict,
        stated="recorded" if recorded else "text" if fmt.confidence else None,
        overlap=options.overlap and layout.samples > 1,
        judged=opened_judge(task, record, JudgeSettings()) is not None,
    )


class _Graded:
    """The blocks of a run, to be graded one by one."""

    def __init__(self, run: RunDirectory, scorer: Scorer) -> None:
        self._run = run
        self._scorer = scorer
        self.blocks = Blocks(run, scorer.layout.samples)
        self._judgements = index_lines(run.judgements) if scorer.judged else None

    def grade(self, number: int) -> pa.Table:
        """Grade one block."""
        with no_garbage_collection():
            block = self.blocks.read(number)
            findings = None
            if self._judgements is not None:
                findings = read_findings(self._run, self._judgements, block.start, block.stop)
            return grade_block(self._scorer, block.examples, block.places, block.lines, findings)


@dataclass(slots=True)
class _Found:
    """What is learnt of a run from its rows, block after block."""

    deviations: Counter[str] = field(default_factory=Counter)
    isolation: Counter[str] = field(default_factory=Counter)
    levels: dict[str, set[float]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    requests: int = 0
    graded: bool = False

    def add(self, rows: pa.Table, layout: SetLayout) -> None:
        """Take in a block's rows."""
        asked = rows.column("asked").to_numpy().reshape(-1, layout.k // layout.members)
        self.requests += int(np.count_nonzero(asked[:, 0]))
        for entry in rows.column("deviations").value_counts().to_pylist():
            for deviation in (entry["values"] or "").split():
                self.deviations[deviation] += entry["counts"]
        self.graded = self.graded or _has_gold(rows)
        for name in rows.column_names:
            if rows.column(name).null_count < len(rows):
                self.known.add(name)
                if "confidence" in name:
                    distinct = pc.unique(rows.column(name).drop_null()).to_pylist()
                    self.levels.setdefault(name, set()).update(distinct)
                if name == "isolation":
                    for entry in rows.column(name).drop_null().value_counts().to_pylist():
                        self.isolation[entry["values"]] += entry["counts"]

    def shape(self, scorer: Scorer, price: Price | None) -> Shape:
        levels: dict[str, Array] = {}
        if scorer.stated is not None:
            levels[scorer.stated] = self._grid("confidence")
            levels[SET] = self._grid("set_confidence")
        for source in ("text", "logprob", "frequency"):
            if f"confidence_{source}" in self.known:
                levels[source] = self._grid(f"confidence_{source}")
        exact, weighted = "best_probability" in self.known, "weight_total" in self.known
        kind: Literal["exclusive", "independent"] = "independent"
        if weighted or scorer.exclusive:
            kind = "exclusive"
        return Shape(
            k=scorer.layout.k,
            sets=scorer.layout.sets,
            members=scorer.layout.members,
            exclusive=scorer.exclusive,
            levels=levels,
            weighted=weighted,
            reference=kind if exact else None,
            truth="truth" in self.known,
            overlap=scorer.overlap,
            price=price,
            graded=scorer.task.graded and self.graded,
            programs=scorer.judged and scorer.fmt.form == "program",
        )

    def _grid(self, name: str) -> Array:
        """Give the distinct confidences, or a grid of 1/1024 where there are too many of them."""
        distinct = self.levels.get(name, set())
        if len(distinct) <= _MOST_LEVELS:
            return np.array(sorted(distinct), dtype=np.float64)
        return np.linspace(0, 1, _GRID + 1)


def _has_gold(rows: pa.Table) -> bool:
    """Whether an example has a gold answer."""
    return bool(pc.max(rows.column("gold_size")).as_py())
