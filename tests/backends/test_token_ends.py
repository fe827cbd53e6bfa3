"""Where in the text each token ends, by which an answer's log-probability is found."""

from __future__ import annotations

import pytest

from marl_eval.backends.hf_arguments import Arguments
from marl_eval.backends.hf_model import Model, load_model
from tests.backends.tiny import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = save_tiny_model(tmp_path_factory.mktemp("model"))
    return load_model(str(folder), Arguments())


@pytest.mark.parametrize(
    "text", ["", "a", "plain words, and more", "caf\u00e9", "\u65e5\u672c \U0001f600!", "\n\n x"]
)
def test_token_ends_grow_to_the_length_of_the_text(model: Model, text: str) -> None:
    tokens = model._tokenizer(text, add_special_tokens=False)["input_ids"]
    ends = model._token_ends(tokens)
    assert len(ends) == len(tokens)
    assert list(ends) == sorted(ends)
    assert (ends[-1] if ends else 0) == len(text)


def test_a_token_ends_after_the_last_character_it_completes(model: Model) -> None:
    tokens = model._tokenizer("a\u00e9b", add_special_tokens=False)["input_ids"]
    assert len(tokens) == 4
    assert model._token_ends(tokens) == (1, 1, 2, 3)


def test_bytes_that_are_no_text_do_not_stop_it(model: Model) -> None:
    high = model._tokenizer("\u00e9", add_special_tokens=False)["input_ids"][0]
    ends = model._token_ends([high] * 20)
    assert len(ends) == 20
    assert list(ends) == sorted(ends)
