"""The reference answers: ceilings and floors that go the whole way that a model's go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from marl_eval import RunResult, evaluate
from marl_eval.backends.reference import ANSWERERS, open_backend
from marl_eval.errors import UserError
from marl_eval.tasks import ddxsim

SIM = ddxsim.load(None, ddxsim.Options(examples=200)).examples


def simulate(model: str, out: Path, **settings: Any) -> RunResult:
    return evaluate(
        model=f"reference:{model}", task="ddxsim", task_args={"examples": 200}, out=out, **settings
    )


def values(result: RunResult) -> dict[str, float | None]:
    assert result.results.complete
    return {name: metric.value for name, metric in result.results.metrics.items()}


def given(result: RunResult) -> list[list[tuple[str, float]]]:
    """Give the answers of each set with their confidences, in order, missing ones left out."""
    rows = pq.read_table(result.path / "scores.parquet").to_pylist()
    sets: dict[tuple[str, int], list[tuple[str, float]]] = {}
    for row in rows:
        listed = sets.setdefault((row["example"], row["set"]), [])
        if row["answer"] is not None:
            listed.append((row["answer"], row["confidence"]))
    return list(sets.values())


@pytest.mark.parametrize(
    ("settings", "perfect"),
    [
        ({"k": 3}, ["capped_recall", "precision", "hit@1", "pass@1"]),
        ({"k": 30}, ["recall", "capped_recall", "precision", "hit@30"]),
        ({"strategy": "best-of-k", "k": 3}, ["capped_recall", "precision", "hit@1"]),
        ({"strategy": "single", "task_args": {"gold": "pathology"}}, ["recall", "precision"]),
        ({"k": 3, "task_args": {"gold": "pathology"}}, ["recall", "precision", "hit@1"]),
    ],
)
def test_echo_gold_is_perfect_on_real_patients(
    settings: dict[str, Any], perfect: list[str], ddxplus_data: Path, tmp_path: Path
) -> None:
    result = evaluate(
        model="reference:echo-gold", task="ddxplus", data=ddxplus_data, out=tmp_path, **settings
    )
    assert result.results.examples == 588
    assert {name: values(result)[name] for name in perfect} == dict.fromkeys(perfect, 1)


def test_echo_gold_states_the_heaviest_first(ddxplus_data: Path, tmp_path: Path) -> None:
    result = evaluate(
        model="reference:echo-gold", task="ddxplus", data=ddxplus_data, limit=50, out=tmp_path
    )
    rows = pq.read_table(result.path / "scores.parquet").to_pylist()
    for start in range(0, len(rows), 3):
        right = [row for row in rows[start : start + 3] if row["answer"] is not None]
        weights = [row["gold_weight"] for row in right]
        assert weights == sorted(weights, reverse=True)
        assert [row["gold"] for row in right] == list(range(len(right)))


def test_the_oracle_states_the_most_probable_answers_with_their_probabilities(
    tmp_path: Path,
) -> None:
    expected = [list(example.distribution or ())[:3] for example in SIM]
    assert given(simulate("oracle", tmp_path)) == expected


@pytest.mark.parametrize("model", ["oracle", "prior", "echo-gold"])
def test_best_of_k_pools_the_same_answers_as_one_generation(model: str, tmp_path: Path) -> None:
    pooled = simulate(model, tmp_path / "pooled", strategy="best-of-k", k=4)
    together = simulate(model, tmp_path / "together", k=4)
    assert given(pooled) == given(together)
    assert values(pooled)["recall"] == values(together)["recall"]


@pytest.mark.parametrize("model", ["oracle", "prior"])
def test_best_of_k_answers_differently_in_each_generation(model: str, tmp_path: Path) -> None:
    result = simulate(model, tmp_path, strategy="best-of-k", k=4)
    rows = pq.read_table(result.path / "scores.parquet").to_pylist()
    assert [row["sample"] for row in rows] == [0, 1, 2, 3] * 200
    for answers in given(result):
        assert len({answer for answer, _ in answers}) == 4


def test_each_set_of_several_is_the_same_but_for_random_answers(tmp_path: Path) -> None:
    for model, same in [("oracle", True), ("prior", True), ("random", False)]:
        sets = given(simulate(model, tmp_path / model, n=2))
        assert (sets[0::2] == sets[1::2]) == same


def test_fewer_answers_are_given_where_there_are_no_more(tmp_path: Path) -> None:
    result = simulate("oracle", tmp_path, k=20)
    assert {len(answers) for answers in given(result)} == {16}
    assert values(result)["recall"] == 1


def test_prior_states_what_is_right_most_often_with_how_often(tmp_path: Path) -> None:
    shares: dict[str, float] = {}
    for example in SIM:
        for gold in example.gold:
            shares[gold.answer] = shares.get(gold.answer, 0) + 1 / len(SIM)
    for answers in given(simulate("prior", tmp_path)):
        assert [q for _, q in answers] == pytest.approx(sorted(shares.values())[:-4:-1])
        assert all(q == pytest.approx(shares[answer]) for answer, q in answers)


def test_random_answers_are_distinct_and_state_the_chance_of_being_right(tmp_path: Path) -> None:
    chance = sum(len(example.gold) for example in SIM) / len(SIM) / 16
    sets = given(simulate("random", tmp_path))
    for answers in sets:
        assert len({answer for answer, _ in answers}) == 3
        assert all(q == pytest.approx(chance) for _, q in answers)
    assert len({answer for answers in sets for answer, _ in answers}) == 16


def test_random_answers_depend_on_the_seed_of_the_run_alone(tmp_path: Path) -> None:
    first, again, other = (
        given(simulate("random", tmp_path / name, seed=seed))
        for name, seed in [("first", 1), ("again", 1), ("other", 2)]
    )
    assert first == again
    assert first != other


def test_random_and_prior_answers_of_real_patients_are_conditions_that_occur(
    ddxplus_data: Path, tmp_path: Path
) -> None:
    for model in ("random", "prior"):
        result = evaluate(
            model=f"reference:{model}", task="ddxplus", data=ddxplus_data, out=tmp_path / model
        )
        assert 0 < (values(result)["recall"] or 0) < 1
        assert len({a for answers in given(result) for a, _ in answers}) == (
            49 if model == "random" else 3
        )


def test_references_write_what_is_read_without_any_deviation(tmp_path: Path) -> None:
    for model in ANSWERERS:
        result = simulate(model, tmp_path / model, k=1, analysis=True)
        assert result.results.deviations == {}


def test_an_unknown_reference_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no reference 'oracel'; did you mean 'oracle'"):
        simulate("oracel", tmp_path)
    with pytest.raises(UserError, match="known: echo-gold, oracle, prior, random"):
        open_backend("", {}, batch_size=None)


def test_model_args_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="reference:oracle takes no --model-args, but got dtype"):
        simulate("oracle", tmp_path, model_args={"dtype": "float16"})


def test_the_oracle_refuses_a_task_without_probabilities_and_names_the_remedy(
    ddxplus_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="reference:echo-gold is the ceiling"):
        evaluate(model="reference:oracle", task="ddxplus", data=ddxplus_data, out=tmp_path)


def test_the_batch_size_changes_nothing(tmp_path: Path) -> None:
    one = simulate("random", tmp_path / "one", batch_size=1)
    assert given(one) == given(simulate("random", tmp_path / "many", batch_size=64))
