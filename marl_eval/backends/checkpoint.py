"""Checkpoints that are run in this process: where they are, and what identifies them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from marl_eval.backends.hub import find_on_hub
from marl_eval.errors import UserError
from marl_eval.shipped import shipped_checkpoint

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
ADAPTER = "adapter_config.json"
_IDENTIFYING = [
    "*.safetensors", "*.bin", "*.json", "*.model", "*.tiktoken", "*.jinja", "merges.txt", "vocab.txt",
    "*.py",
]  # fmt: skip
_TOLD_OF_TRAINING = {"marl_eval_card.json", "training.json", "trainer_state.json"}
"""How the weights came about, which does not change what they answer. What a card asks is in the run."""


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
    if shipped_checkpoint(name) is not None and not folder.exists():
        return
    if name and folder.is_dir():
        if file == "config.json" and not (folder / file).exists() and (folder / ADAPTER).exists():
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


def with_adapter(model: str, args: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give the model and the arguments that the folder of an adapter stands for; others as they are."""
    folder = Path(model)
    if not model or not (folder / ADAPTER).exists() or (folder / "config.json").exists():
        return model, dict(args)
    told = json.loads((folder / ADAPTER).read_bytes())
    return str(told["base_model_name_or_path"]), {"adapter": model, **args}


@dataclass(frozen=True, slots=True)
class Source:
    """Where the files of a model or an adapter are: ``place`` is a folder, or an id on the hub.

    ``commit`` is that of a model on the hub; its files are to be loaded at the ``revision``, so that
    they are those that the commit identifies, whatever is uploaded meanwhile.
    """

    name: str
    place: str
    commit: str | None = None

    @property
    def revision(self) -> str | None:
        """The revision to load at, None for a folder."""
        return self.commit if self.place == self.name else None


def find_model(name: str, arguments: CheckpointArguments) -> Source:
    """Find a model: a folder, or an id on the hub.

    Raises:
        UserError: if the hub does not give the model.
    """
    return _find(name, "config.json", arguments.revision)


def find_adapter(arguments: CheckpointArguments) -> Source | None:
    """Find the adapter, if there is to be one.

    Raises:
        UserError: if its folder does not hold one, or the hub does not give it.
    """
    if arguments.adapter is None:
        return None
    if Path(arguments.adapter).is_dir():
        check_exists(arguments.adapter, ADAPTER)
    return _find(arguments.adapter, ADAPTER, None)


def _find(name: str, file: str, revision: str | None) -> Source:
    if Path(name).is_dir():
        return Source(name, name)
    shipped = shipped_checkpoint(name)
    if shipped is not None:
        return Source(name, str(shipped))
    folder, reached = find_on_hub(name, file, revision)
    return Source(name, name if reached else str(folder), folder.name)


def fingerprint(name: str, arguments: CheckpointArguments) -> dict[str, Any]:
    """Give what identifies a checkpoint, however it is run: plain JSON, no paths.

    Of a folder, the hashes of its weights, configuration, tokenizer and chat template; of a model on
    the hub, its id and commit. The adapter's likewise, if there is one.

    Raises:
        UserError: if the hub does not give the model.
    """
    return identify(find_model(name, arguments), find_adapter(arguments), arguments)


def identify(
    model: Source, adapter: Source | None, arguments: CheckpointArguments
) -> dict[str, Any]:
    """Give what identifies a checkpoint that was found, as ``fingerprint`` does."""
    told: dict[str, Any] = {"files": _files(model)}
    if adapter is not None:
        told["adapter"] = _files(adapter)
    told["chat"] = arguments.chat
    if arguments.template:
        told["template"] = arguments.template
    return told


def _files(source: Source) -> dict[str, str]:
    if source.commit is not None:
        return {"hub": source.name, "commit": source.commit}
    folder = Path(source.place)
    names = {path.name for pattern in _IDENTIFYING for path in folder.glob(pattern)}
    return {name: _file_hash(folder / name) for name in sorted(names - _TOLD_OF_TRAINING)}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
