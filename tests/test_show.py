"""One example explained as it was scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from marl_eval.show import print_example
from marl_eval.types import Recorded
from tests.runs import completion, example, hand_made, said


def shown(path: Path, wanted: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_example(path, wanted)
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_an_answer_is_shown_with_its_grade_and_confidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = completion(0, said("Lyon", "Paris", q=[0.25, 0.5]))
    path = hand_made(tmp_path, [example("e", "Paris")], [line])
    lines = shown(path, "e", capsys)
    assert "1: Lyon  confidence 0.25  wrong" in lines
    assert "2: Paris  confidence 0.5  right: gold 0" in lines


def test_recorded_grades_and_confidences_are_those_that_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = Recorded(grades=(1, 0), confidences=(0.75, None))
    line = completion(0, said("Lyon", "Paris", q=[0.25, 0.5]), recorded=recorded)
    told = {"grades": True, "confidences": True}
    path = hand_made(tmp_path, [example("e", "Paris")], [line], recorded=told)
    lines = shown(path, "e", capsys)
    assert "1: Lyon  confidence 0.75  right: gold 0" in lines
    assert "2: Paris  wrong" in lines


def test_an_example_asked_for_fewer_answers_is_shown_as_it_was_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [example("one", "Paris", asked=1), example("two", "Paris")]
    lines = [
        completion(0, said("Paris", q=[0.5])),
        completion(1, said("Paris", "Oslo", q=[0.5] * 2)),
    ]
    path = hand_made(tmp_path, own, lines)
    told = shown(path, "one", capsys)
    assert "1: Paris  confidence 0.5  right: gold 0" in told
    assert not [line for line in told if line.startswith(("2:", "not as asked"))]


def test_token_counts_that_are_not_known_are_not_told_as_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = completion(0, said("Paris", "Oslo", q=[0.5] * 2), tokens=None)
    path = hand_made(tmp_path, [example("e", "Paris")], [line])
    assert not [told for told in shown(path, "e", capsys) if "None" in told]
