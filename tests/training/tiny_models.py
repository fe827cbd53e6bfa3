"""A tiny model for the tests of training, warmed up for a moment, and commands to train it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from marl_eval.answers import AnswerFormat
from marl_eval.plugins import load_task
from marl_eval.training.grpo import train
from marl_eval.training.settings import SftSettings, TrainSettings, make_training_settings
from marl_eval.training.sft import sft
from marl_eval.training.tiny import make_tiny

WORDING = "{question}\n{k} {confidence}\n"
TASK_ARGS = {"examples": 64, "conditions": 6, "findings": 6}
SHORT = {"activation_checkpointing": False, "per_device_train_batch_size": 16}
TRL = {
    **SHORT,
    "num_generations": 4,
    "gradient_accumulation_steps": 1,
    "learning_rate": 1e-3,
    "max_steps": 4,
    "save_steps": 2,
}


def untrained(folder: Path) -> Path:
    """Write an untrained model for small patients, and the wording that it is asked in."""
    folder.mkdir(exist_ok=True)
    (folder / "wording.txt").write_text(WORDING)
    task = load_task("ddxsim")
    dataset = task.load(None, task.options(**{**TASK_ARGS, "examples": 400}))
    fmt = AnswerFormat(1, noun=task.noun)
    make_tiny(folder / "raw", dataset.examples, fmt, WORDING, seed=0)
    return folder / "raw"


def warmed_up(folder: Path) -> Path:
    """Write a model that often answers in the format."""
    raw = untrained(folder)
    values = {
        **common(folder, raw),
        "answers": "drawn",
        "repeats": 0.5,
        "confidences": "random",
        "restate": "(?<=has:)[^.]*",
        "task_args": {**TASK_ARGS, "examples": 4000},
        "out": folder / "base",
        "trl": {
            "activation_checkpointing": False,
            "per_device_train_batch_size": 32,
            "max_steps": 300,
            "learning_rate": 3e-3,
            "lr_scheduler_type": "cosine",
            "save_steps": 1000,
        },
    }
    sft(make_training_settings(SftSettings, values))
    return folder / "base"


def common(folder: Path, model: Path) -> dict[str, Any]:
    return {
        "model": str(model),
        "task": "ddxsim",
        "task_args": TASK_ARGS,
        "prompt": folder / "wording.txt",
        "max_tokens": 80,
        "model_args": {"chat": "no"},
    }


def train_settings(base: Path, out: Path, **changes: Any) -> TrainSettings:
    values: dict[str, Any] = {
        **common(base.parent, base),
        "method": "rlcr-multi",
        "temperature": 1.0,
        "held_out": 8,
        "out": out,
        **changes,
    }
    values["trl"] = {**TRL, **changes.get("trl", {})}
    return make_training_settings(TrainSettings, values)


def trained(base: Path, out: Path, **changes: Any) -> Path:
    return train(train_settings(base, out, **changes)).path


def command(settings: TrainSettings) -> list[str]:
    """Give the arguments of ``marl-eval`` that train so."""
    import yaml

    file = settings.out.with_suffix(".yaml")
    values = settings.model_dump(mode="json", exclude_none=True)
    file.write_text(yaml.safe_dump(values))
    return ["train", "--config", str(file)]


def started(arguments: list[str], **environment: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from marl_eval.cli import main; main()"]
    return subprocess.Popen(
        [*program, *arguments],
        env={**os.environ, **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def weights(checkpoint: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    found: Mapping[str, np.ndarray[Any, Any]] = load_file(checkpoint / "model.safetensors")
    return found


def same_weights(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
