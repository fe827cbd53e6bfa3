"""A sandbox: one fork server, in which programs are run one after the other.

    with Sandbox() as sandbox:
        with sandbox.run("def double(x): return 2 * x") as session:
            assert session.call("double", [21], {}) == 42

A server that was lost (killed, or out of memory) is started again by the next program.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType

import orjson

from marl_eval.sandbox.levels import LEVELS
from marl_eval.sandbox.limits import Limits
from marl_eval.sandbox.server_process import Server, start
from marl_eval.sandbox.session import Session

_GRACE_SECONDS = 10.0
_MESSAGE = 1 << 16


class ServerLostError(Exception):
    """The fork server ended while a program ran; nothing is known of the program."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    ``why``: ``told`` (we ended it), ``itself`` (it ended before, or when we hung up), or a limit,
    ``cpu`` or ``wall``. ``status``: its exit status, below 0 for a signal; no sign of anything, for
    the program chooses it.
    """

    why: str
    status: int
    cpu_seconds: float
    memory_mib: float

    @property
    def timed_out(self) -> bool:
        """Whether a limit on time ended it."""
        return self.why in ("cpu", "wall")


class Sandbox:
    """Runs programs behind the walls of one server.

    Args:
        limits: what each program may use.
        min_level: the weakest level of isolation to accept (``levels``).
        packages: installed packages that programs may import beside the standard library.

    Raises:
        UserError: when it is entered, if this machine does not allow that level.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        min_level: str = LEVELS[0],
        packages: Sequence[str] = (),
    ) -> None:
        self.limits = limits if limits is not None else Limits()
        self._min_level, self._packages = min_level, tuple(packages)
        self._server: Server | None = None
        self.last: Ended | None = None

    def __enter__(self) -> Sandbox:
        self._server = self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _start(self) -> Server:
        server = start(self._min_level, self._packages, scratch_mib=self.limits.scratch_mib)
        # One that is started again later is to be no weaker.
        self._min_level = server.level
        return server

    @property
    def level(self) -> str:
        """The level of isolation that was reached."""
        return self._running().level

    @property
    def server_pid(self) -> int:
        """The process id of the server."""
        return self._running().process.pid

    def _running(self) -> Server:
        if self._server is None:
            self._server = self._start()
        return self._server

    @contextmanager
    def run(
        self, program: str, *, syntax: bool = False, limits: Limits | None = None
    ) -> Iterator[Session]:
        """Start a program, to be asked things; it is ended on leaving, and ``last`` says how it ended.

        ``syntax`` asks for the hash of its syntax tree; ``limits`` are in place of the sandbox's own.

        Raises:
            ServerLostError: on leaving, if the server was lost meanwhile; run the program again.
        """
        self.last = None
        server = self._running()
        limits = limits if limits is not None else self.limits
        ours, theirs = socket.socketpair()
        # The server ends the program in time; this is for a server that does not.
        ours.settimeout(limits.wall_seconds + _GRACE_SECONDS)
        server.control.settimeout(limits.wall_seconds + _GRACE_SECONDS)
        with ours:
            with theirs:
                self._ask(server, theirs, limits)
            gone = False
            try:
                session = Session(ours, program, syntax=syntax)
                try:
                    yield session
                finally:
                    gone = session.over
                    session.close()
            finally:
                self.last = self._end(server, gone)

    def _ask(self, server: Server, channel: socket.socket, limits: Limits) -> None:
        told = {
            "cpu": limits.cpu_seconds,
            "wall": limits.wall_seconds,
            "memory": limits.memory_mib << 20,
            "scratch": self.limits.scratch_mib << 20,
        }
        try:
            socket.send_fds(server.control, [orjson.dumps(told)], [channel.fileno()])
        except OSError as error:
            raise self._lost(error) from error

    def _end(self, server: Server, gone: bool) -> Ended:
        """End the program that runs, and hear how it ended."""
        try:
            server.control.send(orjson.dumps({"gone": gone}))
            content = server.control.recv(_MESSAGE)
            told = orjson.loads(content)
        except (OSError, orjson.JSONDecodeError) as error:
            raise self._lost(error) from error
        return Ended(told["end"], told["status"], told["cpu"], told["memory"])

    def _lost(self, error: Exception) -> ServerLostError:
        if self._server is not None:
            self._server.close()
            self._server = None
        return ServerLostError(str(error))
