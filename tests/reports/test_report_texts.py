from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from marl_eval.answers import AnswerFormat, parse
from marl_eval.inert import inert
from marl_eval.reports.page.flags import (
    FAILED,
    MALFORMED,
    MISSED,
    REPEATS,
    WRONG,
    Flags,
    flags,
    words,
)
from marl_eval.reports.page.groups import Group, make_groups
from marl_eval.reports.page.pieces import REASONING, cut_lines
from marl_eval.reports.page.texts import COLUMNS, chunks
from marl_eval.run import score
from marl_eval.store import SCORES
from marl_eval.types import Gold, Recorded
from tests.runs import (
    change_completions,
    completion,
    example,
    failure,
    hand_made,
    read_scores,
    run,
    said,
    with_things_wrong,
)
from tests.texts import any_text, near_valid

TWO = AnswerFormat(2)


def group_of(*paths: Path) -> tuple[Group, list[Any]]:
    for path in paths:
        score(path, resamples=2)
    [group] = make_groups(paths, {})
    return group, [pq.read_table(path / SCORES, columns=COLUMNS) for path in paths]


def told(*paths: Path) -> list[dict[str, Any]]:
    """Give what the page is told of every example."""
    return [entry for chunk in chunks(*group_of(*paths)) for entry in chunk]


def marks(pieces: list[Any]) -> list[tuple[str, int]]:
    return [(text, what) for text, what in pieces if what is not None and what != REASONING]


@settings(max_examples=200)
@given(any_text.map(lambda text: (TWO, text, None, False)) | near_valid())
def test_pieces_put_together_are_the_text_and_the_marked_ones_the_answers(
    case: tuple[AnswerFormat, str, str | None, bool],
) -> None:
    fmt, text, reasoning, opened = case
    parsed = parse(fmt, text, reasoning=reasoning, thinking_opened=opened)
    answers = [None if answer is None else answer.strip() for answer in parsed.answers]
    line = completion(0, text, reasoning=reasoning, thinking_opened=opened)
    [pieces] = cut_lines(fmt, [line], answers)
    assert "".join(piece for piece, _ in pieces) == inert(text)
    expected = {(inert(answer), place) for place, answer in enumerate(answers) if answer}
    assert set(marks(pieces)) == expected
    thought = [piece for piece, what in pieces if what == REASONING]
    assert thought == ([inert(text[: parsed.reasoning_end])] if parsed.reasoning_end else [])


def test_what_was_not_scored_is_not_marked() -> None:
    text = f"<think>hm</think>{said('a', 'b', q=[0.5, 0.5])}"
    [pieces] = cut_lines(TWO, [completion(0, text)], ["a", None])
    assert marks(pieces) == [("a", 0)]


def test_an_answer_of_a_follow_up_is_marked_there() -> None:
    lines = [
        completion(0, "<think>hm</think><answer1>a</answer1>"),
        completion(0, "<answer2> b </answer2>", stage=1),
    ]
    first, second = cut_lines(TWO, lines, ["a", "b"])
    assert marks(first) == [("a", 0)]
    assert second == [("<answer2> ", None), ("b", 1), (" </answer2>", None)]


def test_the_answers_are_those_of_the_scores(tmp_path: Path) -> None:
    path = run(tmp_path / "run", n=2, task_args={"examples": 14}).path
    change_completions(path, with_things_wrong)
    entries = told(path)
    scores = read_scores(path)
    for entry, (_, rows) in zip(entries, scores.groupby("example", sort=False), strict=True):
        own = entry["runs"][0]["answers"]
        shown = [
            None if one is None else (one["text"], one["gold"], one.get("confidence"))
            for one in own
        ]
        expected = [
            None
            if np.isnan(row.gold)
            else (row.answer, row.gold, None if np.isnan(row.confidence) else row.confidence)
            for row in rows.itertuples()
        ]
        assert shown == expected


def test_each_generation_has_its_tokens_and_deviations_and_each_failure_its_reason(
    tmp_path: Path,
) -> None:
    path = hand_made(
        tmp_path / "run",
        [example("e", Gold("a", ("alpha",), 0.75), truth="a"), example("f", "b")],
        [completion(0, said("a", "a", q=["90%", 0.1]), tokens=7), failure(1)],
    )
    one, other = told(path)
    assert one["gold"] == [{"text": "a", "weight": 0.75, "aliases": ["alpha"]}]
    assert one["truth"] == "a"
    [generation] = one["runs"][0]["generations"]
    assert generation["tokens"] == [7, 7]
    assert generation["deviations"] == ["confidence-percent", "repeated-answer"]
    assert other["runs"][0]["generations"] == [None]
    assert other["runs"][0]["answers"] == [None, None]
    assert other["runs"][0]["failures"] == [[0, "made to fail"]]


