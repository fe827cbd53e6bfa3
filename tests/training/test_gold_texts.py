"""Generations written from gold answers, to warm a model up on."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval.answers import AnswerFormat, parse
from marl_eval.errors import UserError
from marl_eval.training.gold_texts import gold_text
from marl_eval.training.settings import SftSettings, make_training_settings
from marl_eval.types import Example, Gold

CASE = Example(
    "a", "Seen: red eyes. What is it?", (Gold("flu", weight=0.25), Gold("gout", weight=0.5))
)
OTHERS = [
    CASE,
    Example("b", "?", (Gold("mumps"), Gold("scurvy", ("rot",)))),
    Example("c", "?", (Gold("flu"),)),
]


def settings(**changes: Any) -> SftSettings:
    values = {"model": "m", "task": "t", "out": Path("o"), **changes}
    return make_training_settings(SftSettings, values)


def written(fmt: AnswerFormat, seed: int = 0, **changes: Any) -> tuple[str, list[Any], list[Any]]:
    text = gold_text(settings(**changes), fmt, CASE, OTHERS, Random(seed))
    read = parse(fmt, text)
    return text, list(read.answers), list(read.confidences)


def test_ranked_answers_are_the_heaviest_with_their_weights() -> None:
    text, answers, stated = written(AnswerFormat(2))
    assert (answers, stated) == (["gout", "flu"], [0.5, 0.25])
    assert text.startswith("<think>")


def test_gold_answers_of_others_stand_in_with_a_low_confidence() -> None:
    _, answers, stated = written(AnswerFormat(4))
    assert answers[:2] == ["gout", "flu"]
    assert set(answers[2:]) == {"mumps", "scurvy"}
    assert stated == [0.5, 0.25, 0.05, 0.05]


def test_too_few_answers_in_the_whole_task_are_told() -> None:
    with pytest.raises(UserError, match="fewer than 5 different right answers"):
        written(AnswerFormat(5))


def test_confidences_without_weights_are_high_and_may_be_made_to_sum_to_one() -> None:
    example = OTHERS[1]
    text = gold_text(settings(), AnswerFormat(2, sum_to_one=True), example, OTHERS, Random(0))
    assert list(parse(AnswerFormat(2), text).confidences) == [0.5, 0.5]
    text = gold_text(settings(), AnswerFormat(2), example, OTHERS, Random(0))
    assert list(parse(AnswerFormat(2), text).confidences) == [0.9, 0.9]


def test_drawn_answers_repeat_as_often_as_is_asked() -> None:
    always = [written(AnswerFormat(2), seed, answers="drawn", repeats=1)[1] for seed in range(600)]
    repeated = sum(one[0] == one[1] for one in always) / len(always)
    # Of weights 1 and 2 the same is drawn twice with probability (1/3)^2 + (2/3)^2 = 5/9.
    assert repeated == pytest.approx(5 / 9, abs=0.07)
    never = [written(AnswerFormat(2), seed, answers="drawn")[1] for seed in range(100)]
    assert all(one[0] != one[1] for one in never)


def test_drawn_answers_come_in_proportion_to_weight() -> None:
    first = [written(AnswerFormat(1), seed, answers="drawn")[1][0] for seed in range(600)]
    assert first.count("gout") / len(first) == pytest.approx(2 / 3, abs=0.06)


def test_reasoning_restates_what_the_pattern_finds() -> None:
    text, *_ = written(AnswerFormat(1), restate="(?<=Seen: )[^.]*")
    assert "<think>red eyes</think>" in text
    text, *_ = written(AnswerFormat(1), restate=r"Seen: (\w+)")
    assert "<think>red</think>" in text


@given(
    k=st.integers(1, 4),
    confidence=st.booleans(),
    reasoning=st.booleans(),
    analysis=st.booleans(),
    one=st.booleans(),
    seed=st.integers(0, 10**6),
    answers=st.sampled_from(["ranked", "drawn"]),
    stated=st.sampled_from(["weights", "random"]),
)
def test_what_is_written_is_strictly_as_asked_unless_repeats_are(
    k: int,
    confidence: bool,
    reasoning: bool,
    analysis: bool,
    one: bool,
    seed: int,
    answers: str,
    stated: str,
) -> None:
    fmt = AnswerFormat(
        k, confidence=confidence, reasoning=reasoning, analysis=analysis, sum_to_one=one
    )
    own = settings(answers=answers, confidences=stated)
    text = gold_text(own, fmt, CASE, OTHERS, Random(seed))
    assert not parse(fmt, text).deviations
