"""One child: it goes behind the walls that are raised for each program, then runs it.

A child is asked over its socket and answers over it, in messages of JSON (``wire``, ``plain``):

    {"program": text, "syntax": bool}   -> {"compiles": bool, "syntax": text, "error": text}
                                        or {"refused": text}     it could not be started
                                        -> {"value": null} or {"raised": ...}     once it has run
    {"call": name or handle, "args": [...], "kwargs": {...}}  -> {"value": ...} or {"raised": ...}
    {"get": handle, "name": text}, {"items": handle},
    {"set": handle, "name": text, "to": ...}                  -> the same
    {"check": text, "name": text}       -> {"value": null} or {"raised": ...}     weaker: see ``suite``

Whatever a program does to this module, it can only spoil its own answers: what they should be is not
known on this side.
"""

from __future__ import annotations

import builtins
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from . import linux, plain, root, seccomp, syntax, walls, wire

_CHANNEL = 3
_LONGEST_TEXT = 500
_FILES = 64
_PROCESSES = 64
_NEEDED = ("CPU", "AS", "FSIZE")
"""The limits up to which a program must be able to go, for its verdict not to depend on the machine."""
_MODULE = "program"
_EXCEPTIONS = tuple(
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)


def main(descriptor: int, level: str, limits: dict[str, Any]) -> NoReturn:
    """Run one program and never return."""
    try:
        _Runner(_enter(descriptor, level, limits)).serve()
    except BaseException:
        pass
    finally:
        os._exit(0)


def _enter(descriptor: int, level: str, limits: dict[str, Any]) -> socket.socket:
    """Take one program's place: its descriptors, then the walls.

    What goes wrong is told in place of the first answer, so that it is not taken for the program's
    doing.
    """
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    for place in (0, 1, 2):
        os.dup2(nothing, place)
    if descriptor != _CHANNEL:
        os.dup2(descriptor, _CHANNEL, inheritable=False)
    os.closerange(_CHANNEL + 1, 256)
    channel = socket.socket(fileno=_CHANNEL)
    try:
        _raise_walls(level, limits)
    except Exception as error:
        # After the program has come, for whoever sends it must not find that we are gone.
        wire.receive(channel)
        wire.send(channel, json.dumps({"refused": str(error)}).encode())
        raise
    return channel


def _raise_walls(level: str, limits: dict[str, Any]) -> None:
    """Go behind the walls of one program, the filter of system calls last.

    Raises:
        OSError: if the kernel refuses a part, or allows less than the program is to have.
    """
    own_files = level == walls.FULL
    if own_files:
        os.chdir(root.SCRATCH)
    linux.drop_capabilities()
    seconds = int(limits["cpu"]) + 2
    # Nothing but a limit keeps a process at the weakest level from being left behind.
    processes = 1 if level == walls.LIMITS else _PROCESSES if own_files else None
    for name, most in (
        ("CPU", seconds),
        ("AS", limits["memory"]),
        ("FSIZE", limits["scratch"] if own_files else 0),
        ("NOFILE", _FILES),
        ("NPROC", processes),
        ("CORE", 0),
        ("MSGQUEUE", 0),
        ("MEMLOCK", 0),
    ):
        if most is not None:
            kind = getattr(resource, f"RLIMIT_{name}")
            allowed = resource.getrlimit(kind)[1]
            if allowed != resource.RLIM_INFINITY and allowed < most:
                if name in _NEEDED:
                    raise OSError(
                        f"RLIMIT_{name} is {allowed} here, and a program is to have {most}"
                    )
                most = allowed
            resource.setrlimit(kind, (most, most))
    if not own_files:
        # Where a PID namespace ends with the server, so does everything in it.
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if level == walls.LIMITS:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    elif level == walls.FILTERED:
        linux.set_filter(seccomp.build(os.getpid(), namespaces=False))


_REHEARSED = """
from typing import List
def f(x: List[int], y: str = "a") -> dict:
    \"\"\"Text.\"\"\"
    found = {}
    for i, item in enumerate(sorted(x)):
        if item % 2 == 0 and i < len(x):
            found[str(item)] = [i + 1.5, (item, y)]
    return found
"""
_REHEARSALS = 20


