"""Keeping secrets out of what is written and shown: keys, tokens, passwords within addresses.

What counts as a secret: the value of an environment variable whose name says so, the user and password
within an address and the values of its query, and text that looks like a key of a well-known kind.
"""

from __future__ import annotations

import os
import re

HIDDEN = "[hidden]"
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST = 6
"""Characters of a value that is looked for; shorter ones occur in ordinary text."""

_ADDRESS_USER = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_ADDRESS_QUERY = re.compile(r"(?<=[?&])([\w.-]+)=[^&\s'\"#,;)]+")
_LOOKS_LIKE_A_KEY = re.compile(
    r"\b(?:sk|pk|hf|gsk|xai|ghp|gho|AIza)[-_][A-Za-z0-9_*-]{8,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=*-]{6,}",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Give ``text`` with every secret replaced by a mark."""
    for secret in _known():
        text = text.replace(secret, HIDDEN)
    text = _ADDRESS_USER.sub(HIDDEN, text)
    if "://" in text:
        text = _ADDRESS_QUERY.sub(rf"\1={HIDDEN}", text)
    return _LOOKS_LIKE_A_KEY.sub(HIDDEN, text)


def names_a_secret(variable: str) -> bool:
    """Whether the value of an environment variable is kept out, by the variable's name."""
    return _SECRET_NAME.search(variable) is not None


def _known() -> list[str]:
    values = {v for name, v in os.environ.items() if names_a_secret(name) and len(v) >= _SHORTEST}
    return sorted(values, key=len, reverse=True)
