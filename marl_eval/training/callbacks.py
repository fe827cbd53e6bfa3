"""What happens beside the steps of a training: cards, curves, progress, early warnings."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from marl_eval.errors import UserError
from marl_eval.progress import Advance
from marl_eval.training.checkpoints import add_to_curve
from marl_eval.training.reward_functions import PartRewards

_FIRST = 2
"""Batches in which the rewards must differ at least once."""
_LATER = 10
"""Batches in a row whose rewards do not differ, after which that is said."""
_SHOWN = 500

_logger = logging.getLogger("marl_eval")


class KeepCurve(TrainerCallback):
    """Writes what is logged to the curve."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Add a line."""
        # What is told at the end is of this process alone, and not of a training that went on.
        if state.is_world_process_zero and logs and "train_runtime" not in logs:
            numbers = {k: v for k, v in logs.items() if isinstance(v, int | float)}
            add_to_curve(self._out, {"step": state.global_step, **numbers})


class WriteCards(TrainerCallback):
    """Writes the card into every checkpoint, which says that it is whole."""

    def __init__(self, write: Callable[[Path, int], None], wait: Callable[[], None]) -> None:
        self._write = write
        self._wait = wait

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the card once every process has written its part."""
        self._wait()
        if state.is_world_process_zero:
            self._write(
                Path(args.output_dir) / f"checkpoint-{state.global_step}", state.global_step
            )


class ShowProgress(TrainerCallback):
    """Tells of every step."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._seen: int | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of a step and the tokens since the last."""
        seen = int(state.num_input_tokens_seen)
        self._advance(1, seen - (seen if self._seen is None else self._seen))
        self._seen = seen


class WatchEqualRewards(TrainerCallback):
    """Stops where the first batches teach nothing, and says so where later ones no longer do.

    GRPO learns from differences within the group of a question. Where all generations of every question
    earn the same there are none: in the first batches no weight has changed yet.
    """

    def __init__(self, rewards: PartRewards) -> None:
        self._rewards = rewards
        self._batches = 0
        self._equal = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """See whether the first batches were before a stop."""
        self._batches = int(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Look at a batch.

        Raises:
            UserError: telling the share of generations that were not as asked, and showing one.
        """
        share = (logs or {}).get("frac_reward_zero_std")
        if share is None:
            return
        self._batches += 1
        self._equal = self._equal + 1 if share == 1 else 0
        if self._equal == self._batches == _FIRST:
            raise UserError(_told(logs, self._rewards))
        if self._equal == _LATER and state.is_world_process_zero:
            _logger.warning(
                "marl-eval: up to step %d, in %d batches in a row, all generations of a question earned "
                "the same reward, so that nothing is learnt any more; %.0f%% of the last were "
                "malformed. If the format was unlearned, train on from an earlier checkpoint with a "
                "lower learning rate, or reward what is as asked (rewards: {distinctness_weight: 1}).",
                state.global_step,
                _LATER,
                100 * (1 - float(logs["rewards/format/mean"])),
            )


def _told(logs: Any, rewards: PartRewards) -> str:
    malformed = 1 - float(logs["rewards/format/mean"])
    told = (
        f"In the first {_FIRST} batches all generations of a question earned the same reward, so there "
        f"is nothing to learn from: {malformed:.0%} of them were malformed, and the mean reward was "
        f"{float(logs['reward']):.3f}. "
    )
    if rewards.malformed is not None:
        text, deviations = rewards.malformed
        cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        told += f"One was {cut!r} ({', '.join(deviations)}). "
    if malformed > 0.5:
        return told + (
            "Warm the model up with 'marl-eval sft', begin from a model that follows instructions, or "
            "raise max_tokens if generations are cut off."
        )
    return told + "Take questions that are neither too easy nor too hard, or a higher temperature."
