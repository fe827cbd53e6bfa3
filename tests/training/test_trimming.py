"""Padding that a batch does not need is not computed, and what is learned stays what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marl_eval.training import trimming
from marl_eval.training.checkpoints import read_curve
from marl_eval.training.trimming import trimmed
from tests.training.tiny_models import trained, weights


def batch(mask: list[list[int]]) -> dict[str, Any]:
    shape = torch.tensor(mask).shape
    return {
        "prompt_ids": torch.ones(shape[0], 5),
        "completion_ids": torch.arange(shape.numel()).reshape(shape),
        "completion_mask": torch.tensor(mask),
        "advantages": torch.zeros(shape[0]),
        "old_per_token_logps": None,
        "importance_sampling_ratio": torch.ones(shape[0], 1),
    }


def test_what_follows_the_last_token_of_the_longest_generation_is_cut() -> None:
    cut = trimmed(batch([[1, 0, 0, 0], [1, 1, 0, 0]]))
    assert cut["completion_ids"].tolist() == [[0, 1], [4, 5]]
    assert cut["completion_mask"].tolist() == [[1, 0], [1, 1]]
    assert cut["prompt_ids"].shape == (2, 5)
    assert cut["advantages"].shape == (2,)
    assert cut["old_per_token_logps"] is None
    # One weight for a whole generation has one column.
    assert cut["importance_sampling_ratio"].shape == (2, 1)


def test_one_column_is_left_where_every_generation_is_left_out_of_the_loss() -> None:
    assert trimmed(batch([[0, 0, 0]]))["completion_ids"].tolist() == [[0]]


def test_a_training_learns_the_same_with_the_padding_and_without(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4, "max_steps": 3}
    widths: list[int] = []

    def recorded(inputs: dict[str, Any]) -> dict[str, Any]:
        cut = trimmed(inputs)
        widths.append(inputs["completion_ids"].shape[1] - cut["completion_ids"].shape[1])
        return cut

    monkeypatch.setattr(trimming, "trimmed", recorded)
    without = trained(base, tmp_path / "without", trl=small)
    monkeypatch.setattr(trimming, "trimmed", lambda inputs: inputs)
    padded = trained(base, tmp_path / "padded", trl=small)
    assert max(widths) > 0

    names = ("reward", "loss", "grad_norm", "entropy")
    curves = [
        [[line[n] for n in names] for line in read_curve(out) if "loss" in line]
        for out in (without, padded)
    ]
    assert len(curves[0]) == 3
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-3, atol=1e-5)
    one, other = weights(without), weights(padded)
    for name in one:
        assert np.abs(one[name] - other[name]).max() < 1e-4, name
