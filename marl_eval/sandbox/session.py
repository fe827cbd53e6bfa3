"""Talking to one program behind the boundary.

What comes back is decoded to values of the built-in types, so nothing that the program wrote is ever
run on this side. An object that is not plain data stays there, and a ``Remote`` stands for it.
"""

from __future__ import annotations

import builtins
import json
import reprlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from marl_eval.errors import UserError
from marl_eval.sandbox.inside import wire
from marl_eval.sandbox.inside.plain import NotPlainError, from_plain, to_plain

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxdict = 12

_LONGEST_TEXT = 500
_LONGEST_KEPT = 1 << 16


class SessionOverError(BaseException):
    """The program has ended, so it can answer nothing more.

    Not an ``Exception``: tests that expect the program to raise must not take it for what they expect.
    """


class ProgramError(Exception):
    """The program raised an exception of its own, or one that must not be raised here."""


class Remote:
    """An object that stayed with the program.

    It can be passed back, called, gone through, and asked for its attributes and whether it was true
    when it was given. It has no value here: it equals only itself.
    """

    __slots__ = ("_number", "_session", "_truth", "_type")

    def __init__(self, session: Session, number: int, kind: str, truth: bool) -> None:
        for name, value in (
            ("_session", session), ("_number", number), ("_type", kind), ("_truth", truth),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<{self._type} object>"

    def __bool__(self) -> bool:
        truth: bool = self._truth
        return truth

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it, where it is."""
        return self._session.call(self._number, arguments, named)

    def __getattr__(self, name: str) -> Any:
        """Get an attribute of it."""
        if name.startswith("__"):
            raise AttributeError(name)
        return self._session.ask({"get": self._number, "name": name})

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of it."""
        self._session.ask({"set": self._number, "name": name, "to": self._session.encoded(value)})

    def __iter__(self) -> Iterator[Any]:
        """Go through it; all of its items are fetched at once."""
        items: list[Any] = self._session.ask({"items": self._number})
        return iter(items)


@dataclass(frozen=True, slots=True)
class Call:
    """One call across the boundary, as JSON: what was called, with what, and what came of it.

    Of a long answer only a hash is kept, for a program may give as many as it is called.
    """

    asked: bytes
    answered: bytes


class Session:
    """One program that was started, until it has ended.

    ``compiles``, ``syntax`` (a hash, None if it was not asked for or cannot be told) and ``error``, what
    the program raised when it was run, in words, are known once it is made. ``calls`` are all calls
    so far.
    """

    def __init__(self, channel: socket.socket, program: str, *, syntax: bool) -> None:
        self._channel = channel
        self.over = False
        self.compiles = False
        self.syntax: str | None = None
        self.error: str | None = None
        self.calls: list[Call] = []
        self._answered = b""
        self._begin(program, syntax)

    def _begin(self, program: str, syntax: bool) -> None:
        # The standard library's encoder, for a program may hold what UTF-8 cannot.
        told = json.dumps({"program": program, "syntax": syntax}).encode()
        try:
            first = orjson.loads(self._exchange(told))
            if "refused" in first:
                raise UserError(f"A program cannot be started in the sandbox: {first['refused']}.")
            self.compiles = first["compiles"] is True
            if not self.compiles:
                self.error = _in_words(first["error"])
                return
            self.syntax = None if first["syntax"] is None else _hashed(first["syntax"])
            outcome = orjson.loads(wire.receive(self._channel))
            if "raised" in outcome:
                self.error = _in_words(outcome["raised"])
        except (wire.WireError, ValueError, KeyError, TypeError, IndexError):
            self.over = True

    def call(self, name: str | int, arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Call a function of the program.

        Raises:
            Exception: what the program raised, as the nearest exception that is Python's own, with
                its text; ``ProgramError`` where that says nothing.
            NotPlainError: if an argument cannot cross.
            SessionOverError: if the program has ended.
        """
        return self.ask(
            {
                "call": name,
                "args": [self.encoded(item) for item in arguments],
                "kwargs": {key: self.encoded(item) for key, item in named.items()},
            }
        )

    def ask(self, message: dict[str, Any]) -> Any:
        """Ask one thing; see ``inside.child`` for the messages, and ``call`` for what it raises."""
        if self.over:
            raise SessionOverError
        asked = json.dumps(message, separators=(",", ":")).encode()
        try:
            answered = self._exchange(asked)
        except wire.WireError as error:
            self.over = True
            raise SessionOverError from error
        self.calls.append(Call(asked, _kept(answered)))
        self._answered = answered
        return self._outcome(answered)

    def _exchange(self, content: bytes) -> bytes:
        wire.send(self._channel, content)
        return wire.receive(self._channel)

    def _outcome(self, content: bytes) -> Any:
        """Decode an answer, which may be anything at all."""
        try:
            answer = orjson.loads(content)
            if "raised" not in answer:
                return from_plain(answer["value"], self._remote)
            name, told, built_in = answer["raised"]
            if not {str} == {type(name), type(told), type(built_in)}:
                raise TypeError("no exception")
        except (NotPlainError, ValueError, KeyError, TypeError) as error:
            self.over = True
            raise SessionOverError from error
        kind = getattr(builtins, built_in, None)
        # A StopIteration would end a loop of the tests early, with what it was to check unchecked.
        if (
            isinstance(kind, type)
            and issubclass(kind, Exception)
            and kind is not StopIteration
            and (kind is not Exception or name == "Exception")
        ):
            try:
                raised = kind(told)
            except TypeError:
                raised = ProgramError(_in_words([name, told]))
            raise raised
        raise ProgramError(_in_words([name, told]))

    def encoded(self, value: Any) -> Any:
        """Give what stands for an argument in JSON; ``NotPlainError`` if it cannot cross."""
        return to_plain(value, self._number)

    def _number(self, value: Any) -> list[Any]:
        if type(value) is Remote and value._session is self:
            return [value._number, value._type, value._truth]
        raise NotPlainError(f"an argument of type {type(value).__name__} cannot cross the boundary")

    def _remote(self, number: int, kind: str, truth: bool) -> Remote:
        return Remote(self, number, kind, truth)

    def describe_last(self) -> str:
        """Tell the last call and what came of it, in a few words."""
        if not self.calls:
            return "nothing was called"
        asked = orjson.loads(self.calls[-1].asked)
        called = "the program was asked"
        if "call" in asked:
            named = [f"{key}={self._shown(item)}" for key, item in asked["kwargs"].items()]
            told = ", ".join([*map(self._shown, asked["args"]), *named])
            called = f"{asked['call']}({told})"
        try:
            answer = orjson.loads(self._answered)
            if "raised" in answer:
                return f"{called} raised {_in_words(answer['raised'])}"
            return f"{called} gave {self._shown(answer['value'])}"
        except (ValueError, KeyError, TypeError, IndexError):
            return f"{called} gave no answer"

    def _shown(self, value: Any) -> str:
        try:
            return _SHORT.repr(from_plain(value, self._remote))
        except (NotPlainError, ValueError):
            return "..."

    def close(self) -> None:
        """Hang up."""
        self.over = True
        self._channel.close()


def _hashed(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _kept(answered: bytes) -> bytes:
    if len(answered) <= _LONGEST_KEPT:
        return answered
    return b"hash " + blake2b(answered, digest_size=16).hexdigest().encode()


def _in_words(raised: Any) -> str:
    """Tell an exception by its name and text, which the program chose."""
    name, told = raised[0], raised[1]
    if type(name) is not str or type(told) is not str:
        raise TypeError("no exception")
    name, told = name[:_LONGEST_TEXT], told[:_LONGEST_TEXT]
    return f"{name}: {told}" if told else name
