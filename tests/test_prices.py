"""Prices of tokens: the table, the mistakes in it, and the money that a run costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marl_eval import score
from marl_eval.money import Price, read_price
from marl_eval.types import Completion, Failure
from tests.conftest import Cli
from tests.runs import completion, example, failure, hand_made, said

TABLE = """
by hand: {prompt: 2, completion: 8.5, currency: EUR}
cheap: {prompt: 0, completion: 1.0e-3}
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(TABLE, encoding="utf-8")
    return path


def test_a_price_is_that_of_the_model(prices: Path) -> None:
    assert read_price(prices, "by hand") == Price(2, 8.5, "EUR")
    assert read_price(prices, "cheap") == Price(0, 0.001, "USD")


def a_run(path: Path) -> Path:
    """Make a run of two sets for each of three examples, one request of the last failed."""
    own = [example(f"e{row}", "Paris", "Rome") for row in range(3)]
    lines: list[Completion | Failure] = [
        completion(0, said("Paris", "Rome", q=[0.5, 0.5]), tokens=100),
        completion(0, said("Rome", "Paris", q=[0.5, 0.5]), sample=1, tokens=300),
        completion(1, said("Paris", "Oslo", q=[0.5, 0.5]), tokens=200),
        completion(1, said("Oslo", "Bonn", q=[0.5, 0.5]), sample=1, tokens=1000),
        completion(2, said("Paris", "Rome", q=[0.5, 0.5]), tokens=5000),
        failure(2, sample=1),
    ]
    return hand_made(path, own, lines, sets=2)


def test_money_is_tokens_times_their_price_for_a_million(tmp_path: Path, prices: Path) -> None:
    results = score(a_run(tmp_path / "run"), resamples=0, prices=prices).results
    assert results.currency == "EUR"
    # As many prompt tokens as generated ones: 2 + 8.5 for a million of each.
    each = [400 * 10.5e-6, 1200 * 10.5e-6]
    found = results.metrics["money_per_example"]
    assert found.value == pytest.approx(sum(each) / 2)
    assert (found.n, found.denominator) == (2, 2)
    # The sets of the first name both gold answers, those of the second one of them.
    assert results.metrics["money_per_correct_answer"].value == pytest.approx(sum(each) / 3)


def test_follow_ups_are_paid_for(tmp_path: Path, prices: Path) -> None:
    lines = [
        completion(0, said("Paris"), tokens=100),
        completion(0, "<answer2>Rome</answer2>", stage=1, tokens=400),
    ]
    path = hand_made(tmp_path / "run", [example("e", "Paris")], lines, confidence=False)
    results = score(path, resamples=0, prices=prices).results
    assert results.metrics["money_per_example"].value == pytest.approx(500 * 10.5e-6)


def test_without_prices_no_money_is_told(tmp_path: Path) -> None:
    results = score(a_run(tmp_path / "run"), resamples=0).results
    assert results.currency is None
    assert not [name for name in results.metrics if "money" in name]


def test_where_token_counts_are_not_known_neither_is_the_money(
    tmp_path: Path, prices: Path
) -> None:
    line = completion(0, said("Paris", "Rome", q=[0.5, 0.5]), tokens=None)
    path = hand_made(tmp_path / "run", [example("e", "Paris")], [line])
    found = score(path, resamples=0, prices=prices).results.metrics["money_per_example"]
    assert (found.value, found.reason) == (None, "the engine told no token counts")


def test_prices_change_nothing_but_the_money(tmp_path: Path, prices: Path) -> None:
    path = a_run(tmp_path / "run")
    without = score(path, resamples=20).results.metrics
    priced = score(path, resamples=20, prices=prices).results.metrics
    assert {name: found for name, found in priced.items() if "money" not in name} == without


MISTAKES = {
    "no file": (None, "prices.yaml cannot be read (No such file or directory)"),
    "no YAML": ("{", "prices.yaml is not YAML"),
    "no text": (b"\xff\xfe\x00", "prices.yaml is not YAML"),
    "no table": ("- 1", "prices.yaml has no entry 'reference:oracle'"),
    "nothing": ("", "prices.yaml has no entry 'reference:oracle'"),
    "another model": (TABLE, "prices.yaml has no entry 'reference:oracle'; add one with 'prompt'"),
    "no entry": ("reference:oracle:", "'reference:oracle': entry cannot be None"),
    "a number": ("reference:oracle: 3", "'reference:oracle': entry cannot be 3"),
    "no price": ("reference:oracle: {prompt: 1}", "'reference:oracle': completion"),
    "a negative price": ("reference:oracle: {prompt: -1, completion: 1}", "prompt cannot be -1"),
    "no number": ("reference:oracle: {prompt: 1, completion: much}", "completion cannot be 'much'"),
    "an infinite price": ("reference:oracle: {prompt: .inf, completion: 1}", "prompt cannot be inf"),
    "not a number": ("reference:oracle: {prompt: .nan, completion: 1}", "prompt cannot be nan"),
    "a misspelling": (
        "reference:oracle: {prompt: 1, completion: 1, curency: EUR}",
        "curency cannot be 'EUR'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_prices_is_told_in_one_sentence(cli: Cli, name: str) -> None:
    content, message = MISTAKES[name]
    cli("run", "--model", "reference:oracle", "--task", "ddxsim", "--task-args", "examples=5",
        "--resamples", "0", "--out", "run")  # fmt: skip
    before = Path("run/results.json").read_bytes()
    if content is not None:
        Path("prices.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, out, err = cli("score", "run", "--prices", "prices.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("marl-eval: The price table prices.yaml")
    assert message in err
    assert err.count("\n") == 1
    assert Path("run/results.json").read_bytes() == before


def test_a_run_is_priced_as_it_is_scored(cli: Cli) -> None:
    Path("prices.yaml").write_text("reference:oracle: {prompt: 1000000, completion: 0}\n")
    code, out, _ = cli(
        "run", "--model", "reference:oracle", "--task", "ddxsim", "--task-args", "examples=5",
        "--resamples", "0", "--prices", "prices.yaml", "--out", "run",
    )  # fmt: skip
    assert code == 0
    assert "money_per_example" in out
    metrics = json.loads(Path("run/results.json").read_bytes())["metrics"]
    assert metrics["money_per_example"]["value"] == pytest.approx(metrics["prompt_tokens"]["value"])


def test_a_mistake_in_the_prices_is_told_before_anything_is_generated(cli: Cli) -> None:
    code, _, err = cli(
        "run", "--model", "reference:oracle", "--task", "ddxsim", "--task-args", "examples=5",
        "--prices", "nowhere.yaml", "--out", "run",
    )  # fmt: skip
    assert code == 2
    assert "nowhere.yaml cannot be read" in err
    assert not Path("run").exists()
