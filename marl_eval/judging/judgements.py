"""The stored findings of a judge (``judgements.jsonl``): which there are, and what they say.

A line holds what was found of some answers of one example that were judged together; further lines
of the example, counted by ``sample``, hold later findings. Answers are told by their hashes: their
texts are in the completions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import orjson

from marl_eval.judging import Judge, Judged, JudgeSettings
from marl_eval.line_index import Index
from marl_eval.lines import read_lines
from marl_eval.store import RunDirectory
from marl_eval.task import Task, read_options
from marl_eval.types import Example

_LONGEST_REASON = 2000

Findings = Mapping[str, Judged]
"""What was found of the answers of an example, by ``answer_hash``."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A line of ``judgements.jsonl``; ``answers`` are hashes, ``found`` what was found of each.

    ``id`` is the hash of the example, the task with its options, and the answers.
    """

    id: str
    example: int
    sample: int
    stage: int
    answers: tuple[str, ...]
    found: tuple[Judged, ...]


def opened_judge(
    task: Task, record: Mapping[str, Any], settings: JudgeSettings
) -> AbstractContextManager[Judge] | None:
    """Give the judge of the run that a ``run.json`` tells of, to be entered; None if it has none.

    What was graded elsewhere is not judged again.
    """
    if task.judge is None or "recorded" in record:
        return None
    options = read_options(task, record["settings"].get("task_args") or {})
    return task.judge(options, settings)


def judging_context(record: Mapping[str, Any]) -> bytes:
    """Give what all judgements of a run rest on, besides the example and its answers."""
    task = record["task"]
    asked = [task["name"], task.get("version"), record["settings"].get("task_args")]
    return orjson.dumps(asked)


def answer_hash(text: str) -> str:
    """Give the hash by which an answer's findings are found."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def judgement_id(context: bytes, example: Example, hashes: Sequence[str]) -> str:
    """Give the id of a judgement of these answers, told by their hashes, in this order."""
    content = b"".join([context, orjson.dumps(example), "".join(hashes).encode()])
    return blake2b(content, digest_size=16).hexdigest()


def storable(judged: Judged) -> Judged:
    """Give the findings as they can be written: no lone surrogates, no endless reason."""
    reason = _plain(judged.reason)
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[: _LONGEST_REASON - 1]}…"
    kind = None if judged.kind is None else _plain(judged.kind)
    return replace(judged, reason=reason, kind=kind)


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_findings(
    run: RunDirectory, index: Index, start: int, stop: int
) -> list[dict[str, Judged]]:
    """Read what was found of the answers of the examples from ``start`` up to ``stop``.

    Of an answer that was judged again, the latest findings count.

    Raises:
        UserError: if the file is damaged.
    """
    found: list[dict[str, Judged]] = [{} for _ in range(start, stop)]
    for line in read_lines(run.judgements, index, index.rows(start, stop), Judgement):
        found[line.example - start].update(zip(line.answers, line.found, strict=True))
    return found
