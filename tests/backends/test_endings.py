"""When a generation may end."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marl_eval.backends.endings import is_complete, opens_thinking

ENDINGS = ("</answer1>", "</confidence1>")
texts = st.lists(
    st.sampled_from(["<think>", "</think>", *ENDINGS, "<", "/think>", "</", "think", " ", "a"]),
    max_size=12,
).map("".join)


def complete(text: str, endings: tuple[str, ...], opened: bool) -> bool:
    """Read the text from left to right, piece by piece."""
    inside, after = opened, ""
    for piece in re.split("(</?think>)", text):
        if piece == "<think>":
            inside = True
        elif piece == "</think>":
            inside, after = False, ""
        else:
            after += piece
    return not inside and all(ending in after for ending in endings)


@given(texts, st.sampled_from([(), ENDINGS[:1], ENDINGS]), st.booleans())
@example("<think></answer1></confidence1></think>", ENDINGS, False)
@example("</answer1></think></confidence1>", ENDINGS, True)
def test_a_generation_is_complete_as_one_who_reads_it_from_the_left_would_say(
    text: str, endings: tuple[str, ...], opened: bool
) -> None:
    assert is_complete(text, endings, thinking_opened=opened) == complete(text, endings, opened)


def test_a_generation_becomes_complete_at_the_last_character_of_its_last_ending() -> None:
    text = "<think>as in </answer1></think><answer1>x</answer1><confidence1>1</confidence1>"
    ended = [is_complete(text[:n], ENDINGS, thinking_opened=False) for n in range(len(text) + 1)]
    assert ended == [False] * len(text) + [True]


@pytest.mark.parametrize(
    ("prompt", "opens"),
    [
        ("<|assistant|><think>\n", True),
        ("<|assistant|><think>", True),
        ("<|assistant|><think>\n\n</think>\n\n", False),
        ("write <think> first<|assistant|>", False),
        ("", False),
    ],
)
def test_a_prompt_opens_the_reasoning_if_it_ends_with_the_mark(prompt: str, opens: bool) -> None:
    assert opens_thinking(prompt) == opens
