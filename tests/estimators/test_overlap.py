from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.estimators.overlap import jaccard, ngram_overlap, overlaps, rouge_l, tokens

Tokens = Sequence[Hashable]
Measure = Callable[[Tokens, Tokens], float]

MEASURES = [
    pytest.param(lambda a, b: ngram_overlap(a, b, n=1), 1, id="1-gram overlap"),
    pytest.param(lambda a, b: ngram_overlap(a, b, n=3), 3, id="3-gram overlap"),
    pytest.param(lambda a, b: jaccard(a, b, n=2), 2, id="Jaccard of 2-grams"),
    pytest.param(jaccard, 3, id="Jaccard"),
    pytest.param(rouge_l, 1, id="ROUGE-L"),
]
"""Each measure with the number of tokens it needs to see anything."""

words = st.lists(st.sampled_from("abcde"), max_size=30)
prose = st.text(alphabet=st.sampled_from("abAB \n.,'-_9é"), max_size=60)


def common_subsequence(a: Tokens, b: Tokens) -> int:
    """Fill the whole table of lengths."""
    length = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, j in product(range(len(a)), range(len(b))):
        length[i + 1][j + 1] = (
            length[i][j] + 1 if a[i] == b[j] else max(length[i][j + 1], length[i + 1][j])
        )
    return length[-1][-1]


def grams(a: Tokens, n: int) -> list[tuple[Hashable, ...]]:
    return [tuple(a[i : i + n]) for i in range(len(a) - n + 1)]


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def test_the_cat_that_sat_and_the_one_that_ran() -> None:
    sat, ran = tokens("the cat sat on the mat"), tokens("the cat ran on the mat")
    assert ngram_overlap(sat, ran, n=1) == 5 / 6
    assert ngram_overlap(sat, ran, n=3) == 1 / 4
    assert ngram_overlap(sat, ran, n=4) == 0
    assert jaccard(sat, ran) == 1 / 7
    assert jaccard(sat, ran, n=1) == 4 / 6
    assert rouge_l(sat, ran) == 5 / 6


def test_ngram_overlap_counts_repetitions_and_jaccard_does_not() -> None:
    once, twice = list("abc"), list("abcabc")
    assert ngram_overlap(once, twice, n=3) == 2 * 1 / (1 + 4)
    assert jaccard(once, twice) == 1 / 3
    assert ngram_overlap(list("aaaa"), list("aaa"), n=3) == 2 / 3
    assert jaccard(list("aaaa"), list("aaa")) == 1


def test_rouge_l_wants_the_same_order_and_ngrams_of_one_token_do_not() -> None:
    assert rouge_l(list("abcd"), list("dcba")) == 1 / 4
    assert ngram_overlap(list("abcd"), list("dcba"), n=1) == 1


def test_tokens_are_lower_case_runs_of_letters_and_digits() -> None:
    assert tokens("She's 35-year-old; pain_level (4/10).\n") == [
        "she", "s", "35", "year", "old", "pain", "level", "4", "10"
    ]  # fmt: skip
    assert tokens("Naïve café — Ärger") == ["naïve", "café", "ärger"]
    assert tokens(" .,_ \n") == []


@given(text=st.one_of(prose, st.text(max_size=60)))
def test_tokens_are_what_a_walk_over_the_characters_finds(text: str) -> None:
    runs = groupby(text.lower(), key=str.isalnum)
    assert tokens(text) == ["".join(run) for is_word, run in runs if is_word]


def test_overlaps_of_two_texts() -> None:
    found = overlaps("The cat sat on the mat.", "the cat ran, on the mat")
    assert found == (1 / 4, 0, 1 / 7, 5 / 6)
    assert found.rouge_l == 5 / 6


@pytest.mark.parametrize("a", ["", " .\n"])
def test_texts_without_words_share_nothing_and_lack_nothing(a: str) -> None:
    assert all(math.isnan(value) for value in overlaps(a, "..."))
    assert overlaps(a, "one two three four") == (0, 0, 0, 0)


def test_texts_shorter_than_an_ngram_have_only_a_rouge_l() -> None:
    found = overlaps("one two", "two")
    assert found.rouge_l == 2 / 3
    assert all(math.isnan(value) for value in (found.trigram, found.fourgram, found.jaccard))


@pytest.mark.parametrize("n", [0, -1])
def test_ngrams_of_no_token_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ngram_overlap(["a"], ["a"], n=n)
    with pytest.raises(ValueError, match="at least 1"):
        jaccard(["a"], ["a"], n=n)


@pytest.mark.parametrize(("measure", "needed"), MEASURES)
@given(a=words, b=words)
def test_measures_are_symmetric_and_between_0_and_1(
    measure: Measure, needed: int, a: list[str], b: list[str]
) -> None:
    value = measure(a, b)
    assert same(value, measure(b, a))
    assert math.isnan(value) == (max(len(a), len(b)) < needed)
    assert math.isnan(value) or 0 <= value <= 1


