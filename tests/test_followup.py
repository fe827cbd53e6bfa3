"""Asking again for what a generation lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from marl_eval.answers import AnswerFormat
from marl_eval.followup import follow_up_plan
from marl_eval.lines import Appender
from marl_eval.normalization import normalize
from marl_eval.plan import Asking, question_plan
from marl_eval.prompts import build_template
from marl_eval.scoring.generation import generation_reader
from marl_eval.store import RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.types import Completion, Example, Gold, Request, Sampling

FORMAT = AnswerFormat(k=3)
ASKING = Asking(
    examples=[
        Example("a", "What burns?", (Gold("GERD"),)),
        Example("b", "What itches?", (Gold("Hives"),)),
    ],
    template=build_template(FORMAT),
    layout=SetLayout(k=3, sets=1, members=1),
    format=FORMAT,
    sampling=Sampling(0.7, 1.0, 100),
    seed=0,
)
WHOLE = (
    "<think>hm</think><answer1>x</answer1><confidence1>0.5</confidence1>"
    "<answer2>y</answer2><confidence2>0.3</confidence2>"
    "<answer3>z</answer3><confidence3>0.1</confidence3>"
)
LACKING = "<think>hm</think><answer1>x</answer1><confidence1>0.5</confidence1>"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    with run.locked():
        run.write_examples(ASKING.examples)
    return run


def answer(run: RunDirectory, request: Request, text: str) -> None:
    appender = Appender(run.completions)
    appender.append(
        [
            Completion(
                request.id, request.example, request.sample, request.stage, text, 10, 5, "stop"
            )
        ]
    )
    appender.close()


def test_only_what_is_missing_is_asked_for_and_the_talk_before_is_kept(run: RunDirectory) -> None:
    first, second = question_plan(ASKING)
    answer(run, first, LACKING)
    answer(run, second, WHOLE)

    (ask,) = follow_up_plan(1, run, ASKING, normalize)
    assert (ask.example, ask.stage) == (0, 1)
    assert ask.sampling == Sampling(temperature=0.0, top_p=1.0, max_tokens=2 * 50)
    assert ask.endings == ("</answer3>",)
    assert ask.messages[0] == first.messages[0]
    assert ask.messages[1].content == LACKING
    assert "<answer2>…</answer2><answer3>…</answer3>" in ask.messages[2].content
    assert "<answer1>" not in ask.messages[2].content
    answer(run, ask, "<answer2>y</answer2> <answer3>z</answer3>")

    (again,) = follow_up_plan(2, run, ASKING, normalize)
    assert [m.role for m in again.messages] == ["user", "assistant"] * 2 + ["user"]
    assert again.messages[:3] == ask.messages
    assert "<confidence2>…</confidence2><confidence3>…</confidence3>" in again.messages[4].content
    assert again.sampling.max_tokens == 2 * 20
    assert len({first.id, ask.id, again.id}) == 3


def test_a_generation_with_nothing_missing_is_not_asked_again(run: RunDirectory) -> None:
    for request in question_plan(ASKING):
        answer(run, request, WHOLE)
    assert list(follow_up_plan(1, run, ASKING, normalize)) == []
    assert list(follow_up_plan(2, run, ASKING, normalize)) == []


def test_follow_ups_fill_gaps_and_change_nothing_else() -> None:
    def line(text: str) -> Completion:
        return Completion("", 0, 0, 0, text, 10, 5, "stop")

    read = generation_reader(FORMAT)
    parsed = read(
        [
            line(LACKING),
            line("<answer1>other</answer1><answer2>y</answer2><confidence2>0.9</confidence2>"),
            line("<confidence2>0.1</confidence2><confidence3>0.4</confidence3>"),
        ]
    )
    assert parsed.answers == ("x", "y", None)
    assert parsed.confidences == (0.5, 0.9, 0.4)
    first = LACKING.index("<answer1>") + len("<answer1>")
    assert parsed.spans == ((first, first + 1), None, None)
    assert not parsed.strict
    assert parsed.deviations == read([line(LACKING)]).deviations
