"""How generations make up answer sets."""

from __future__ import annotations

import pytest

from marl_eval.answers import AnswerFormat
from marl_eval.errors import UserError
from marl_eval.strategies import DEFAULT_K, SetLayout, Strategy, generation_format, set_layout


@pytest.mark.parametrize(
    ("strategy", "k", "sets", "members", "samples"),
    [
        (Strategy.MULTI, 3, 1, 1, 1),
        (Strategy.MULTI, 3, 10, 1, 10),
        (Strategy.MULTI, 1, 2, 1, 2),
        (Strategy.BEST_OF_K, 3, 1, 3, 3),
        (Strategy.BEST_OF_K, 30, 2, 30, 60),
        (Strategy.BEST_OF_K, 1, 4, 1, 4),
        (Strategy.SINGLE, 1, 1, 1, 1),
        (Strategy.SINGLE, 1, 30, 1, 30),
    ],
)
def test_a_layout_counts_the_generations_of_a_set_and_of_an_example(
    strategy: Strategy, k: int, sets: int, members: int, samples: int
) -> None:
    layout = set_layout(strategy, k, sets)
    assert layout == SetLayout(k=k, sets=sets, members=members)
    assert layout.samples == samples


@pytest.mark.parametrize("strategy", Strategy)
def test_the_default_number_of_answers_can_be_laid_out(strategy: Strategy) -> None:
    layout = set_layout(strategy, DEFAULT_K[strategy], 1)
    assert layout.k == DEFAULT_K[strategy]


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("k", [0, -1])
def test_a_set_has_at_least_one_answer(strategy: Strategy, k: int) -> None:
    with pytest.raises(UserError, match=f"-k .* at least 1, not {k}"):
        set_layout(strategy, k, 1)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("sets", [0, -1])
def test_a_question_has_at_least_one_set(strategy: Strategy, sets: int) -> None:
    with pytest.raises(UserError, match=f"-n .* at least 1, not {sets}"):
        set_layout(strategy, 1, sets)


def test_single_asks_for_one_answer_and_names_what_asks_for_more() -> None:
    with pytest.raises(UserError, match="one answer, not 2") as raised:
        set_layout(Strategy.SINGLE, 2, 1)
    assert "'multi'" in str(raised.value)
    assert "'best-of-k'" in str(raised.value)


@pytest.mark.parametrize(
    ("strategy", "k", "each"),
    [(Strategy.MULTI, 3, 3), (Strategy.BEST_OF_K, 3, 1), (Strategy.SINGLE, 1, 1)],
)
def test_a_generation_is_asked_for_its_share_of_the_set(
    strategy: Strategy, k: int, each: int
) -> None:
    whole = AnswerFormat(k, confidence=False, analysis=True, sum_to_one=True, noun="diagnosis")
    asked = generation_format(set_layout(strategy, k, 2), whole)
    assert asked == AnswerFormat(
        each, confidence=False, analysis=True, sum_to_one=True, noun="diagnosis"
    )


def test_a_strategy_is_named_as_on_the_command_line() -> None:
    assert [str(strategy) for strategy in Strategy] == ["multi", "best-of-k", "single"]
