"""When a generation may end: once everything that was asked for stands after the reasoning."""

from __future__ import annotations

from collections.abc import Sequence

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


def opens_thinking(prompt: str) -> bool:
    """Whether a prompt opens the reasoning, so that what is generated starts inside it."""
    return prompt.rstrip().endswith(THINK_OPEN)


def is_complete(text: str, endings: Sequence[str], *, thinking_opened: bool) -> bool:
    """Whether all of ``endings`` stand in ``text`` after its reasoning, which has ended.

    ``thinking_opened``: the prompt itself opened the reasoning.
    """
    close = text.rfind(THINK_CLOSE)
    if text.rfind(THINK_OPEN) > close or (thinking_opened and close < 0):
        return False
    return all(text.find(ending, close + 1) >= 0 for ending in endings)
