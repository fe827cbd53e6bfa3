"""Which calls are made again, and after how long.

A call is made again on 408, 409, 429 and 5xx, when the time is up, when the connection is cut, and when
what came back is no answer. The waits grow by doubling and are drawn at random up to that, so that
requests that failed together do not come back together (full jitter). A server that says when to come
back (Retry-After) is obeyed.
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from marl_eval.errors import BackendError, UserError

Answer = TypeVar("Answer")

_FIRST_SECONDS, _MOST_SECONDS = 0.5, 60.0
_AGAIN = {408, 409, 429}
_BUSY = {429, 503}


class NoAnswerError(Exception):
    """What came back is no answer: not JSON, or without choices."""


async def with_retries(call: Callable[[], Awaitable[Answer]], attempts: int) -> Answer:
    """Make a call until it succeeds, at most ``attempts`` times; its last error is raised.

    Raises:
        UserError: if the server does not accept the key.
        BackendError: if the account is used up.
    """
    again = AsyncRetrying(
        stop=stop_after_attempt(attempts),
        wait=_wait,
        retry=retry_if_exception(is_passing),
        reraise=True,
    )
    try:
        async for attempt in again:
            with attempt:
                return await call()
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise UserError(wrong_key(error)) from error
    except openai.APIStatusError as error:
        if _is_used_up(error):
            raise BackendError(
                "The server says that the account's quota is used up; what is finished is stored, and "
                "the same command continues once there is more."
            ) from error
        if error.status_code in _BUSY:
            # No request is at fault, so none of them must end as failed.
            raise BackendError(
                f"The server was too busy for one request {attempts} times (status "
                f"{error.status_code}); what is finished is stored, and the same command continues: "
                f"lower --batch-size, or keep to its limits by --model-args requests_per_minute and "
                f"tokens_per_minute."
            ) from error
        raise
    raise AssertionError("the last attempt returns or raises")


def is_passing(error: BaseException) -> bool:
    """Whether an error may be gone when the call is made again."""
    if isinstance(error, openai.APIStatusError):
        passing = error.status_code in _AGAIN or error.status_code >= 500
        return passing and not _is_used_up(error)
    return isinstance(error, openai.APIConnectionError | NoAnswerError)


def wrong_key(error: openai.APIStatusError) -> str:
    """Say that the server does not accept the key."""
    return (
        f"The server does not accept the key (status {error.status_code}): set the environment "
        f"variable OPENAI_API_KEY, or name another one by --model-args key_env=NAME."
    )


def _is_used_up(error: openai.APIStatusError) -> bool:
    return error.status_code == 429 and error.code == "insufficient_quota"


def _wait(state: RetryCallState) -> float:
    longest = min(_MOST_SECONDS, _FIRST_SECONDS * 2 ** (state.attempt_number - 1))
    wait = random.uniform(0.0, longest)
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, openai.APIStatusError):
        wait += told_wait(error) or 0.0
    return wait


def told_wait(error: openai.APIStatusError) -> float | None:
    """Give the seconds after which the server said to come back; None if it did not say."""
    told = error.response.headers.get("retry-after-ms")
    try:
        if told is not None:
            return max(0.0, float(told) / 1000)
        told = error.response.headers.get("retry-after", "")
        return max(0.0, float(told))
    except ValueError:
        date = email.utils.parsedate_tz(told)
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
