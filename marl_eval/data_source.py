"""Where a task's data is: the path the user gave, a folder of prepared data, or the Hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marl_eval.errors import UserError

DATA = "MARL_EVAL_DATA"
"""The environment variable that names a folder with a folder or file for each task."""


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


@contextmanager
def hub_errors(task: str, repository: str, remedy: str) -> Iterator[None]:
    """Turn whatever the Hub's clients raise into one sentence with the remedy."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"The data of {task} was not given (--data), is not in {DATA}/{task}, and the Hugging "
            f"Face Hub did not give {repository} ({type(error).__name__}). {remedy}"
        ) from error
