"""The openai backend's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from marl_eval.backends.arguments import read_arguments
from marl_eval.errors import UserError
from marl_eval.redaction import names_a_secret


class Arguments(BaseModel):
    """The backend's own settings (``--model-args``).

    ``base_url``: the server, up to and with ``/v1``; OPENAI_BASE_URL in the environment if not given.
    ``key_env``: the environment variable that holds the key. ``chat``: ask by messages, or, for a base
    model, by plain text. ``n``: generations of one prompt to ask for in one call; ``auto`` is 1 where
    the server keeps prompts that it has seen, else as many as are to be asked. ``concurrency``: calls at
    once; ``--batch-size`` if not given. ``requests_per_minute``, ``tokens_per_minute``: what the
    account allows. ``timeout``: seconds for one call. ``attempts``: calls for one request before it
    counts as failed. ``extra.NAME``: handed to the server with every request. ``long_prompts``: a prompt
    that leaves no room for the answer stops the run before it begins, or fails alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"
    chat: Literal["yes", "no"] = "yes"
    n: Literal["auto"] | int = "auto"
    concurrency: int | None = Field(default=None, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    timeout: float = Field(default=600.0, gt=0)
    attempts: int = Field(default=8, ge=1)
    extra: dict[str, Any] = Field(default_factory=dict)
    long_prompts: Literal["stop", "fail"] = "stop"


def read_settings(args: Mapping[str, Any]) -> Arguments:
    """Read the settings.

    Raises:
        UserError: if one is unknown or wrong, or is a key.
    """
    if "api_key" in args:
        raise UserError(
            "A key is never an argument, which the run would keep: put it into the environment, as "
            "OPENAI_API_KEY, or name the variable that holds it by --model-args key_env=NAME."
        )
    arguments = read_arguments("openai", Arguments, args)
    if not names_a_secret(arguments.key_env):
        raise UserError(
            f"The variable {arguments.key_env!r} of key_env must have KEY, TOKEN or SECRET in its name, "
            f"by which its value is kept out of all that is written."
        )
    return arguments
