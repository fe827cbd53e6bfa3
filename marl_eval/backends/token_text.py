"""What generated tokens say: their text, where each of them ends in it, how many are reasoning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marl_eval.backends.endings import THINK_CLOSE, THINK_OPEN

_UNFINISHED_CHARACTER, _LONGEST_CHARACTER = "\ufffd", 4


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Give the text of generated tokens, without the special ones."""
    text: str = tokenizer.decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def token_ends(tokenizer: Any, tokens: Sequence[int]) -> tuple[int, ...]:
    """Give, for each token, the number of characters of the text up to its end.

    A token is decoded together with the ones just before it, since it may read differently
    alone. One that ends inside a character ends, for us, where that character begins.
    """
    ends: list[int] = []
    before = shown = total = 0
    for count in range(1, len(tokens) + 1):
        known = decode(tokenizer, tokens[before:shown])
        text = decode(tokenizer, tokens[before:count])
        if not text.endswith(_UNFINISHED_CHARACTER) or count - shown == _LONGEST_CHARACTER:
            total += len(text) - len(known)
            before, shown = shown, count
        ends.append(total)
    return tuple(ends)


def reasoning_tokens(tokenizer: Any, tokens: Sequence[int], text: str, *, opened: bool) -> int:
    """Count the tokens up to the end of the reasoning, by bisection on decoded beginnings."""
    if THINK_CLOSE not in text:
        return len(tokens) if opened or THINK_OPEN in text else 0
    closes = text.count(THINK_CLOSE)
    low, high = 1, len(tokens)
    while low < high:
        middle = (low + high) // 2
        if decode(tokenizer, tokens[:middle]).count(THINK_CLOSE) == closes:
            high = middle
        else:
            low = middle + 1
    return low
