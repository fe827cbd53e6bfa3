"""The hf backend's own settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Arguments(BaseModel):
    """The backend's own settings (``--model-args``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    chat: Literal["auto", "yes", "no"] = "auto"
    revision: str | None = None
    trust_remote_code: bool = False
