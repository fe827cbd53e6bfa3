"""Messages of JSON on a stream socket: four bytes of length, then the text."""

from __future__ import annotations

import socket

LARGEST = 1 << 25
"""Bytes of the largest message."""


class WireError(Exception):
    """The other side is gone, or sent what is no message."""


def send(channel: socket.socket, content: bytes) -> None:
    """Send one message.

    Raises:
        WireError: if the other side is gone.
    """
    try:
        channel.sendall(len(content).to_bytes(4, "big") + content)
    except OSError as error:
        raise WireError(str(error)) from error


def receive(channel: socket.socket) -> bytes:
    """Receive one message.

    Raises:
        WireError: if the other side is gone or silent, or announces too large a message.
    """
    size = int.from_bytes(_exactly(channel, 4), "big")
    if size > LARGEST:
        raise WireError(f"a message of {size} bytes, more than {LARGEST}")
    return _exactly(channel, size)


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = []
    while size > 0:
        try:
            part = channel.recv(min(size, 1 << 20))
        except OSError as error:
            raise WireError(str(error)) from error
        if not part:
            raise WireError("the other side is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
