"""The hf backend's own settings."""

from __future__ import annotations

from typing import Literal

from marl_eval.backends.checkpoint import CheckpointArguments


class Arguments(CheckpointArguments):
    """The backend's own settings (``--model-args``)."""

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
