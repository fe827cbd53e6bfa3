"""What is watched beside the steps of a training."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.training.callbacks import WatchEqualRewards

REWARDS: Any = SimpleNamespace(malformed=None)


def watched(shares: list[float], *, begun_at: int = 0) -> None:
    """Log batches in which these shares of the questions had equal rewards."""
    watch = WatchEqualRewards(REWARDS)
    state = SimpleNamespace(global_step=begun_at, is_world_process_zero=True)
    watch.on_train_begin(None, state, None)
    for share in shares:
        state.global_step += 1
        logs = {"frac_reward_zero_std": share, "rewards/format/mean": 0.25, "reward": 0.0}
        watch.on_log(None, state, None, logs=logs)


def test_two_equal_batches_stop_a_training_only_where_they_are_its_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(UserError, match="75% of them were malformed"):
        watched([1.0, 1.0])
    watched([0.5, 1.0, 1.0])
    watched([1.0, 0.5, 1.0, 1.0])
    watched([1.0, 1.0], begun_at=4)
    assert not caplog.records


def test_ten_equal_batches_later_on_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "marl_eval"):
        watched([0.5, *[1.0] * 9, 0.9, *[1.0] * 9])
        assert not caplog.records
        watched([0.5, *[1.0] * 25])
    (record,) = caplog.records
    assert "up to step 11, in 10 batches in a row" in record.getMessage()
    assert "75% of the last were malformed" in record.getMessage()
