"""What a generation earns in training, in named parts that are logged apart.

With y_i = 1 where answer i is in the gold set and q_i its confidence (arXiv:2603.24844):

- correctness: R = sum_i y_i
- calibration: -B, B = (1/K) sum_i (q_i - y_i)^2, the multi-Brier score
- Multi-RLVR earns R, Multi-RLCR earns R - B; for K = 1 these are RLVR and RLCR (arXiv:2507.16806)
- a generation whose format is wrong, or whose answers are not all different, earns 0

The code released with the paper computes something else, which the settings can ask for: correctness
1 if any answer is right, or the share of the answers that are; calibration 1 - B; format 1 where it is
right; and the sum of these weighted by a half each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from marl_eval.answers import ParsedAnswers
from marl_eval.matching import WRONG
from marl_eval.training.method import Method

_REPEATED = "repeated-answer"


class Parts(NamedTuple):
    """What one generation earns, before weights.

    - ``format``: 1 if it is as asked, apart from answers that repeat, else 0
    - ``distinctness``: 1 if it is and all of its answers are different, else 0
    - ``correctness``: in [0, K], and 0 where ``distinctness`` is
    - ``calibration``: in [-1, 0] for the multi-Brier score and in [0, 1] for its complement; 0 where
      ``distinctness`` is, or no confidences were asked for
    """

    format: float
    distinctness: float
    correctness: float
    calibration: float


PARTS: tuple[str, ...] = Parts._fields
"""The names of the parts, in their order."""


class RewardSettings(BaseModel):
    """How the parts are computed and weighted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    correctness: Literal["sum", "any", "fraction"] = Field(
        "sum", description="right answers: their number, whether there is any, or their share"
    )
    calibration: Literal["brier", "complement"] = Field(
        "brier", description="the multi-Brier score taken off, or 1 less it"
    )
    format_weight: float = Field(0.0, allow_inf_nan=False)
    distinctness_weight: float = Field(0.0, allow_inf_nan=False)
    correctness_weight: float = Field(1.0, allow_inf_nan=False)
    calibration_weight: float = Field(1.0, allow_inf_nan=False)

    def weights(self, method: Method) -> tuple[float, ...]:
        """Give the weight of each part, in the order of ``PARTS``."""
        calibration = self.calibration_weight if method.calibrated else 0.0
        return self.format_weight, self.distinctness_weight, self.correctness_weight, calibration

    def total(self, method: Method, parts: Parts) -> float:
        """Give the reward: the weighted sum of the parts."""
        return sum(w * p for w, p in zip(self.weights(method), parts, strict=True))


RELEASED = RewardSettings(
    correctness="any",
    calibration="complement",
    format_weight=0.5,
    correctness_weight=0.5,
    calibration_weight=0.5,
)
"""What the code released with the paper computes (ishapuri/multi_answer_rl)."""


def reward_parts(
    settings: RewardSettings, parsed: ParsedAnswers, grades: Sequence[int], *, alike: bool
) -> Parts:
    """Compute the parts for one generation.

    Args:
        settings: how.
        parsed: what was read from the generation, by ``answers.parse()``.
        grades: of each of its K answers, the gold answer that it matches, or ``matching.WRONG``;
            not looked at where the generation is not as asked.
        alike: two of the answers are the same, by their key or by what they match.
    """
    if any(deviation != _REPEATED for deviation in parsed.deviations):
        return Parts(0.0, 0.0, 0.0, 0.0)
    if alike:
        return Parts(1.0, 0.0, 0.0, 0.0)
    right = [float(grade != WRONG) for grade in grades]
    correctness = sum(right)
    if settings.correctness == "any":
        correctness = float(correctness > 0)
    elif settings.correctness == "fraction":
        correctness /= len(right)
    stated = [(q - y) ** 2 for q, y in zip(parsed.confidences, right, strict=True) if q is not None]
    calibration = 0.0
    if stated:
        brier = sum(stated) / len(stated)
        calibration = 1 - brier if settings.calibration == "complement" else -brier
    return Parts(1.0, 1.0, correctness, calibration)
