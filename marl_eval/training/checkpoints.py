"""The checkpoints of a training: which are whole, and from which it goes on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import orjson

from marl_eval.training.card import CARD

CURVE = "curve.jsonl"
_NAME = re.compile(r"checkpoint-(\d+)")


def last_whole(out: Path) -> tuple[Path, int] | None:
    """Give the last whole checkpoint and its step, and remove those that were left half written."""
    found = []
    for path in out.glob("checkpoint-*"):
        name = _NAME.fullmatch(path.name)
        if name is None:
            continue
        if (path / CARD).exists():
            found.append((path, int(name[1])))
        else:
            shutil.rmtree(path)
    return max(found, key=lambda pair: pair[1], default=None)


def cut_curve(out: Path, step: int) -> None:
    """Take from the curve what was written after ``step``, which is made again; a torn line with it."""
    file = out / CURVE
    kept = [line for line in read_curve(out) if line["step"] <= step]
    temporary = file.with_suffix(".tmp")
    temporary.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in kept))
    temporary.replace(file)


def add_to_curve(out: Path, line: dict[str, float]) -> None:
    """Add a line to the curve."""
    with (out / CURVE).open("ab") as file:
        file.write(orjson.dumps(line) + b"\n")


def read_curve(out: Path) -> list[dict[str, float]]:
    """Read the curve of a training: what was logged, a line each time; none if there is none yet."""
    lines: list[dict[str, float]] = []
    try:
        content = (out / CURVE).read_bytes()
    except FileNotFoundError:
        return lines
    for line in content.splitlines():
        try:
            lines.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            break
    return lines
