"""What a run is asked for if its model has a card: what the checkpoint was trained for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from marl_eval.backends.checkpoint import with_adapter
from marl_eval.plugins import found
from marl_eval.shipped import shipped_checkpoint
from marl_eval.strategies import DEFAULT_K, Strategy
from marl_eval.training.card import Card, asked_as_trained, over_defaults, read_card

_TOLD = ("confidence", "reasoning", "analysis", "prompt")


def with_checkpoint_defaults(values: Mapping[str, Any]) -> dict[str, Any]:
    """Add to the settings that a user gave those that the card of their model knows.

    What the user gave goes first; that the checkpoint is then asked otherwise than it was trained is
    said. The folder of an adapter stands for its model with the adapter.

    Raises:
        UserError: if the card cannot be read.
    """
    model = values.get("model")
    if not isinstance(model, str):
        return dict(values)
    before, name = _parts(model)
    folder = Path(name) if Path(name).is_dir() else shipped_checkpoint(name)
    card = None if folder is None else read_card(folder)
    if folder is None or card is None:
        return dict(values)
    asks = dict(asked_as_trained(card, folder, str(values.get("task"))))
    if "strategy" in values:
        # The number of answers of one strategy is not meant for another.
        trained = asks.pop("strategy", None)
        if str(values["strategy"]) != str(trained):
            asks.pop("k", None)
    model_args = asks.pop("model_args", {})
    merged = over_defaults(asks, values)
    if _runs_checkpoints(before, values.get("backend")):
        # A server has its own way to ask, and its own adapters.
        base, own = with_adapter(name, {**model_args, **values.get("model_args", {})})
        merged |= {"model": f"{before}{base}", "model_args": own}
    _tell(card, folder, merged)
    return merged


def _parts(model: str) -> tuple[str, str]:
    """Divide a model into what names its backends, with their colons, and its own name."""
    before, (head, colon, rest) = "", model.partition(":")
    while colon and head in found("backends"):
        before, model = f"{before}{head}:", rest
        head, colon, rest = model.partition(":")
    return before, model


def _runs_checkpoints(before: str, backend: Any) -> bool:
    """Whether the innermost backend that is named takes the settings of a checkpoint."""
    name = before.split(":")[-2] if before else backend
    if name is None:
        return True
    point = found("backends").get(str(name))
    return point is not None and bool(
        getattr(import_module(point.module), "RUNS_CHECKPOINTS", False)
    )


def _tell(card: Card, folder: Path, values: Mapping[str, Any]) -> None:
    """Say where a checkpoint is asked otherwise than it was trained."""
    trained = dict(asked_as_trained(card, folder, str(values.get("task"))))
    other = [
        f"{name} {values[name]} (trained: {trained[name]})"
        for name in _TOLD
        if name in trained and values.get(name) != trained[name]
    ]
    if "strategy" in trained:
        own, wanted = (_answers(asked) for asked in (trained, {**trained, **values}))
        if own != wanted:
            other.insert(0, f"{wanted} answers in a generation (trained: {own})")
    if other:
        logging.getLogger("marl_eval").warning(
            "marl-eval: %s was trained by %s, and is asked otherwise than it was trained: %s.",
            folder.name,
            card.method.value if card.method else card.made_by,
            "; ".join(other),
        )


def _answers(asked: Mapping[str, Any]) -> Any:
    """Give the number of answers in one generation, as it is asked for; it is checked later."""
    several = asked["strategy"] == Strategy.MULTI
    return asked.get("k") or DEFAULT_K[Strategy.MULTI] if several else 1
