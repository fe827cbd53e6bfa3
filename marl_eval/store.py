"""The run directory: which file holds what, and how each is written.

``run.json`` and ``examples.jsonl`` are written whole (a temporary file, then a rename) before the first
request and never again; completions, failures and judgements are appended (``marl_eval.lines``); what is
computed from them is written whole, as often as it is computed. One process writes at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
from numpy.typing import NDArray

from marl_eval.errors import UserError, storage_error
from marl_eval.lines import json_line, line_offsets
from marl_eval.types import Example

RUN, EXAMPLES, ERRORS = "run.json", "examples.jsonl", "errors.jsonl"
COMPLETIONS = Path("completions") / "part-0.jsonl"
JUDGEMENTS = "judgements.jsonl"
LOCK = ".lock"
_EXAMPLES = msgspec.json.Decoder(Example)
SCORES, RESULTS, MACHINE = "scores.parquet", "results.json", "machine.json"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either absent (or as before) or whole, never torn.

    Raises:
        StorageError: if it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise storage_error(path, error) from error


def dump_json(value: Any) -> bytes:
    """Write a value as JSON for people: indented, keys in the order given, one newline at the end."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(value, option=options)


@contextlib.contextmanager
def held(folder: Path, within: Sequence[Path] = ()) -> Iterator[None]:
    """Make a folder, with others ``within`` it, and hold it for writing.

    Raises:
        UserError: if it cannot be written, or another process is writing it.
    """
    try:
        for part in (Path(), *within):
            (folder / part).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise UserError(
            f"The run directory {folder} cannot be written ({error.strerror}); "
            f"choose another with --out."
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UserError(
            f"Another process is writing {folder}; wait for it or choose another with --out."
        ) from None
    else:
        yield
    finally:
        os.close(descriptor)


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def completions(self) -> Path:
        """The file of completions."""
        return self.path / COMPLETIONS

    @property
    def errors(self) -> Path:
        """The file of requests that failed for good."""
        return self.path / ERRORS

    @property
    def judgements(self) -> Path:
        """The file of what a judge found of answers."""
        return self.path / JUDGEMENTS

    def read_run(self) -> dict[str, Any]:
        """Read ``run.json``.

        Raises:
            UserError: if this is not a run directory.
        """
        file = self.path / RUN
        try:
            value: dict[str, Any] = orjson.loads(file.read_bytes())
        except FileNotFoundError:
            raise UserError(
                f"{self.path} is not a run directory: it has no {RUN}. "
                f"A run directory is what 'marl-eval run' writes."
            ) from None
        except (OSError, orjson.JSONDecodeError) as error:
            raise UserError(f"{file} cannot be read: {error}.") from error
        return value

    def read_sessions(self) -> list[dict[str, Any]]:
        """Read the file of clocks and machines: an entry for each time that the run went on."""
        try:
            sessions: list[dict[str, Any]] = orjson.loads((self.path / MACHINE).read_bytes())
        except FileNotFoundError:
            return []
        return sessions

    def write_examples(self, examples: Sequence[Example]) -> None:
        """Write the examples, so that the run can be scored where the data is not."""
        write_whole(self.path / EXAMPLES, b"".join(map(json_line, examples)))

    def example_offsets(self) -> NDArray[np.int64]:
        """Give where each example begins in the file, and its end.

        Raises:
            UserError: if the file is missing.
        """
        try:
            return line_offsets(self.path / EXAMPLES)
        except FileNotFoundError:
            raise UserError(
                f"{self.path} lacks {EXAMPLES}: the run was stopped before it began, or the file was "
                f"removed. Give the command of the run again."
            ) from None

    def read_examples(self, offsets: NDArray[np.int64], rows: slice) -> list[Example]:
        """Read some of the examples.

        Raises:
            UserError: if the file is damaged.
        """
        bounds = offsets[rows.start : rows.stop + 1]
        with (self.path / EXAMPLES).open("rb") as file:
            file.seek(int(bounds[0]))
            block = file.read(int(bounds[-1] - bounds[0]))
        try:
            return _EXAMPLES.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UserError(f"{self.path / EXAMPLES} is damaged: {error}.") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for writing.

        Raises:
            UserError: if it cannot be written, or another process is writing it.
        """
        with held(self.path, (COMPLETIONS.parent,)):
            yield
