"""A model of lm-eval: making one, asking it, and counting with its own tokenizer."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partialmethod
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model, model_registry
from lm_eval.models.api_models import JsonChatStr, TemplateAPI

from marl_eval.backends.checkpoint import CheckpointArguments
from marl_eval.backends.conversation import Asker, Prompt, open_asker
from marl_eval.backends.endings import THINK_CLOSE, THINK_OPEN
from marl_eval.backends.lm_eval.arguments import Arguments, Named
from marl_eval.errors import BackendError, UserError, unknown
from marl_eval.redaction import redact
from marl_eval.types import Completion, Sampling

_ENDLESS = 1 << 30
"""The context of a model that does not tell how much it takes."""

_TORCH = "lm_eval.models.huggingface.HFLM"
"""The class of lm-eval of which the models draw from PyTorch's generator in this process."""


def model_class(named: Named) -> Any:
    """Give a model class of lm-eval.

    Raises:
        UserError: if there is none of that name, or a package that it needs is not installed.
    """
    if named.kind not in model_registry:
        raise unknown("model class of lm-eval named", named.kind, model_registry)
    try:
        return get_model(named.kind)
    except ImportError as error:
        raise _needs(named, error) from error


def is_served(kind: Any) -> bool:
    """Whether models of the class are behind a server, which knows them by name."""
    return issubclass(kind, TemplateAPI)


def draws_here(kind: Any) -> bool:
    """Whether models of the class draw from PyTorch's generator, in this process."""
    return any(f"{base.__module__}.{base.__qualname__}" == _TORCH for base in kind.__mro__)


def open_model(named: Named, arguments: Arguments, at_once: int) -> Model:
    """Make the model, which loads its weights if it has any.

    Raises:
        UserError: if an argument is wrong, or the model is not to be had.
    """
    kind = model_class(named)
    # A server is asked several times at once; what runs here has a batch.
    speed: dict[str, Any] = {"device": "cuda:0", "batch_size": at_once}
    if is_served(kind):
        speed |= {"batch_size": 1, "num_concurrent": at_once}
    args = {**speed, **named.args}
    for logger in ("lm_eval", "asyncio"):
        # They tell of failed requests with all that a server said; what matters is raised as well.
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        with _silent():
            model = kind.create_from_arg_obj(args)
            if is_served(kind):
                # Reads the key, which lm-eval else misses only when it asks.
                _ = model.header
    except ImportError as error:
        raise _needs(named, error) from error
    except Exception as error:
        # The classes are of many engines, which tell of a wrong argument in their own ways.
        raise UserError(
            f"lm-eval cannot make a model {named.kind!r} of these arguments: {_told(error)}"
        ) from error
    tokenizer = Tokenizer(model, templated=arguments.chat != "no")
    context = int(getattr(model, "max_length", _ENDLESS)) if tokenizer.counts else _ENDLESS
    asker = open_asker(named.kind, tokenizer, context, CheckpointArguments(chat=arguments.chat))
    return Model(named, model, tokenizer, asker)


class Tokenizer:
    """What lm-eval's model makes of texts, in the form of a tokenizer of transformers.

    ``counts`` says whether it tells tokens at all: some only send texts to a server. Unless it is
    ``templated``, the model is not asked for a chat template, which some would look for on the hub.
    """

    def __init__(self, model: Any, *, templated: bool) -> None:
        self._model = model
        self._templated = templated
        self.counts = self._tokens("a") is not None

    @property
    def chat_template(self) -> bool:
        """Whether the model takes conversations."""
        if not self._templated:
            return False
        if isinstance(self._model, TemplateAPI) and not self._model.tokenized_requests:
            # These send what they are given as it is, and only the name tells which that must be.
            return "chat" in type(self._model).__name__.lower()
        if getattr(self._model, "tokenizer_backend", None) == "remote":
            return False
        try:
            return bool(getattr(self._model.tokenizer, "chat_template", None))
        except (AttributeError, OSError):
            return False

    def apply_chat_template(self, turns: Sequence[Mapping[str, str]], **options: Any) -> str:
        """Give a conversation as text; for a server of conversations, as the JSON of it."""
        text = self._model.apply_chat_template([dict(turn) for turn in turns])
        return str(text.prompt) if isinstance(text, JsonChatStr) else str(text)

    def as_asked(self, text: str, *, chat: bool) -> Any:
        """Give a prompt in the form in which the model takes it."""
        as_json = isinstance(self._model, TemplateAPI) and not self._model.tokenized_requests
        return JsonChatStr(text) if chat and as_json else text

    def __call__(self, text: str, **options: Any) -> dict[str, list[int]]:
        """Give the tokens of a prompt, none if the model does not tell them."""
        return {"input_ids": self._tokens(text) or []}

    def count(self, text: str) -> int | None:
        """Count the tokens of a generated text; None if the model does not tell them."""
        tokens = self._tokens(text, add_special_tokens=False) if text else []
        return None if tokens is None or not self.counts else len(tokens)

    def _tokens(self, text: str, **options: Any) -> list[int] | None:
        encode = getattr(self._model, "tok_encode", None)
        if encode is None:
            return None
        try:
            tokens = encode(text, **options)
        except NotImplementedError:
            return None
        known = isinstance(tokens, list) and all(isinstance(token, int) for token in tokens)
        return tokens if known else None


