"""One example explained as it was scored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marl_eval.run import score
from marl_eval.show import print_example
from marl_eval.store import RUN, RunDirectory, dump_json
from marl_eval.types import Recorded
from tests.conftest import Cli
from tests.runs import completion, example, hand_made, said

HOSTILE = "\x1b]0;title\x07 \x9b31m \u202e <b>"
ACTED_ON = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal acts on, worked out apart from the code under test."""


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


def test_nothing_that_a_run_holds_reaches_a_terminal_as_a_control_character(
    tmp_path: Path, cli: Cli
) -> None:
    line = completion(0, f"{HOSTILE}{said(HOSTILE, 'x', q=[0.5] * 2)}")
    path = hand_made(tmp_path / f"run {HOSTILE}", [example(HOSTILE, HOSTILE)], [line])
    record = RunDirectory(path).read_run()
    record["settings"] |= dict.fromkeys(("model", "task", "strategy"), HOSTILE)
    record["settings"]["confidence"] = True
    record["prompt"]["messages"] = [{"role": HOSTILE, "content": HOSTILE}]
    (path / RUN).write_bytes(dump_json(record))
    score(path, resamples=2)
    for arguments in (["show", path], ["show", path, "--example", "0"], ["official", path]):
        _, out, err = cli(*arguments)
        assert "\\x1b]0;title\\x07" in out + err
        assert not ACTED_ON.search(out + err), arguments


def test_an_error_message_names_a_hostile_path_inert(tmp_path: Path, cli: Cli) -> None:
    code, out, err = cli("show", tmp_path / f"none {HOSTILE}")
    assert code == 2
    assert "none \\x1b]0;title" in err
    assert not ACTED_ON.search(out + err)
