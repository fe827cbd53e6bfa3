"""Conversations as tokens: through the model's chat template, or as plain text for a base model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from marl_eval.backends.checkpoint import CheckpointArguments
from marl_eval.backends.endings import opens_thinking
from marl_eval.errors import UserError
from marl_eval.plan import Plan
from marl_eval.types import Message, Request

_NAMED = 3
"""Examples that a message names before it only counts."""
_SLACK = 64
"""Tokens that a chat template may add beyond what it adds to the first conversation."""

Messages = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request as tokens; ``problem`` says why it cannot be asked, if it cannot."""

    request: Request
    tokens: list[int]
    thinking_opened: bool
    problem: str | None


@dataclass(frozen=True, slots=True)
class Asker:
    """Turns conversations into tokens for one model, whose context holds ``context`` tokens."""

    tokenizer: Any
    context: int
    chat: bool
    options: dict[str, Any]

    def prompts(self, requests: Sequence[Request]) -> list[Prompt]:
        """Turn requests into tokens, those of one conversation once."""
        known: dict[Messages, tuple[list[int], bool]] = {}
        result = []
        for request in requests:
            if request.messages not in known:
                known[request.messages] = self._tokenize(request.messages)
            tokens, opened = known[request.messages]
            problem = None
            if len(tokens) + request.sampling.max_tokens > self.context:
                problem = (
                    f"the prompt has {len(tokens)} tokens and the answer may take "
                    f"{request.sampling.max_tokens}: more than the model's context of "
                    f"{self.context}; lower --max-tokens"
                )
            result.append(Prompt(request, tokens, opened, problem))
        return result

    def check_lengths(self, plan: Plan) -> None:
        """See that every prompt of a plan leaves room for its answer.

        Raises:
            UserError: naming the examples whose prompt does not.
        """
        check_lengths(plan, self.context, lambda messages: len(self._tokenize(messages)[0]))

    def tokens(self, messages: Messages) -> list[int]:
        """Give a conversation as the model's tokens."""
        return self._tokenize(messages)[0]

    def _tokenize(self, messages: Messages) -> tuple[list[int], bool]:
        text = self.text(messages)
        tokens = self.tokenizer(text, add_special_tokens=not self.chat)["input_ids"]
        return tokens, opens_thinking(text)

    def text(self, messages: Messages) -> str:
        """Give a conversation as the model sees it, before it is tokenized.

        Raises:
            UserError: if the model's chat template does not take the conversation.
        """
        if self.chat:
            # With transformers, which brings the templates; a server has them itself.
            from jinja2 import TemplateError

            turns = [{"role": m.role, "content": m.content} for m in messages]
            try:
                text = self.tokenizer.apply_chat_template(
                    turns, add_generation_prompt=True, tokenize=False, **self.options
                )
            except (TemplateError, TypeError, ValueError) as error:
                raise UserError(
                    f"The model's chat template does not take this conversation "
                    f"({', '.join(m.role for m in messages)}): {error}."
                ) from error
        else:
            text = plain_text(messages)
        # Lone surrogates are no text that a tokenizer could take.
        return str(text.encode("utf-8", "replace").decode("utf-8"))


def check_lengths(plan: Plan, context: int, count: Callable[[Messages], int | None]) -> None:
    """See that every prompt of a plan leaves room for its answer in ``context`` tokens.

    Only prompts that could be too long, by their bytes, are counted: a token has at least one, but for
    those that a chat template adds, which the first conversation shows. Where ``count`` gives None,
    it is not known.

    Raises:
        UserError: naming the examples whose prompt does not.
    """
    added: int | None = None
    before: Messages | None = None
    too_long: list[tuple[str, int]] = []
    for request in plan:
        if request.messages == before:
            continue
        before = request.messages
        size = sum(len(m.content.encode("utf-8", "replace")) for m in request.messages)
        if added is None:
            added = (count(request.messages) or 0) + _SLACK
        if size + added + request.sampling.max_tokens <= context:
            continue
        tokens = count(request.messages)
        if tokens is not None and tokens + request.sampling.max_tokens > context:
            too_long.append((request.source.id, tokens))
    if too_long:
        longest = max(tokens for _, tokens in too_long)
        named = ", ".join(repr(id) for id, _ in too_long[:_NAMED])
        more = f" and {len(too_long) - _NAMED} more" if len(too_long) > _NAMED else ""
        raise UserError(
            f"The model's context of {context} tokens is too short for the prompt and "
            f"{request.sampling.max_tokens} tokens of answer of the examples {named}{more} (the "
            f"longest prompt has {longest} tokens): lower --max-tokens, or give --model-args "
            f"long_prompts=fail to count them as failed requests."
        )


def plain_text(messages: Sequence[Message]) -> str:
    """Give a conversation as plain text, for a base model."""
    return "\n\n".join(message.content for message in messages) + "\n\n"


def open_asker(name: str, tokenizer: Any, context: int, arguments: CheckpointArguments) -> Asker:
    """See how a model is asked.

    Raises:
        UserError: if it is to be asked through a chat template that it does not have.
    """
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if arguments.chat == "yes" and not has_template:
        raise UserError(
            f"The model {name!r} has no chat template; leave out --model-args chat=yes to ask it "
            f"with a plain prompt."
        )
    if arguments.chat == "auto" and not has_template:
        logging.getLogger("marl_eval").warning(
            "marl-eval: the model %r has no chat template and is asked with plain text, as a base "
            "model; --model-args chat=no says that this is meant.",
            name,
        )
    chat = has_template if arguments.chat == "auto" else arguments.chat == "yes"
    return Asker(tokenizer, context, chat, arguments.template)
