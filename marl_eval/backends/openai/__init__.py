"""Models behind any server that speaks OpenAI's protocol: ``openai:MODEL``.

Calls are made side by side and each answer is given as it comes. What fails in passing is asked again
(``retrying``); what fails for good is recorded, and the rest go on.

What is promised of the answers is what the server promises. Each request has a seed of its own, which is
sent, and which many servers heed; with several generations in one call (``n``) the seed is that of the
first. Counts of tokens are the server's own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import groupby, islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from marl_eval.backends import IsDone
from marl_eval.backends.openai.arguments import Arguments, read_settings
from marl_eval.errors import BackendError, UserError
from marl_eval.plan import Plan
from marl_eval.redaction import redact
from marl_eval.types import Completion, Failure, Request

if TYPE_CHECKING:
    from marl_eval.backends.openai.asking import Answered, Asker
    from marl_eval.backends.openai.client import Connection
    from marl_eval.backends.openai.server import Server

DEFAULT_CONCURRENCY = 64
_MOST_IN_ONE_CALL = 128
_HOPELESS = 16
"""Failures without any success between them after which it is not the requests that are wrong."""


def open_backend(name: str, args: Mapping[str, Any], *, batch_size: int | None) -> OpenAIBackend:
    """Open a model of a server by the name that it has there."""
    if not name:
        raise UserError("Name the model after the colon, as the server calls it: openai:MODEL.")
    arguments = read_settings(args)
    return OpenAIBackend(name, arguments, arguments.concurrency or batch_size)


class OpenAIBackend:
    """A model of a server, which is looked at when the backend is fingerprinted."""

    def __init__(self, name: str, arguments: Arguments, concurrency: int | None) -> None:
        self._name = name
        self._arguments = arguments
        self._concurrency = concurrency or DEFAULT_CONCURRENCY

    @cached_property
    def _server(self) -> Server:
        from marl_eval.backends.openai.server import look

        with self._connected() as connection:
            chat = self._arguments.chat == "yes"
            return connection.start(look(connection, self._name, chat=chat)).result()

    def fingerprint(self) -> Mapping[str, Any]:
        """Give the model's name at the server, and how it is asked; not where the server is."""
        return {
            "backend": "openai",
            "name": self._name,
            "server": self._server.kind,
            "chat": self._arguments.chat,
            "extra": {name: redact(str(value)) for name, value in self._arguments.extra.items()},
        }

    def check(self, plan: Plan) -> None:
        """See that the server has the model, and, where it counts tokens, that the prompts fit."""
        context = self._server.context
        if self._arguments.long_prompts == "fail" or context is None:
            return
        if self._arguments.chat == "no":
            return
        from marl_eval.backends.conversation import check_lengths
        from marl_eval.backends.openai.server import count_tokens

        with self._connected() as connection:
            check_lengths(
                plan,
                context,
                lambda messages: connection.start(
                    count_tokens(connection, self._name, messages)
                ).result(),
            )

    def stream(self, plan: Plan, is_done: IsDone) -> Iterator[list[Completion | Failure]]:
        """Answer what is not done, each request as its answer comes."""
        from marl_eval.backends.openai.asking import Asker
        from marl_eval.backends.openai.pace import Pace

        arguments = self._arguments
        pace = Pace(arguments.requests_per_minute, arguments.tokens_per_minute)
        with self._connected() as connection:
            asker = Asker(connection, self._name, arguments, self._server, pace)
            held: list[Completion | Failure] = []
            passing = False
            for answered in self._answers(asker, self._calls(plan, is_done, asker)):
                held += answered.items
                passing = passing or not answered.lasting
                if any(isinstance(item, Completion) for item in answered.items):
                    yield held
                    held, passing = [], False
                elif len(held) >= _HOPELESS:
                    raise _hopeless(held, passing=passing)
            if held and passing:
                self._see_that_it_lives(held)
            if held:
                yield held

    def _connected(self) -> AbstractContextManager[Connection]:
        from marl_eval.backends.openai.client import connected

        return connected(self._arguments, self._concurrency)

    def _calls(self, plan: Plan, is_done: IsDone, asker: Asker) -> Iterator[list[Request]]:
        """Give the requests of one call after another."""
        asked = (request for request in plan if not is_done(request))
        for _, same in groupby(asked, key=lambda request: (request.example, request.stage)):
            for first in same:
                yield [first, *islice(same, self._in_one_call(asker) - 1)]  # noqa: B031

    def _in_one_call(self, asker: Asker) -> int:
        if not asker.dialect.several:
            return 1
        n = self._arguments.n
        if n == "auto":
            return 1 if self._server.keeps_prompts else _MOST_IN_ONE_CALL
        return max(1, n)

    def _answers(self, asker: Asker, calls: Iterator[list[Request]]) -> Iterator[Answered]:
        """Keep so many calls on their way, and give each answer as it comes."""
        finished: SimpleQueue[Future[Answered]] = SimpleQueue()
        again: deque[Request] = deque()
        running = 0
        while True:
            while running < self._concurrency:
                requests = [again.popleft()] if again else next(calls, None)
                if requests is None:
                    break
                asker.connection.start(asker.ask(requests)).add_done_callback(finished.put)
                running += 1
            if not running:
                return
            answered = finished.get().result()
            running -= 1
            again.extend(answered.again)
            yield answered

    def _see_that_it_lives(self, held: list[Completion | Failure]) -> None:
        """See that the server answers at all, before its failures are recorded for good."""
        from marl_eval.backends.openai.server import look

        try:
            with self._connected() as connection:
                connection.start(look(connection, self._name, chat=False)).result()
        except UserError as error:
            raise _hopeless(held, passing=True) from error


def _hopeless(held: list[Completion | Failure], *, passing: bool) -> Exception:
    reasons = [item.reason for item in held if isinstance(item, Failure)]
    if passing:
        return BackendError(
            f"The server does not answer any more (last: {reasons[-1]}); what is finished is stored, "
            f"and the same command continues: see whether the server is well, or lower --batch-size."
        )
    return UserError(
        f"The server refuses every request ({reasons[-1]}): correct the settings or --model-args."
    )
