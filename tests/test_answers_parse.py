"""Any text is read; what is written is read back; strict means what its docstring says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from marl_eval.answers import DEVIATIONS, AnswerFormat, ParsedAnswers, parse, reader, render
from marl_eval.answers.lenient import read_leniently
from marl_eval.normalization import normalize
from tests.texts import ANSWERS, DECIMALS, NO_DECIMALS, any_text, formats, near_valid, written

MEGABYTE = 1 << 20


def check(fmt: AnswerFormat, text: str, parsed: ParsedAnswers) -> None:
    """Assert what holds of any reading of any text."""
    assert len(parsed.answers) == len(parsed.confidences) == fmt.k
    assert all(a is None or (a and a == a.strip()) for a in parsed.answers)
    assert all(q is None or 0 <= q <= 1 for q in parsed.confidences)
    assert list(parsed.deviations) == sorted(set(parsed.deviations))
    assert set(parsed.deviations) <= set(DEVIATIONS)
    assert 0 <= parsed.reasoning_end <= len(text)
    if parsed.strict:
        assert None not in parsed.answers
        assert fmt.confidence == (None not in parsed.confidences)
    if not fmt.confidence:
        assert set(parsed.confidences) == {None}
    for answer, span in zip(parsed.answers, parsed.spans, strict=True):
        assert (answer is None) == (span is None)
        if span is not None:
            assert parsed.reasoning_end <= span[0] < span[1] <= len(text)
            assert text[span[0] : span[1]].strip() == answer


@settings(max_examples=500, deadline=None)
@given(formats, any_text, st.none() | any_text, st.booleans())
def test_any_text_at_all_is_read(
    fmt: AnswerFormat, text: str, reasoning: str | None, opened: bool
) -> None:
    parsed = parse(fmt, text, reasoning=reasoning, thinking_opened=opened)
    check(fmt, text, parsed)
    assert parsed == reader(fmt)(text, reasoning, opened)


HOSTILE: dict[str, Callable[[int], str]] = {
    "open answers": lambda n: "<answer1>" * (n // 9),
    "close answers": lambda n: "</answer1>" * (n // 10),
    "thinks": lambda n: "<think>" * (n // 7),
    "closed thinks": lambda n: "</think>" * (n // 8),
    "almost closed thinks": lambda n: "</think" * (n // 7),
    "less-thans": lambda n: "<" * n,
    "spaces in a tag": lambda n: "<answer" + " " * n,
    "spaces in many tags": lambda n: ("<answer" + " " * 20) * (n // 27),
    "digits in a tag": lambda n: "<answer" + "1" * n + ">",
    "spaces before a tag": lambda n: " " * n + "<answer1>",
    "an endless answer": lambda n: "<answer1>" + "x" * n,
    "an endless confidence": lambda n: "<answer1>x</answer1><confidence1>" + "1" * n,
    "an endless blank confidence": lambda n: (
        "<answer1>x</answer1><confidence1>" + " " * n + "</confidence1>"
    ),
    "nested answers": lambda n: "<answer1>" * (n // 19) + "</answer1>" * (n // 19),
    "nested thinks": lambda n: "<think>" * (n // 15) + "</think>" * (n // 15),
    "alternating tags": lambda n: "<answer1><confidence1>" * (n // 22),
    "fences": lambda n: "<answer1>" + "```\n" * (n // 4),
    "articles": lambda n: "<answer1>" + "the " * (n // 4) + "</answer1>",
}


@pytest.mark.parametrize("fmt", [AnswerFormat(1), AnswerFormat(30, analysis=True, reasoning=False)])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_hostile_text_is_read(fmt: AnswerFormat, name: str) -> None:
    text = HOSTILE[name](MEGABYTE)
    check(fmt, text, parse(fmt, text))


@settings(max_examples=300, deadline=None)
@given(written())
def test_what_render_writes_is_read_back_exactly_and_strictly(
    case: tuple[AnswerFormat, list[str], list[str], str],
) -> None:
    fmt, answers, stated, text = case
    parsed = parse(fmt, text)
    assert parsed.answers == tuple(answers)
    expected = tuple(float(q) if fmt.confidence else None for q in stated)
    assert parsed.confidences == expected
    assert parsed.deviations == ()
    assert parsed.strict
    assert parsed.reasoning_end == (text.rfind("</think>") + 8 if fmt.reasoning else 0)


@settings(max_examples=300, deadline=None)
@given(formats, st.data())
def test_a_float_confidence_is_read_back_as_the_same_float(
    fmt: AnswerFormat, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.floats(0, 1), min_size=fmt.k, max_size=fmt.k))
    text = render(fmt, [f"x{i}" for i in range(fmt.k)], values)
    assert parse(fmt, text).confidences == (tuple(values) if fmt.confidence else (None,) * fmt.k)


DECIMAL = re.compile(r"\s*\+?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def thought(head: str | None, reasoning: str | None, opened: bool) -> bool:
    """Whether there is reasoning, ``head`` being the text before the last ``</think>``."""
    if reasoning is not None and reasoning.strip():
        return True
    if head is None:
        return False
    if not opened:
        _, tag, head = head.partition("<think>")
        if not tag:
            return False
    return bool(head.replace("<think>", "").replace("</think>", "").strip())


def accepted(fmt: AnswerFormat, text: str, reasoning: str | None, opened: bool) -> bool:
    """Say whether a reward accepts the text: ``ParsedAnswers.strict`` as its docstring tells it.

    An analysis, asked for or not, may come last or between all the answers and all the confidences.
    """
    *heads, body = text.split("</think>")
    head = "</think>".join(heads) if heads else None
    # Reasoning that was returned apart, even none, has ended before the text.
    if "<think>" in body or (opened and head is None and reasoning is None):
        return False
    if fmt.reasoning and not thought(head, reasoning, opened):
        return False

    tags: list[str] = []
    contents: list[str] = []
    for piece in re.split(r"(<[^<>]*>)", body):
        name = re.sub(r"[ \t/_0-9]", "", piece[1:-1]).lower() if piece.endswith(">") else ""
        if piece.startswith("<") and name in ("answer", "confidence", "analysis"):
            tags.append(piece)
            contents.append("")
        elif contents:
            contents[-1] += piece

    numbers = [str(i + 1) for i in range(fmt.k)] if fmt.k > 1 else [""]
    a = [f"answer{n}" for n in numbers]
    c = [f"confidence{n}" for n in numbers]
    if fmt.confidence:
        pairs = [name for n in numbers for name in (f"answer{n}", f"confidence{n}")]
        with_analysis = [[*pairs, "analysis"], [*a, *c, "analysis"], [*a, "analysis", *c]]
        without = [pairs, a + c]
    else:
        with_analysis, without = [[*a, "analysis"]], [a]
    layouts = with_analysis if fmt.analysis else with_analysis + without
    for layout in layouts:
        if tags == [tag for name in layout for tag in (f"<{name}>", f"</{name}>")]:
            break
    else:
        return False

    inside = {tag: content.strip() for tag, content in zip(tags, contents, strict=True)}
    keys = [normalize(inside[f"<{name}>"]) for name in a]
    if not all(inside[f"<{name}>"] for name in a) or len(set(keys)) < fmt.k:
        return False
    if not fmt.confidence:
        return True
    stated = [inside[f"<{name}>"] for name in c]
    if not all(DECIMAL.fullmatch(q) and float(q) <= 1 for q in stated):
        return False
    return not fmt.sum_to_one or math.fsum(map(float, stated)) <= 1 + 1e-9


BARE = AnswerFormat(1, confidence=False, reasoning=False)
PLAIN = AnswerFormat(1, reasoning=False)


@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(near_valid())
@example((PLAIN, "<answer>x</answer><confidence></confidence>", None, False))
@example((PLAIN, "<answer>x</answer><confidence>nan</confidence>", None, False))
@example((AnswerFormat(1), "<think></think><answer>x</answer>", None, False))
@example((BARE, "<answer>x</answer>", "", True))
@example((BARE, "<answer>x</answer>", None, True))
@example((BARE, "<answer>x</answer><an\u017fwer>y</an\u017fwer>", None, False))
def test_strict_is_what_its_docstring_says(
    case: tuple[AnswerFormat, str, str | None, bool],
) -> None:
    fmt, text, reasoning, opened = case
    parsed = parse(fmt, text, reasoning=reasoning, thinking_opened=opened)
    check(fmt, text, parsed)
    assert parsed.strict == accepted(fmt, text, reasoning, opened)


@pytest.mark.parametrize("stated", ["", " ", "high", "nan", "your confidence in it", "0,5"])
def test_an_answer_without_a_readable_confidence_is_not_strict(stated: str) -> None:
    parsed = parse(PLAIN, f"<answer>GERD</answer><confidence>{stated}</confidence>")
    assert parsed.answers == ("GERD",)
    assert parsed.confidences == (None,)
    assert parsed.deviations == ("missing-confidence",)


@pytest.mark.parametrize("tag", ["answer01", "answer001"])
def test_a_tag_with_a_leading_zero_is_not_strict(tag: str) -> None:
    fmt = AnswerFormat(2, confidence=False, reasoning=False)
    parsed = parse(fmt, f"<{tag}>GERD</{tag}><answer2>Asthma</answer2>")
    assert parsed.answers == ("GERD", "Asthma")
    assert not parsed.strict


@pytest.mark.parametrize("tag", ["an\u017fwer", "analy\u017fis", "analys\u0131s"])
def test_letters_that_only_fold_to_those_of_a_tag_make_no_tag(tag: str) -> None:
    fmt = AnswerFormat(1, confidence=False, reasoning=False, analysis=True)
    parsed = parse(fmt, f"<answer>GERD</answer><{tag}>sure</{tag}>")
    assert parsed.answers == ("GERD",)
    assert parsed.deviations == ("missing-analysis",)


def test_two_empty_thoughts_are_no_reasoning() -> None:
    fmt = AnswerFormat(1, confidence=False)
    parsed = parse(fmt, "<think></think><think></think><answer>GERD</answer>")
    assert parsed.deviations == ("missing-reasoning",)


@settings(max_examples=500, deadline=None)
@given(formats, st.data())
def test_the_fast_path_and_the_careful_path_agree(fmt: AnswerFormat, data: st.DataObject) -> None:
    k = fmt.k
    answer = st.one_of(st.sampled_from(ANSWERS), st.integers(0, 99).map(str))
    stated = st.sampled_from(DECIMALS * 4 + NO_DECIMALS)
    text = render(
        fmt,
        data.draw(st.lists(answer, min_size=k, max_size=k)),
        data.draw(st.lists(stated, min_size=k, max_size=k)),
        reasoning="r",
        analysis="unsure",
    )
    start = text.rfind("</think>") + 8 if fmt.reasoning else 0
    assert parse(fmt, text) == read_leniently(fmt, normalize, text, start, True)


@settings(deadline=None)
@given(written())
def test_the_fast_path_and_the_careful_path_agree_on_what_render_writes(
    case: tuple[AnswerFormat, list[str], list[str], str],
) -> None:
    fmt, _, _, text = case
    start = text.rfind("</think>") + 8 if fmt.reasoning else 0
    assert parse(fmt, text) == read_leniently(fmt, normalize, text, start, True)


@settings(deadline=None)
@given(written(), any_text)
def test_only_text_after_the_last_closed_reasoning_counts(
    case: tuple[AnswerFormat, list[str], list[str], str], before: str
) -> None:
    fmt, answers, _, text = case
    longer = f"<think>{before}</think>{text}"
    parsed = parse(fmt, longer)
    assert parsed.answers == tuple(answers)
    assert parsed.strict
    assert parsed.reasoning_end == longer.rfind("</think>") + len("</think>")


def test_answers_tried_out_while_thinking_do_not_count() -> None:
    text = (
        "<think><answer>Flu</answer><confidence>1</confidence></think>"
        "<answer>GERD</answer><confidence>0.5</confidence>"
    )
    assert parse(AnswerFormat(1), text) == ParsedAnswers(("GERD",), (0.5,), (), 61, ((69, 73),))


@given(formats, any_text, any_text)
def test_a_generation_cut_off_while_thinking_has_no_answers(
    fmt: AnswerFormat, before: str, after: str
) -> None:
    text = f"{before}<think>{after.replace('</think>', '')}<answer>x</answer><answer1>x</answer1>"
    parsed = parse(fmt, text)
    assert parsed.answers == (None,) * fmt.k
    assert parsed.confidences == (None,) * fmt.k
    assert parsed.deviations == ("unfinished-reasoning",)
    assert parsed.reasoning_end == len(text)


def test_a_text_that_the_prompt_began_inside_the_reasoning_needs_only_the_closing_tag() -> None:
    text = "It burns.</think><answer>GERD</answer><confidence>0.5</confidence>"
    parsed = parse(AnswerFormat(1), text, thinking_opened=True)
    assert parsed == ParsedAnswers(("GERD",), (0.5,), (), 17, ((25, 29),))


def test_a_text_that_the_prompt_began_inside_the_reasoning_has_no_answer_before_its_end() -> None:
    text = "<answer>GERD</answer><confidence>0.5</confidence>"
    for fmt in (AnswerFormat(1), AnswerFormat(1, reasoning=False)):
        parsed = parse(fmt, text, thinking_opened=True)
        nothing = (None,)
        assert parsed == (nothing, nothing, ("unfinished-reasoning",), len(text), nothing)


def test_reasoning_that_goes_on_from_the_prompt_may_open_the_tag_again() -> None:
    fmt = AnswerFormat(1, confidence=False)
    for text in ("<think>It burns.</think>", "It burns.<think></think>"):
        assert parse(fmt, f"{text}<answer>GERD</answer>", thinking_opened=True).strict


def test_a_closing_tag_alone_is_no_reasoning_unless_the_prompt_opened_it() -> None:
    text = "It burns.</think><answer>GERD</answer>"
    parsed = parse(AnswerFormat(1, confidence=False), text)
    assert parsed.answers == ("GERD",)
    assert parsed.deviations == ("missing-reasoning",)


@pytest.mark.parametrize("opened", [False, True])
def test_empty_reasoning_is_missing(opened: bool) -> None:
    text = f"{'' if opened else '<think>'} \n</think><answer>GERD</answer>"
    parsed = parse(AnswerFormat(1, confidence=False), text, thinking_opened=opened)
    assert parsed.answers == ("GERD",)
    assert parsed.deviations == ("missing-reasoning",)


def test_reasoning_that_the_server_returned_apart_counts() -> None:
    fmt = AnswerFormat(1, confidence=False)
    text = "<answer>GERD</answer>"
    parsed = parse(fmt, text, reasoning="It burns.")
    assert parsed == ParsedAnswers(("GERD",), (None,), (), 0, ((8, 12),))
    for nothing in (None, "", " \n"):
        assert parse(fmt, text, reasoning=nothing).deviations == ("missing-reasoning",)


def test_reasoning_that_the_server_returned_apart_holds_no_answers() -> None:
    parsed = parse(BARE, "", reasoning="<answer>GERD</answer>")
    assert parsed.answers == (None,)
    assert parsed.deviations == ("missing-answer",)


def test_the_caller_says_when_two_answers_are_the_same() -> None:
    fmt = AnswerFormat(2, confidence=False, reasoning=False)
    text = "<answer1>GERD</answer1><answer2>gerd</answer2>"
    assert parse(fmt, text).deviations == ("repeated-answer",)
    assert parse(fmt, text, key=str).strict


@settings(deadline=None)
@given(written())
def test_the_spans_are_where_render_wrote_the_answers(
    case: tuple[AnswerFormat, list[str], list[str], str],
) -> None:
    fmt, answers, _, text = case
    begin = text.rfind("</think>") + 1
    for answer, suffix, span in zip(
        answers, map(fmt.suffix, range(fmt.k)), parse(fmt, text).spans, strict=True
    ):
        opening = f"<answer{suffix}>"
        first = text.index(opening, begin) + len(opening)
        assert span == (first, first + len(answer))


def test_of_a_repeated_tag_the_span_is_that_of_the_content_that_counts() -> None:
    text = "<answer>Flu</answer> No: <answer> Flu </answer>"
    (span,) = parse(BARE, text).spans
    assert span is not None
    assert text[: span[0]].strip() == "<answer>Flu</answer> No: <answer>"


def test_a_format_needs_at_least_one_answer() -> None:
    with pytest.raises(ValueError, match="k of at least 1"):
        AnswerFormat(0)
