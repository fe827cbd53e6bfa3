"""A task that is a Python file: loading it, and telling the line at which it goes wrong."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from marl_eval.errors import UserError
from marl_eval.task import Dataset, Task
from marl_eval.types import Example, Gold

NAME = "TASK"
"""What a file calls its task, if it has several."""
MODULE = "marl_eval_task_file_"
"""What the module of a task file is called here, before its hash; it is found in no other process."""

Load = Callable[[Path | None, Any], Dataset]


def read_code(path: Path) -> tuple[bytes, str]:
    """Read a file that is not yet run; give its content and SHA-256.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"The task file {path} cannot be read ({error.strerror}).") from error
    return content, hashlib.sha256(content).hexdigest()


def run_code(path: Path, content: bytes, sha256: str) -> Task:
    """Run what was read of a file, and give the task that it defines.

    The file stands alone, as its hash must tell all of it: modules beside it cannot be imported.

    Raises:
        UserError: if it cannot be run, saying at which line, or defines no task or several.
    """
    module = ModuleType(f"{MODULE}{sha256}")
    module.__file__ = str(path)
    # Typed records look up their module by name.
    sys.modules[module.__name__] = module
    try:
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit) as error:
        raise _told(path, error) from error
    task = _only_task(path, vars(module))
    return replace(task, load=_guarded(path, task.load))


def _only_task(path: Path, names: dict[str, Any]) -> Task:
    if NAME in names:
        task = names[NAME]
        if not isinstance(task, Task):
            raise UserError(
                f"In {path}, {NAME} is of the type {type(task).__name__}, not a marl_eval.task.Task."
            )
        return task
    found = {name: value for name, value in names.items() if isinstance(value, Task)}
    different = {id(task): task for task in found.values()}
    if not different:
        raise UserError(f"{path} defines no task: it must hold {NAME} = Task(...).")
    if len(different) > 1:
        raise UserError(
            f"{path} has several tasks ({', '.join(found)}): call the one that is meant {NAME}."
        )
    return next(iter(different.values()))


def _guarded(path: Path, load: Load) -> Load:
    """Load the examples so that a mistake in the file is told with its line, and a wrong type too."""

    def guarded(data: Path | None, options: Any) -> Dataset:
        try:
            dataset = load(data, options)
        except (UserError, MemoryError):
            raise
        except Exception as error:
            raise _told(path, error) from error
        if not isinstance(dataset, Dataset):
            raise UserError(
                f"The load of {path} gives a {type(dataset).__name__}, not a marl_eval.task.Dataset."
            )
        for example in dataset.examples:
            _check_example(path, example)
        return dataset

    return guarded


def _check_example(path: Path, example: Any) -> None:
    if not isinstance(example, Example):
        raise UserError(
            f"The examples of {path} must be marl_eval.types.Example, and one is a "
            f"{type(example).__name__}."
        )
    gold: Any = example.gold
    if not isinstance(gold, tuple) or not all(isinstance(one, Gold) for one in gold):
        raise UserError(
            f"The example {example.id!r} of {path} has a gold set that is no tuple of "
            f"marl_eval.types.Gold."
        )


def _told(path: Path, error: BaseException) -> UserError:
    line = _line(path, error)
    where = f"{path}, line {line}" if line is not None else f"{path}"
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    what = " ".join(f"{type(error).__name__}: {message}".split()).rstrip(":. ")
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = (
            " Install it; what lies beside a task file cannot be imported: "
            "make a package of several files."
        )
    return UserError(f"The task file {where}: {what}.{hint}")


def _line(path: Path, error: BaseException) -> int | None:
    """Give the last line of the file itself that was at work."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    found = None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
