"""Serving a page on the loopback interface, to this machine's browser and nobody else.

A page of another site cannot read it: a request under another host's name (DNS rebinding) is refused, as
is one that another site makes, and the answers say that no other site may use them.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from marl_eval.errors import UserError
from marl_eval.reports.page.site import Site

ADDRESS = "127.0.0.1"

_PART = re.compile(r"/(v\d+_files)/((?:index|chunk)(?:-\d+)+\.js)")
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server(ThreadingHTTPServer):
    """Serves a site on a port of the loopback interface; port 0 takes a free one.

    Raises:
        UserError: if the port is taken.
    """

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        self.site = site
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            raise UserError(
                f"Port {port} of {ADDRESS} cannot be used ({error.strerror}): give another with "
                f"--port, or 0 for any that is free."
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version = "marl-eval"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the page, a part of its folder, or its version."""
        hosts = [f"{name}:{self.server.server_port}" for name in (ADDRESS, "localhost")]
        if self.headers.get("Host") not in hosts:
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"This host is not served here.\n")
            return
        if self.headers.get("Sec-Fetch-Site") == "cross-site" and self.path != "/":
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"Not for other sites.\n")
            return
        path = self.path.partition("?")[0]
        state = self.server.site.state
        part = _PART.fullmatch(path)
        try:
            if path == "/":
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", state.page.read_bytes())
            elif path == "/version":
                told = json.dumps({"version": state.version, "note": state.note})
                self._answer(HTTPStatus.OK, "application/json", told.encode())
            elif part is not None:
                content = (state.page.parent / part[1] / part[2]).read_bytes()
                self._answer(HTTPStatus.OK, "text/javascript; charset=utf-8", content)
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing here.\n")
        except FileNotFoundError:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"This is not there any more.\n")

    def do_HEAD(self) -> None:
        """Answer as to GET, without the content."""
        self.do_GET()

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of each request."""
