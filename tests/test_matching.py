"""When two texts are the same answer, and which gold answer an answer matches."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.matching import WRONG, match
from marl_eval.normalization import normalize
from marl_eval.types import Example, Gold

FRAGMENTS = ["a", "an", "the", "The", "A", " ", "\n", "\u00a0", ".", "-", "_", "'", "\u2019", "x"]
FRAGMENTS += ["\u0130", "\u03a3", "\u0301", "\u212a", "\ud800", "1", "\x1c", "\u200b", "\u00df"]
any_text = st.one_of(
    st.text(alphabet=st.characters()), st.lists(st.sampled_from(FRAGMENTS)).map("".join)
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("GERD", "gerd"),
        ("The GERD.", "gerd"),
        ("An apple, a pear & the plum", "apple pear plum"),
        ("  two \t\n words ", "two words"),
        ("anaemia", "anaemia"),
        ("theatre", "theatre"),
        ("vitamin A", "vitamin"),
        ("hepatitis-b", "hepatitisb"),
        ("T.H.E. end", "end"),
        ("a-n apple", "apple"),
        ("The the THE", ""),
        ("...!?", ""),
        ("", ""),
        ("caf\u00e9 \u2014 the", "caf\u00e9 \u2014"),
        ("snake_case", "snakecase"),
    ],
)
def test_a_key_has_no_capitals_punctuation_articles_or_extra_spaces(text: str, key: str) -> None:
    assert normalize(text) == key


def squad(text: str) -> str:
    """Do what SQuAD's evaluation script does, step by step."""
    lowered = text.lower()
    bare = "".join(c for c in lowered if c not in set(string.punctuation))
    without_articles = re.sub(r"\b(a|an|the)\b", " ", bare)
    return " ".join(without_articles.split())


@settings(max_examples=500)
@given(any_text)
def test_a_key_is_that_of_squad(text: str) -> None:
    assert normalize(text) == squad(text)


@settings(max_examples=500)
@given(any_text)
def test_the_key_of_a_key_is_itself(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@given(any_text)
def test_a_long_text_has_the_key_that_its_parts_have(text: str) -> None:
    long = f"{text} " * 300
    assert normalize(long) == squad(long)


def example(*gold: Gold) -> Example:
    return Example("1", "Which?", gold)


def test_an_answer_gets_the_index_of_the_gold_answer_it_matches() -> None:
    gold = example(Gold("GERD"), Gold("Asthma"), Gold("Flu"))
    assert match(gold, ["the flu", "gerd.", "COPD", "ASTHMA"]) == [2, 0, WRONG, 1]


def test_an_alias_matches_as_the_answer_does() -> None:
    gold = example(Gold("GERD", ("acid reflux", "heartburn")), Gold("Flu", ("influenza",)))
    assert match(gold, ["Influenza", "Heartburn!", "Acid  Reflux", "GERD"]) == [1, 0, 0, 0]


def test_one_alias_does_not_serve_two_gold_answers() -> None:
    gold = example(Gold("Paris", ("the city",)), Gold("London", ("the town",)))
    assert match(gold, ["city", "town", "paris", "london"]) == [0, 1, 0, 1]


def test_of_gold_answers_with_the_same_key_the_first_is_matched() -> None:
    gold = example(Gold("The Flu"), Gold("flu"), Gold("x", ("y",)), Gold("z", ("Y.",)))
    assert match(gold, ["flu", "y", "z"]) == [0, 2, 3]


def test_an_empty_key_matches_nothing() -> None:
    gold = example(Gold("The"), Gold("?", ("", "a")), Gold("Flu"))
    assert match(gold, ["", "the", "...", "?", "A", "flu"]) == [WRONG] * 5 + [2]


def test_nothing_matches_an_empty_gold_set() -> None:
    assert match(example(), ["flu", ""]) == [WRONG, WRONG]


def test_no_answers_have_no_grades() -> None:
    assert match(example(Gold("Flu")), []) == []


def test_a_task_may_have_its_own_equality() -> None:
    gold = example(Gold("Flu"))
    assert match(gold, ["flu", "Flu"], key=str) == [WRONG, 0]


@given(st.lists(any_text, max_size=5), st.lists(any_text, max_size=5))
def test_a_match_is_the_first_gold_answer_with_the_same_key(
    gold: list[str], answers: list[str]
) -> None:
    keys = [squad(text) for text in gold]
    expected = [
        keys.index(squad(answer)) if squad(answer) and squad(answer) in keys else WRONG
        for answer in answers
    ]
    assert match(example(*(Gold(text) for text in gold)), answers) == expected
