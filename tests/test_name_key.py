"""The key of tasks whose right answer may be made of what is usually left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.normalization import name_key, normalize


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("The Beatles!", "beatles"),
        ("the", "the"),
        ("The The.", "the the"),
        (" A ", "a"),
        ("#", "#"),
        ("? !", "? !"),
        ("  ", ""),
        ("", ""),
    ],
)
def test_articles_and_punctuation_stay_where_they_are_all_there_is(text: str, key: str) -> None:
    assert name_key(text) == key


@given(st.text())
def test_it_is_the_usual_key_wherever_that_leaves_something(text: str) -> None:
    assert name_key(text) == (normalize(text) or name_key(text))
    assert bool(name_key(text)) == bool(text.strip())
    assert name_key(f" {text}\n") == name_key(text)