class Model:
    """A model of lm-eval that answers one group of requests."""

    def __init__(self, named: Named, model: Any, tokenizer: Tokenizer, asker: Asker) -> None:
        self._named = named
        self._model = model
        self._tokenizer = tokenizer
        self._seeded = draws_here(type(model))
        self._quiet: dict[str, Any] = {}
        if "disable_tqdm" in inspect.signature(model.generate_until).parameters:
            self._quiet = {"disable_tqdm": True}
        self.asker = asker

    def generate(self, group: Sequence[Prompt], wanted: Collection[str]) -> list[Completion]:
        """Answer those of a group that are ``wanted``, by their ids; completions come in its order.

        What is drawn here comes out the same only if the whole group is drawn again.

        Raises:
            UserError: if the memory does not suffice.
            BackendError: if lm-eval fails in any other way.
        """
        asked = [p for p in group if self._seeded or p.request.id in wanted]
        texts = [self.asker.text(prompt.request.messages) for prompt in asked]
        requests = [
            Instance(
                request_type="generate_until",
                doc={},
                arguments=(
                    self._tokenizer.as_asked(text, chat=self.asker.chat),
                    self._options(prompt.request.sampling),
                ),
                idx=number,
                metadata=(None, number, 1),
            )
            for number, (text, prompt) in enumerate(zip(texts, asked, strict=True))
        ]
        self._seed(group)
        try:
            with _silent():
                generated = self._model.generate_until(requests, **self._quiet)
        except Exception as error:
            # Each engine fails in its own ways; whichever it is, no more can be had of it.
            if type(error).__name__ == "OutOfMemoryError":
                raise UserError(
                    f"The memory does not suffice for {len(asked)} generations at once: lower "
                    f"--batch-size or --max-tokens. The same command then continues."
                ) from error
            raise BackendError(
                f"lm-eval's model {self._named.kind!r} stopped: {_told(error)} Everything finished "
                f"so far is stored; the same command continues."
            ) from error
        return [
            self._completion(prompt, text)
            for prompt, text in zip(asked, generated, strict=True)
            if prompt.request.id in wanted
        ]

    def _options(self, sampling: Sampling) -> dict[str, Any]:
        """Give what lm-eval calls our sampling.

        There is no ``until``: lm-eval cuts it off the text, and whether the tag that closes an answer
        was written or not could no longer be told.
        """
        options: dict[str, Any] = {
            "until": [],
            "max_gen_toks": sampling.max_tokens,
            "do_sample": sampling.temperature > 0,
            "temperature": sampling.temperature,
        }
        if sampling.temperature > 0:
            options["top_p"] = sampling.top_p
            if self._seeded:
                # Where nothing is said, transformers draws from the 50 likeliest tokens only.
                options["top_k"] = 0
        return options

    def _seed(self, group: Sequence[Prompt]) -> None:
        """Seed what the group is drawn from by what it asks."""
        content = hashlib.blake2b(digest_size=8)
        for prompt in group:
            content.update(prompt.request.seed.to_bytes(8, "big"))
        seed = int.from_bytes(content.digest(), "big")
        if self._seeded:
            import torch

            torch.manual_seed(seed)
        elif isinstance(self._model, TemplateAPI):
            # lm-eval sends this one with every request, so two of one conversation would be the same.
            self._model._seed = seed % (1 << 31)

    def _completion(self, prompt: Prompt, text: str) -> Completion:
        request, count = prompt.request, self._tokenizer.count
        made = count(text)
        return Completion(
            *request.key,
            text=text,
            prompt_tokens=len(prompt.tokens) if self._tokenizer.counts else None,
            completion_tokens=made,
            finish_reason=None,
            reasoning_tokens=_reasoning_tokens(text, made, count, opened=prompt.thinking_opened),
            thinking_opened=prompt.thinking_opened,
        )


def _reasoning_tokens(text: str, made: int | None, count: Any, *, opened: bool) -> int | None:
    before, close, _ = text.rpartition(THINK_CLOSE)
    if close:
        counted: int | None = count(before + close)
        return counted
    if made is None:
        return None
    return made if opened or THINK_OPEN in text else 0


@contextmanager
def _silent() -> Iterator[None]:
    """Keep progress bars off the terminal: those of lm-eval's engines would tear ours."""
    bar = importlib.import_module("tqdm").tqdm
    before = bar.__init__
    bar.__init__ = partialmethod(before, disable=True)
    try:
        yield
    finally:
        bar.__init__ = before


def _needs(named: Named, error: ImportError) -> UserError:
    if error.name is not None:
        missing = (
            f"needs the package {error.name!r}, which is not installed: pip install {error.name}"
        )
    else:
        missing = f"lacks a package: {' '.join(str(error).split()).rstrip('.')}"
    return UserError(f"lm-eval's model class {named.kind!r} {missing}.")


def _told(error: BaseException) -> str:
    """Give what an error says, shortly and without secrets."""
    first = redact(str(error)).strip().partition("\n")[0].rstrip(". ")
    return f"{type(error).__name__}: {first[:200]}." if first else f"{type(error).__name__}."
