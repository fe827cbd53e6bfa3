"""The four methods by which the compared checkpoints are trained."""

from __future__ import annotations

from enum import StrEnum


class Method(StrEnum):
    """Reinforcement learning from verifiable rewards (RLVR) or with calibration (RLCR).

    The single forms ask for one answer, the multi forms for K. RLCR: arXiv:2507.16806; the multi
    forms: arXiv:2603.24844.
    """

    RLVR_SINGLE = "rlvr-single"
    RLCR_SINGLE = "rlcr-single"
    RLVR_MULTI = "rlvr-multi"
    RLCR_MULTI = "rlcr-multi"

    @property
    def multi(self) -> bool:
        """Whether one generation holds several answers."""
        return self in (Method.RLVR_MULTI, Method.RLCR_MULTI)

    @property
    def calibrated(self) -> bool:
        """Whether answers have confidences, and these are rewarded."""
        return self in (Method.RLCR_SINGLE, Method.RLCR_MULTI)
