"""Asking a server for the generations of one prompt, and making completions of its reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai

from marl_eval.backends.conversation import plain_text
from marl_eval.backends.endings import THINK_CLOSE, THINK_OPEN, is_complete
from marl_eval.backends.openai.arguments import Arguments
from marl_eval.backends.openai.client import Connection
from marl_eval.backends.openai.pace import Pace
from marl_eval.backends.openai.reply import Choice, Reply, read_reply, storable, token_ends
from marl_eval.backends.openai.retrying import NoAnswerError, is_passing, with_retries
from marl_eval.backends.openai.server import Server
from marl_eval.redaction import redact
from marl_eval.types import Completion, Failure, Request

_BYTES_A_TOKEN = 3
"""How many bytes of a prompt are taken as a token, until the server has counted it."""
_SHOWN = 300
_NEUTRAL = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""What a checkpoint's own settings would change in the sampling, where the server reads them."""


@dataclass(slots=True)
class Dialect:
    """What a server turned out not to take: it is asked in another way from then on."""

    limit: str = "max_tokens"
    several: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a call.

    ``lasting`` says that a failure is the request's own, not the server's. ``again`` are requests that
    have to be asked for one by one.
    """

    items: list[Completion | Failure]
    lasting: bool = True
    again: Sequence[Request] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one server for one model."""

    connection: Connection
    model: str
    arguments: Arguments
    server: Server
    pace: Pace
    dialect: Dialect = field(default_factory=Dialect)

    async def ask(self, requests: Sequence[Request]) -> Answered:
        """Have requests of one prompt answered, in one call.

        Raises:
            UserError: if the server does not accept the key.
            BackendError: if the account is used up.
        """
        if len(requests) == 1:
            return await self._ask_one(requests[0])
        try:
            reply = await self._call(requests)
        except openai.APIStatusError as error:
            if not is_passing(error):
                self.dialect.several = False
            return Answered([], again=requests)
        except (openai.APIConnectionError, NoAnswerError):
            return Answered([], again=requests)
        completions = _several(reply, requests, self.server)
        if completions is None:
            # It does not take several, or does not tell what each has cost.
            self.dialect.several = False
            return Answered([], again=requests)
        return Answered(list(completions))

    async def _ask_one(self, request: Request) -> Answered:
        try:
            reply = await self._call([request])
            (choice, *_) = reply.choices
            if choice.stopped_at in request.endings and not is_complete(
                choice.text, request.endings, thinking_opened=_opened(choice, self.server)
            ):
                # It stopped at a tag within the reasoning.
                reply = await self._call([request], stop=False)
        except openai.APIStatusError as error:
            reason = f"status {error.status_code}: {_told(error)}"
            return Answered([Failure(*request.key, reason)], lasting=not is_passing(error))
        except openai.APITimeoutError:
            reason = f"no answer within {self.arguments.timeout:g} s"
            return Answered([Failure(*request.key, reason)], lasting=False)
        except (openai.APIConnectionError, NoAnswerError) as error:
            reason = str(error) if isinstance(error, NoAnswerError) else "the connection was cut"
            return Answered([Failure(*request.key, reason)], lasting=False)
        return Answered([_completion(request, reply, self.server)])

    async def _call(self, requests: Sequence[Request], *, stop: bool = True) -> Reply:
        """Make one call, as often as it takes."""
        most = requests[0].sampling.max_tokens * len(requests)
        size = sum(len(m.content.encode("utf-8", "replace")) for m in requests[0].messages)
        expected = most + size // _BYTES_A_TOKEN

        async def call() -> Reply:
            await self.pace.turn(expected)
            return await self._send(self._body(requests, stop=stop))

        reply = await with_retries(call, self.arguments.attempts)
        if reply.prompt_tokens is not None and reply.completion_tokens is not None:
            self.pace.give_back(expected - reply.prompt_tokens - reply.completion_tokens)
        return reply

    async def _send(self, body: dict[str, Any]) -> Reply:
        path = "/chat/completions" if self.arguments.chat == "yes" else "/completions"
        try:
            response = await self.connection.client.post(path, cast_to=httpx2.Response, body=body)
        except openai.BadRequestError as error:
            if self.dialect.limit in body and "max_completion_tokens" in str(error):
                self.dialect.limit = "max_completion_tokens"
                changed = dict(body)
                changed["max_completion_tokens"] = changed.pop("max_tokens")
                if "max_tokens" in body:
                    return await self._send(changed)
            raise
        return read_reply(response.content, response.headers.get("content-type", ""))

    def _body(self, requests: Sequence[Request], *, stop: bool) -> dict[str, Any]:
        request = requests[0]
        sampling = request.sampling
        own = self.server.kind == "vllm"
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": sampling.temperature,
            self.dialect.limit: sampling.max_tokens,
        }
        if sampling.top_p < 1:
            body["top_p"] = sampling.top_p
        if sampling.temperature > 0:
            # Some servers take seeds of 32 bits only.
            body["seed"] = request.seed >> (1 if own else 33)
        if own:
            body |= _NEUTRAL
        # Of several, each would have to be asked for again that stopped within its reasoning.
        if stop and len(requests) == 1 and request.endings and self.server.stops_with_text:
            body |= {"stop": [request.endings[-1]], "include_stop_str_in_output": True}
        if len(requests) > 1:
            body["n"] = len(requests)
        chat = self.arguments.chat == "yes"
        if sampling.logprobs or len(requests) > 1:
            body["logprobs"] = True if chat else 0
        if chat:
            turns = [{"role": m.role, "content": storable(m.content)} for m in request.messages]
            body["messages"] = turns
        else:
            body["prompt"] = storable(plain_text(request.messages))
        return body | self.arguments.extra