@pytest.mark.parametrize(("measure", "needed"), MEASURES)
@given(a=words)
def test_a_text_overlaps_wholly_with_itself_and_not_at_all_with_other_words(
    measure: Measure, needed: int, a: list[str]
) -> None:
    if len(a) >= needed:
        assert measure(a, a) == 1
        assert measure(a, [word.upper() for word in a]) == 0
        assert measure(a, []) == 0


@pytest.mark.parametrize(("measure", "needed"), MEASURES)
@given(a=words, b=words)
def test_measures_do_not_depend_on_what_the_words_are(
    measure: Measure, needed: int, a: list[str], b: list[str]
) -> None:
    renamed = {"a": "ab", "b": 0, "c": ("x",), "d": -1, "e": -2}
    assert same(measure([renamed[w] for w in a], [renamed[w] for w in b]), measure(a, b))


@given(a=words, b=words)
def test_rouge_l_agrees_with_the_whole_table_of_subsequences(a: list[str], b: list[str]) -> None:
    if a or b:
        assert rouge_l(a, b) == 2 * common_subsequence(a, b) / (len(a) + len(b))


@pytest.mark.parametrize("kinds", [2, 20, 300])
@pytest.mark.parametrize("lengths", [(63, 64), (64, 65), (129, 200), (700, 130)])
def test_rouge_l_is_exact_for_texts_longer_than_a_machine_word(
    kinds: int, lengths: tuple[int, int]
) -> None:
    rng = np.random.default_rng(kinds)
    a, b = (rng.integers(kinds, size=length).tolist() for length in lengths)
    assert rouge_l(a, b) == 2 * common_subsequence(a, b) / (len(a) + len(b))


def test_tokens_of_equal_hash_are_not_taken_for_equal() -> None:
    assert hash(-1) == hash(-2)
    assert rouge_l([-1], [-2]) == 0
    assert rouge_l(["a"], [ord("a")]) == 0


@given(a=words, b=words, n=st.integers(1, 6))
def test_ngram_measures_agree_with_counting_ngrams_one_by_one(
    a: list[str], b: list[str], n: int
) -> None:
    of_a, of_b = grams(a, n), grams(b, n)
    if of_a or of_b:
        shared = sum((Counter(of_a) & Counter(of_b)).values())
        assert ngram_overlap(a, b, n=n) == 2 * shared / (len(of_a) + len(of_b))
        union = set(of_a) | set(of_b)
        assert jaccard(a, b, n=n) == len(set(of_a) & set(of_b)) / len(union)


def test_ngrams_that_differ_in_one_token_are_told_apart_however_many_there_could_be() -> None:
    # 2,048 words make 2^77 7-grams, in which 64 bits have no room for the first word.
    a = list(range(2048))
    assert ngram_overlap(a, [2047, *range(1, 7)], n=7) == 0
    assert ngram_overlap(a, [0, *range(1, 7)], n=7) == 2 / (2042 + 1)
    assert jaccard(a, [0, *range(1, 7), 0], n=7) == 1 / 2043


@pytest.mark.parametrize("stems", [False, True], ids=["words", "stems"])
def test_overlaps_agree_with_the_rouge_score_package(stems: bool) -> None:
    why = "rouge-score, which computes ROUGE itself, is not installed"
    scorers = pytest.importorskip("rouge_score.rouge_scorer", reason=why)
    tokenizers = pytest.importorskip("rouge_score.tokenizers", reason=why)
    scorer = scorers.RougeScorer(["rouge3", "rouge4", "rougeL"], use_stemmer=stems)
    tokenize = tokenizers.DefaultTokenizer(stems).tokenize
    rng = np.random.default_rng(7)
    words = [
        "The",
        "patients",
        "running,",
        "runs.",
        "diagnoses",
        "diagnosis",
        "35-year-old",
        "she's",
    ]
    for length in [*range(1, 12), *range(12, 120, 3)]:
        a, b = ("\n".join(rng.choice(words, size=size)) for size in (length, length + 2))
        theirs = {name: score.fmeasure for name, score in scorer.score(a, b).items()}
        first, second = tokenize(a), tokenize(b)
        assert ngram_overlap(first, second, n=3) == pytest.approx(theirs["rouge3"])
        assert rouge_l(first, second) == pytest.approx(theirs["rougeL"])
        if max(len(first), len(second)) >= 4:
            assert ngram_overlap(first, second, n=4) == pytest.approx(theirs["rouge4"])
        if not stems:
            assert tokens(a) == first
            assert overlaps(a, b).trigram == ngram_overlap(first, second, n=3)
            assert overlaps(a, b).rouge_l == rouge_l(first, second)
