"""The pieces of work of a reproduction, each in a process of its own, and gone on with if stopped."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marl_eval.errors import UserError
from marl_eval.reproduction.recipe import Recipe
from marl_eval.store import RESULTS
from marl_eval.yaml_file import merged

RAW, BASE, RUNS, WORDING = "raw", "base", "runs", "wording.txt"


@dataclass(frozen=True, slots=True)
class Place:
    """One seed of a reproduction: its recipe and folder, and the threads of each piece of work."""

    recipe: Recipe
    folder: Path
    seed: int
    threads: int

    def run_folder(self, name: str) -> Path:
        """Give the run directory of a condition."""
        return self.folder / RUNS / name


def warm_up(place: Place) -> None:
    """Make the tiny model and warm it up."""
    _begin(place.threads)
    from marl_eval.answers import AnswerFormat
    from marl_eval.task import read_options
    from marl_eval.task_files import find_task
    from marl_eval.training.card import CARD
    from marl_eval.training.settings import SftSettings, make_training_settings
    from marl_eval.training.sft import sft
    from marl_eval.training.tiny import make_tiny

    recipe, folder = place.recipe, place.folder
    if (folder / BASE / CARD).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / WORDING).write_text(recipe.wording, encoding="utf-8")
    task = find_task(recipe.task)
    args = {**task.train_args, **recipe.warm_up.get("task_args", {})}
    dataset = task.load(None, read_options(task, args))
    fmt = AnswerFormat(k=1, sum_to_one=dataset.exclusive, noun=task.noun, form=task.form)
    if not (folder / BASE).exists():
        make_tiny(
            folder / RAW,
            dataset.examples,
            fmt,
            recipe.wording,
            seed=place.seed,
            phrases=recipe.phrases,
        )
    values = merged(
        recipe.warm_up,
        {"model": str(folder / RAW), "out": folder / BASE, **_common(place)},
    )
    sft(make_training_settings(SftSettings, values))


def train(place: Place, name: str) -> None:
    """Train one of the checkpoints from the warmed-up model."""
    _begin(place.threads)
    from marl_eval.training.grpo import train
    from marl_eval.training.settings import TrainSettings, make_training_settings

    recipe = place.recipe
    values = merged(
        merged(recipe.train, recipe.comparison.models[name].train),
        {"model": str(place.folder / BASE), "out": place.folder / name, **_common(place)},
    )
    train(make_training_settings(TrainSettings, values))


def run(place: Place, name: str) -> None:
    """Make and score one of the runs."""
    _begin(place.threads)
    from marl_eval.run import evaluate
    from marl_eval.settings import make_settings

    folder = place.run_folder(name)
    if (folder / RESULTS).exists():
        return
    condition = place.recipe.comparison.runs[name]
    # Asked otherwise than it was trained is what some conditions are for.
    logging.getLogger("marl_eval").setLevel(logging.ERROR)
    values = {
        **place.recipe.run,
        **condition.run,
        "model": f"hf:{place.folder / condition.model}",
        "task": place.recipe.task,
        "seed": place.seed,
        "out": folder,
    }
    result = evaluate(make_settings(values))
    if not result.results.complete:
        raise UserError(f"Some requests of the run {folder} failed; see its errors.jsonl.")


def _common(place: Place) -> dict[str, Any]:
    return {"task": place.recipe.task, "prompt": place.folder / WORDING, "seed": place.seed}


def _begin(threads: int) -> None:
    """Set this process up: its threads, and nothing told that many pieces of work would repeat."""
    import torch
    from transformers.utils import logging as transformers_logging

    torch.set_num_threads(threads)
    transformers_logging.disable_progress_bar()
    logging.getLogger("marl_eval").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", FutureWarning)
