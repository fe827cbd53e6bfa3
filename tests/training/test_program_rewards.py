"""Programs are rewarded by the sandbox that grades them in evaluation."""

from __future__ import annotations

import pytest

from marl_eval.answers import AnswerFormat, render
from marl_eval.judging import JudgeSettings
from marl_eval.tasks.mbpp import TASK, Options, example_of
from marl_eval.training.reward_functions import PartRewards
from marl_eval.training.rewards import PARTS, RewardSettings

ROW = {
    "task_id": 601,
    "text": "Write a function to double a number.",
    "code": "def double(x):\n    return 2 * x",
    "test_setup_code": "",
    "test_list": ["assert double(2) == 4", "assert double(-1) == -2", "assert double(0) == 0"],
    "challenge_test_list": [],
}
RIGHT, OTHER, WRONG = (
    "def double(x):\n    return x + x",
    "def double(x):\n    return 2 * x",
    "def double(x):\n    return x ** 2",
)
FORMAT = AnswerFormat(2, reasoning=False, noun="program", form="program")


@pytest.mark.parametrize(
    ("answers", "earned"),
    [
        ([RIGHT, OTHER], [1, 1, 2, -(0.25 + 0.0625) / 2]),
        ([RIGHT, WRONG], [1, 1, 1, -(0.25 + 0.5625) / 2]),
        ([RIGHT, RIGHT], [1, 0, 0, 0]),
        ([RIGHT], [0, 0, 0, 0]),
    ],
)
def test_a_generation_earns_what_its_programs_do(answers: list[str], earned: list[float]) -> None:
    example = example_of(ROW)
    text = render(FORMAT, answers, ["0.50", "0.75"])

    class Tokenizer:
        def decode(self, tokens: list[int], **_: object) -> str:
            return text

    assert TASK.judge is not None
    judging = TASK.judge(Options(), JudgeSettings(2))
    assert judging is not None
    with judging as judge:
        rewards = PartRewards(TASK, FORMAT, [example], RewardSettings(), Tokenizer(), judge)
        batch = {"prompts": ["?"] * 3, "completion_ids": [[0], [1], [2]], "example": [0, 0, 0]}
        functions = rewards.functions()
        assert [function.__name__ for function in functions] == list(PARTS)
        told = [function(**batch) for function in functions]
    assert told == [[pytest.approx(part)] * 3 for part in earned]
