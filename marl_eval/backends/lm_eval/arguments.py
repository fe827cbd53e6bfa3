"""What names a model for this backend: a class of lm-eval and lm-eval's own arguments for it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from marl_eval.backends.checkpoint import CheckpointArguments, fingerprint
from marl_eval.errors import UserError
from marl_eval.redaction import redact

_SECRET = re.compile(r"auth|key|secret|passw|credential|header|^token$", re.IGNORECASE)
_OURS = {
    "batch_size": "--batch-size",
    "max_batch_size": "--batch-size",
    "max_gen_toks": "--max-tokens",
}
_SPEED = {
    "device", "num_concurrent", "timeout", "max_retries", "verify_certificate", "ca_cert_path",
    "base_url", "parallelize",
}  # fmt: skip
"""Arguments that say where and how fast a model answers, and not which one it is."""


class Arguments(BaseModel):
    """The backend's own settings (``--model-args``); lm-eval's stand in the model's name.

    ``chat``: ask through the model's chat template, or by messages; ``auto`` is where it has one.
    ``long_prompts``: a prompt that leaves no room for the answer stops the run before it begins, or
    fails alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    chat: Literal["auto", "yes", "no"] = "auto"
    long_prompts: Literal["stop", "fail"] = "stop"


@dataclass(frozen=True, slots=True)
class Named:
    """A model class of lm-eval, by its name there, with the arguments to make one."""

    kind: str
    args: Mapping[str, Any]


def read_name(name: str) -> Named:
    """Read ``class,argument=value,argument=value``, the arguments as lm-eval reads them.

    Raises:
        UserError: if an argument is not of that form, is one of a run, or holds a secret.
    """
    from lm_eval.utils import simple_parse_args_string

    kind, _, text = name.partition(",")
    if not kind or "=" in kind:
        raise UserError(
            f"A model of lm-eval is named by its class and lm-eval's arguments, as in "
            f"lm-eval:hf,pretrained=DIR, not {redact(name)!r}."
        )
    try:
        args: dict[str, Any] = simple_parse_args_string(text)
    except (ValueError, IndexError) as error:
        raise UserError(
            f"The arguments of lm-eval's model {kind!r} are argument=value,argument=value, which "
            f"{redact(text)!r} is not."
        ) from error
    for argument in args:
        if argument in _OURS:
            raise UserError(
                f"The argument {argument!r} of lm-eval's model {kind!r} is a setting of the run: give "
                f"{_OURS[argument]}."
            )
        if _SECRET.search(argument):
            raise UserError(
                f"The argument {argument!r} of lm-eval's model {kind!r} holds a secret, which the run "
                f"would keep: leave it out and give keys in the environment, as OPENAI_API_KEY."
            )
    return Named(kind, args)


def identify(named: Named, arguments: Arguments, *, served: bool) -> dict[str, Any]:
    """Give what identifies a model: plain JSON, no paths, no secrets.

    The checkpoint ``pretrained`` and the adapter ``peft`` are told by what their files hold, and so is
    every other argument that is a file or folder; a ``served`` model is known by its name alone.

    Raises:
        UserError: if the hub does not give the checkpoint.
    """
    args = {name: value for name, value in named.args.items() if name not in _SPEED}
    found: dict[str, Any] = {"backend": "lm-eval", "class": named.kind}
    name = args.get("pretrained")
    if isinstance(name, str) and not served and not Path(name).is_file():
        del args["pretrained"]
        revision = args.get("revision")
        known = CheckpointArguments(
            chat=arguments.chat,
            adapter=args.pop("peft", None),
            revision=None if revision is None else str(revision),
            trust_remote_code=bool(args.get("trust_remote_code", False)),
        )
        found |= fingerprint(name, known)
    else:
        found["chat"] = arguments.chat
    found["args"] = {name: _identified(args[name]) for name in sorted(args)}
    return found


def _identified(value: Any) -> Any:
    """Give an argument's value, and in place of a file or folder what it holds."""
    if isinstance(value, bool | int | float | None):
        return value
    path = Path(str(value))
    if path.is_dir():
        return fingerprint(str(path), CheckpointArguments())["files"]
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return redact(str(value))
