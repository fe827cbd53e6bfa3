"""The text of two generations, with what they share highlighted, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval import score
from marl_eval.errors import UserError
from marl_eval.reports.drawings import DRAWINGS
from marl_eval.reports.drawings.overlap import (
    chosen_run,
    highlighted,
    nearest_median,
    ngrams,
    shown,
    wrapped,
)
from marl_eval.reports.drawings.saving import as_svg
from marl_eval.results import read_results
from tests.conftest import Cli
from tests.runs import completion, example, hand_made, read_scores, said

THOUGHTS = [
    ("the cat sat on the mat", "a cat sat on the mat"),
    ("one two three four five", "six seven eight nine ten"),
    ("red green blue red green", "red green blue red green"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three questions with two generations each, of one answer."""
    records = [
        completion(row, f"<think>{thought}</think>{said('a')}", sample=sample)
        for row, thoughts in enumerate(THOUGHTS)
        for sample, thought in enumerate(thoughts)
    ]
    examples = [example(f"q{row}", "a") for row in range(len(THOUGHTS))]
    path = tmp_path_factory.mktemp("overlap") / "run"
    hand_made(path, examples, records, k=2, members=2, reasoning=True)
    score(path, resamples=20)
    return path


def test_the_pair_is_the_one_nearest_the_median(run: Path) -> None:
    scores = read_scores(run)["overlap_3gram"].dropna()
    # Of four trigrams each, the first pair shares three.
    assert scores.tolist() == pytest.approx([0.75, 0, 1])
    pair = nearest_median(run)
    assert pair.overlaps["overlap_3gram"] == pytest.approx(0.75)
    assert (pair.example, pair.samples) == ("q0", (0, 1))
    assert pair.texts == (" the cat sat on the mat ", " a cat sat on the mat ")


def test_the_pair_may_be_of_an_example_that_is_named(run: Path) -> None:
    pair = nearest_median(run, "q1")
    assert (pair.example, pair.row) == ("q1", 1)
    with pytest.raises(UserError, match="has no example 'q9' of which two generations"):
        nearest_median(run, "q9")


def test_the_command_draws_the_example_that_is_named(run: Path, cli: Cli, tmp_path: Path) -> None:
    drawn = []
    for name in ("q0", "q1"):
        assert (
            cli("figures", run, "--only", "overlap", "--example", name, "--out", tmp_path / name)[0]
            == 0
        )
        drawn.append((tmp_path / name / "overlap.svg").read_bytes())
    assert drawn[0] != drawn[1]
    code, _, err = cli("figures", run, "--example", "q9", "--out", tmp_path / "q9")
    assert code == 2
    assert "marl-eval show" in err


def test_a_run_of_single_answers_goes_before_one_of_sets(run: Path, tmp_path: Path) -> None:
    records = [
        completion(0, f"<think>a b c d</think>{said('a', 'b')}", sample=sample) for sample in (0, 1)
    ]
    sets = hand_made(tmp_path / "sets", [example("x", "a")], records, sets=2, reasoning=True)
    score(sets, resamples=0)
    assert chosen_run([sets, run]) == run
    assert chosen_run([sets]) == sets
    assert chosen_run([]) is None


def test_words_of_a_shared_trigram_are_highlighted_with_what_is_between() -> None:
    text = "The cat, sat on THE mat. Nothing more."
    shared = ngrams("the cat sat") & ngrams(text)
    assert [text[first:last] for first, last in highlighted(text, shared)] == ["The cat, sat"]
    both = shared | {("on", "the", "mat")}
    assert [text[a:b] for a, b in highlighted(text, both)] == ["The cat, sat on THE mat"]
    assert list(highlighted(text, set())) == []


@given(st.text(alphabet="ab c.\n", max_size=60), st.text(alphabet="ab c.\n", max_size=60))
def test_exactly_the_words_of_shared_trigrams_are_highlighted(one: str, other: str) -> None:
    import re

    words = [(m.group(), m.span()) for m in re.finditer("[abc]+", one)]
    common = ngrams(one) & ngrams(other)
    wanted = {
        span
        for start in range(len(words) - 2)
        if tuple(word for word, _ in words[start : start + 3]) in common
        for _, span in words[start : start + 3]
    }
    parts = list(highlighted(one, common))
    found = {span for _, span in words if any(a <= span[0] and span[1] <= b for a, b in parts)}
    assert found == wanted


def test_texts_too_short_for_four_words_are_drawn_without_their_overlap(tmp_path: Path) -> None:
    records = [
        completion(0, f"<think>one two three</think>{said('x')}", sample=sample)
        for sample in (0, 1)
    ]
    path = hand_made(tmp_path / "run", [example("0", "x")], records, members=2, reasoning=True)
    score(path, resamples=0)
    assert read_results(path).metrics["overlap_4gram"].value is None
    assert as_svg(DRAWINGS["overlap"], [path]) is not None


@given(st.text(max_size=400))
def test_wrapped_lines_are_short_and_lose_no_word(text: str) -> None:
    visible = shown(text)
    lines = [visible[first:last] for first, last in wrapped(visible)]
    assert all(len(line) <= 52 and "\n" not in line for line in lines)
    assert "".join("".join(lines).split()) == "".join(visible.split())


def test_text_is_drawn_inert_and_a_long_one_is_cut(tmp_path: Path) -> None:
    thought = (
        "$\\frac{1}{0}$ \x1b[31m\u202e <script>alert(1)</script> 字 " + "again and again " * 900
    )
    records = [
        completion(0, f"<think>{thought}</think>{said('a')}", sample=sample) for sample in (0, 1)
    ]
    path = hand_made(tmp_path / "run", [example("x", "a")], records, members=2, reasoning=True)
    score(path, resamples=0)
    text = as_svg(DRAWINGS["overlap"], [path])
    assert text is not None
    assert "<script" not in text
    assert "\u202e" not in text
    assert len(text) < 3_000_000
