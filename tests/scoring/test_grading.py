"""A block is graded as its answers are one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marl_eval.answers import AnswerFormat, render
from marl_eval.judging import Judged, Program
from marl_eval.judging.judgements import answer_hash
from marl_eval.matching import match
from marl_eval.normalization import normalize
from marl_eval.score_table import SCHEMA
from marl_eval.scoring.grading import Scorer, grade_block
from marl_eval.strategies import SetLayout
from marl_eval.task import Dataset, Task
from marl_eval.types import Completion, Example, Gold, Recorded
from tests.plain_scores import Findings, Generations, Row, plain_rows

WORDS = ["GERD", "the gerd", "Flu", "flu.", "Asthma", "COPD", "x"]
NO_WORDS = ["the", "A", "?"]
CHANCES = [0.5, 0.25, 0.125, 0.0, 1.0]


def load(*_: object) -> Dataset:
    return Dataset([], "", "", "", "", exclusive=False)


def by_length(example: Example, answers: Sequence[str]) -> list[int]:
    """Grade in a way that no key could."""
    return [len(answer) % (len(example.gold) + 1) - 1 for answer in answers]


TASKS = [
    Task("by key", "", "answer", load),
    Task("own key", "", "answer", load, key=lambda text: text.strip(" .").lower()),
    Task("own grade", "", "answer", load, grade=by_length),
]


@st.composite
def scorers(draw: st.DrawFn) -> Scorer:
    k, sets = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    members = draw(st.sampled_from([1, k]))
    confidence = draw(st.booleans())
    fmt = AnswerFormat(k // members, confidence=confidence, reasoning=draw(st.booleans()))
    return Scorer(
        task=draw(st.sampled_from(TASKS)),
        layout=SetLayout(k, sets, members),
        fmt=fmt,
        exclusive=draw(st.booleans()),
        strict=not draw(st.integers(0, 3)),
        stated=draw(st.sampled_from(["recorded", "text" if confidence else None])),
        overlap=draw(st.booleans()) and sets * members > 1,
    )


@st.composite
def examples(draw: st.DrawFn, scorer: Scorer, name: str) -> Example:
    words = st.sampled_from(WORDS + NO_WORDS)
    weights = st.sampled_from([None, *CHANCES]) if draw(st.booleans()) else st.none()
    gold = st.builds(Gold, words, st.lists(words, max_size=2).map(tuple), weights)
    distribution = None
    if not draw(st.integers(0, 2)):
        known = draw(
            st.lists(st.sampled_from(WORDS), unique_by=scorer.task.key, min_size=1, max_size=4)
        )
        distribution = tuple((word, draw(st.sampled_from(CHANCES))) for word in known)
    asked = None
    if scorer.layout.members == 1:
        asked = draw(st.sampled_from([None, None, *range(1, scorer.layout.k + 1)]))
    return Example(
        name,
        "?",
        tuple(draw(st.lists(gold, max_size=3))),
        distribution,
        truth=draw(st.sampled_from([None, *WORDS])),
        asked=asked,
    )


@st.composite
def completions(draw: st.DrawFn, fmt: AnswerFormat, asked: int) -> Completion:
    answer = st.sampled_from([*WORDS, *WORDS, *NO_WORDS, "", " GERD\n"])
    q = st.sampled_from(["0.5", "0.25", "1", "0", "0.7", "70%", "high"])
    text = render(
        fmt,
        [draw(answer) for _ in range(draw(st.sampled_from([fmt.k, fmt.k, fmt.k, 0, fmt.k - 1])))],
        [draw(q) for _ in range(fmt.k)],
        reasoning=draw(st.sampled_from(["", "It burns.", "It burns when I lie down."])),
    )
    recorded = None
    if not draw(st.integers(0, 2)):
        grade, stated = st.sampled_from([0, 1, None]), st.sampled_from([0.5, 0.75, 0.0, None])
        more = [None] * (fmt.k - asked)
        recorded = Recorded(
            draw(st.none() | st.just((*[draw(grade) for _ in range(asked)], *more))),
            draw(st.none() | st.just((*[draw(stated) for _ in range(asked)], *more))),
        )
    return Completion(
        id="",
        example=0,
        sample=0,
        stage=0,
        text=text,
        prompt_tokens=draw(st.sampled_from([7, 3, None])),
        completion_tokens=draw(st.sampled_from([5, 0, None])),
        finish_reason=draw(st.sampled_from(["stop", "length", None])),
        reasoning=draw(st.sampled_from([None, None, "It burns after meals."])),
        reasoning_tokens=draw(st.sampled_from([2, None])),
        recorded=recorded,
    )


Block = tuple[Scorer, Sequence[Example], Sequence[Generations], "Sequence[Findings] | None"]

TEXTS = [*WORDS, *NO_WORDS, "GERD"]


@st.composite
def findings(draw: st.DrawFn, example: Example) -> Findings:
    """Draw what a judge might find of whatever answer an example could get."""
    hashes = st.sampled_from([None, "a", "b"])
    program = st.builds(
        Program, st.booleans(), hashes, hashes, st.sampled_from(["full", "weak"]),
        st.just(0.5), st.just(1.0),
    )  # fmt: skip
    judged = st.builds(
        Judged,
        st.sampled_from([None, *range(-1, max(len(example.gold), 1))]),
        st.sampled_from([None, None, "k", "l"]),
        st.just(""),
        st.none() | program,
    )
    return {text: draw(judged) for text in TEXTS}


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    scorer = draw(scorers())
    own = [draw(examples(scorer, f"e{row}")) for row in range(draw(st.integers(1, 3)))]

    def stages(row: int, sample: int) -> list[Completion] | None:
        follow_ups = draw(st.sampled_from([0, 0, 0, 0, 1, -1]))
        asked = min(own[row].asked or scorer.fmt.k, scorer.fmt.k)
        return [
            replace(draw(completions(scorer.fmt, asked)), example=row, sample=sample, stage=stage)
            for stage in range(1 + follow_ups)
        ] or None

    samples = range(scorer.layout.samples)
    generations = [[stages(row, sample) for sample in samples] for row in range(len(own))]
    judged = None
    if draw(st.booleans()):
        judged = [draw(findings(one)) for one in own]
    return scorer, own, generations, judged


def graded(block: Block) -> list[Row]:
    """Grade a block; give its rows."""
    scorer, own, generations, judged = block
    lines = [
        line
        for of_example in generations
        for stages in of_example
        for line in (() if stages is None else stages)
    ]
    samples = scorer.layout.samples
    places = [(line.example * samples + line.sample, line.stage) for line in lines]
    hashed = judged and [{answer_hash(t): j for t, j in found.items()} for found in judged]
    table = grade_block(scorer, own, places, lines, hashed)
    assert table.schema == SCHEMA
    rows: list[Row] = table.to_pylist()
    return rows


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(blocks())
def test_a_block_is_graded_as_its_answers_are_one_by_one(block: Block) -> None:
    scorer, own_examples, generations, judged = block
    expected = [
        row
        for own in zip(own_examples, generations, judged or repeat(None), strict=False)
        for row in plain_rows(scorer, *own)
    ]
    found = graded(block)
    assert len(found) == len(expected)
    for place, (row, own) in enumerate(zip(found, expected, strict=True)):
        assert isinstance(row.pop("second_half"), bool)
        for name, value in row.items():
            assert value == pytest.approx(own.get(name)), (place, name)


def rows_of(example: Example, *answers: str, task: Task = TASKS[0]) -> list[Row]:
    """Grade one generation."""
    fmt = AnswerFormat(len(answers), confidence=False, reasoning=False)
    scorer = Scorer(
        task, SetLayout(fmt.k, 1, 1), fmt, exclusive=False, strict=False, stated=None, overlap=False
    )
    line = Completion("", 0, 0, 0, render(fmt, answers), 1, 1, "stop")
    return graded((scorer, [example], [[[line]]], None))


def column(name: str, example: Example, *answers: str, **more: Any) -> list[Any]:
    return [row[name] for row in rows_of(example, *answers, **more)]


GERD, FLU = Gold("GERD", ("acid reflux", "heartburn")), Gold("Flu", ("influenza", "GERD"))


def test_answers_get_the_gold_answer_that_they_match() -> None:
    example = Example("e", "?", (GERD, FLU))
    answers = ["Influenza", "the gerd.", "Heartburn", "COPD"]
    assert column("gold", example, *answers) == [1, 0, 0, -1]
    # The second and the third are two names of the same gold answer.
    assert column("same_as", example, *answers) == [0, 1, 1, 3]


def test_wrong_answers_are_the_same_if_their_keys_are() -> None:
    example = Example("e", "?", (GERD,))
    assert column("same_as", example, "Flu", "the flu!", "COPD", "flu") == [0, 0, 2, 0]


def test_an_empty_key_matches_nothing_and_is_no_missing_answer() -> None:
    example = Example("e", "?", (Gold("The"), Gold("?", ("", "A"))))
    answers = ["", "the", "...", "A"]
    assert column("gold", example, *answers) == [None, -1, -1, -1]
    assert column("same_as", example, *answers) == [None, 1, 1, 1]


def test_the_first_letters_of_a_key_task_decide_what_is_the_same() -> None:
    example = Example("e", "?", (Gold("yes"),))
    task = Task("initial", "", "answer", load, key=lambda text: text[:1])
    assert column("gold", example, "y", "yet", "no", task=task) == [0, 0, -1]
    assert column("same_as", example, "y", "no", "never", task=task) == [0, 1, 1]


def test_a_tasks_own_grade_is_asked_once_for_all_answers_of_an_example() -> None:
    asked: list[list[str]] = []

    def grade(example: Example, answers: Sequence[str]) -> list[int]:
        asked.append(list(answers))
        return match(example, [answer.removeprefix("acute ") for answer in answers])

    example = Example("e", "?", (GERD,))
    task = Task("acute", "", "answer", load, grade=grade)
    assert column("gold", example, "acute GERD", "Flu", "", task=task) == [0, -1, None]
    assert asked == [["acute GERD", "Flu"]]


def test_weights_and_chances_are_those_of_the_gold_answer_that_is_named() -> None:
    example = Example("e", "?", (Gold("GERD", weight=0.5), Gold("Flu", ("cold",), 0.25), Gold("x")))
    (cold, gerd, no) = rows_of(example, "a cold", "GERD", "COPD")
    assert [row["gold_weight"] for row in (cold, gerd, no)] == [0.25, 0.5, None]
    assert [row["probability"] for row in (cold, gerd, no)] == [0.25, 0.5, 0]
    assert cold["weight_total"] == 0.75
    assert cold["best_probability"] == 0.75
    assert rows_of(example, "COPD")[0]["best_probability"] == 0.5


def test_a_distribution_goes_before_weights() -> None:
    known = (("Flu", 0.125), ("GERD", 0.5), ("COPD", 0.25))
    example = Example("e", "?", (Gold("GERD", weight=1), Gold("Flu", weight=1)), known)
    (flu, copd, other) = rows_of(example, "the flu", "COPD", "Asthma")
    assert [row["probability"] for row in (flu, copd, other)] == [0.125, 0.25, 0]
    assert flu["gold_weight"] == 1
    assert flu["best_probability"] == 0.5 + 0.25 + 0.125
    assert rows_of(example, "Flu", "COPD")[0]["best_probability"] == 0.5 + 0.25


def test_the_truth_is_one_answer_even_where_several_are_right() -> None:
    example = Example("e", "?", (GERD, FLU), truth="the Flu")
    assert column("truth", example, "flu.", "influenza", "GERD", "") == [True, False, False, False]
    assert column("truth", replace(example, truth=None), "Flu") == [None]


def test_what_is_not_known_is_null() -> None:
    (row,) = rows_of(Example("e", "?", (GERD,)), "GERD")
    names = ["gold_weight", "weight_total", "probability", "best_probability", "truth"]
    assert [row[name] for name in names] == [None] * 5


@pytest.mark.parametrize("key", [normalize, str])
def test_the_numbers_of_one_example_do_not_reach_into_another(key: Any) -> None:
    task = Task("t", "", "answer", load, key=key)
    fmt = AnswerFormat(1, confidence=False, reasoning=False)
    scorer = Scorer(
        task, SetLayout(1, 1, 1), fmt, exclusive=False, strict=False, stated=None, overlap=False
    )
    gold = ["GERD", "Flu"]
    own = [Example(name, "?", (Gold(name),), ((name, 0.5),)) for name in gold]
    lines = [Completion("", i, 0, 0, render(fmt, ["Flu"]), 1, 1, "stop") for i in range(2)]
    found = graded((scorer, own, [[[line]] for line in lines], None))
    assert [row["gold"] for row in found] == [-1, 0]
    assert [row["probability"] for row in found] == [0, 0.5]
