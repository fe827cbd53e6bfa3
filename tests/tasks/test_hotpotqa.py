"""HotpotQA: what is taken away, what is cut, and the forms that are read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.errors import UserError
from marl_eval.task import read_options
from marl_eval.tasks.hotpotqa import TASK, Options, example_of, load
from marl_eval.tasks.hotpotqa_paragraphs import Paragraph, cut_to, drawn, joined
from marl_eval.types import Example

TEN = [f"Title {letter}" for letter in "ABCDEFGHIJ"]
GOLD = ["Title C", "Title H"]


def row(
    name: str = "5a8b",
    *,
    titles: list[str] = TEN,
    gold: list[str] = GOLD,
    sentences: int = 2,
    **changes: Any,
) -> dict[str, Any]:
    return {
        "_id": name,
        "question": "Who came first?",
        "answer": "Ada Lovelace",
        "supporting_facts": [[title, 0] for title in gold],
        "context": [[title, [f"{title} says {n}." for n in range(sentences)]] for title in titles],
        "type": "bridge",
        "level": "hard",
        **changes,
    }


def example(name: str = "5a8b", *, given: dict[str, Any] | None = None, **options: Any) -> Example:
    return example_of(given or row(name), Options.model_validate(options))


def shown(one: Example) -> list[str]:
    """The titles of the paragraphs in the prompt, in order."""
    return re.findall(r"^(Title \w+)$", one.question, flags=re.MULTILINE)


def ids(count: int) -> list[str]:
    return [f"question {number}" for number in range(count)]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_two_paragraphs_are_taken_away_of_which_so_many_are_gold(number: int) -> None:
    for name in ids(50):
        one = example(name, removed=str(number))
        out = [title for title in TEN if title not in shown(one)]
        assert len(out) == 2, "something must be taken away on every version of Python"
        assert len(set(out) & set(GOLD)) == number
        assert one.meta["removed"] == out
        assert one.meta["removed_gold"] == number
        for title in out:
            assert title not in one.question


def test_nothing_is_taken_away_if_none_is() -> None:
    one = example(removed="none")
    assert shown(one) == TEN
    assert (one.meta["removed"], one.meta["removed_gold"]) == ([], 0)


@pytest.mark.parametrize("removed", ["0", "1", "2", "mixed"])
def test_the_order_of_the_rest_is_kept(removed: str) -> None:
    for name in ids(20):
        kept = shown(example(name, removed=removed))
        assert kept == [title for title in TEN if title in kept]


def test_mixed_draws_zero_one_and_two_as_often() -> None:
    """Of 3,000 draws each number is expected 1,000 times, with a standard deviation of 26."""
    counts = Counter(example(name).meta["removed_gold"] for name in ids(3000))
    assert set(counts) == {0, 1, 2}
    assert all(abs(count - 1000) < 5 * 26 for count in counts.values())


def test_mixed_is_what_is_drawn_by_default() -> None:
    assert [example(name) for name in ids(5)] == [example(name, removed="mixed") for name in ids(5)]


def test_each_paragraph_is_taken_away_as_often() -> None:
    """Of 2,000 draws: 1 of 2 gold ones 1,000 times (sd 22), 1 of 8 others 250 times (sd 15)."""
    counts = Counter(t for name in ids(2000) for t in example(name, removed="1").meta["removed"])
    for title in TEN:
        expected, deviation = (1000, 22) if title in GOLD else (250, 15)
        assert abs(counts[title] - expected) < 5 * deviation, title


def test_what_is_mixed_is_what_that_number_alone_would_take_away() -> None:
    for name in ids(30):
        mixed = example(name)
        alone = example(name, removed=str(mixed.meta["removed_gold"]))
        assert mixed == alone


def test_another_seed_takes_away_others() -> None:
    first, again, other = ([example(n, seed=seed) for n in ids(20)] for seed in (0, 0, 1))
    assert first == again
    assert (
        sum(
            one.meta["removed"] != two.meta["removed"]
            for one, two in zip(first, other, strict=True)
        )
        > 10
    )


def test_what_is_taken_away_depends_on_the_id_and_not_on_the_order(tmp_path: Path) -> None:
    rows = [row(name) for name in ids(12)]
    path = tmp_path / "hotpot_dev_distractor_v1.json"
    drawings = []
    for order in (rows, rows[::-1], rows[5:]):
        path.write_text(json.dumps(order), encoding="utf-8")
        drawings.append({one.id: one for one in load(path, Options()).examples})
    assert drawings[0] == drawings[1]
    assert drawings[2].items() <= drawings[0].items()


def test_what_is_taken_away_is_the_same_in_another_process() -> None:
    code = (
        "from marl_eval.tasks.hotpotqa_paragraphs import Paragraph, drawn\n"
        "ten = [Paragraph(c, (), frozenset(), c in 'CH') for c in 'ABCDEFGHIJ']\n"
        "print([drawn(ten, 'mixed', 7, f'q{n}') for n in range(20)])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    ten = [Paragraph(c, (), frozenset(), c in "CH") for c in "ABCDEFGHIJ"]
    assert outputs == {f"{[drawn(ten, 'mixed', 7, f'q{n}') for n in range(20)]}\n"}


def test_fewer_paragraphs_lose_as_many_gold_ones() -> None:
    three = row(titles=["Title A", *GOLD])
    assert example(given=three, removed="0").meta["removed"] == ["Title A"]
    assert example(given=three, removed="1").meta["removed_gold"] == 1
    assert len(example(given=three, removed="1").meta["removed"]) == 2
    two = row(titles=GOLD)
    assert example(given=two, removed="0").meta["removed"] == []
    assert len(example(given=two, removed="1").meta["removed"]) == 1
    nothing = example(given=two, removed="2")
    assert nothing.meta["removed"] == GOLD
    assert shown(nothing) == []
    assert "(No paragraphs.)" in nothing.question


def test_gold_paragraphs_that_are_not_there_cannot_be_taken_away() -> None:
    """As in the full-wiki files, whose paragraphs were retrieved."""
    missing = row(titles=[title for title in TEN if title != "Title H"])
    assert len(example(given=missing, removed="0").meta["removed"]) == 2
    assert example(given=missing, removed="1").meta["removed_gold"] == 1
    for removed in ("2", "mixed"):
        with pytest.raises(ValueError, match=f"removed={removed}"):
            example(given=missing, removed=removed)


def test_the_question_comes_after_the_paragraphs_with_their_titles() -> None:
    question = example(removed="none").question
    assert question.endswith("\n\nQuestion: Who came first?")
    assert "\n\nTitle A\nTitle A says 0. Title A says 1.\n\nTitle B\n" in question
    assert "Ada" not in question


def test_the_words_around_do_not_tell_what_was_taken_away() -> None:
    def frame(one: Example) -> list[str]:
        return [line for line in one.question.split("\n") if "Title" not in line]

    frames = [list(filter(None, frame(example(removed=r)))) for r in ("none", "0", "1", "2")]
    assert all(one == frames[0] for one in frames)


@pytest.mark.parametrize("answer", ["yes", "no", "Ada Lovelace", "The The", "A"])
def test_the_answer_is_right_and_no_other(answer: str) -> None:
    one = example(given=row(answer=answer))
    grade = TASK.grader()
    assert list(grade(one, [answer, f" {answer.upper()}.", "something else", ""])) == [0, 0, -1, -1]
    assert [gold.answer for gold in one.gold] == [answer]


def paragraph(*sentences: str, supporting: tuple[int, ...] = (), title: str = "T") -> Paragraph:
    return Paragraph(title, sentences, frozenset(supporting), bool(supporting))


def sentences(*paragraphs: Paragraph) -> list[tuple[str, ...]]:
    return [one.sentences for one in paragraphs]


def test_nothing_is_cut_that_fits() -> None:
    one = paragraph("aaaa.", "bbbb.")
    assert joined([one]) == "T\naaaa. bbbb."
    assert cut_to([one], 13) == ([one], 0)
    assert sentences(*cut_to([one], 12)[0]) == [("aaaa.",)]


def test_the_longest_paragraph_loses_its_last_sentence_first() -> None:
    short, long = paragraph("aa.", "bb."), paragraph("cccc.", "dd.", "ee.")
    kept, cut = cut_to([short, long], len(joined([short, long])) - 1)
    assert sentences(*kept) == [("aa.", "bb."), ("cccc.", "dd.")]
    assert cut == 1


def test_supporting_sentences_are_cut_last() -> None:
    gold = paragraph("aaaaaaaaa.", "bb.", "cccccc.", supporting=(0, 2))
    other = paragraph("dd.", "ee.")
    order = []
    for room in range(len(joined([gold, other])), -1, -1):
        kept = sentences(*cut_to([gold, other], room)[0])
        if not order or order[-1] != kept:
            order.append(kept)
    assert order == [
        [("aaaaaaaaa.", "bb.", "cccccc."), ("dd.", "ee.")],
        [("aaaaaaaaa.", "cccccc."), ("dd.", "ee.")],
        [("aaaaaaaaa.", "cccccc."), ("dd.",)],
        [("aaaaaaaaa.", "cccccc."), ()],
        [("aaaaaaaaa.",), ()],
        [(), ()],
        [()],
        [],
    ]


PARAGRAPHS = st.lists(
    st.builds(
        lambda texts, places: paragraph(
            *texts, supporting=tuple(p for p in places if p < len(texts))
        ),
        st.lists(st.text("ab.", min_size=1, max_size=9), max_size=4),
        st.sets(st.integers(0, 3)),
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=200)
@given(PARAGRAPHS, st.integers(-5, 120))
def test_what_is_cut_fits_and_loses_no_more_than_it_must(
    paragraphs: list[Paragraph], room: int
) -> None:
    kept, cut = cut_to(paragraphs, room)
    assert len(joined(kept)) <= max(room, 0)
    before, after = (sum(len(one.sentences) for one in some) for some in (paragraphs, kept))
    assert cut == before - after
    assert all(place < len(one.sentences) for one in kept for place in one.supporting)
    if len(joined(paragraphs)) <= room:
        assert (kept, cut) == (paragraphs, 0)

    def supporting(some: list[Paragraph]) -> list[str]:
        return [one.sentences[place] for one in some for place in sorted(one.supporting)]

    if any(len(one.sentences) > len(one.supporting) for one in kept):
        assert supporting(kept) == supporting(paragraphs)


def test_a_long_question_is_cut_to_length_and_that_is_told() -> None:
    long = row(sentences=40)
    whole = example(given=long, removed="none", max_chars=100_000)
    assert "sentences_cut" not in whole.meta
    one = example(given=long, removed="none", max_chars=3000)
    assert 2900 < len(one.question) <= 3000
    assert one.meta["sentences_cut"] > 0
    assert one.question.endswith("Question: Who came first?")
    for title in GOLD:
        assert f"{title} says 0." in one.question


def test_the_question_is_never_cut() -> None:
    one = example(given=row(question="Why? " * 400), removed="none", max_chars=500)
    assert one.question.endswith("Question: " + ("Why? " * 400).strip())
    assert shown(one) == []


def test_a_question_is_12000_characters_at_most_by_default() -> None:
    one = example(given=row(sentences=200), removed="none")
    assert 11_900 < len(one.question) <= 12_000


def test_blank_sentences_do_not_shift_the_supporting_ones() -> None:
    given = row(titles=["Title C", "Title H"])
    given["context"] = [["Title C", [" ", "first.", "", "second."]], ["Title H", ["x."]]]
    given["supporting_facts"] = [["Title C", 3], ["Title H", 0]]
    room = len(example(given=given, removed="none").question) - 1
    one = example(given=given, removed="none", max_chars=room)
    assert "second." in one.question
    assert "first." not in one.question


def test_a_supporting_sentence_that_is_not_there_is_let_be() -> None:
    """The published data has some."""
    given = row(supporting_facts=[["Title C", 9], ["Title H", 0]])
    assert example(given=given, removed="2").meta["removed"] == GOLD


def hub(given: dict[str, Any]) -> dict[str, Any]:
    """Write a row as the Hub gives it."""
    facts, context = given["supporting_facts"], given["context"]
    return {
        "id": given["_id"],
        **{name: given[name] for name in ("question", "answer", "type", "level")},
        "supporting_facts": {"title": [f[0] for f in facts], "sent_id": [f[1] for f in facts]},
        "context": {"title": [c[0] for c in context], "sentences": [c[1] for c in context]},
    }


@pytest.mark.parametrize("removed", ["none", "mixed"])
def test_a_row_of_the_hub_gives_the_same_example_as_one_of_the_files(removed: str) -> None:
    for name in ids(5):
        assert example(given=hub(row(name)), removed=removed) == example(name, removed=removed)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({k: v for k, v in row().items() if k != "_id"}, "has no 'id'"),
    "a blank answer": (row(answer=""), "'answer' is empty"),
    "a number as answer": (row(answer=3), "'answer' is a number, not a text"),
    "no answer, as in the test file": (
        {k: v for k, v in row().items() if k != "answer"},
        "has no 'answer'",
    ),
    "no paragraphs": (row(context=[]), "'context' has 0 entries, fewer than 1"),
    "a paragraph of three parts": (row(context=[["A", [], 1]]), "'context' 1 has 3 parts"),
    "a paragraph without a title": (
        row(context=[["A", ["x"]], ["", ["x"]]]),
        "paragraph 2: 'title' is",
    ),
    "a text as sentences": (row(context=[["A", "x"]]), "paragraph 1: 'sentences' is a text"),
    "a number as sentence": (row(context=[["A", ["x", 3]]]), "paragraph 1: 'sentences' holds"),
    "a supporting fact of a text": (
        row(supporting_facts=[["A", "x"]]),
        "supporting fact 1: 'sent_id'",
    ),
    "other supporting facts": (row(supporting_facts=[["Title X", 0]]), "removed=mixed"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_row_is_told_with_the_part_that_is_wrong(what: str) -> None:
    wrong, told = BAD[what]
    with pytest.raises(ValueError, match=re.escape(told)):
        example(given=wrong)


def test_all_wrong_rows_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    rows = [part for wrong, _ in BAD.values() for part in (row(), wrong)]
    (tmp_path / "hotpot_dev_distractor_v1.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load(tmp_path, Options())
    heading, *told = str(caught.value).split("\n")
    assert heading == f"{len(BAD)} rows cannot be read:"
    for number, (line, (_, part)) in enumerate(zip(told, BAD.values(), strict=True), start=1):
        assert line.startswith(f"hotpot_dev_distractor_v1.json, row {2 * number}: ")
        assert part in line


@pytest.mark.parametrize("value", [0, "0", 1, 2, "mixed", "none"])
def test_the_number_taken_away_may_be_written_as_a_number(value: Any) -> None:
    options = read_options(TASK, {"removed": value})
    assert options.model_dump()["removed"] == str(value)


@pytest.mark.parametrize("value", [3, "all", True, None])
def test_another_number_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match="'removed'"):
        read_options(TASK, {"removed": value})


def test_a_folder_gives_dev_and_the_train_file_if_asked_for(tmp_path: Path) -> None:
    for name in (
        "hotpot_dev_distractor_v1.json",
        "hotpot_train_v1.1.json",
        "hotpot_dev_fullwiki_v1.json",
    ):
        (tmp_path / name).write_text(json.dumps([row(name)]), encoding="utf-8")
    dev = load(tmp_path, Options())
    assert (dev.source, dev.split) == ("hotpot_dev_distractor_v1.json", "dev")
    assert (dev.licence, dev.exclusive) == ("CC-BY-SA-4.0", True)
    train = load(tmp_path, Options(split="train"))
    assert [one.id for one in train.examples] == ["hotpot_train_v1.1.json"]
