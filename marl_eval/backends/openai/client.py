"""The connection to a server, on an event loop of its own thread.

A run is not asynchronous, and may itself be called from within an event loop, as in a notebook.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
import openai

from marl_eval.backends.openai.arguments import Arguments
from marl_eval.errors import UserError

Result = TypeVar("Result")

_CONNECT_SECONDS = 10.0
_DEFAULT = "https://api.openai.com/v1"
_NO_KEY = "none"
"""What is sent where no key is set: servers of one's own ask for none."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection."""

    client: openai.AsyncOpenAI
    loop: asyncio.AbstractEventLoop

    def start(self, work: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Start work on the loop, from another thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    @property
    def address(self) -> str:
        """Where the server is, without what an address may hold that is secret."""
        url = self.client.base_url
        return str(url.copy_with(userinfo=b"", query=None)).rstrip("/")


@contextmanager
def connected(arguments: Arguments, concurrency: int) -> Iterator[Connection]:
    """Open a connection; at the end, whatever is still on its way is given up.

    Raises:
        UserError: if the address is none.
    """
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    try:
        address = arguments.base_url or os.environ.get("OPENAI_BASE_URL") or _DEFAULT
        url = httpx2.URL(address)
        client = openai.AsyncOpenAI(
            api_key=os.environ.get(arguments.key_env) or _NO_KEY,
            base_url=url.copy_with(query=None),
            default_query=dict(url.params),
            max_retries=0,
            timeout=httpx2.Timeout(arguments.timeout, connect=_CONNECT_SECONDS, pool=None),
            http_client=openai.DefaultAsyncHttpxClient(limits=limits),
        )
    except (httpx2.InvalidURL, ValueError, TypeError) as error:
        raise UserError(
            "The base_url of the backend 'openai' is no address: give one such as "
            "http://127.0.0.1:8000/v1."
        ) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(
            "The base_url of the backend 'openai' must begin with http:// or https://, as in "
            "http://127.0.0.1:8000/v1."
        )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="marl-eval-openai", daemon=True)
    thread.start()
    try:
        yield Connection(client, loop)
    finally:
        asyncio.run_coroutine_threadsafe(_give_up(client), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _give_up(client: openai.AsyncOpenAI) -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await client.close()
