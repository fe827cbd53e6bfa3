"""Where in the text each token ends, by which an answer's log-probability is found."""

from __future__ import annotations

from typing import Any

import pytest

from marl_eval.backends.token_text import token_ends
from tests.backends.tiny import save_tiny_model


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.mark.parametrize(
    "text", ["", "a", "plain words, and more", "caf\u00e9", "\u65e5\u672c \U0001f600!", "\n\n x"]
)
def test_token_ends_grow_to_the_length_of_the_text(tokenizer: Any, text: str) -> None:
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    ends = token_ends(tokenizer, tokens)
    assert len(ends) == len(tokens)
    assert list(ends) == sorted(ends)
    assert (ends[-1] if ends else 0) == len(text)


def test_a_token_ends_after_the_last_character_it_completes(tokenizer: Any) -> None:
    tokens = tokenizer("a\u00e9b", add_special_tokens=False)["input_ids"]
    assert len(tokens) == 4
    assert token_ends(tokenizer, tokens) == (1, 1, 2, 3)


def test_bytes_that_are_no_text_do_not_stop_it(tokenizer: Any) -> None:
    high = tokenizer("\u00e9", add_special_tokens=False)["input_ids"][0]
    ends = token_ends(tokenizer, [high] * 20)
    assert len(ends) == 20
    assert list(ends) == sorted(ends)
