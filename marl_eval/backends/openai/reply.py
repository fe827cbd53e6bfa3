"""What a server answers, read leniently: servers leave out fields, and add their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marl_eval.backends.openai.retrying import NoAnswerError
from marl_eval.types import FinishReason

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One generation of a reply.

    ``stopped_at`` is the text at which the server stopped it, if it tells. ``logprobs`` and the texts of
    their ``pieces`` are those of its tokens, None where the server does not offer them.
    """

    text: str
    reasoning: str | None
    finish_reason: FinishReason | None
    stopped_at: str | None
    logprobs: tuple[float, ...] | None
    pieces: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's reply; the counts of tokens are its own, of all its choices together."""

    choices: list[Choice]
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None


def read_reply(content: bytes, content_type: str) -> Reply:
    """Read a reply.

    Raises:
        NoAnswerError: if it is not JSON, or has no choices.
    """
    if "json" not in content_type:
        raise NoAnswerError(
            f"the server sent {content_type.partition(';')[0] or 'no type'}, not JSON"
        )
    try:
        body = json.loads(content)
    except ValueError as error:
        raise NoAnswerError("the server sent JSON that is cut off or damaged") from error
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        raise NoAnswerError("the server sent no choices")
    usage = _table(body, "usage")
    details = _table(usage, "completion_tokens_details")
    return Reply(
        [_choice(choice) for choice in choices],
        _count(usage, "prompt_tokens"),
        _count(usage, "completion_tokens"),
        _count(details, "reasoning_tokens"),
    )


def _choice(choice: Any) -> Choice:
    if not isinstance(choice, dict):
        raise NoAnswerError("the server sent a choice that is no table")
    message = _table(choice, "message")
    text = message["content"] if "content" in message else choice.get("text")
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if text is None and not message:
        raise NoAnswerError("the server sent a choice without a message")
    logprobs, pieces = _logprobs(choice.get("logprobs"))
    stopped = choice.get("stop_reason")
    return Choice(
        text=storable(text) if isinstance(text, str) else "",
        reasoning=storable(reasoning) if isinstance(reasoning, str) and reasoning else None,
        finish_reason=_FINISH.get(str(choice.get("finish_reason")).lower()),
        stopped_at=stopped if isinstance(stopped, str) else None,
        logprobs=logprobs,
        pieces=pieces,
    )


def _logprobs(told: Any) -> tuple[tuple[float, ...] | None, tuple[bytes, ...] | None]:
    """Read log-probabilities, as they are told of chats or of plain completions."""
    try:
        if isinstance(told, dict) and isinstance(told.get("content"), list):
            entries = told["content"]
            values = tuple(float(entry["logprob"]) for entry in entries)
            return values, tuple(_piece(entry.get("bytes"), entry["token"]) for entry in entries)
        if isinstance(told, dict) and isinstance(told.get("token_logprobs"), list):
            values = tuple(float(value) for value in told["token_logprobs"])
            return values, tuple(_piece(None, token) for token in told["tokens"])
    except (KeyError, TypeError, ValueError):
        return None, None
    return None, None


def _piece(raw: Any, token: str) -> bytes:
    return bytes(raw) if raw is not None else token.encode("utf-8", "replace")


def token_ends(text: str, pieces: Sequence[bytes]) -> tuple[int, ...] | None:
    """Give the number of characters of ``text`` up to the end of each token.

    The tokens may have more than the text: reasoning before it, which ends at 0, and special tokens
    after it. None if the text is not in them.
    """
    whole = b"".join(pieces)
    start = whole.rfind(text.encode())
    if start < 0:
        return None
    ends, size = [], 0
    for piece in pieces:
        size += len(piece)
        within = whole[start : max(start, size)].decode("utf-8", "ignore")
        ends.append(min(len(within), len(text)))
    return tuple(ends)


def storable(text: str) -> str:
    """Give a text without lone halves of surrogate pairs, which no file of UTF-8 can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _table(body: Any, name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) else None
