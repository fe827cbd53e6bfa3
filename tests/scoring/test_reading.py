"""A block of generations is read as each of them is alone."""

from __future__ import annotations

from dataclasses import replace
from math import log, nan

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marl_eval.answers import AnswerFormat, render
from marl_eval.normalization import Key, normalize
from marl_eval.scoring.generation import generation_reader
from marl_eval.scoring.reading import Reader, Readings, Stages, read_generations
from marl_eval.scoring.vocabulary import NOTHING, Vocabulary
from marl_eval.types import Completion
from tests.texts import any_text, near_valid, spelled

KEYS: list[Key] = [normalize, str.strip]
Block = tuple[Reader, list[Stages | None], list[int | None]]

formats = st.builds(
    AnswerFormat,
    k=st.integers(1, 4),
    confidence=st.booleans(),
    reasoning=st.booleans(),
    analysis=st.booleans(),
    sum_to_one=st.booleans(),
)


def line(text: str, reasoning: str | None = None, opened: bool = False) -> Completion:
    return Completion("", 0, 0, 0, text, 1, 1, "stop", reasoning, thinking_opened=opened)


@st.composite
def clean(draw: st.DrawFn, fmt: AnswerFormat) -> Completion:
    """Draw a generation with clean tags, the contents of which may still be wrong."""
    text = "<think>r</think>" if draw(st.integers(0, 5)) else draw(st.sampled_from(["r", ""]))
    for i in range(fmt.k):
        n = fmt.suffix(i)
        odd = [f" x{i}\n", "x0", "The X0.", "the", "A", "", " "]
        answer = draw(st.sampled_from([f"x{i}"] * 14 + odd))
        text += f"<answer{n}>{answer}</answer{n}>"
        if fmt.confidence:
            q = spelled(draw(st.floats(0, 1)) / draw(st.sampled_from([1, 2, 4])), i % 4)
            q = draw(st.sampled_from([q] * 10 + ["0.7", "0.2", "0.1", "80%", "", "high"]))
            text += f"<confidence{n}>{q}</confidence{n}>"
    if fmt.analysis:
        text += "<analysis>unsure</analysis>"
    return line(text)


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    """Draw a format and generations asked for in it, most of them nearly as asked."""
    fmt = draw(formats)

    def text() -> Completion:
        kind = draw(st.integers(0, 5))
        if kind <= 3:
            return draw(clean(fmt))
        if kind == 4:
            return line(*draw(near_valid(st.just(fmt)))[1:])
        return line(draw(any_text), draw(st.none() | any_text), draw(st.booleans()))

    def stages() -> Stages | None:
        follow_ups = draw(st.sampled_from([0, 0, 0, 0, 1, 2, None]))
        return None if follow_ups is None else [text() for _ in range(1 + follow_ups)]

    generations = [stages() for _ in range(draw(st.integers(0, 6)))]
    fewer = st.sampled_from([None, None, None, *range(1, fmt.k + 1)])
    reader = Reader(fmt, draw(st.sampled_from(KEYS)), draw(st.booleans()))
    return reader, generations, [draw(fewer) for _ in generations]


def read(block: Block) -> tuple[Readings, list[list[str | None]]]:
    """Read a block; give besides the texts of the answers."""
    vocabulary = Vocabulary(block[0].key)
    readings = read_generations(block[0], vocabulary, *block[1:])
    texts = [*vocabulary.texts(), None]
    assert texts[NOTHING] is None
    return readings, [[texts[number] for number in row] for row in readings.numbers.tolist()]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(blocks())
