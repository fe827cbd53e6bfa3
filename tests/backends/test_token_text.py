"""What generated tokens say: where in the text each ends, and how many of them are reasoning."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.backends.token_text import decode, reasoning_tokens, token_ends
from tests.backends.tiny import save_tiny_model

WORDS = ["<think>", "</think>", "<answer1>", "</answer1>"]
SPECIAL = ["<|end|>", "<|user|>"]
pieces = st.lists(
    st.one_of(
        st.sampled_from([*WORDS, *SPECIAL]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<"), min_size=1),
        st.sampled_from(["caf\u00e9 au lait", "\u65e5\u672c\u8a9e", "\U0001f600\U0001f600"]),
    ),
    max_size=8,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer whose tokens are bytes, tags and special tokens."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(save_tiny_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def merging() -> tuple[Any, dict[int, bytes]]:
    """A tokenizer that has learned tokens of several bytes, some of them parts of characters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    read = [
        "caf\u00e9 au lait",
        "\u65e5\u672c\u8a9e \u65e5\u672c",
        "\U0001f600\U0001f601",
        "the other",
    ]
    learner.train_from_iterator(read * 20, trainer)
    known = PreTrainedTokenizerFast(tokenizer_object=learner)
    # A byte-level token is written with one printable character for each of its bytes.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shifted = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    letters |= {chr(256 + place): byte for place, byte in enumerate(shifted)}
    return known, {
        token: bytes(letters[c] for c in text) for text, token in known.get_vocab().items()
    }


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


@settings(deadline=None)
@given(pieces)
def test_tags_end_whole_and_special_tokens_take_no_place(tokenizer: Any, said: list[str]) -> None:
    tokens: list[int] = []
    expected: list[int] = []
    written = ""
    for piece in said:
        own = tokenizer(piece, add_special_tokens=False)["input_ids"]
        tokens += own
        if piece in SPECIAL:
            expected.append(len(written))
        elif piece in WORDS:
            written += piece
            expected.append(len(written))
        else:
            content = piece.encode()
            assert len(own) == len(content)
            expected += [
                len(written) + len(content[: n + 1].decode(errors="ignore"))
                for n in range(len(content))
            ]
            written += piece
    assert decode(tokenizer, tokens) == written
    assert token_ends(tokenizer, tokens) == tuple(expected)


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\u00e9\u65e5\U0001f600"))
)
def test_a_token_of_parts_of_characters_ends_where_the_last_whole_one_does(
    merging: tuple[Any, dict[int, bytes]], text: str
) -> None:
    known, spelled = merging
    tokens = known(text, add_special_tokens=False)["input_ids"]
    contents = [spelled[token] for token in tokens]
    assert b"".join(contents) == text.encode()
    lengths = [
        len(text.encode()[:count].decode(errors="ignore"))
        for count in accumulate(map(len, contents))
    ]
    assert token_ends(known, tokens) == tuple(lengths)


@settings(deadline=None)
@given(st.lists(st.integers(0, 270), max_size=40))
def test_tokens_that_are_no_text_have_ends_within_what_they_are_decoded_to(
    tokenizer: Any, tokens: list[int]
) -> None:
    ends = token_ends(tokenizer, tokens)
    assert len(ends) == len(tokens)
    assert list(ends) == sorted(ends)
    assert all(0 <= end <= len(decode(tokenizer, tokens)) for end in ends)


@settings(deadline=None)
@given(pieces, st.booleans())
def test_reasoning_is_counted_as_by_adding_one_token_after_another(
    tokenizer: Any, said: list[str], opened: bool
) -> None:
    tokens = tokenizer("".join(said), add_special_tokens=False)["input_ids"]
    text = decode(tokenizer, tokens)
    counted = reasoning_tokens(tokenizer, tokens, text, opened=opened)
    if "</think>" in text:
        shown = [decode(tokenizer, tokens[:count]) for count in range(len(tokens) + 1)]
        after = text.rpartition("</think>")[0] + "</think>"
        assert counted == next(count for count, part in enumerate(shown) if after in part)
    else:
        assert counted == (len(tokens) if opened or "<think>" in text else 0)
