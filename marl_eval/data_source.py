"""Where a task's data is: the path the user gave, a folder of prepared data, or the Hub."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Generic, TypeVar

from marl_eval.errors import UserError
from marl_eval.rows import File, Make, make_rows, read_rows

T = TypeVar("T")

DATA = "MARL_EVAL_DATA"
"""The environment variable that names a folder with a folder or file for each task."""

AUTO = "auto"
"""The split that stands for the first of a task's splits for which there is a file."""

GIVEN = "given"
"""The split of a file whose name tells none."""


@dataclass(frozen=True, slots=True)
class Published:
    """How the data of ``task`` is published.

    ``files`` gives for each split the names of its files (patterns such as ``dev*.json``), those to
    prefer first; a name may also end in ``.gz`` or ``.zip``. ``hub`` gives for each split its
    configuration and split in ``repository``. ``remedy`` is a sentence with the command that gets it.
    """

    task: str
    files: Mapping[str, Sequence[str]]
    repository: str
    hub: Mapping[str, tuple[str | None, str]]
    remedy: str


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was made of each row, the split, and what was read without the folders of one machine."""

    made: list[T]
    split: str
    source: str


def read_published(published: Published, data: Path | None, split: str, make: Make[T]) -> Found[T]:
    """Read one split of a task's data from wherever it is.

    Looked for, in this order: ``data``, the task's folder in ``MARL_EVAL_DATA``, the Hub.

    Raises:
        UserError: if there is none, telling what was tried, or if it cannot be read.
        RowErrorsError: with the place of each row of which nothing could be made.
    """
    local = local_data(published.task, data)
    if local is not None:
        name, file = find_file(local, published.files, split)
        return Found(read_rows(file, make), name, file.name)
    name = next(iter(published.hub)) if split == AUTO else split
    config, hub_split = published.hub[name]
    with hub_errors(published.task, published.repository, published.remedy):
        from datasets import load_dataset

        rows: Iterable[Any] = load_dataset(published.repository, config, split=hub_split)
    return Found(
        make_rows(hub_places(published.repository, rows), make), name, published.repository
    )


def hub_places(repository: str, rows: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Give each row of a data set of the Hub with its place."""
    for number, row in enumerate(rows, start=1):
        yield f"{repository}, row {number}", row


def local_data(task: str, data: Path | None) -> Path | None:
    """Give where the data of ``task`` lies on this machine: ``data``, or ``MARL_EVAL_DATA/<task>``.

    None if neither was given, so that the Hub is left to try.

    Raises:
        UserError: if ``data`` was given and is not there.
    """
    if data is not None:
        if not data.exists():
            raise UserError(f"There is no data at {data}; --data takes a file or a folder.")
        return data
    if DATA in os.environ:
        candidate = Path(os.environ[DATA]) / task
        return candidate if candidate.exists() else None
    return None


def find_file(data: Path, files: Mapping[str, Sequence[str]], split: str) -> tuple[str, File]:
    """Give the split and the file: ``data`` itself, or the one of that split in a folder or zip.

    Raises:
        UserError: if there is no such file, or more than one, or it is of another split.
    """
    held = _held(data)
    if held is None or (data.is_file() and len(held) == 1):
        file: File = data if held is None else held[0]
        return _split_of(file, files, split), file
    for name in files if split == AUTO else (split,):
        for pattern in files[name]:
            matching = [file for file in held if _matches(file, pattern)]
            if len(matching) > 1:
                told = ", ".join(sorted(str(file) for file in matching))
                raise UserError(f"{data} holds {told}; give the one to read with --data.")
            if matching:
                return name, matching[0]
    wanted = [pattern for name in files if split in (AUTO, name) for pattern in files[name]]
    raise UserError(
        f"{data} holds no {' or '.join(wanted)} (bare, .gz or .zip). "
        f"Give the file itself with --data, or another of the splits {', '.join(files)} "
        f"with --task-args split=NAME."
    )


def _held(data: Path) -> Sequence[File] | None:
    """Give the files in a folder, or in a zip; None for any other file."""
    if data.is_dir():
        return sorted(path for path in data.rglob("*") if path.is_file())
    if zipfile.is_zipfile(data):
        archive = zipfile.ZipFile(data)
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        return [zipfile.Path(archive, name) for name in names]
    return None


def _split_of(file: File, files: Mapping[str, Sequence[str]], split: str) -> str:
    told = [name for name, patterns in files.items() if any(_matches(file, p) for p in patterns)]
    if split == AUTO:
        return told[0] if told else GIVEN
    if told and split not in told:
        raise UserError(
            f"{file} is the split {told[0]!r} by its name, not {split!r}; "
            f"leave out split={split} or give the other file with --data."
        )
    return split


def _matches(file: File, pattern: str) -> bool:
    bare = file.name.removesuffix(".gz").removesuffix(".zip")
    return fnmatchcase(bare, pattern)


@contextmanager
def hub_errors(task: str, repository: str, remedy: str) -> Iterator[None]:
    """Turn whatever the Hub's clients raise into one sentence with the remedy.

    Only calls of these clients belong in its block: they raise errors of many unrelated types.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"The data of {task} was not given (--data), is not in {DATA}/{task}, and the Hugging "
            f"Face Hub did not give {repository} ({type(error).__name__}). {remedy}"
        ) from error
