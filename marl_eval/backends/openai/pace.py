"""Keeping to what an account allows in a minute, in requests and in tokens."""

from __future__ import annotations

import asyncio
import time

_MINUTE = 60.0


class Pace:
    """Spreads calls evenly: each waits for its turn, and takes as much of the minute as it may cost.

    The tokens of a call are taken as the most that it may use, as servers do, and what it did not
    use is given back when its answer has come. None is no limit.
    """

    def __init__(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self._of_request = _MINUTE / requests_per_minute if requests_per_minute else 0.0
        self._of_token = _MINUTE / tokens_per_minute if tokens_per_minute else 0.0
        self._request_at = self._tokens_at = 0.0

    async def turn(self, tokens: int) -> None:
        """Wait until a call that may use ``tokens`` tokens may be made."""
        now = time.monotonic()
        start = max(now, self._request_at, self._tokens_at)
        # Taken before waiting, so that whoever comes next waits for the turn after this one.
        self._request_at = start + self._of_request
        self._tokens_at = start + tokens * self._of_token
        if start > now:
            await asyncio.sleep(start - now)

    def give_back(self, tokens: int) -> None:
        """Give back tokens that a call did not use; a negative number for those that it used more."""
        self._tokens_at -= tokens * self._of_token
