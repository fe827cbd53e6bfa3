"""The tiny model: its tokenizer loses nothing, and knows all that a task says."""

from __future__ import annotations

from pathlib import Path

import pytest

from marl_eval.answers import AnswerFormat, render
from marl_eval.plugins import load_task
from marl_eval.training.tiny import make_tiny, make_tokenizer
from tests.training.tiny_models import WORDING


@pytest.mark.parametrize("name", ["ddxsim", "qasim", "progsim"])
def test_every_text_of_a_task_is_told_exactly_and_without_unknown_tokens(name: str) -> None:
    task = load_task(name)
    trained = task.load(None, task.options(examples=3000, first=1000))
    fmt = AnswerFormat(1, noun=task.noun, sum_to_one=trained.exclusive)
    tokenizer = make_tokenizer(trained.examples, fmt, WORDING)
    own = AnswerFormat(3, noun=task.noun, sum_to_one=trained.exclusive)
    unknown = 0
    for example in task.load(None, task.options(examples=300)).examples:
        answers = [name for name, _ in (example.distribution or ())[:3]]
        text = render(own, answers, ["0.25", "0.05", "0.00"], reasoning=example.question)
        for told in (f"{example.question}\n3 yes\n\n", text):
            ids = tokenizer(told)["input_ids"]
            if tokenizer.unk_token_id in ids:
                unknown += 1
            else:
                assert tokenizer.decode(ids) == told
    assert unknown == 0
    assert len(tokenizer) < 400


def test_what_every_question_says_is_one_token() -> None:
    task = load_task("progsim")
    dataset = task.load(None, task.options(examples=200))
    tokenizer = make_tokenizer(dataset.examples, AnswerFormat(1), WORDING)
    rules = dataset.examples[0].question.split("\n")[0]
    assert len(tokenizer(rules)["input_ids"]) == 1


def test_the_model_has_about_a_quarter_of_a_million_parameters(tmp_path: Path) -> None:
    task = load_task("ddxsim")
    dataset = task.load(None, task.options(examples=200))
    count = make_tiny(tmp_path / "model", dataset.examples, AnswerFormat(1), WORDING, seed=0)
    assert 200_000 < count < 300_000
