"""A message arrives whole, or it is told that it cannot."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marl_eval.sandbox.inside import wire
from marl_eval.sandbox.inside.wire import WireError, receive, send


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


@given(st.lists(st.binary(max_size=100), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_messages_arrive_one_by_one_in_order(pair: Pair, messages: list[bytes]) -> None:
    for message in messages:
        send(pair[0], message)
    assert [receive(pair[1]) for _ in messages] == messages


def test_a_message_longer_than_any_buffer_arrives_whole(pair: Pair) -> None:
    content = bytes(range(256)) * 20_000
    sender = threading.Thread(target=send, args=(pair[0], content))
    sender.start()
    assert receive(pair[1]) == content
    sender.join()


def test_a_message_that_comes_byte_by_byte_is_put_together(pair: Pair) -> None:
    for byte in (3).to_bytes(4, "big") + b"abc":
        pair[0].send(bytes([byte]))
    assert receive(pair[1]) == b"abc"


@pytest.mark.parametrize("sent", [b"", b"\x00", b"\x00\x00\x00", b"\x00\x00\x00\x05abcd"])
def test_a_message_that_breaks_off_is_told(pair: Pair, sent: bytes) -> None:
    pair[0].sendall(sent)
    pair[0].close()
    with pytest.raises(WireError, match="gone"):
        receive(pair[1])


def test_a_message_announced_too_large_is_refused_before_any_of_it(pair: Pair) -> None:
    pair[0].sendall((wire.LARGEST + 1).to_bytes(4, "big"))
    with pytest.raises(WireError, match=f"{wire.LARGEST + 1} bytes"):
        receive(pair[1])
    pair[0].sendall(b"\xff\xff\xff\xff")
    with pytest.raises(WireError, match="4294967295 bytes"):
        receive(pair[1])


def test_the_largest_message_is_received(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST", 10)
    send(pair[0], b"x" * 10)
    assert receive(pair[1]) == b"x" * 10
    send(pair[0], b"x" * 11)
    with pytest.raises(WireError):
        receive(pair[1])


def test_sending_to_nobody_is_told(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(WireError):
        send(pair[0], b"x" * 1_000_000)


def test_a_closed_channel_is_told(pair: Pair) -> None:
    pair[0].close()
    with pytest.raises(WireError):
        receive(pair[0])
    with pytest.raises(WireError):
        send(pair[0], b"x")


def test_silence_beyond_the_limit_of_a_channel_is_told(pair: Pair) -> None:
    pair[1].settimeout(0.01)
    pair[0].sendall(b"\x00\x00\x00\x05ab")
    with pytest.raises(WireError):
        receive(pair[1])