def _opened(choice: Choice, server: Server) -> bool:
    """Whether the text begins within the reasoning; not if the server took that out of it."""
    return server.thinking_opened and choice.reasoning is None


def _several(reply: Reply, requests: Sequence[Request], server: Server) -> list[Completion] | None:
    """Give a completion for each request; None if the reply does not tell all of each."""
    if len(reply.choices) != len(requests) or any(c.logprobs is None for c in reply.choices):
        return None
    counts = [len(choice.logprobs or ()) for choice in reply.choices]
    hidden = None if reply.completion_tokens is None else reply.completion_tokens - sum(counts)
    ended = [choice.finish_reason == "stop" for choice in reply.choices]
    if hidden == sum(ended):
        # The token that ends a generation is counted and not told.
        counts = [count + end for count, end in zip(counts, ended, strict=True)]
    elif hidden != 0:
        return None  # Such as those of a hidden reasoning.
    return [
        _made(request, choice, reply.prompt_tokens, count, None, opened=_opened(choice, server))
        for request, choice, count in zip(requests, reply.choices, counts, strict=True)
    ]


def _completion(request: Request, reply: Reply, server: Server) -> Completion:
    choice = reply.choices[0]
    opened = _opened(choice, server)
    reasoning = reply.reasoning_tokens
    shows = choice.reasoning is not None or opened or THINK_OPEN in choice.text
    if reasoning is None and server.kind == "vllm" and not shows and THINK_CLOSE not in choice.text:
        reasoning = 0
    return _made(
        request, choice, reply.prompt_tokens, reply.completion_tokens, reasoning, opened=opened
    )


def _made(
    request: Request,
    choice: Choice,
    prompt_tokens: int | None,
    completion_tokens: int | None,
    reasoning_tokens: int | None,
    *,
    opened: bool,
) -> Completion:
    ends = None
    if request.sampling.logprobs and choice.pieces is not None:
        ends = token_ends(choice.text, choice.pieces)
    return Completion(
        *request.key,
        text=choice.text,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        finish_reason=choice.finish_reason,
        reasoning=choice.reasoning,
        reasoning_tokens=reasoning_tokens,
        thinking_opened=opened,
        logprobs=None if ends is None else choice.logprobs,
        token_ends=ends,
    )


def _told(error: openai.APIStatusError) -> str:
    """Give what the server said, in one line and without secrets."""
    body = error.body
    if isinstance(body, dict):
        inner = body.get("error")
        body = body.get("message") or (inner.get("message") if isinstance(inner, dict) else inner)
    text = str(body) if body else error.response.text
    return redact(" ".join(text.split()))[:_SHOWN] or "nothing more was said"
