"""Leaving out of a batch the padding that none of its generations needs.

TRL pads all generations of a step to the longest of them, and then splits them into batches. So one that
runs on and on would cost every batch as much as its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from trl import GRPOTrainer

_ONE_A_TOKEN = (
    "completion_ids",
    "completion_mask",
    "tool_mask",
    "old_per_token_logps",
    "ref_per_token_logps",
    "sampling_per_token_logps",
    "importance_sampling_ratio",
)
"""What TRL gives to the loss for each token of a generation, [batch, tokens]."""


class TrimmingTrainer(GRPOTrainer):
    """TRL's trainer with batches that are each as wide as their own longest generation."""

    def _prepare_inputs(self, generation_batch: dict[str, Any]) -> dict[str, Any]:
        return trimmed(super()._prepare_inputs(generation_batch))


def trimmed(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Give a batch without the columns in which none of its generations has a token left."""
    mask: Tensor = inputs["completion_mask"]
    longest = max(1, int(mask.sum(1).max()))
    return {
        name: value[:, :longest] if name in _ONE_A_TOKEN and value is not None else value
        for name, value in inputs.items()
    }
