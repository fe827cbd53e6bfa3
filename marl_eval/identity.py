"""When two runs are the same run, and what a run directory is called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson


def default_path(record: Mapping[str, Any]) -> Path:
    """Name a run directory by what is asked: the same command always finds its own run again."""
    asked = hashlib.sha256(orjson.dumps(identity(record))).hexdigest()[:8]
    settings = record["settings"]
    model = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(settings["model"]).name).strip("-")
    name = f"{settings['task']}-{model}-{settings['strategy']}-k{settings['k']}-{asked}"
    return Path("runs") / name


def identity(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give the parts of ``run.json`` that no run may change midway.

    Not the model's name and arguments: its fingerprint speaks for what they stand for.
    """
    named = ("model", "model_args")
    settings = {name: value for name, value in record["settings"].items() if name not in named}
    task = {name: record["task"][name] for name in ("name", "version", "split", "sha256")}
    if "definition" in record["task"]:
        task["definition"] = record["task"]["definition"]
    if "file" in record["task"]:
        task["code"] = record["task"]["file"]["sha256"]
    prompt = {"sha256": record["prompt"]["sha256"]}
    return {
        "settings": settings,
        "task": task,
        "model": record["model"],
        "prompt": prompt,
        "format": record["format"],
    }


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = ""
) -> list[tuple[str, Any, Any]]:
    """List what differs, as (dotted name, value in ``old``, value in ``new``)."""
    changed: list[tuple[str, Any, Any]] = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            changed += differences(before, after, f"{prefix}{name}.")
        elif orjson.dumps(before) != orjson.dumps(after):
            changed.append((f"{prefix}{name}", before, after))
    return changed
