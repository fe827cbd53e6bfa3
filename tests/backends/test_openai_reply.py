"""Reading what servers send, whatever that is."""

from __future__ import annotations

import email.utils
import itertools
import json
import time
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.backends.openai.reply import read_reply, storable, token_ends
from marl_eval.backends.openai.retrying import NoAnswerError, told_wait

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "message", "content", "text", "usage", "logprobs", "finish_reason",
             "token_logprobs", "tokens", "bytes", "token", "logprob", "prompt_tokens"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_any_json_is_a_reply_or_told_as_none(body: Any) -> None:
    try:
        reply = read_reply(json.dumps(body).encode(), "application/json")
    except NoAnswerError:
        return
    assert reply.choices
    for choice in reply.choices:
        choice.text.encode()
        assert choice.logprobs is None or len(choice.logprobs) == len(choice.pieces or ())


@given(st.binary(max_size=40), st.sampled_from(["application/json", "text/html", ""]))
def test_any_bytes_are_told_as_no_answer(content: bytes, kind: str) -> None:
    with pytest.raises(NoAnswerError):
        read_reply(content, kind)


@given(st.integers(1, 200))
def test_an_answer_that_is_cut_off_anywhere_is_no_answer(left: int) -> None:
    whole = json.dumps({"choices": [{"message": {"content": "Paris"}}], "usage": {}}).encode()
    assert read_reply(whole, "application/json; charset=utf-8").choices[0].text == "Paris"
    with pytest.raises(NoAnswerError):
        read_reply(whole[: min(left, len(whole) - 1)], "application/json")


@given(st.lists(st.text(max_size=4).filter(bool), min_size=1, max_size=8))
def test_whole_tokens_end_where_their_texts_do(pieces: list[str]) -> None:
    pieces = [storable(piece) for piece in pieces]
    ends = token_ends("".join(pieces), [piece.encode() for piece in pieces])
    assert ends == tuple(len("".join(pieces[: n + 1])) for n in range(len(pieces)))


@given(st.text(min_size=1, max_size=12), st.data())
def test_ends_never_fall_and_the_last_is_the_end_however_bytes_are_cut(
    text: str, data: st.DataObject
) -> None:
    raw = storable(text).encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=5)) | {0, len(raw)})
    pieces = [raw[a:b] for a, b in itertools.pairwise(cuts)]
    ends = token_ends(storable(text), pieces)
    assert ends is not None
    assert list(ends) == sorted(ends)
    assert ends[-1] == len(storable(text))


def test_reasoning_before_a_text_ends_at_its_beginning() -> None:
    pieces = [b"hm", b"</think>", b"Par", b"is"]
    assert token_ends("Paris", pieces) == (0, 0, 3, 5)
    assert token_ends("London", pieces) is None


@given(st.text(max_size=20))
def test_text_is_kept_but_for_halves_of_pairs(text: str) -> None:
    assert storable(text) == text
    assert storable(text + "\udc00") == text + "\ufffd"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_read(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert told_wait(_error(headers)) == seconds


def test_the_wait_may_be_told_as_a_date() -> None:
    soon = email.utils.formatdate(time.time() + 100, usegmt=True)
    wait = told_wait(_error({"retry-after": soon}))
    assert wait is not None
    assert 90 < wait <= 101


def _error(headers: dict[str, str]) -> openai.APIStatusError:
    request = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")
    response = httpx2.Response(429, headers=headers, request=request)
    return openai.RateLimitError("slow down", response=response, body=None)