def test_a_strict_run_marks_no_answer_of_a_generation_that_deviates(tmp_path: Path) -> None:
    path = hand_made(
        tmp_path / "run", [example("e", "a")], [completion(0, said("a", "b", q=["90%", 0.1]))]
    )
    score(path, strict=True, resamples=2)
    [group] = make_groups([path], {})
    [[entry]] = chunks(group, [pq.read_table(path / SCORES, columns=COLUMNS)])
    [[pieces]] = [generation["lines"] for generation in entry["runs"][0]["generations"]]
    assert marks(pieces) == []


def test_a_recorded_grade_of_an_answer_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    line = completion(0, "free text", recorded=Recorded(grades=(1, 0)))
    path = hand_made(tmp_path / "run", [example("e", "a")], [line], recorded={"grades": True})
    [entry] = told(path)
    answers = entry["runs"][0]["answers"]
    assert [(one["text"], one["gold"]) for one in answers] == [(None, 0), (None, -1)]


def test_programs_come_with_what_was_found_of_them(tmp_path: Path) -> None:
    path = run(
        tmp_path / "run", task="humaneval", model="reference:echo-gold", limit=2, k=2, task_args={}
    ).path
    for entry in told(path):
        for answer in filter(None, entry["runs"][0]["answers"]):
            assert "compiles; CPU time" in answer["about"]


def test_a_run_with_its_examples_in_another_order_is_read_in_that_of_the_first(
    tmp_path: Path,
) -> None:
    names = ["a", "b", "c"]
    paths = [
        hand_made(
            tmp_path / str(turn),
            [example(name, name) for name in order],
            [completion(row, said(name, "other")) for row, name in enumerate(order)],
        )
        for turn, order in enumerate([names, ["c", "a", "b"]])
    ]
    entries = told(*paths)
    for name, entry in zip(names, entries, strict=True):
        assert [own["answers"][0]["text"] for own in entry["runs"]] == [name, name]
    group, scores = group_of(*paths)
    found = [flags(m, s, words(scores)) for m, s in zip(group.members, scores, strict=True)]
    assert found[0].covered.tolist() == found[1].covered.tolist()


def flags_of(path: Path) -> Flags:
    group, scores = group_of(path)
    return flags(group.members[0], scores[0], words(scores))


def test_the_flags_of_examples_worked_out_by_hand(tmp_path: Path) -> None:
    path = hand_made(
        tmp_path / "run",
        [example(str(row), "cat", "dog") for row in range(6)],
        [
            completion(0, said("cat", "dog", q=[0.5, 0.25]), tokens=5),
            completion(1, said("x", "y", q=[0.25, 0.75])),
            completion(2, said("cat", "Cat", q=[0.5, 0.5])),
            completion(3, "nothing"),
            failure(4),
        ],
    )
    found = flags_of(path)
    assert found.bits.tolist() == [
        0,
        WRONG | MISSED,
        MISSED | REPEATS | MALFORMED,
        WRONG | MISSED | MALFORMED,
        FAILED,
        FAILED,
    ]
    assert found.right.tolist() == [2, 0, 1, 0, 0, 0]
    assert found.covered.tolist() == [[3], [0], [1], [0], [0], [0]]
    assert found.tokens.tolist() == [5, 10, 10, 10, 0, 0]
    np.testing.assert_array_equal(found.sure, [np.nan, 0.75, np.nan, np.nan, np.nan, np.nan])


def test_gold_answers_beyond_the_thirty_second_have_bits_of_their_own(tmp_path: Path) -> None:
    names = [f"gold {place}" for place in range(70)]
    path = hand_made(
        tmp_path / "run",
        [example("e", *names)],
        [completion(0, said(names[0], names[31], names[32], names[69]))],
        k=4,
    )
    assert flags_of(path).covered.tolist() == [[1 | 1 << 31, 1, 1 << 5]]


def test_a_set_that_a_failure_spoiled_counts_for_nothing_else(tmp_path: Path) -> None:
    path = hand_made(
        tmp_path / "run",
        [example("e", "a")],
        [completion(0, said("a", q=[0.5])), failure(0, sample=1)],
        k=2,
        members=2,
    )
    found = flags_of(path)
    assert found.bits.tolist() == [FAILED]
    assert found.right.tolist() == [0]


@pytest.mark.parametrize("cut", [1, 3])
def test_a_chunk_holds_as_many_examples_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr("marl_eval.reports.page.texts.CHUNK", cut)
    path = run(tmp_path / "run", task_args={"examples": 4}).path
    sizes = [len(chunk) for chunk in chunks(*group_of(path))]
    assert sizes == {1: [1, 1, 1, 1], 3: [3, 1]}[cut]