def test_a_block_is_read_as_each_of_its_generations_alone(block: Block) -> None:
    reader, generations, asked = block
    fmt, key, strict = reader.fmt, reader.key, reader.strict
    found, answers = read(block)
    for place, (stages, own) in enumerate(zip(generations, asked, strict=True)):
        empty = [None] * fmt.k
        if stages is None:
            assert answers[place] == empty
            assert np.isnan(found.stated[place]).all()
            assert found.deviations[place] is None
            continue
        fmt_own = fmt if own is None else replace(fmt, k=own)
        alone = generation_reader(fmt_own, key)(stages)
        rest: list[None] = [None] * (fmt.k - fmt_own.k)
        refused = strict and not alone.strict
        assert answers[place] == (empty if refused else [*alone.answers, *rest])
        stated = [None] * fmt.k if refused else [*alone.confidences, *rest]
        np.testing.assert_array_equal(found.stated[place], np.array(stated, dtype=np.float64))
        assert found.deviations[place] == " ".join(alone.deviations)
        assert found.strict[place] == alone.strict
        assert found.reasoning_end[place] == alone.reasoning_end
    assert np.isnan(found.logprob).all()


def test_no_generations_are_read_as_nothing() -> None:
    found, answers = read((Reader(AnswerFormat(2), normalize, False), [], []))
    assert answers == []
    assert found.stated.shape == found.logprob.shape == (0, 2)


def test_the_key_decides_whether_clean_answers_repeat() -> None:
    text = "<answer1>GERD</answer1><answer2> gerd</answer2>"
    fmt = AnswerFormat(2, confidence=False, reasoning=False)

    def deviations(key: Key) -> list[str | None]:
        return read((Reader(fmt, key, False), [[line(text)]], [None]))[0].deviations

    assert deviations(normalize) == ["repeated-answer"]
    assert deviations(str) == [""]


@pytest.mark.parametrize(
    ("stated", "deviation"),
    [
        (["0.5", "0.25", "0.25"], ""),
        # Added up as floats these make 1.0000000000000002.
        (["0.33", "0.56", "0.11"], ""),
        (["0.5", "0.25", "0.26"], "sum-above-one"),
    ],
)
def test_clean_confidences_must_sum_to_at_most_1_where_that_was_asked(
    stated: list[str], deviation: str
) -> None:
    fmt = AnswerFormat(3, reasoning=False, sum_to_one=True)
    text = render(fmt, ["x", "y", "z"], stated)
    found, _ = read((Reader(fmt, normalize, False), [[line(text)]], [None]))
    assert found.deviations == [deviation]
    assert found.stated.tolist() == [[float(q) for q in stated]]


BARE = AnswerFormat(2, confidence=False, reasoning=False)
Piece = tuple[str, float]


def with_probabilities(*pieces: Piece) -> Completion:
    """Make a generation of tokens, each with its probability."""
    text, ends = "", []
    for piece, _ in pieces:
        text += piece
        ends.append(len(text))
    return replace(line(text), token_ends=tuple(ends), logprobs=tuple(log(p) for _, p in pieces))


def logprob(*stages: Completion, fmt: AnswerFormat = BARE, strict: bool = False) -> list[float]:
    found, _ = read((Reader(fmt, normalize, strict), [stages], [None]))
    row: list[float] = found.logprob[0].tolist()
    return row


OPEN_1, CLOSE_1 = [("<answer", 0.9), ("1", 0.9), (">", 0.9)], [("</answer1>", 0.9)]
OPEN_2, CLOSE_2 = [("<answer2>", 0.9)], [("</", 0.9), ("answer2>", 0.9)]


def test_the_probability_of_an_answer_is_the_product_of_those_of_its_tokens() -> None:
    gerd, flu = [("GE", 0.5), ("RD", 0.8)], [("Flu", 0.25), (" A", 0.5)]
    whole = with_probabilities(*OPEN_1, *gerd, *CLOSE_1, *OPEN_2, *flu, *CLOSE_2)
    assert logprob(whole) == pytest.approx([0.5 * 0.8, 0.25 * 0.5])


def test_a_token_that_holds_a_character_of_the_answer_counts_whole() -> None:
    gerd = [("<answer1", 0.9), (">G", 0.5), ("ERD</", 0.4), ("answer1>", 0.9)]
    flu = [("<answer2>Flu</answer2>", 0.3)]
    assert logprob(with_probabilities(*gerd, *flu)) == pytest.approx([0.5 * 0.4, 0.3])


