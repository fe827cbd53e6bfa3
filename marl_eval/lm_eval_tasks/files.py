"""The files by which lm-eval finds our tasks: one for each installed task and strategy."""

from __future__ import annotations

import hashlib
import os
import re
from importlib.metadata import version
from pathlib import Path

from marl_eval.errors import UserError, storage_error
from marl_eval.plugins import found
from marl_eval.store import write_whole
from marl_eval.strategies import Strategy

_FILE = """\
# Written by marl-eval lm-eval-path, which writes it anew whenever it is not as here.
task: {name}
tag: {tag}
class: !function marl_eval.lm_eval_tasks.task.MarlTask
metadata:
  version: "{version}"
  marl_eval_task: {task}
  marl_eval_strategy: {strategy}
"""


def lm_eval_name(task: str, strategy: Strategy | None = None) -> str:
    """Name a task for lm-eval; without a strategy, what stands for all of its strategies."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", task.replace("+", "_plus"))
    return f"marl_{plain}" if strategy is None else f"marl_{plain}_{strategy.replace('-', '_')}"


def write_files() -> Path:
    """Write the files, if they are not there yet, and give their folder for ``--include_path``.

    It lies under ``XDG_CACHE_HOME`` (``~/.cache`` if not set) and is named by what it holds, so that
    other versions and other sets of installed tasks have folders of their own.

    Raises:
        UserError: if two installed tasks would have the same name in lm-eval.
        StorageError: if a file cannot be written.
    """
    files: dict[str, bytes] = {}
    for task in found("tasks"):
        for strategy in Strategy:
            name = lm_eval_name(task, strategy)
            if f"{name}.yaml" in files:
                raise UserError(
                    f"Two installed tasks would be {name!r} in lm-eval, one of them {task!r}: one of "
                    f"them needs another name."
                )
            files[f"{name}.yaml"] = _FILE.format(
                name=name,
                tag=lm_eval_name(task),
                version=version("marl-eval"),
                task=task,
                strategy=strategy.value,
            ).encode()
    held = hashlib.sha256(b"".join(files.values())).hexdigest()[:16]
    folder = _cache() / "marl-eval" / "lm-eval-tasks" / held
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            file = folder / name
            if not file.is_file() or file.read_bytes() != content:
                write_whole(file, content)
    except OSError as error:
        raise storage_error(folder, error) from error
    return folder


def _cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return Path(cache) if cache else Path.home() / ".cache"
