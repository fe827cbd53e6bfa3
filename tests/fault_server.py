"""A server of OpenAI's protocol on loopback that fails in every way that servers fail.

Which request fails how is a function of what it asks and of how often it was asked, so a test can be
repeated. It is a fake for faults only: what a real server answers is tested against a real one.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]

PASSING = ["429", "500", "reset", "stalled", "truncated", "wrong type", "no choices", "503"]
MODEL = "planted"


@dataclass
class Behaviour:
    """How the server behaves.

    ``faulty`` is the share of its responses that are faults of ``kinds``, ``refused`` the share of the
    requests that it never answers (status 400). ``reply`` makes the body of an answer.
    """

    faulty: float = 0.0
    kinds: list[str] = field(default_factory=lambda: list(PASSING))
    refused: float = 0.0
    owner: str = "vllm"
    key: str | None = None
    stall_seconds: float = 3.0
    delay_seconds: float = 0.0
    error_text: str = "the request is wrong"
    retry_after: str = "0"
    reply: Callable[[Body], Body] = lambda body: answer("Paris")
    status: Callable[[Body], tuple[int, Body] | None] = lambda body: None
    models: Body | None = None


def answer(text: str, **more: Any) -> Body:
    """Give the body of an answer."""
    message = {"role": "assistant", "content": text}
    return {
        "choices": [{"message": message, "finish_reason": "stop", **more}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3},
    }


class FaultServer(ThreadingHTTPServer):
    """The server, with what it saw: the bodies of all calls, and how often it answered each."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour = behaviour
        self.lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.bodies: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.paths: list[str] = []
        self.running = self.most_running = 0
        self.gone = False

    @property
    def address(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that clients close."""


@contextmanager
def fault_server(behaviour: Behaviour | None = None) -> Iterator[FaultServer]:
    """Run a server for a while."""
    server = FaultServer(behaviour or Behaviour())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.gone = True
        server.shutdown()
        server.server_close()
        thread.join()


def share(*parts: object) -> float:
    """Give a number in [0, 1) that is a hash of the parts."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""

    def setup(self) -> None:
        super().setup()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        behaviour = self.server.behaviour
        self.server.paths.append(self.path)
        if not self._has_key():
            self._send(401, {"error": {"message": behaviour.error_text}})
        elif self.path.partition("?")[0] == "/v1/models":
            listed = {"data": [{"id": MODEL, "owned_by": behaviour.owner}]}
            self._send(200, behaviour.models or listed)
        else:
            self._send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not self.path.partition("?")[0].endswith("/completions"):
            self._send(404, {"detail": "Not Found"})
            return
        server = self.server
        server.paths.append(self.path)
        key = json.dumps([body.get("messages", body.get("prompt")), body.get("seed")])
        with server.lock:
            server.bodies.append(body)
            server.headers.append(dict(self.headers))
            server.times.append(time.monotonic())
            server.asked[key] += 1
            attempt = server.asked[key]
            server.running += 1
            server.most_running = max(server.most_running, server.running)
        try:
            time.sleep(server.behaviour.delay_seconds)
            self._respond(body, key, attempt)
        finally:
            with server.lock:
                server.running -= 1

    def _respond(self, body: Body, key: str, attempt: int) -> None:
        behaviour = self.server.behaviour
        special = behaviour.status(body)
        if self.server.gone:
            self._fail("reset", body)
        elif not self._has_key():
            self._send(401, {"error": {"message": behaviour.error_text}})
        elif special is not None:
            self._send(*special)
        elif share("refused", key) < behaviour.refused:
            self._send(400, {"error": {"message": behaviour.error_text}})
        elif share("faulty", key, attempt) < behaviour.faulty:
            kinds = behaviour.kinds
            kind = kinds[int(share("kind", key, attempt) * len(kinds))]
            with self.server.lock:
                self.server.faults[kind] += 1
            self._fail(kind, body)
        else:
            with self.server.lock:
                self.server.answered[key] += 1
            self._send(200, behaviour.reply(body))

    def _fail(self, kind: str, body: Body) -> None:
        behaviour = self.server.behaviour
        good = json.dumps(behaviour.reply(body)).encode()
        if kind in ("429", "500", "503"):
            after = {"Retry-After": behaviour.retry_after} if kind == "429" else {}
            self._send(int(kind), {"error": {"message": behaviour.error_text}}, after)
        elif kind == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif kind == "stalled":
            time.sleep(behaviour.stall_seconds)
            self.close_connection = True
        elif kind == "truncated":
            self._send_bytes(200, good[: len(good) // 2], "application/json")
        elif kind == "wrong type":
            self._send_bytes(200, b"<html>a proxy speaks</html>", "text/html")
        else:
            self._send(200, {"choices": [], "usage": {}})

    def _has_key(self) -> bool:
        key = self.server.behaviour.key
        return key is None or self.headers.get("authorization") == f"Bearer {key}"

    def _send(self, status: int, body: Body, headers: dict[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(body).encode(), "application/json", headers)

    def _send_bytes(
        self, status: int, content: bytes, kind: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
