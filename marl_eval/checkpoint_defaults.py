"""What a run is asked for if its model has a card: what the checkpoint was trained for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marl_eval.backends.checkpoint import with_adapter
from marl_eval.plugins import found
from marl_eval.shipped import shipped_checkpoint
from marl_eval.strategies import Strategy
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
    before, name = _parts(model, values.get("backend"))
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
    model_args = {**asks.pop("model_args", {}), **values.get("model_args", {})}
    base, model_args = with_adapter(str(folder), model_args)
    merged = {**over_defaults(asks, values), "model_args": model_args}
    if card.adapter:
        merged["model"] = f"{before}{base}"
    _tell(card, folder, merged)
    return merged


def _parts(model: str, backend: Any) -> tuple[str, str]:
    """Divide a model into what names its backends and its own name."""
    before = ""
    while backend is None or before or backend == "ray":
        head, colon, rest = model.partition(":")
        if not colon or head not in found("backends"):
            break
        before, model, backend = f"{before}{head}:", rest, None
    return before, model


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


def _answers(asked: Mapping[str, Any]) -> int:
    """Give the number of answers in one generation."""
    several = Strategy(asked["strategy"]) is Strategy.MULTI
    return int(asked.get("k") or 3) if several else 1
