"""A hub on this machine: folders of models, by the protocol of the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@dataclass(slots=True)
class Hub:
    """The models of a hub by id, each at commits by their names, of which the last is the newest."""

    models: dict[str, dict[str, Path]]
    gated: frozenset[str] = frozenset()
    broken: bool = False
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Give the status, headers and body for a path."""
        if self.broken:
            return 503, {}, b""
        parts = unquote(path).partition("?")[0].strip("/").split("/")
        if "resolve" not in parts:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        place = parts.index("resolve")
        name, revision, file = (
            "/".join(parts[:place]),
            parts[place + 1],
            "/".join(parts[place + 2 :]),
        )
        if name in self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        commits = self.models.get(name)
        if commits is None:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        commit = list(commits)[-1] if revision == "main" else revision
        if commit not in commits:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        told = {"X-Repo-Commit": commit}
        found = commits[commit] / file
        if not found.is_file():
            return 404, {**told, "X-Error-Code": "EntryNotFound"}, b""
        content = found.read_bytes()
        return 200, {**told, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}, content


@contextmanager
def hub_server(
    models: Mapping[str, Mapping[str, Path]], *, gated: frozenset[str] = frozenset()
) -> Iterator[Hub]:
    """Serve models on the loopback interface, while the context lasts."""
    hub = Hub({name: dict(commits) for name, commits in models.items()}, gated)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = hub.answer(self.path)
            hub.asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
