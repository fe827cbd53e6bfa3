"""What the runs of a figure are called: short, and each by another name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_LONG = 24
_LONGEST = 40
_TELLING = ["task", "n", "temperature", "seed", "limit", "shots", "confidence", "reasoning"]
"""Settings that tell apart runs of one model, strategy and k."""


def labels(runs: Sequence[Path]) -> dict[Path, str]:
    """Name each run once: by its directory, or, where that is long or not unique, by what it is.

    What it is: model, strategy and k, then the settings that differ between runs that agree in these.
    Runs of different examples are told apart by task and hash of the data as well, for they cannot
    be compared. Control characters are made visible.
    """
    from marl_eval.inert import inert
    from marl_eval.store import RunDirectory

    records = {run: RunDirectory(run).read_run() for run in runs}
    settings = {run: record["settings"] for run, record in records.items()}
    names = {run: run.absolute().name for run in settings}
    if len(set(names.values())) < len(names) or max(map(len, names.values()), default=0) > _LONG:
        names = _told(settings, names)
    data = {run: _data(record) for run, record in records.items()}
    if len(set(data.values())) > 1:
        names = {run: f"{name} ({data[run]})" for run, name in names.items()}
    return {run: _shown(inert(name)) for run, name in names.items()}


def _told(settings: Mapping[Path, Any], names: Mapping[Path, str]) -> dict[Path, str]:
    told = {
        run: f"{_short(str(own['model']))}, {own['strategy']}, k = {own['k']}"
        for run, own in settings.items()
    }
    for name in _TELLING:
        again = Counter(told.values())
        alike = {
            label: {str(settings[run].get(name)) for run in told if told[run] == label}
            for label in told.values()
        }
        told = {
            run: f"{label}, {name} = {settings[run].get(name)}"
            if again[label] > 1 and len(alike[label]) > 1
            else label
            for run, label in told.items()
        }
    again = Counter(told.values())
    numbers: Counter[str] = Counter()
    for run, label in list(told.items()):
        if again[label] > 1:
            numbers[label] += 1
            told[run] = f"{label}, {_short(names[run])} ({numbers[label]})"
    return told


def _data(record: Mapping[str, Any]) -> str:
    task = record["task"]
    return f"{task['name']} {task['sha256'][:8]}"


def _short(model: str) -> str:
    """Give the last part of a model's name, its middle left out if it is long."""
    name = Path(model).name or model
    if len(name) <= _LONGEST:
        return name
    half = _LONGEST // 2 - 1
    return f"{name[:half]}…{name[-half:]}"


def _shown(label: str) -> str:
    """Keep a label in one line, and in the legend, which leaves out names that begin with ``_``."""
    line = " ".join(label.split())
    return f" {line}" if line.startswith("_") else line
