"""Models in this process through vLLM, the real engine: ``vllm:DIR_OR_HUB_ID``.

Requests are added as there is room and each is given as it finishes, so the engine is always full.
What generations of one prompt have in common is computed once, by the engine's prefix cache.

What is promised of the answers is what vLLM promises: every request draws from a seed of its own, so
the order of work, interruptions and other requests cannot change what is drawn, but the arithmetic of a
batch can: logits of the same text differ in their last bits with the size of the batch and with what is
cached. In float32 that is almost never seen; in bfloat16 a greedy generation may part from itself after
some tokens. A GPU of compute capability 9 does the same arithmetic in every batch with
VLLM_BATCH_INVARIANT=1 in the environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from marl_eval.backends import IsDone
from marl_eval.backends.arguments import need
from marl_eval.backends.checkpoint import check_exists, fingerprint
from marl_eval.backends.vllm.arguments import Arguments, identifying, read_settings
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request

if TYPE_CHECKING:
    from marl_eval.backends.conversation import Asker
    from marl_eval.backends.vllm.generation import Generation

RUNS_CHECKPOINTS = True
_AHEAD = 4
"""One of so many requests waits in the engine, so that none of its places is ever empty."""


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> VllmBackend:
    """Open a folder with a checkpoint, or a model of the Hugging Face Hub by its id."""
    need("vllm", "vllm")
    arguments, engine = read_settings(args)
    check_exists(name)
    return VllmBackend(name, arguments, engine, batch_size)


class VllmBackend:
    """A checkpoint whose engine is started when the first request is answered."""

    def __init__(
        self,
        name: str,
        arguments: Arguments,
        engine_arguments: Mapping[str, Any],
        batch_size: int | None,
    ) -> None:
        self._name = name
        self._arguments = arguments
        self._engine_arguments = engine_arguments
        self._batch_size = batch_size

    @cached_property
    def _config(self) -> Any:
        from marl_eval.backends.vllm.engine import configure

        return configure(self._name, self._arguments, self._engine_arguments, self._batch_size)

    @cached_property
    def _asker(self) -> Asker:
        model = self._config.model_config
        from vllm.tokenizers import cached_tokenizer_from_config

        from marl_eval.backends.conversation import open_asker

        tokenizer = cached_tokenizer_from_config(model_config=model)
        return open_asker(self._name, tokenizer, model.max_model_len, self._arguments)

    @cached_property
    def _engine(self) -> Any:
        from marl_eval.backends.vllm.engine import start

        return start(self._config)

    @cached_property
    def _adapter(self) -> Any:
        if self._arguments.adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        return LoRARequest("adapter", 1, self._arguments.adapter)

    def fingerprint(self) -> Mapping[str, Any]:
        """Give the hashes of the checkpoint or the hub's commit, and what the engine does with it."""
        # Before the engine looks for the model, which takes it long where there is no network.
        told = fingerprint(self._name, self._arguments)
        config = self._config
        return {
            "backend": "vllm",
            **told,
            "dtype": str(config.model_config.dtype).removeprefix("torch."),
            "quantization": config.model_config.quantization,
            "device": config.device_config.device_type,
            "thinking_budget": self._arguments.thinking_budget,
            "engine": identifying(self._engine_arguments),
        }

    def check(self, plan: Plan) -> None:
        """See that the engine takes its arguments, and that the prompts fit the model's context."""
        if self._arguments.long_prompts == "stop":
            self._asker.check_lengths(plan)

    def load(self) -> None:
        """Start the engine."""
        _ = self._engine

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, each request as it finishes."""
        from vllm.v1.engine.exceptions import EngineDeadError

        from marl_eval.backends.vllm.engine import lost

        engine, tokenizer = self._engine, self._asker.tokenizer
        asked = (request for request in plan if not is_done(request))
        places = self._config.scheduler_config.max_num_seqs
        most = places + max(1, places // _AHEAD)
        running: dict[str, Generation] = {}
        try:
            while True:
                # Samples of one example are tokenized together where room is made for several.
                room = most - len(running)
                if room >= most - places or not running:
                    refused = self._begin(list(islice(asked, room)), running)
                    if refused:
                        yield refused
                if not running:
                    return
                finished = [
                    generation.completion(tokenizer)
                    for output in engine.step()
                    if (generation := self._go_on(output, running)) is not None
                ]
                if finished:
                    yield list(finished)
        except EngineDeadError as error:
            running.clear()
            raise lost(error) from error
        finally:
            if running:
                engine.abort_request(list(running))

    def _begin(
        self, requests: list[Request], running: dict[str, Generation]
    ) -> list[Completion | Failure]:
        """Give requests to the engine; what cannot be asked is returned."""
        from marl_eval.backends.vllm.generation import Generation

        refused: list[Completion | Failure] = []
        for prompt in self._asker.prompts(requests):
            request = prompt.request
            if prompt.problem is None:
                running[request.id] = Generation(prompt)
                self._add(running[request.id])
            else:
                refused.append(Failure(*request.key, prompt.problem))
        return refused

    def _go_on(self, output: Any, running: dict[str, Generation]) -> Generation | None:
        """Take in what the engine gives of a request, and give its generation if that has ended."""
        generation = running.get(output.request_id)
        if generation is None or not output.finished:
            return None
        if generation.take(output.outputs[0], self._asker.tokenizer):
            return running.pop(output.request_id)
        self._add(generation)
        return None

    def _add(self, generation: Generation) -> None:
        prompt, params = generation.asked(self._arguments.thinking_budget)
        self._engine.add_request(
            generation.prompt.request.id, prompt, params, lora_request=self._adapter
        )
