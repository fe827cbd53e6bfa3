"""The card of every installed task: complete, true to what the task does, and well-formed."""

from __future__ import annotations

import re

import pytest

from marl_eval.catalogue import catalogue
from marl_eval.plugins import found, load_task
from marl_eval.task import Card, Task
from marl_eval.task_cards import to_markdown
from marl_eval.types import Example
from tests.pages import DOCS, blocks

PAGE = to_markdown()
SECTIONS = dict(
    zip(*[iter(re.split(r"^## `(.+)`$", PAGE, flags=re.MULTILINE)[1:])] * 2, strict=True)
)
WITH_SAMPLE = [
    name for name in found("tasks") if (card := load_task(name).card) is not None and card.sample
]


def card_of(task: Task) -> Card:
    assert task.card is not None
    return task.card


def sample_of(name: str) -> Example:
    sample = card_of(load_task(name)).sample
    assert sample is not None
    return sample()


def test_every_installed_task_has_a_section_and_a_card() -> None:
    assert list(SECTIONS) == list(found("tasks"))
    assert all(load_task(name).card is not None for name in found("tasks"))
    assert set(found("tasks")) - set(WITH_SAMPLE) == {"humaneval+", "mbpp+", "recorded"}


@pytest.mark.parametrize("name", found("tasks"))
def test_a_section_tells_every_option_with_what_it_is(name: str) -> None:
    for option, field in load_task(name).options.model_fields.items():
        assert field.description, option
        assert f"| `{option}` | `{field.default}` | {field.description} |" in SECTIONS[name]


@pytest.mark.parametrize("name", WITH_SAMPLE)
def test_the_gold_answers_of_an_example_are_right_by_each_of_their_names(name: str) -> None:
    example = sample_of(name)
    grade = load_task(name).grader()
    assert bool(example.gold) == load_task(name).graded
    for index, gold in enumerate(example.gold):
        names = [gold.answer, *gold.aliases]
        assert list(grade(example, names)) == [index] * len(names)
        assert gold.answer in SECTIONS[name]
    assert example.question.strip() in PAGE


def test_the_metrics_of_a_card_are_those_that_only_such_a_task_has() -> None:
    """As a run of each has them: see the runs of ``tests/tasks``."""
    told = {
        name: set(re.findall("`(.+?)`", re.findall(r"\*\*Metrics\*\*: (.*)", SECTIONS[name])[0]))
        for name in WITH_SAMPLE
    }
    assert told["ambigqa"] == told["hotpotqa"] == set()
    assert told["protoqa"] == {"mass_covered", "mass@k"}
    assert told["ddxplus"] == {"mass_covered", "mass@k", "DDR", "DDP", "DDF1", "GTPA", "GTPA@1"}
    assert told["ddxsim"] == {"probability_brier", "probability_error", "regret"}
    assert told["qasim"] == told["progsim"] == {*told["ddxsim"], "distribution_distance"}
    assert told["humaneval"] == told["mbpp"] >= {"compiles", "distinct_programs_behaviour"}
    assert "distinct_answers" in told["noveltybench"]
    assert "recall" not in told["noveltybench"]
    assert set().union(*told.values()) <= {entry.name for entry in catalogue()}


def test_a_question_with_a_fence_of_its_own_is_one_block() -> None:
    question, gold = (content for _, content in blocks(DOCS / "tasks.md") if "Twice x" in content)
    assert question.strip() == sample_of("humaneval").question
    assert gold.strip() == sample_of("humaneval").gold[0].answer
