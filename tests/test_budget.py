"""A cap on tokens or money is kept, whatever requests turn out to cost, and a higher one continues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl_eval import evaluate
from marl_eval.answers import AnswerFormat
from marl_eval.budget import Budget, Cap
from marl_eval.money import Price
from marl_eval.types import Completion, Example, Failure, Message, Request, Sampling
from tests.conftest import Cli

COUNTS = st.integers(0, 60)


def request(name: int, size: int, most: int) -> Request:
    fmt = AnswerFormat(1, confidence=False, reasoning=False)
    messages = (Message("user", "x" * size),)
    source = Example(str(name), "", ())
    sampling = Sampling(1.0, 1.0, most)
    return Request(str(name), name, 0, 0, 0, 1, 0, messages, fmt, sampling, (), source)


def completion(asked: Request, prompt: int | None, made: int | None) -> Completion:
    return Completion(asked.id, asked.example, 0, 0, "", prompt, made, "stop")


@given(
    cap=st.integers(0, 1500),
    requests=st.lists(st.tuples(COUNTS, COUNTS, st.data()), max_size=30),
    at_once=st.integers(1, 8),
)
def test_a_cap_on_tokens_is_never_passed_however_many_are_on_their_way(
    cap: int, requests: list[tuple[int, int, st.DataObject]], at_once: int
) -> None:
    budget = Budget(Cap(tokens=cap), 0, 0)
    on_their_way: list[tuple[Request, st.DataObject]] = []
    spent = 0

    def settle() -> None:
        nonlocal spent
        asked, data = on_their_way.pop(0)
        size = len(asked.messages[0].content)
        if data.draw(st.integers(0, 9)) == 0:
            budget.settle([Failure(asked.id, asked.example, 0, 0, "made to fail")])
            return
        prompt = data.draw(st.integers(0, size))
        made = data.draw(st.integers(0, asked.sampling.max_tokens))
        spent += prompt + made
        budget.settle([completion(asked, prompt, made)])

    for name, (size, most, data) in enumerate(requests):
        asked = request(name, size, most)
        if budget.admits(asked):
            on_their_way.append((asked, data))
        if len(on_their_way) == at_once:
            settle()
        assert spent <= cap
    while on_their_way:
        settle()
    assert spent <= cap


def test_what_does_not_fit_beside_others_fits_once_they_have_cost_less() -> None:
    budget = Budget(Cap(tokens=100), 0, 0)
    first, second = request(1, 30, 50), request(2, 30, 30)
    assert budget.admits(first)
    assert budget.admits(first), "asking again about the same request costs nothing more"
    assert not budget.admits(second)
    assert budget.refused
    budget.settle([completion(first, 10, 20)])
    budget.begin()
    assert budget.admits(second)
    assert not budget.refused
    assert "30 of 100 tokens" in budget.told()


def test_a_count_that_is_not_told_is_taken_as_the_most() -> None:
    budget = Budget(Cap(tokens=100), 0, 0)
    asked = request(1, 30, 50)
    assert budget.admits(asked)
    budget.settle([completion(asked, None, None)])
    assert "80 of 100" in budget.told()


def test_money_is_counted_by_the_price_of_each_kind_of_token() -> None:
    price = Price(prompt=2.0, completion=10.0, currency="USD")
    budget = Budget(Cap(money=0.001, price=price), 100, 50)  # 0.0002 + 0.0005 before
    assert budget.admits(request(1, 100, 10))  # 0.0002 + 0.0001: all of it
    assert not budget.admits(request(2, 1, 0))
    assert "0.0007 of 0.001 USD" in budget.told()


@pytest.mark.parametrize("cap", ["tokens", "money"])
def test_a_run_stops_below_its_cap_and_continues_with_a_higher_one(
    cap: str, cli: Cli, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("'reference:oracle': {prompt: 1.0, completion: 1.0, currency: USD}\n")
    whole = tmp_path / "whole"
    task: dict[str, Any] = {"task": "ddxsim", "task_args": {"examples": 40}, "resamples": 20}
    evaluate(model="reference:oracle", k=3, out=whole, **task)

    def rows(run: Path) -> list[dict[str, Any]]:
        lines = (run / "completions" / "part-0.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    total = sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows(whole))

    def run(most: int) -> tuple[int, str]:
        limit = (
            ["--max-total-tokens", most]
            if cap == "tokens"
            else ["--max-cost", most / 1e6, "--prices", prices]
        )
        code, _, said = cli(
            "run", "--model", "reference:oracle", "--task", "ddxsim", "--task-args", "examples=40",
            "-k", 3, "--resamples", 20, "--out", tmp_path / "run", *limit,
        )  # fmt: skip
        return code, said

    code, _ = run(total // 2)
    before = rows(tmp_path / "run")
    spent = sum(row["prompt_tokens"] + row["completion_tokens"] for row in before)
    assert 0 < spent <= total // 2
    assert len(before) < 40
    (told,) = (record.getMessage() for record in caplog.records)
    assert "Raise the cap and give the same command to continue" in told
    assert code == 1

    code, said = run(total * 20)
    assert code == 0, said
    assert rows(tmp_path / "run")[: len(before)] == before
    if cap == "tokens":
        results = [(path / "results.json").read_bytes() for path in (whole, tmp_path / "run")]
        assert results[0] == results[1]
