"""What the tasks with generated questions and one right answer have in common.

They are reproducible, their probabilities are true, and the reference answers are where they must be.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl_eval import RunResult, evaluate
from marl_eval.errors import UserError
from marl_eval.plugins import load_task
from marl_eval.task import read_options
from marl_eval.types import Example

K = 3
MANY = 2500
NAMES = ["qasim", "progsim"]
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "qasim": ("qasim", {}),
    "qasim readings": ("qasim", {"gold": "readings"}),
    "qasim hard": ("qasim", {"uncertain": 1, "hints": 1, "max_readings": 6, "attributes": 4}),
    "qasim hard readings": (
        "qasim",
        {"gold": "readings", "uncertain": 1, "hints": 1, "max_readings": 6, "values": 4},
    ),
    "qasim easy": ("qasim", {"attributes": 1, "distractors": 0, "uncertain": 0, "values": 3}),
    "progsim": ("progsim", {}),
    "progsim small": ("progsim", {"variables": 1, "length": 3, "shown": 1}),
    "progsim few fit": ("progsim", {"variables": 1, "constants": 5, "shown": 2, "fitting": 1}),
    "progsim much shown": ("progsim", {"shown": 6, "fitting": 30}),
}


@cache
def generate(variant: str, examples: int, seed: int = 0) -> tuple[Example, ...]:
    name, options = VARIANTS[variant]
    task = load_task(name)
    options = {**options, "examples": examples, "seed": seed}
    return tuple(task.load(None, read_options(task, options)).examples)


def chances(example: Example) -> dict[str, float]:
    assert example.distribution is not None
    assert len(dict(example.distribution)) == len(example.distribution)
    return dict(example.distribution)


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_reproducible_from_the_seed(name: str) -> None:
    generate.cache_clear()
    first = generate(name, 300, 7)
    generate.cache_clear()
    assert first == generate(name, 300, 7)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shorter", [1, 2, 99])
def test_a_shorter_data_set_is_the_beginning_of_a_longer_one(name: str, shorter: int) -> None:
    assert generate(name, shorter) == generate(name, 250)[:shorter]


@pytest.mark.parametrize("name", NAMES)
def test_examples_from_a_later_one_on_are_those_of_a_longer_data_set(name: str) -> None:
    task = load_task(name)
    options = read_options(task, {"examples": 7, "first": 40})
    assert tuple(task.load(None, options).examples) == generate(name, 250)[40:47]


@pytest.mark.parametrize("name", NAMES)
def test_different_seeds_differ(name: str) -> None:
    first, second = generate(name, 200, 1), generate(name, 200, 2)
    assert len({e.question for e in first} & {e.question for e in second}) < 20
    assert not {e.id for e in first} & {e.id for e in second}


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_examples_is_the_one_asked_for(name: str) -> None:
    for count in (1, 250):
        assert len({e.id for e in generate(name, count)}) == count


@pytest.mark.parametrize("name", NAMES)
def test_the_data_set_says_what_it_is(name: str) -> None:
    task = load_task(name)
    dataset = task.load(None, read_options(task, {"examples": 1, "seed": 3}))
    assert (dataset.split, dataset.source) == ("generated", f"{name} seed 3")
    assert dataset.exclusive


@pytest.mark.parametrize("name", NAMES)
def test_data_is_refused(name: str, tmp_path: Path) -> None:
    task = load_task(name)
    with pytest.raises(UserError, match=f"{name} generates .* reads no data") as caught:
        task.load(tmp_path, task.options())
    assert f"--data {tmp_path}" in str(caught.value)


@pytest.mark.parametrize("variant", VARIANTS)
def test_probabilities_are_in_order_and_in_range(variant: str) -> None:
    for example in generate(variant, MANY):
        listed = list(chances(example).values())
        assert listed == sorted(listed, reverse=True)
        assert 0 <= listed[-1] <= listed[0] <= 1
        if "readings" not in variant:
            assert sum(listed) == pytest.approx(1, abs=1e-9)
            assert len(example.gold) == 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_right_was_possible(variant: str) -> None:
    for example in generate(variant, MANY):
        assert all(chances(example)[gold.answer] > 0 for gold in example.gold)
        assert len({gold.answer for gold in example.gold}) == len(example.gold)


@pytest.mark.parametrize("variant", VARIANTS)
def test_answers_are_right_as_often_as_their_probability(variant: str) -> None:
    gaps = np.zeros((MANY, 10))
    counts = np.zeros(10)
    for row, example in enumerate(generate(variant, MANY)):
        right = {gold.answer for gold in example.gold}
        p = np.array(list(chances(example).values()))
        y = np.array([answer in right for answer in chances(example)])
        cell = np.minimum((p * 10).astype(int), 9)
        np.add.at(gaps[row], cell, y - p)
        np.add.at(counts, cell, 1)
    # The answers of one example depend on each other: the example is the unit.
    total, error = gaps.sum(axis=0), np.sqrt((gaps**2).sum(axis=0))
    used = counts >= 50
    assert used.sum() >= 3
    assert (np.abs(total[used]) <= 4 * error[used] + 1e-6).all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_answer_at_a_place_is_right_as_often_as_its_probability(
    variant: str, place: int
) -> None:
    # Also by how surprising it is: a tilt that cancels over all examples does not by halves.
    gaps: list[float] = []
    tops: list[float] = []
    for example in generate(variant, MANY):
        listed = list(chances(example).items())
        if place < len(listed):
            answer, p = listed[place]
            gaps.append((answer in {gold.answer for gold in example.gold}) - p)
            tops.append(p)
    middle = np.median(tops)
    for half in (np.array(tops) <= middle, np.array(tops) > middle):
        own = np.array(gaps)[half]
        assert abs(own.sum()) <= 4 * sqrt((own**2).sum()) + 1e-6


RUNS = ["qasim", "qasim readings", "progsim", "progsim small"]


def run(variant: str, model: str, out: Path, **settings: Any) -> RunResult:
    name, options = VARIANTS[variant]
    settings = {"task_args": {**options, "examples": 600}, "resamples": 200, **settings}
    return evaluate(model=f"reference:{model}", task=name, out=out, **settings)


@pytest.fixture(scope="module", params=RUNS)
def variant(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def references(variant: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunResult]:
    out = tmp_path_factory.mktemp("runs")
    return {model: run(variant, model, out / model, k=K) for model in ("oracle", "prior", "random")}


def value(result: RunResult, name: str) -> float:
    found = result.results.metrics[name].value
    assert found is not None, name
    return found


def best(variant: str, k: int = K) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give the true probabilities of the best answers, float64[examples, k]."""
    listed = [list(chances(example).values())[:k] for example in generate(variant, 600)]
    return np.array(listed)