def rehearse() -> None:
    """Do in the server what every child will do.

    What the interpreter adapts and allocates the first times is then shared, where each child would
    have to copy the memory that it changes.
    """
    ours, theirs = socket.socketpair()
    for _ in range(_REHEARSALS):
        runner = _Runner(theirs)
        wire.send(ours, json.dumps({"program": _REHEARSED, "syntax": True}).encode())
        first = runner._receive()
        runner._run(first["program"], first["syntax"])
        asked = {"call": "f", "args": [[4, 2, 1]], "kwargs": {}}
        wire.send(ours, json.dumps(asked).encode())
        runner._send(runner._attempt(runner._answer, runner._receive()))
        for _ in range(3):
            wire.receive(ours)
    ours.close()
    theirs.close()
    del sys.modules[_MODULE]


class _Runner:
    """Runs a program in a module of its own and answers what is asked of it."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._kept: list[Any] = []
        self._module = ModuleType(_MODULE)

    def serve(self) -> None:
        """Answer until the trusted side is gone."""
        first = self._receive()
        if not self._run(first["program"], first["syntax"]):
            return
        while True:
            asked = self._receive()
            self._send(self._attempt(self._answer, asked))

    def _run(self, program: str, asked: bool) -> bool:
        """Compile a program, tell of it, and run it."""
        try:
            tree = syntax.parse(program)
            code = compile(tree, "<program>", "exec", dont_inherit=True)
        except BaseException as error:
            self._send({"compiles": False, "error": _describe(error)})
            return False
        # Told before the program has run, so it is what was found and not what it would like.
        self._send({"compiles": True, "syntax": _normalised(tree) if asked else None})
        del tree
        sys.modules[_MODULE] = self._module
        import random

        random.seed(0)

        self._send(self._attempt(exec, code, self._module.__dict__))
        return True

    def _answer(self, asked: dict[str, Any]) -> Any:
        if "call" in asked:
            function = self._find(asked["call"])
            arguments = [self._value(item) for item in asked["args"]]
            named = {name: self._value(item) for name, item in asked["kwargs"].items()}
            return function(*arguments, **named)
        if "get" in asked:
            return getattr(self._kept[asked["get"]], asked["name"])
        if "set" in asked:
            return setattr(self._kept[asked["set"]], asked["name"], self._value(asked["to"]))
        if "items" in asked:
            return list(self._kept[asked["items"]])
        exec(compile(asked["check"], "<check>", "exec", dont_inherit=True), self._module.__dict__)
        if asked["name"] is not None:
            self._module.__dict__["check"](self._module.__dict__[asked["name"]])
        return None

    def _find(self, name: str | int) -> Any:
        if isinstance(name, int):
            return self._kept[name]
        if name not in self._module.__dict__:
            raise NameError(f"name {name!r} is not defined")
        return self._module.__dict__[name]

    def _value(self, item: Any) -> Any:
        return plain.from_plain(item, lambda number, name, truth: self._kept[number])

    def _keep(self, value: Any) -> list[Any]:
        self._kept.append(value)
        return [len(self._kept) - 1, type(value).__name__, _truth(value)]

    def _attempt(self, act: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Do something of the program's; give its value or what it raised."""
        try:
            return {"value": plain.to_plain(act(*arguments), self._keep)}
        except BaseException as error:
            return {"raised": _describe(error)}

    def _receive(self) -> Any:
        return json.loads(wire.receive(self._channel))

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps(message, separators=(",", ":")).encode()
        if len(content) > wire.LARGEST:
            content = json.dumps(
                {"raised": ["ResultTooLarge", f"{len(content)} bytes", "Exception"]}
            ).encode()
        wire.send(self._channel, content)


def _truth(value: Any) -> bool:
    try:
        return bool(value)
    except Exception:
        return True


def _normalised(tree: Any) -> str | None:
    try:
        return syntax.normalised(tree)
    except RecursionError:
        return None


def _describe(error: BaseException) -> list[str]:
    """Give the name of an exception's type, its text, and the nearest type that is Python's own."""
    try:
        told = str(error)
    except BaseException:
        told = ""
    ancestors = type.__dict__["__mro__"].__get__(type(error))
    built_in = next(kind.__name__ for kind in ancestors if kind in _EXCEPTIONS)
    name = type.__dict__["__name__"].__get__(type(error))
    parts = [str.__str__(part)[:_LONGEST_TEXT] for part in (name, told, built_in)]
    return [part.encode("utf-8", "replace").decode() for part in parts]
