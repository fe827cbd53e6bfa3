"""From what the user calls a task, or from a run, to the task: an installed one or one in a file.

A file is a Python file (``python_task``) or a YAML file (``data_task``).
``run.json`` keeps of it what ``Task.origin`` says: of Python, the name and SHA-256 of the file; of pure
data, all that grading needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from marl_eval.errors import UserError
from marl_eval.plugins import found, load_task
from marl_eval.task import Task
from marl_eval.task_files.consent import given_places, note_given
from marl_eval.task_files.data_task import load_data_task, task_of_definition
from marl_eval.task_files.python_task import read_code, run_code

PYTHON, YAML = (".py",), (".yaml", ".yml")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def find_task(named: str) -> Task:
    """Give an installed task by name, or the task of a file, which the user has said to run.

    Raises:
        UserError: if there is none, or the file does not hold a task.
    """
    if named in found("tasks") or not _is_file(named):
        return load_task(named)
    path = Path(named)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise UserError(
            f"The task file {path} {what}; --task takes a name, or a .py or .yaml file."
        )
    if path.suffix in YAML:
        return load_data_task(path)
    return _run_given(path)


def task_of(record: Mapping[str, Any], given: Task | Path | str | None = None) -> Task:
    """Give the task of a run, as its ``run.json`` tells of it.

    ``given`` is the task itself where it is at hand, or the Python file of which it was made. Code is
    run only if its hash is that of the run, and only if this user gave it, now or before: never
    because a run directory says so.

    Raises:
        UserError: if the task is not installed here, or its file is needed and not at hand.
    """
    if isinstance(given, Task):
        return given
    told = record["task"]
    if "file" not in told:
        if given is not None:
            raise UserError(
                f"This run needs no file to be graded, as its task {told['name']!r} is none in "
                f"Python: leave out --task {given}."
            )
        if "definition" in told:
            return task_of_definition(told["name"], told["definition"])
        return load_task(told["name"])
    name, sha256 = str(told["file"]["name"]), str(told["file"]["sha256"])
    if given is not None:
        return _run_given(Path(given), sha256)
    for place in given_places(sha256):
        if place.is_file() and read_code(place)[1] == sha256:
            return _run_given(place, sha256)
    raise UserError(
        f"This run was made with the task file {name!r}, whose SHA-256 is {sha256!r}, and you have "
        f"given no such file here before, or it has changed since: give it once with "
        f"'marl-eval score RUN --task FILE'."
    )


def _is_file(named: str) -> bool:
    path = Path(named)
    return path.suffix in PYTHON + YAML or len(path.parts) > 1 or path.exists()


def _run_given(path: Path, wanted: str | None = None) -> Task:
    """Run a Python file that the user gave, if it is the one that is wanted."""
    if path.suffix not in PYTHON:
        raise UserError(f"A task file is a .py, .yaml or .yml file, which {path} is not.")
    content, sha256 = read_code(path)
    if wanted is not None and sha256 != wanted:
        raise UserError(
            f"{path} is not the task file of this run, or has changed since: its SHA-256 is "
            f"{sha256}, and the run was made with {wanted!r}."
        )
    task = run_code(path, content, sha256)
    if not _NAME.fullmatch(task.name):
        raise UserError(
            f"The task of {path} is called {task.name!r}; its name may have letters, digits and . _ + -"
        )
    note_given(path, sha256)
    return replace(task, origin={"file": {"name": path.name, "sha256": sha256}})
