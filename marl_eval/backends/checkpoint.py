"""Checkpoints that are run in this process: where they are, and what identifies them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from marl_eval.errors import UserError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_ADAPTER = "adapter_config.json"
_IDENTIFYING = ["*.safetensors", "*.bin", "*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt"]


class CheckpointArguments(BaseModel):
    """The settings that every backend of checkpoints has.

    ``chat``: ask through the model's chat template; ``auto`` is where it has one. ``template.NAME``
    is handed to the template. ``adapter``: folder or hub id of a LoRA adapter. ``long_prompts``: a
    prompt that leaves no room for the answer stops the run before it begins, or fails alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    chat: Literal["auto", "yes", "no"] = "auto"
    template: dict[str, Any] = Field(default_factory=dict)
    adapter: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    long_prompts: Literal["stop", "fail"] = "stop"


def check_exists(name: str, file: str = "config.json") -> None:
    """See that there may be a checkpoint: a folder that holds one, or what may be an id on the hub.

    Raises:
        UserError: if there is none.
    """
    folder = Path(name)
    if folder.is_dir():
        if file == "config.json" and not (folder / file).exists() and (folder / _ADAPTER).exists():
            raise UserError(
                f"The folder {name} holds an adapter and not its model: give the model by --model, and "
                f"the folder by --model-args adapter={name}."
            )
        if not (folder / file).exists():
            raise UserError(
                f"The folder {name} holds no checkpoint: it has no {file}. "
                f"Give the folder that save_pretrained wrote."
            )
    elif folder.exists() or name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name):
        raise UserError(
            f"There is no model at {name!r}: give a folder that holds a checkpoint, the id of a "
            f"model on the Hugging Face Hub, or another backend as 'backend:name'."
        )


def fingerprint(name: str, arguments: CheckpointArguments) -> dict[str, Any]:
    """Give what identifies a checkpoint, however it is run: plain JSON, no paths.

    Of a folder, the hashes of its weights, configuration, tokenizer and chat template; of a model on
    the hub, its id and commit. The adapter's likewise, if there is one.

    Raises:
        UserError: if the hub does not give the model.
    """
    found: dict[str, Any] = {"files": _files(name, arguments)}
    if arguments.adapter is not None:
        found["adapter"] = _files(arguments.adapter, arguments)
    found["chat"] = arguments.chat
    if arguments.template:
        found["template"] = arguments.template
    return found


def _files(name: str, arguments: CheckpointArguments) -> dict[str, str]:
    folder = Path(name)
    if not folder.is_dir():
        return {"hub": name, "commit": _hub_commit(name, arguments)}
    names = sorted({path.name for pattern in _IDENTIFYING for path in folder.glob(pattern)})
    return {name: _file_hash(folder / name) for name in names}


def _hub_commit(name: str, arguments: CheckpointArguments) -> str:
    from transformers.utils import cached_file

    # What was downloaded before is found without a network, in a folder that its commit names.
    own = name != arguments.adapter
    try:
        file = cached_file(
            name,
            "config.json" if own else _ADAPTER,
            revision=arguments.revision if own else None,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"There is no folder {name!r}, and the Hugging Face Hub did not give a model of that "
            f"name: {str(error).splitlines()[0]}"
        ) from error
    return Path(str(file)).parent.name


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
