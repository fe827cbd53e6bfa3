"""Evaluate language models that give several answers, each with a confidence, in one generation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marl_eval.run import RunResult, evaluate, score
    from marl_eval.settings import RunSettings

__all__ = ["RunResult", "RunSettings", "evaluate", "score"]

_HOMES = {
    "RunResult": "marl_eval.run",
    "RunSettings": "marl_eval.settings",
    "evaluate": "marl_eval.run",
    "score": "marl_eval.run",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that importing the package is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'marl_eval' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
