"""The examples of a page: question, gold answers, and what each run wrote, cut where its answers stand.

The answers, grades and confidences are those of ``scores.parquet``, which the metrics were computed
from; only the places of the answers in the text are read again, by the reader that scored them. Every
text is made inert here (``marl_eval.show.inert``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from marl_eval.answers import AnswerFormat
from marl_eval.inert import inert
from marl_eval.judging.judgements import Findings, answer_hash, read_findings
from marl_eval.line_index import Index, index_lines
from marl_eval.lines import read_lines
from marl_eval.reports.page.groups import Group, Member
from marl_eval.reports.page.pieces import cut_lines
from marl_eval.show import measured
from marl_eval.store import RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.types import Completion, Example, Failure, Gold

CHUNK = 256
"""Examples that are loaded together."""

ANSWER = ["answer", "confidence", "gold", "same_as"]
"""Columns of ``scores.parquet`` that are told of each answer."""
GENERATION = ["deviations", "overlap_3gram"]
"""Columns that are told of each generation."""
COLUMNS = [
    *ANSWER, *GENERATION,
    "asked", "failed", "strict", "gold_size", "completion_tokens",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reading:
    """A run with its scores, and where the lines of its files are."""

    member: Member
    scores: pa.Table
    fmt: AnswerFormat
    completions: Index
    failures: Index
    judgements: Index


def chunks(group: Group, scores: Sequence[pa.Table]) -> Iterator[list[dict[str, Any]]]:
    """Give the examples of a group as plain data, ``CHUNK`` at a time.

    Raises:
        UserError: if a file of a run is damaged.
    """
    readings = [_opened(member, own) for member, own in zip(group.members, scores, strict=True)]
    # A group is in the order of its first run.
    first = RunDirectory(group.members[0].path)
    offsets = first.example_offsets()
    for start in range(0, len(group.ids), CHUNK):
        rows = slice(start, min(start + CHUNK, len(group.ids)))
        examples = first.read_examples(offsets, rows)
        runs = [_of_run(reading, examples, rows) for reading in readings]
        yield [
            {**_question(example), "runs": own}
            for example, *own in zip(examples, *runs, strict=True)
        ]


def _opened(member: Member, scores: pa.Table) -> _Reading:
    run = RunDirectory(member.path)
    return _Reading(
        member=member,
        scores=scores,
        fmt=AnswerFormat(**member.record["format"]),
        completions=index_lines(run.completions),
        failures=index_lines(run.errors),
        judgements=index_lines(run.judgements),
    )


def _question(example: Example) -> dict[str, Any]:
    told: dict[str, Any] = {
        "question": inert(example.question),
        "gold": [_gold(gold) for gold in example.gold],
    }
    return told if example.truth is None else {**told, "truth": inert(example.truth)}


def _gold(gold: Gold) -> dict[str, Any]:
    told: dict[str, Any] = {"text": inert(gold.answer)}
    if gold.weight is not None:
        told["weight"] = gold.weight
    if gold.aliases:
        told["aliases"] = [inert(name) for name in gold.aliases]
    return told


def _of_run(reading: _Reading, examples: Sequence[Example], rows: slice) -> list[dict[str, Any]]:
    """Give what a run wrote to some examples of its group."""
    run = RunDirectory(reading.member.path)
    layout = SetLayout(**reading.member.record["layout"])
    width = layout.sets * layout.k
    own = reading.member.rows[rows]
    places = (own[:, None] * width + np.arange(width)).reshape(-1)
    taken = reading.scores.take(pa.array(places))
    columns = {name: taken.column(name).to_pylist() for name in taken.column_names}
    lines = _by_row(run.completions, reading.completions, own, Completion)
    failures = _by_row(run.errors, reading.failures, own, Failure)
    told = []
    for place, (example, row) in enumerate(zip(examples, own.tolist(), strict=True)):
        cells = slice(place * width, (place + 1) * width)
        table = {name: column[cells] for name, column in columns.items()}
        judged: Findings = {}
        if len(reading.judgements):
            judged = read_findings(run, reading.judgements, row, row + 1)[0]
        answers = _answers(table, judged)
        entry: dict[str, Any] = {
            "answers": answers,
            "generations": _generations(reading.fmt, layout, example, table, lines.get(row, [])),
        }
        if row in failures:
            entry["failures"] = [[f.sample, inert(f.reason)] for f in failures[row]]
        told.append(entry)
    return told


T = TypeVar("T", Completion, Failure)


def _by_row(path: Path, index: Index, rows: NDArray[np.int64], kind: type[T]) -> dict[int, list[T]]:
    """Read the lines of some rows, in order of sample and stage; rows side by side are read at once."""
    found: dict[int, list[T]] = {}
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    for part in np.split(rows, breaks):
        for line in read_lines(path, index, index.rows(int(part[0]), int(part[-1]) + 1), kind):
            found.setdefault(line.example, []).append(line)
    return found


def _answers(table: dict[str, list[Any]], judged: Findings) -> list[dict[str, Any] | None]:
    """Tell each answer that was asked for: None where it is missing or was not asked for."""
    told: list[dict[str, Any] | None] = []
    for asked, *own in zip(table["asked"], *(table[name] for name in ANSWER), strict=True):
        text, confidence, gold, same_as = own
        if not asked or gold is None:
            told.append(None)
            continue
        entry = {"text": None if text is None else inert(text), "gold": gold, "same": same_as}
        if confidence is not None:
            entry["confidence"] = confidence
        found = judged.get(answer_hash(text)) if judged and text is not None else None
        if found is not None:
            about = [found.reason] if found.reason else []
            about += [] if found.program is None else [measured(found.program)]
            entry["about"] = inert("\n".join(about))
        told.append(entry)
    return told


def _generations(
    fmt: AnswerFormat,
    layout: SetLayout,
    example: Example,
    table: dict[str, list[Any]],
    lines: Sequence[Completion],
) -> list[dict[str, Any] | None]:
    """Tell each generation: None where there is none."""
    each = layout.k // layout.members
    if example.asked and layout.members == 1:
        fmt = replace(fmt, k=min(example.asked, fmt.k))
    by_sample: dict[int, list[Completion]] = {}
    for line in lines:
        by_sample.setdefault(line.sample, []).append(line)
    told: list[dict[str, Any] | None] = []
    for sample in range(layout.samples):
        own = by_sample.get(sample, [])
        if not own or own[0].stage != 0:
            told.append(None)
            continue
        cells = slice(sample * each, sample * each + fmt.k)
        entry: dict[str, Any] = {
            "lines": cut_lines(fmt, own, table["answer"][cells]),
            "tokens": [own[0].prompt_tokens, own[0].completion_tokens],
            "end": own[0].finish_reason,
        }
        if own[0].reasoning:
            entry["reasoning"] = inert(own[0].reasoning)
        if table["deviations"][cells.start]:
            entry["deviations"] = table["deviations"][cells.start].split()
        if table["overlap_3gram"][cells.start] is not None:
            entry["overlap"] = table["overlap_3gram"][cells.start]
        told.append(entry)
    return told
