"""Choosing examples, setting some apart, and reading a task's own options."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from marl_eval.errors import UserError
from marl_eval.task import Dataset, Task, TaskOptions, choose, hold_out, read_options
from marl_eval.types import Example, Gold

FREELY = settings(deadline=None, max_examples=60)
IDS = st.lists(st.text(max_size=8), unique=True, max_size=40)


def example(name: str, gold: int = 1, listed: int | None = None) -> Example:
    return Example(
        id=name,
        question=f"What is {name}?",
        gold=tuple(Gold(f"answer {i}") for i in range(gold)),
        distribution=None if listed is None else tuple((f"a {i}", 0.5) for i in range(listed)),
    )


def ids(examples: list[Example]) -> list[str]:
    return [e.id for e in examples]


@FREELY
@given(IDS, st.integers(1, 40), st.integers(1, 40))
def test_a_smaller_choice_is_part_of_a_larger_one(names: list[str], one: int, two: int) -> None:
    examples = [example(name) for name in names]
    small, large = (ids(choose(examples, limit)) for limit in sorted((one, two)))
    assert set(small) <= set(large)
    assert len(small) == min(one, two, len(names))


@FREELY
@given(IDS, st.integers(1, 40))
def test_a_choice_keeps_the_order_of_the_examples(names: list[str], limit: int) -> None:
    chosen = set(ids(choose([example(name) for name in names], limit)))
    kept = [name for name in names if name in chosen]
    assert ids(choose([example(name) for name in names], limit)) == kept


@FREELY
@given(IDS, st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_choice_depends_on_nothing_but_the_ids(
    names: list[str], limit: int, rng: random.Random
) -> None:
    first = choose([example(name) for name in names], limit)
    others = [Example(name, "Another question?", (Gold("b"),), (("b", 0.1),)) for name in names]
    rng.shuffle(others)
    assert set(ids(first)) == set(ids(choose(others, limit)))


@pytest.mark.parametrize("limit", [None, 3, 4])
def test_all_examples_are_chosen_where_the_limit_allows_it(limit: int | None) -> None:
    examples = [example(name) for name in "bca"]
    assert choose(examples, limit) == examples


def test_a_choice_is_not_the_first_few() -> None:
    examples = [example(str(number)) for number in range(1000)]
    chosen = [int(e.id) for e in choose(examples, 100)]
    assert 300 < sum(chosen) / len(chosen) < 700


def test_a_choice_is_the_same_on_every_machine() -> None:
    examples = [example(f"case-{number}") for number in range(20)]
    # printf case-0 | sha256sum, and so on: these four come first.
    assert ids(choose(examples, 4)) == ["case-2", "case-3", "case-6", "case-17"]


def test_any_text_can_be_an_id() -> None:
    assert ids(choose([example("\ud800"), example("é"), example("")], 3)) == ["\ud800", "é", ""]
    assert len(choose([example("\ud800"), example("é"), example("")], 2)) == 2


@FREELY
@given(IDS, st.integers(0, 45), st.integers(1, 4), st.data())
def test_what_is_held_out_and_the_rest_are_all_examples_once(
    names: list[str], shots: int, answers: int, data: st.DataObject
) -> None:
    examples = [example(name, gold=data.draw(st.integers(1, 4))) for name in names]
    held, rest = hold_out(examples, shots, answers)
    assert len(held) == min(shots, len(examples))
    assert not set(ids(held)) & set(ids(rest))
    assert sorted(ids(held) + ids(rest)) == sorted(names)
    assert ids(rest) == [name for name in names if name in set(ids(rest))]


@FREELY
@given(IDS, st.integers(0, 45), st.integers(1, 4), st.data())
def test_examples_with_enough_answers_are_held_out_before_others(
    names: list[str], shots: int, answers: int, data: st.DataObject
) -> None:
    examples = [example(name, gold=data.draw(st.integers(1, 4))) for name in names]
    held, rest = hold_out(examples, shots, answers)
    complete = [len(e.gold) >= answers for e in held]
    assert complete == sorted(complete, reverse=True)
    if not all(complete):
        assert not any(len(e.gold) >= answers for e in rest)


@FREELY
@given(IDS, st.integers(0, 45), st.randoms(use_true_random=False))
def test_what_is_held_out_does_not_depend_on_the_order(
    names: list[str], shots: int, rng: random.Random
) -> None:
    examples = [example(name) for name in names]
    first = hold_out(examples, shots, 1)[0]
    rng.shuffle(examples)
    assert hold_out(examples, shots, 1)[0] == first


@FREELY
@given(IDS, st.integers(0, 10), st.integers(1, 30))
def test_what_is_held_out_is_what_would_be_chosen_last(
    names: list[str], shots: int, limit: int
) -> None:
    examples = [example(name) for name in names]
    held, rest = hold_out(examples, shots, 1)
    if limit <= len(examples) - len(held):
        assert choose(rest, limit) == choose(examples, limit)


def test_a_distribution_tells_how_many_answers_could_be_shown() -> None:
    short = [example(name, gold=3, listed=1) for name in "abcdefgh"]
    full = [example("full", gold=1, listed=3)]
    assert ids(hold_out([*short, *full], 1, 3)[0]) == ["full"]


class Options(TaskOptions):
    split: Literal["test", "train"] = "test"
    min_prob: float = Field(0.01, ge=0, le=1)
    limit: int = 5


def load(data: Path | None, options: Any) -> Dataset:
    return Dataset([example("a")], "1", "test", "CC0-1.0", "made up", exclusive=False)


TASK = Task("riddles", "Riddles", "answer", load, Options)


def test_options_have_their_defaults() -> None:
    assert read_options(TASK, {}) == Options()


def test_options_are_read_from_text_as_from_values() -> None:
    given = {"min_prob": "0.25", "limit": "7", "split": "train"}
    assert read_options(TASK, given) == Options(min_prob=0.25, limit=7, split="train")


def test_an_unknown_option_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UserError) as caught:
        read_options(TASK, {"min_prop": 0.1})
    assert "'min_prop'" in str(caught.value)
    assert "did you mean 'min_prob'?" in str(caught.value)
    assert "'riddles'" in str(caught.value)


def test_an_option_like_no_other_is_told_with_all_names() -> None:
    with pytest.raises(UserError, match="known: limit, min_prob, split"):
        read_options(TASK, {"zzz": 1})


def test_an_option_of_a_task_without_any_is_told() -> None:
    with pytest.raises(UserError, match="known: none"):
        read_options(Task("plain", "Plain", "answer", load), {"split": "test"})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("min_prob", 1.5, "less than or equal to 1"),
        ("min_prob", "high", "valid number"),
        ("limit", 2.5, "integer"),
        ("limit", None, "integer"),
        ("split", "validate", "'test' or 'train'"),
    ],
)
def test_a_wrong_value_is_told_with_its_option(name: str, value: Any, told: str) -> None:
    with pytest.raises(UserError) as caught:
        read_options(TASK, {name: value})
    message = str(caught.value)
    assert message.startswith(f"The option {name!r} of task 'riddles' cannot be {value!r}: ")
    assert told in message


def test_options_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_options(TASK, {}).limit = 3  # type: ignore[attr-defined]


def test_a_task_grades_by_its_key_unless_it_grades_itself() -> None:
    by_key = Task("t", "T", "answer", load, key=lambda text: text[:1])
    assert list(by_key.grader()(Example("a", "?", (Gold("yes"),)), ["y", "no"])) == [0, -1]
    own = Task("t", "T", "answer", load, grade=lambda example, answers: [7 for _ in answers])
    assert list(own.grader()(example("a"), ["x", "y"])) == [7, 7]
