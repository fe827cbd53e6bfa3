"""The card of a checkpoint: how it was made, so that a run can ask as it was trained.

A folder without a card is a checkpoint of somebody else's, or one that was stopped while it was being
written: the card is written last.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from marl_eval.errors import UserError
from marl_eval.store import dump_json, write_whole
from marl_eval.strategies import Strategy
from marl_eval.training.method import Method

CARD = "marl_eval_card.json"
WORDING = "marl_eval_prompt.txt"
SCHEMA_VERSION = 1


class Card(BaseModel):
    """How a checkpoint was made.

    ``asks`` are the settings of a run that ask as it was trained; ``task``: name, version, hash of the
    examples, and the options of the same task to evaluate with; ``base``: the model it began from and
    its fingerprint; ``settings``: all that the training was asked for, TRL's configuration as it was
    used; ``curve``: step, reward and its parts; ``step``: of how many steps it is the result.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int
    made_by: Literal["train", "sft"]
    method: Method | None
    asks: dict[str, Any]
    format: dict[str, Any]
    task: dict[str, Any]
    base: dict[str, Any]
    adapter: bool
    seed: int
    reward_weights: dict[str, float]
    settings: dict[str, Any]
    step: int
    versions: dict[str, str]
    git: dict[str, Any] | None
    curve: list[dict[str, float]]


def write_card(folder: Path, card: Card, wording: str | None) -> None:
    """Write the card of a finished checkpoint, and before it the wording it was asked in, if not ours.

    Raises:
        StorageError: if they cannot be written.
    """
    if wording is not None:
        write_whole(folder / WORDING, wording.encode())
    write_whole(folder / CARD, dump_json(card.model_dump(mode="json")))


def read_card(folder: Path) -> Card | None:
    """Read the card of a checkpoint, None if it has none.

    Raises:
        UserError: if there is one that cannot be read.
    """
    try:
        return Card.model_validate_json((folder / CARD).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise UserError(
            f"The card {folder / CARD} cannot be read ({' '.join(str(error).split())}); it says how the "
            f"checkpoint was trained. Remove it to run the checkpoint as one of unknown training."
        ) from error


def over_defaults(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give settings over those that a card knows; of the task's options, one by one."""
    options = {**defaults.get("task_args", {}), **values.get("task_args", {})}
    return {**defaults, **values, **({"task_args": options} if options else {})}


def asked_as_trained(card: Card, folder: Path, task: str) -> Mapping[str, Any]:
    """Give the settings of a run on ``task`` that ask as the checkpoint was trained."""
    asks = dict(card.asks)
    if (folder / WORDING).exists():
        asks["prompt"] = folder / WORDING
    if task == card.task["name"]:
        asks["task_args"] = dict(card.task["args"])
    if "strategy" in asks:
        asks["strategy"] = Strategy(asks["strategy"])
    return asks