def test_the_oracle_is_at_the_optimum(references: dict[str, RunResult], variant: str) -> None:
    for name in ("regret", "probability_brier", "probability_error"):
        assert value(references["oracle"], name) == pytest.approx(0, abs=1e-12)
    p = best(variant)
    expected = {"correct_answers": p.sum(axis=1).mean(), "multi_brier": (p * (1 - p)).mean()}
    for name, optimum in expected.items():
        found = references["oracle"].results.metrics[name]
        assert found.n == 600
        assert found.low is not None
        assert found.high is not None
        error = (found.high - found.low) / (2 * 1.96)
        assert abs(value(references["oracle"], name) - optimum) <= 4 * error


def test_the_oracle_is_calibrated(references: dict[str, RunResult], variant: str) -> None:
    assert value(references["oracle"], "ece") < 0.05
    found = references["oracle"].results.metrics["correct_bias"]
    assert found.low is not None
    assert found.high is not None
    assert found.low - 0.02 <= 0 <= found.high + 0.02


def test_no_reference_breaks_a_rule_of_the_format(references: dict[str, RunResult]) -> None:
    for result in references.values():
        assert result.results.deviations == {}
        assert value(result, "format_ok") == 1


def test_random_and_prior_answers_are_worse_than_the_oracle(
    references: dict[str, RunResult],
) -> None:
    for name in ("correct_answers", "pass@1", "hit@3", "recall"):
        floor, middle, ceiling = (
            value(references[model], name) for model in ("random", "prior", "oracle")
        )
        assert floor < middle < ceiling, name
    for model in ("random", "prior"):
        assert value(references[model], "regret") > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_one_answer_or_a_pool_of_one_each_is_graded_as_well(name: str, tmp_path: Path) -> None:
    pool = run(name, "oracle", tmp_path / "pool", strategy="best-of-k", k=K)
    one = run(name, "oracle", tmp_path / "one", strategy="single")
    together = run(name, "oracle", tmp_path / "together", k=K)
    assert value(pool, "correct_answers") == value(together, "correct_answers")
    assert value(one, "correct_answers") == value(together, "pass@1")
    assert value(pool, "regret") == value(one, "regret") == pytest.approx(0, abs=1e-12)
    echo = run(name, "echo-gold", tmp_path / "echo", strategy="single")
    assert value(echo, "recall") == value(echo, "pass@1") == 1
    assert value(echo, "multi_brier") == 0
