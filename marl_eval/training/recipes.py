"""Reading the settings of a training from a file of the user's, or from a recipe by its name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from marl_eval.errors import unknown
from marl_eval.settings import read_config

FOLDER = Path(str(files("marl_eval.recipes")))


def recipe_names() -> list[str]:
    """Name the shipped recipes."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def read_recipe(name: str) -> dict[str, Any]:
    """Read settings from a YAML file, or from the shipped recipe of that name.

    A relative ``prompt`` lies beside the file.

    Raises:
        UserError: if there is neither, or it cannot be read.
    """
    path = Path(name)
    if not path.exists():
        if name not in recipe_names():
            raise unknown("file or recipe", name, recipe_names())
        path = FOLDER / f"{name}.yaml"
    values = read_config(path)
    if isinstance(values.get("prompt"), str):
        values["prompt"] = path.parent / values["prompt"]
    return values
