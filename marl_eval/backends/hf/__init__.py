"""Models in this process through transformers, on a CPU or a GPU.

Requests are batched by the length of their prompts, within windows of the plan; batches are a
function of the plan and the batch size alone, because padding changes the arithmetic. Each request
draws from noise of its own (``sampling``), so its tokens do not depend on its neighbours beyond
rounding: in float32, batches of different sizes agree but for the rare draw that rounding decides; in
bfloat16, whose rounding is coarse, they often part after some tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from marl_eval.backends import IsDone
from marl_eval.backends.arguments import need, read_arguments
from marl_eval.backends.checkpoint import (
    Source,
    check_exists,
    find_adapter,
    find_model,
    identify,
)
from marl_eval.backends.hf.arguments import Arguments
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request

if TYPE_CHECKING:
    from marl_eval.backends.batching import Batching
    from marl_eval.backends.conversation import Asker, Prompt
    from marl_eval.backends.hf.model import Model

DEFAULT_BATCH = 16
RUNS_CHECKPOINTS = True
_WINDOW = 64


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> HfBackend:
    """Open a folder with a checkpoint, or a model of the Hugging Face Hub by its id."""
    need("hf", "torch", "transformers")
    arguments = read_arguments("hf", Arguments, args)
    if arguments.adapter is not None:
        need("hf", "peft")
    check_exists(name)
    return HfBackend(name, arguments, batch_size or DEFAULT_BATCH)


class HfBackend:
    """A checkpoint that is loaded when the first request is answered."""

    def __init__(self, name: str, arguments: Arguments, batch_size: int) -> None:
        self._name = name
        self._arguments = arguments
        self._batch_size = batch_size

    @cached_property
    def _source(self) -> Source:
        return find_model(self._name, self._arguments)

    @cached_property
    def _adapter(self) -> Source | None:
        return find_adapter(self._arguments)

    @cached_property
    def _asker(self) -> Asker:
        from marl_eval.backends.hf.loading import load_asker

        return load_asker(self._source, self._arguments)

    @cached_property
    def _model(self) -> Model:
        from marl_eval.backends.hf.loading import load_model

        return load_model(self._source, self._adapter, self._arguments, self._asker.tokenizer)

    def fingerprint(self) -> Mapping[str, Any]:
        """Give hashes of weights, tokenizer and chat template, or the hub's commit, and the dtype."""
        told = identify(self._source, self._adapter, self._arguments)
        from marl_eval.backends.hf.loading import placement

        device, dtype = placement(self._arguments)
        return {"backend": "hf", **told, "dtype": dtype, "device": device.partition(":")[0]}

    def check(self, plan: Plan) -> None:
        """See that the prompts fit the model's context."""
        if self._arguments.long_prompts == "stop":
            self._asker.check_lengths(plan)

    def load(self) -> None:
        """Load the weights."""
        _ = self._model

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, a batch at a time."""
        yield from self._batching.answers(plan, is_done, self._generate)

    def batches(self, plan: Plan, is_done: IsDone) -> Iterator[list[Request]]:
        """Give the requests that are generated together."""
        return self._batching.requests(plan, is_done)

    def _generate(self, batch: list[Prompt], left: set[str]) -> list[Completion]:
        return [completion for completion in self._model.generate(batch) if completion.id in left]

    @property
    def _batching(self) -> Batching:
        from marl_eval.backends.batching import Batching

        return Batching(self._asker, _WINDOW * self._batch_size, self._of_like_length)

    def _of_like_length(self, prompts: list[Prompt]) -> Iterator[list[Prompt]]:
        ordered = sorted(
            prompts, key=lambda p: (-len(p.tokens), p.request.example, p.request.sample)
        )
        for start in range(0, len(ordered), self._batch_size):
            yield ordered[start : start + self._batch_size]
