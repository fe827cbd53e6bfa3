"""What the typed files on disk have in common."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A part of a file: it never changes, and has no fields but those of its schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def finite(value: float) -> float | None:
    """Give a number as JSON can hold it: null in place of NaN and infinity."""
    return float(value) if math.isfinite(value) else None
