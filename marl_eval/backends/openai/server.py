"""What there is to know of a server before it is asked: its kind, its model, and the model's context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from marl_eval.backends.conversation import Messages
from marl_eval.backends.endings import opens_thinking
from marl_eval.backends.openai.client import Connection
from marl_eval.backends.openai.retrying import NoAnswerError, with_retries, wrong_key
from marl_eval.errors import UserError, unknown

_ATTEMPTS = 2
_CACHING = {"vllm", "sglang", "llamacpp"}
"""Servers that keep the prompts that they have seen, so that asking them again costs little."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server as far as it tells of itself.

    ``kind`` is what its list of models calls the owner, None where that tells of no engine that is
    known. ``context`` is how many tokens the model takes. ``thinking_opened``: its chat template opens
    the reasoning.
    """

    kind: str | None
    context: int | None = None
    thinking_opened: bool = False

    @property
    def stops_with_text(self) -> bool:
        """Whether it can stop at a text and leave that in the answer."""
        return self.kind == "vllm"

    @property
    def keeps_prompts(self) -> bool:
        """Whether a prompt that it has seen costs it little."""
        return self.kind in _CACHING


async def look(connection: Connection, model: str, *, chat: bool) -> Server:
    """Ask a server for its models.

    Raises:
        UserError: if it cannot be reached, does not accept the key, or does not have the model.
    """
    try:
        listed = await with_retries(lambda: _get(connection.client, "/models"), _ATTEMPTS)
    except openai.APIConnectionError as error:
        raise UserError(
            f"There is no server at {connection.address}: start it, or give its address by "
            f"--model-args base_url=ADDRESS."
        ) from error
    except NoAnswerError as error:
        raise UserError(
            f"What is at {connection.address} is no server of this kind, since {error}: give its "
            f"address up to and with /v1."
        ) from error
    except openai.APIStatusError as error:
        if error.status_code == 404 and not connection.address.endswith("/v1"):
            raise UserError(
                f"The server has nothing at {connection.address}/models: give its address up to and "
                f"with /v1, as in --model-args base_url={connection.address}/v1."
            ) from error
        if error.status_code in (401, 403):
            raise UserError(wrong_key(error)) from error
        if error.status_code in (404, 405, 501):
            return Server(None)  # It answers, but lists no models.
        raise UserError(
            f"The server at {connection.address} does not list its models (status "
            f"{error.status_code}): see whether it is well."
        ) from error
    models = {
        str(entry["id"]): entry
        for entry in listed.get("data") or []
        if isinstance(entry, dict) and "id" in entry
    }
    if models and model not in models:
        raise unknown(f"model at {connection.address} named", model, models)
    entry = models.get(model, {})
    kind = str(entry.get("owned_by", "")).lower()
    context = entry.get("max_model_len")
    server = Server(
        kind if kind in _CACHING else None, context if isinstance(context, int) else None
    )
    if chat and server.kind == "vllm":
        return Server(server.kind, server.context, await _opens_thinking(connection, model))
    return server


async def count_tokens(connection: Connection, model: str, messages: Messages) -> int | None:
    """Count a conversation's tokens by the server; None where it does not count."""
    told = await _tokenized(connection, model, messages)
    count = told.get("count")
    return count if isinstance(count, int) else None


async def _opens_thinking(connection: Connection, model: str) -> bool:
    """Whether the chat template opens the reasoning, as the end of a conversation shows."""
    from marl_eval.types import Message

    told = await _tokenized(connection, model, (Message("user", "?"),))
    strings = told.get("token_strs")
    if not isinstance(strings, list):
        return False
    # Byte-level tokens show a line break and a space as letters of their own.
    shown = "".join(map(str, strings)).replace("\u010a", "\n").replace("\u0120", " ")
    return opens_thinking(shown)


async def _tokenized(connection: Connection, model: str, messages: Messages) -> dict[str, Any]:
    turns = [{"role": m.role, "content": m.content} for m in messages]
    body = {"model": model, "messages": turns, "return_token_strs": True}
    address = httpx2.URL(connection.address.removesuffix("/v1") + "/tokenize")
    try:
        return await with_retries(lambda: _post(connection.client, str(address), body), _ATTEMPTS)
    except (openai.APIError, NoAnswerError):
        return {}


async def _get(client: openai.AsyncOpenAI, path: str) -> dict[str, Any]:
    return _table(await client.get(path, cast_to=httpx2.Response))


async def _post(client: openai.AsyncOpenAI, path: str, body: dict[str, Any]) -> dict[str, Any]:
    return _table(await client.post(path, cast_to=httpx2.Response, body=body))


def _table(response: httpx2.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError as error:
        raise NoAnswerError("it sends no JSON") from error
    if not isinstance(found, dict):
        raise NoAnswerError("it sends JSON of another kind")
    return found