def test_tokens_of_space_around_an_answer_do_not_count() -> None:
    gerd = [(" ", 0.1), ("\n", 0.1), ("GERD", 0.5), (" ", 0.1)]
    flu = [(" ", 0.1), (" Flu", 0.25), ("  A ", 0.5), ("\n", 0.1)]
    whole = with_probabilities(*OPEN_1, *gerd, *CLOSE_1, *OPEN_2, *flu, *CLOSE_2)
    assert logprob(whole) == pytest.approx([0.5, 0.25 * 0.5])


def test_the_tokens_of_an_unclosed_answer_count_up_to_where_it_was_cut() -> None:
    gerd, flu = [("GERD", 0.5)], [("Flu", 0.25), (" A", 0.5), ("\n", 0.1), ("I see", 0.1)]
    cut = with_probabilities(*OPEN_1, *gerd, *CLOSE_1, *OPEN_2, *flu)
    assert logprob(cut) == pytest.approx([0.5, 0.25 * 0.5])


def test_the_tokens_of_answers_tried_out_while_thinking_do_not_count() -> None:
    thought = [("<think><answer1>GERD</answer1></think>", 0.01)]
    whole = with_probabilities(
        *thought, *OPEN_1, ("GERD", 0.5), *CLOSE_1, *OPEN_2, ("Flu", 0.25), *CLOSE_2
    )
    assert logprob(whole) == pytest.approx([0.5, 0.25])


def test_a_character_of_several_tokens_counts_with_all_of_them() -> None:
    # The first token of the two ends inside the character, so where the character begins.
    text = "<answer1>\u00e9</answer1><answer2>Flu</answer2>"
    ends, chances = (9, 9, 10, 20, len(text)), (0.9, 0.5, 0.4, 0.9, 0.3)
    first = replace(line(text), token_ends=ends, logprobs=tuple(map(log, chances)))
    assert logprob(first) == pytest.approx([0.5 * 0.4, 0.3])


def test_what_a_follow_up_gave_or_nobody_has_no_probability() -> None:
    first = with_probabilities(*OPEN_1, ("GERD", 0.5), *CLOSE_1)
    second = with_probabilities(*OPEN_2, ("Flu", 0.25), *CLOSE_2)
    assert logprob(first, second) == pytest.approx([0.5, nan], nan_ok=True)
    assert logprob(first) == pytest.approx([0.5, nan], nan_ok=True)


def test_a_generation_refused_by_strict_reading_has_no_probability() -> None:
    first = with_probabilities(*OPEN_1, ("GERD", 0.5), *CLOSE_1)
    assert np.isnan(logprob(first, strict=True)).all()


def test_without_log_probabilities_or_places_there_is_no_probability() -> None:
    whole = with_probabilities(*OPEN_1, ("GERD", 0.5), *CLOSE_1, *OPEN_2, ("Flu", 0.25), *CLOSE_2)
    assert logprob(whole) == pytest.approx([0.5, 0.25])
    assert np.isnan(logprob(replace(whole, token_ends=None))).all()
    assert np.isnan(logprob(replace(whole, logprobs=None))).all()


def test_a_probability_is_at_most_1() -> None:
    whole = with_probabilities(*OPEN_1, ("GERD", 1.0), *CLOSE_1, *OPEN_2, ("Flu", 1.0), *CLOSE_2)
    assert whole.logprobs is not None
    rounded = replace(whole, logprobs=tuple(p + 1e-9 for p in whole.logprobs))
    assert logprob(rounded) == [1, 1]


def test_log_probabilities_change_nothing_else_of_what_is_read() -> None:
    whole = with_probabilities(*OPEN_1, ("GERD", 0.5), *CLOSE_1, *OPEN_2, ("Flu", 0.25), *CLOSE_2)
    reader = Reader(BARE, normalize, False)
    found, answers = read((reader, [[whole], [line(whole.text)]], [None, None]))
    assert answers[0] == answers[1] == ["GERD", "Flu"]
    assert found.deviations == ["", ""]
