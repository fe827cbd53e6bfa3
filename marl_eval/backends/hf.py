"""Models in this process through transformers, on a CPU or a GPU.

Requests are batched by the length of their prompts, within windows of the plan; batches are a
function of the plan and the batch size alone, because padding changes the arithmetic. Each request
draws from noise of its own (``hf_sampling``), so its tokens do not depend on its neighbours beyond
rounding: in float32, batches of different sizes agree but for the rare draw that rounding decides; in
bfloat16, whose rounding is coarse, they often part after some tokens.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from marl_eval.backends import IsDone
from marl_eval.backends.hf_arguments import Arguments
from marl_eval.errors import UserError, unknown
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request

if TYPE_CHECKING:
    from marl_eval.backends.hf_model import Model, Prompt

DEFAULT_BATCH = 16
_WINDOW = 64
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
_IDENTIFYING = ["*.safetensors", "*.bin", "*.json", "*.model", "*.jinja", "merges.txt", "vocab.txt"]


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> HfBackend:
    """Open a folder with a checkpoint, or a model of the Hugging Face Hub by its id."""
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise UserError(
                f"The backend 'hf' needs {package}, which is not installed: "
                f"pip install 'marl-eval[hf]'."
            )
    for argument in args:
        if argument not in Arguments.model_fields:
            raise unknown("argument of the backend 'hf' named", argument, Arguments.model_fields)
    try:
        arguments = Arguments.model_validate(dict(args))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"The argument {first['loc'][0]!r} of the backend 'hf' cannot be {first['input']!r}: "
            f"{first['msg'].lower()}."
        ) from error
    check_exists(name)
    return HfBackend(name, arguments, batch_size or DEFAULT_BATCH)


def check_exists(name: str) -> None:
    """See that there may be a checkpoint: a folder that holds one, or what may be an id on the hub.

    Raises:
        UserError: if there is none.
    """
    folder = Path(name)
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise UserError(
                f"The folder {name} holds no checkpoint: it has no config.json. "
                f"Give the folder that save_pretrained wrote."
            )
    elif folder.exists() or name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(name):
        raise UserError(
            f"There is no model at {name!r}: give a folder that holds a checkpoint, the id of a "
            f"model on the Hugging Face Hub, or another backend as 'backend:name'."
        )


class HfBackend:
    """A checkpoint that is loaded when the first request is answered."""

    def __init__(self, name: str, arguments: Arguments, batch_size: int) -> None:
        self._name = name
        self._arguments = arguments
        self._batch_size = batch_size

    @cached_property
    def _model(self) -> Model:
        from marl_eval.backends.hf_model import load_model

        return load_model(self._name, self._arguments)

    def fingerprint(self) -> Mapping[str, Any]:
        """Give hashes of weights, tokenizer and chat template, or the hub's commit, and the dtype."""
        from marl_eval.backends.hf_model import placement

        device, dtype = placement(self._arguments)
        return {
            "backend": "hf",
            "files": self._files(),
            "dtype": dtype,
            "device": device.partition(":")[0],
            "chat": self._arguments.chat,
        }

    def _files(self) -> dict[str, str]:
        folder = Path(self._name)
        if not folder.is_dir():
            from marl_eval.backends.hf_model import hub_commit

            return {"hub": self._name, "commit": hub_commit(self._name, self._arguments)}
        names = sorted({path.name for pattern in _IDENTIFYING for path in folder.glob(pattern)})
        return {name: _file_hash(folder / name) for name in names}

    def check(self, plan: Plan) -> None:
        """Do nothing: whether a prompt fits is known once the tokenizer is loaded."""

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, a batch at a time.

        A batch of which a part is done is generated whole, so that the rest comes out as it would
        have; only the rest is given.
        """
        requests = iter(plan)
        while window := list(islice(requests, _WINDOW * self._batch_size)):
            left = {request.id for request in window if not is_done(request)}
            if not left:
                continue
            prompts = self._model.prompts(window)
            fitting = [p for p in prompts if p.problem is None]
            refused = [_failure(p) for p in prompts if p.problem and p.request.id in left]
            if refused:
                yield list(refused)
            fitting.sort(key=lambda p: (-len(p.tokens), p.request.example, p.request.sample))
            for start in range(0, len(fitting), self._batch_size):
                batch = fitting[start : start + self._batch_size]
                if any(p.request.id in left for p in batch):
                    made = self._model.generate(batch)
                    yield [c for c in made if c.id in left]


def _failure(prompt: Prompt) -> Failure:
    request: Request = prompt.request
    return Failure(request.id, request.example, request.sample, request.stage, str(prompt.problem))


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
