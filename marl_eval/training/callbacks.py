"""What happens beside the steps of a training: cards, curves, progress, early warnings."""

from __future__ import annotations

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
_SHOWN = 500


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


class StopIfRewardsAreEqual(TrainerCallback):
    """Stops where the first batches teach nothing: all generations of a question earn the same.

    GRPO learns from differences within the group of a question; without any, no weight has changed
    when this stops the training.
    """

    def __init__(self, rewards: PartRewards) -> None:
        self._rewards = rewards
        self._equal = 0

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Look at the first batches.

        Raises:
            UserError: telling the share of generations that were not as asked, and showing one.
        """
        share = (logs or {}).get("frac_reward_zero_std")
        if share is None or self._equal < 0:
            return
        self._equal = self._equal + 1 if share == 1 else -1
        if self._equal == _FIRST:
            raise UserError(_told(logs, self._rewards))


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
