"""Any model class of lm-eval as a backend: ``lm-eval:hf,pretrained=DIR,dtype=float32``.

After the colon stand the class's name in lm-eval and lm-eval's own arguments for it; this backend's own
settings are ``--model-args``. What an engine behind lm-eval does not tell is not guessed:

- Texts only. Tokens are counted by encoding the text again with the model's own tokenizer, where it has
  one: special tokens such as the last one are not in it, and a text can be encoded in fewer tokens than
  it was generated in. Why a generation ended, and log-probabilities, are never known.
- A generation goes on to the model's own end or to ``max_tokens``, since lm-eval would cut the tag that
  closes an answer off the text (see ``model``); the other backends stop at that tag.
- lm-eval has no seed for one request. For models that run in this process on PyTorch (``hf`` and the
  classes made from it), each group of requests is seeded by what it asks: the same groups give the
  same completions, so a run that is continued ends as if it had not stopped, as long as
  ``--batch-size``, which forms the groups, stays. A server gets such a seed too, and keeps what it
  promises of it. Anything else is not reproducible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from marl_eval.backends import IsDone
from marl_eval.backends.arguments import need, read_arguments
from marl_eval.backends.checkpoint import check_exists
from marl_eval.backends.lm_eval.arguments import Arguments, Named, identify, read_name
from marl_eval.errors import UserError
from marl_eval.plan import Plan
from marl_eval.types import Completion, Failure, Request

if TYPE_CHECKING:
    from marl_eval.backends.batching import Batching
    from marl_eval.backends.conversation import Prompt
    from marl_eval.backends.lm_eval.model import Model

DEFAULT_BATCH = 16
_WINDOW = 64
_ROUNDS = 8
"""Requests that a server is given in one call, for each one that it answers at once."""


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> LmEvalBackend:
    """Open a model of lm-eval by its class and lm-eval's arguments."""
    need("lm-eval", "lm_eval")
    from marl_eval.backends.lm_eval.model import draws_here, model_class

    arguments = read_arguments("lm-eval", Arguments, args)
    named = read_name(name)
    if draws_here(model_class(named)) and "gguf_file" not in named.args:
        if "pretrained" not in named.args:
            raise UserError(
                f"lm-eval's model {named.kind!r} needs a checkpoint: give its folder or hub id, as in "
                f"lm-eval:{named.kind},pretrained=DIR."
            )
        check_exists(str(named.args["pretrained"]))
    return LmEvalBackend(named, arguments, batch_size or DEFAULT_BATCH)


class LmEvalBackend:
    """A model of lm-eval that is made when the prompts are to be checked, or the first is asked."""

    def __init__(self, named: Named, arguments: Arguments, batch_size: int) -> None:
        self._named = named
        self._arguments = arguments
        self._batch_size = batch_size

    @cached_property
    def _served(self) -> bool:
        from marl_eval.backends.lm_eval.model import is_served, model_class

        return is_served(model_class(self._named))

    @cached_property
    def _model(self) -> Model:
        from marl_eval.backends.lm_eval.model import open_model

        return open_model(self._named, self._arguments, self._batch_size)

    def fingerprint(self) -> Mapping[str, Any]:
        """Give the class, its arguments, and the hashes of the checkpoint or the hub's commit."""
        return identify(self._named, self._arguments, served=self._served)

    def check(self, plan: Plan) -> None:
        """Make the model, and see that the prompts fit its context, which else would cut them."""
        asker = self._model.asker
        if self._arguments.long_prompts == "stop":
            asker.check_lengths(plan)

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, one group a call of lm-eval."""
        yield from self._batching.answers(plan, is_done, self._model.generate)

    def batches(self, plan: Plan, is_done: IsDone) -> Iterator[list[Request]]:
        """Give the requests that are seeded together."""
        return self._batching.requests(plan, is_done)

    @property
    def _batching(self) -> Batching:
        from marl_eval.backends.batching import Batching

        size = self._batch_size * (_ROUNDS if self._served else 1)
        return Batching(
            self._model.asker, _WINDOW * self._batch_size, lambda prompts: _groups(prompts, size)
        )


def _groups(prompts: Sequence[Prompt], size: int) -> Iterator[list[Prompt]]:
    """Give groups of prompts of like length, none of them with two generations of one example.

    What is seeded alike and asked alike would be answered alike.
    """

    def place(prompt: Prompt) -> tuple[int, int, int]:
        return prompt.request.sample, -len(prompt.tokens), prompt.request.example

    for _, same in groupby(sorted(prompts, key=place), key=lambda p: p.request.sample):
        own = list(same)
        for start in range(0, len(own), size):
            yield own[start : start + size]
