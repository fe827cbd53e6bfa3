"""The conversation that asks a question."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from marl_eval.answers import AnswerFormat, instructions, parse
from marl_eval.errors import UserError
from marl_eval.prompts import build_template, read_wording
from marl_eval.types import Example, Gold, Message

formats = st.builds(
    AnswerFormat,
    k=st.integers(1, 12),
    confidence=st.booleans(),
    reasoning=st.booleans(),
    analysis=st.booleans(),
    sum_to_one=st.booleans(),
    noun=st.sampled_from(["answer", "diagnosis", "program"]),
)

BRACES = ["{question}", "{", "}", "{k}", "{noun}", "{instructions}", "{0}", "%s", "\\1", "[user]"]
questions = st.one_of(st.text(), st.lists(st.sampled_from([*BRACES, "x", "\n"])).map("".join))

QUESTION = "Which xylograph is it?"
WORDING = "[system]\nYou give {k} of a {noun}. {x}\n[user]\nQ: {question}\n\n{instructions}\n"


@given(formats)
def test_the_question_is_asked_exactly_once_and_before_the_instructions(fmt: AnswerFormat) -> None:
    (message,) = build_template(fmt).ask(QUESTION)
    assert message.role == "user"
    assert message.content == f"{QUESTION}\n\n{instructions(fmt)}"
    assert message.content.count(QUESTION) == 1


@given(formats, questions)
def test_a_question_with_braces_is_asked_verbatim_and_once(
    fmt: AnswerFormat, question: str
) -> None:
    for wording in (None, WORDING):
        template = build_template(fmt, wording=wording)
        *before, last = template.ask(question)
        *usual_before, usual = template.ask(QUESTION)
        start, end = usual.content.split(QUESTION)
        assert last.content == start + question + end
        assert before == usual_before


@given(formats)
def test_the_instructions_name_the_number_the_noun_and_the_tags(fmt: AnswerFormat) -> None:
    told = instructions(fmt)
    assert fmt.noun in told
    assert (f"exactly {fmt.k} " in told) == (fmt.k > 1)
    for i in range(fmt.k):
        number = str(i + 1) if fmt.k > 1 else ""
        for tag in (f"<answer{number}>", f"</answer{number}>"):
            assert told.count(tag) == 1
        for tag in (f"<confidence{number}>", f"</confidence{number}>"):
            assert told.count(tag) == fmt.confidence
    assert f"<answer{fmt.k + 1}>" not in told
    assert ("<think>" in told) == ("</think>" in told) == fmt.reasoning
    assert ("<analysis>" in told) == ("</analysis>" in told) == fmt.analysis
    assert ("sum to at most 1" in told) == (fmt.confidence and fmt.sum_to_one and fmt.k > 1)
    assert "{" not in told


def test_the_plural_of_the_noun_is_english() -> None:
    assert "3 different diagnoses" in instructions(AnswerFormat(3, noun="diagnosis"))
    assert "3 different programs" in instructions(AnswerFormat(3, noun="program"))


@given(formats.filter(lambda fmt: fmt.k == 1))
def test_the_instructions_for_one_answer_have_no_numbers_and_ask_for_nothing_different(
    fmt: AnswerFormat,
) -> None:
    told = instructions(fmt)
    assert "<answer>" in told
    assert "<answer1>" not in told
    assert "<confidence1>" not in told
    for word in ("different", "exactly", "each", "No two", f"{fmt.noun} 1"):
        assert word not in told


def test_the_hash_changes_with_any_word() -> None:
    fmt = AnswerFormat(3)
    hashes = {
        build_template(fmt).sha256(),
        build_template(AnswerFormat(2)).sha256(),
        build_template(AnswerFormat(3, noun="diagnosis")).sha256(),
        build_template(fmt, wording="{question}").sha256(),
        build_template(fmt, wording="{question}?").sha256(),
        build_template(fmt, wording="[system]\n{question}").sha256(),
        build_template(fmt, shots=[SHOT]).sha256(),
    }
    assert len(hashes) == 7


def test_the_hash_is_that_of_the_words_and_not_of_the_question() -> None:
    template = build_template(AnswerFormat(3), shots=[SHOT])
    before = template.sha256()
    template.ask("x")
    assert template.sha256() == before == build_template(AnswerFormat(3), shots=[SHOT]).sha256()
    assert len(before) == 64


def wording_file(folder: Path, text: str) -> Path:
    path = folder / "prompt.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_users_words_replace_ours(tmp_path: Path) -> None:
    fmt = AnswerFormat(3, noun="diagnosis")
    wording = read_wording(wording_file(tmp_path, WORDING))
    assert build_template(fmt, wording=wording).ask(QUESTION) == (
        Message("system", "You give 3 of a diagnosis. {x}"),
        Message("user", f"Q: {QUESTION}\n\n{instructions(fmt)}"),
    )


def test_words_without_headings_are_the_users_turn(tmp_path: Path) -> None:
    wording = read_wording(wording_file(tmp_path, "Caf\u00e9.\n{question}\nGive {k}, just {k}.\n"))
    assert build_template(AnswerFormat(2), wording=wording).ask(QUESTION) == (
        Message("user", f"Caf\u00e9.\n{QUESTION}\nGive 2, just 2."),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Give {k} answers.", "exactly once.* 0 times"),
        ("{question} {question}", "exactly once.* 2 times"),
        ("[system]\n{question}\n[user]\n{question}", "exactly once.* 2 times"),
        ("[system]\n{question}\n[user]\nGo on.", "exactly once.* 1 times"),
        ("[system]\n{question}", "must end with the user's turn"),
        ("[user]\n{question}\n[system]\nBe brief.", "must end with the user's turn"),
        ("", "must end with the user's turn"),
        ("[user]\n \n", "must end with the user's turn"),
    ],
)
def test_words_that_cannot_ask_the_question_are_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    path = wording_file(tmp_path, text)
    with pytest.raises(UserError, match=told) as raised:
        read_wording(path)
    assert str(path) in str(raised.value)


def test_a_prompt_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\xff\xfe{question}")
    for path in (tmp_path / "missing.txt", tmp_path, binary):
        with pytest.raises(UserError, match="cannot be read") as raised:
            read_wording(path)
        assert str(path) in str(raised.value)


SHOT = Example(
    "shot",
    "What burns?",
    (Gold("GERD", weight=0.5), Gold("Asthma", weight=0.2), Gold("Flu", weight=0.3)),
)


def test_a_worked_example_comes_as_turns_before_the_question_and_after_the_system() -> None:
    other = Example("other", "What itches?", (Gold("Flea"), Gold("Louse"), Gold("Mite")))
    template = build_template(AnswerFormat(3), wording=WORDING, shots=[SHOT, other])
    asked = template.ask(QUESTION)
    roles = ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message.role for message in asked] == roles
    contents = [message.content for message in asked]
    start, end = contents[-1].split(QUESTION)
    assert contents[1] == f"{start}What burns?{end}"
    assert contents[3] == f"{start}What itches?{end}"
    assert "".join(contents).count(QUESTION) == 1


def test_a_worked_answer_ranks_by_weight_and_states_the_weights() -> None:
    fmt = AnswerFormat(3, sum_to_one=True)
    parsed = parse(fmt, build_template(fmt, shots=[SHOT]).messages[1].content)
    assert parsed.strict
    assert parsed.answers == ("GERD", "Flu", "Asthma")
    assert parsed.confidences == (0.5, 0.3, 0.2)


def test_a_worked_answer_is_sure_of_each_where_several_are_right() -> None:
    fmt = AnswerFormat(3)
    parsed = parse(fmt, build_template(fmt, shots=[SHOT]).messages[1].content)
    assert parsed.answers == ("GERD", "Flu", "Asthma")
    assert parsed.confidences == (0.9, 0.9, 0.9)


def test_a_worked_answer_states_known_probabilities_rather_than_weights() -> None:
    shot = Example("1", "?", SHOT.gold, distribution=(("COPD", 0.1), ("Flu", 0.25), ("GERD", 0.65)))
    fmt = AnswerFormat(2)
    parsed = parse(fmt, build_template(fmt, shots=[shot]).messages[1].content)
    assert parsed.strict
    assert parsed.answers == ("GERD", "Flu")
    assert parsed.confidences == (0.65, 0.25)


@given(formats, st.integers(0, 8), st.booleans())
@example(AnswerFormat(6, sum_to_one=True), 0, False)
@example(AnswerFormat(6, sum_to_one=True), 0, True)
def test_a_worked_answer_is_what_a_reward_accepts(
    fmt: AnswerFormat, more: int, weighted: bool
) -> None:
    n = fmt.k + more
    gold = tuple(Gold(f"x{i}", weight=1 / n if weighted else None) for i in range(n))
    shown = build_template(fmt, shots=[Example("1", "?", gold)]).messages[1]
    assert shown.role == "assistant"
    parsed = parse(fmt, shown.content)
    assert parsed.deviations == ()
    assert parsed.answers == tuple(f"x{i}" for i in range(fmt.k))


def test_a_worked_example_with_a_placeholder_in_it_is_shown_verbatim() -> None:
    shot = Example("1", "What is {question}?", (Gold("{question}"),))
    fmt = AnswerFormat(1, confidence=False, reasoning=False)
    shown, worked, asked = build_template(fmt, shots=[shot]).ask(QUESTION)
    assert shown.content.startswith("What is {question}?\n")
    assert worked.content == "<answer>{question}</answer>"
    assert asked.content.startswith(QUESTION)
