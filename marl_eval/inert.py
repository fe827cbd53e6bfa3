"""Text from elsewhere, made safe to show: nothing in it controls a terminal or turns the text."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def inert(text: str) -> str:
    """Make text from elsewhere safe for a terminal: control characters become visible codes."""
    if text.isprintable():
        return text
    visible = _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
    return visible.encode("utf-8", "backslashreplace").decode("utf-8")
