"""Writing a recorded system as a run directory.

The directory is written beside its place and put there when it is whole, so that an import that
fails leaves no run behind. A place that is taken is left alone: if the same import wrote it, there is
nothing to do; otherwise it is refused.
"""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import os
import shutil
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from marl_eval.answers import AnswerFormat
from marl_eval.errors import UserError, storage_error
from marl_eval.identity import differences, identity
from marl_eval.importing.generations import Generation, Recording, System
from marl_eval.lines import json_line
from marl_eval.store import COMPLETIONS, EXAMPLES, RUN, RunDirectory, dump_json
from marl_eval.types import Completion, Example, Gold, Recorded

_MOST_SAMPLES = 1 << 24
"""Generations of one example that a run directory can number."""

_NAMELESS = (Gold(""),)
"""The gold set where grades say what is right and nothing names it: it matches no answer."""


@dataclass(slots=True)
class Written:
    """What was written: how many examples, the generations of each, and a hash of the examples."""

    samples: array[int] = field(default_factory=lambda: array("I"))
    contents: array[int] = field(default_factory=lambda: array("Q"))
    present: int = 0
    sha256: str = ""

    @property
    def examples(self) -> int:
        """The number of examples."""
        return len(self.samples)

    @property
    def most(self) -> int:
        """The most generations that an example has, missing ones among them."""
        return max(self.samples, default=0)


@contextlib.contextmanager
def beside(out: Path) -> Iterator[Path]:
    """Give an empty directory next to ``out``, and remove it in the end.

    Raises:
        UserError: if it cannot be made.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        (temporary / COMPLETIONS.parent).mkdir(parents=True)
    except OSError as error:
        raise UserError(
            f"The run directory {out} cannot be written ({error.strerror}); choose another with --out."
        ) from error
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_generations(
    path: Path, system: System, fmt: AnswerFormat, *, nameless: bool, pooled: bool
) -> Written:
    """Write a system's examples and completions into a run directory.

    ``fmt`` is the format of one generation; what was recorded beyond its K answers is left out. With
    ``nameless``, an example without gold answers gets one that has no name, for the grades. With
    ``pooled``, the answers asked for of one generation do not say how many a set has.

    Raises:
        UserError: if two recordings of one id are not of the same example.
        StorageError: if the directory cannot be written.
    """
    written = Written()
    digest = hashlib.sha256()
    try:
        with (
            (path / EXAMPLES).open("wb") as examples,
            (path / COMPLETIONS).open("wb") as completions,
        ):
            for row, recording, fresh in _placed(system, written, nameless, pooled):
                if fresh:
                    digest.update(orjson.dumps(recording.example))
                    examples.write(json_line(recording.example))
                _write(completions, row, recording, written, fmt)
    except OSError as error:
        raise storage_error(path, error) from error
    written.sha256 = digest.hexdigest()
    return written


def _placed(
    system: System, written: Written, nameless: bool, pooled: bool
) -> Iterator[tuple[int, Recording, bool]]:
    """Give each recording the row of its example, and say whether the example is new."""
    rows: dict[str, int] = {}
    for recording in system.recordings():
        example = recording.example
        if nameless and not example.gold:
            example = replace(example, gold=_NAMELESS)
        if pooled:
            example = replace(example, asked=None)
        content = _digest(orjson.dumps([example.question, example.gold, example.asked]), 8)
        number = int.from_bytes(content, "big")
        row = rows.get(example.id)
        if row is not None and written.contents[row] != number:
            raise UserError(
                f"{recording.place} has the id {example.id!r} of an earlier row, but another question, "
                f"gold set or k; rows of one id are generations of one example."
            )
        if row is not None and not system.merge:
            example = replace(example, id=_unused(example.id, rows))
            row = None
        if row is None:
            rows[example.id] = row = len(rows)
            written.samples.append(0)
            written.contents.append(number)
            yield row, replace(recording, example=example), True
        else:
            yield row, recording, False


def _unused(name: str, taken: dict[str, int]) -> str:
    """Give a second example of the same id a name of its own."""
    number = 2
    while f"{name}#{number}" in taken:
        number += 1
    return f"{name}#{number}"


def _write(
    file: BinaryIO, row: int, recording: Recording, written: Written, fmt: AnswerFormat
) -> None:
    first = written.samples[row]
    if first + len(recording.generations) > _MOST_SAMPLES:
        raise UserError(f"{recording.place}: an example can have {_MOST_SAMPLES:,} generations.")
    for sample, generation in enumerate(recording.generations, start=first):
        if generation is not None:
            completion = _completion(recording.example, row, sample, generation, fmt)
            file.write(json_line(completion))
            written.present += 1
    written.samples[row] = first + len(recording.generations)


def _completion(
    example: Example, row: int, sample: int, generation: Generation, fmt: AnswerFormat
) -> Completion:
    text = _text(generation, fmt)
    opened = generation.thinking_opened
    if opened is None:
        close = text.find("</think>")
        opened = close >= 0 and "<think>" not in text[:close]
    recorded = Recorded(
        grades=_aligned(generation.grades, fmt.k),
        confidences=_aligned(generation.confidences, fmt.k),
    )
    return Completion(
        id=_digest(orjson.dumps([example.id, example.question, sample]), 16).hex(),
        example=row,
        sample=sample,
        stage=0,
        text=text,
        prompt_tokens=generation.prompt_tokens,
        completion_tokens=generation.completion_tokens,
        finish_reason=generation.finish_reason,
        reasoning=generation.reasoning,
        thinking_opened=opened,
        recorded=None if recorded == Recorded() else recorded,
    )


def _text(generation: Generation, fmt: AnswerFormat) -> str:
    """Give the text; answers that were recorded apart stand after it, if it holds none in tags."""
    text = generation.text or ""
    if generation.answers is None or "<answer" in text.lower():
        return text
    answers = [
        f"<answer{fmt.suffix(place)}>{answer}</answer{fmt.suffix(place)}>"
        for place, answer in enumerate(generation.answers[: fmt.k])
        if answer is not None
    ]
    before = [] if not text or generation.answers == (text,) else [text]
    return "\n".join(before + answers)


def _aligned(values: tuple[Any, ...] | None, k: int) -> tuple[Any, ...] | None:
    """Give exactly ``k`` values, None in place of those that are not there."""
    return None if values is None else (*values[:k], *(None,) * (k - len(values)))


def _digest(content: bytes, size: int) -> bytes:
    return blake2b(content, digest_size=size).digest()


def put_in_place(written: Path, out: Path, record: dict[str, Any]) -> None:
    """Make what was written the run directory ``out``, unless the same import did so before.

    Raises:
        UserError: if ``out`` holds anything else.
        StorageError: if it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose another place with --out.")
    if out.is_dir() and any(out.iterdir()):
        _check_same(written, out, record)
        return
    try:
        (written / RUN).write_bytes(dump_json(record))
        written.rename(out)
    except OSError as error:
        raise storage_error(out, error) from error


def _check_same(written: Path, out: Path, record: dict[str, Any]) -> None:
    before = RunDirectory(out).read_run()
    changed = _names(differences(identity(before), identity(record)))
    changed += [
        str(name)
        for name in (EXAMPLES, COMPLETIONS)
        if not (out / name).is_file() or not filecmp.cmp(written / name, out / name, shallow=False)
    ]
    if changed:
        raise UserError(
            f"{out} holds another run (they differ in {', '.join(changed)}); choose another directory "
            f"with --out, or delete this one."
        )


def _names(changed: Iterable[tuple[str, Any, Any]]) -> list[str]:
    return [name for name, _, _ in changed]
