"""The best possible answers are at the optimum that theory gives.

Means over questions are held to their expectation under the posterior, the others to gold sets redrawn
from it.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.stats import rankdata

from marl_eval.estimators.binned import debiased_calibration_error
from marl_eval.estimators.smooth import smooth_calibration_error
from tests.oracles import SURE, USUAL, Facts, Oracle, facts, of_set, run_oracle, value

DRAWS = 100


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """A world where up to three answers are right."""
    return run_oracle(tmp_path_factory.mktemp("several") / "run", 2000, 3, resamples=200)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """A world where exactly one answer is right, so that confidences of a set add up."""
    return run_oracle(tmp_path_factory.mktemp("one") / "run", 2000, 1, resamples=200)


def check_optimum(run: Oracle, theory: Facts) -> None:
    """See that each metric is at its optimum, by theory and by its own interval."""
    for name, own in theory.items():
        optimum, error = run.expect(own)
        found = run.results.metrics[name]
        assert abs(value(run.results, name) - optimum) < SURE * error, name
        assert found.low is not None, name
        assert found.high is not None, name
        assert found.low < optimum < found.high, name
        # The interval is for other questions too, so it may be somewhat wider.
        assert 0.75 * error < (found.high - found.low) / (2 * USUAL) < 1.5 * error, name


def test_the_posterior_of_the_questions_is_that_of_the_answers(several: Oracle) -> None:
    for values, own in (
        (several.p, several.right),
        (several.gain, several.right / several.sizes[:, None]),
    ):
        assert np.einsum("es,esk->ek", several.posterior, own) == pytest.approx(values, abs=1e-9)


@pytest.mark.parametrize("world", ["several", "one"])
def test_the_oracle_is_at_the_optimum(world: str, request: pytest.FixtureRequest) -> None:
    run: Oracle = request.getfixturevalue(world)
    theory = facts(run, run.p)
    check_optimum(run, theory)
    assert run.expect(theory["recall"])[0] == pytest.approx(run.gain.sum(axis=1).mean())
    assert run.expect(theory["correct_answers"])[0] == pytest.approx(run.p.sum(axis=1).mean())
    assert run.expect(theory["multi_brier"])[0] == pytest.approx((run.p * (1 - run.p)).mean())
    assert run.expect(theory["correct_bias"])[0] == pytest.approx(0, abs=1e-9)
    for name in ("probability_brier", "probability_error", "regret"):
        assert value(run.results, name) == 0


@pytest.mark.parametrize("world", ["several", "one"])
def test_calibration_errors_are_those_of_chance_alone(
    world: str, request: pytest.FixtureRequest
) -> None:
    # No finite sample shows 0 here, not even the debiased form: by chance every bin is a little off.
    run: Oracle = request.getfixturevalue(world)
    y = run.redraw(DRAWS).reshape(DRAWS, -1).astype(np.float64)
    q = run.p.ravel()
    cells = np.eye(10)[np.minimum((q * 10).astype(int), 9)]
    grid = np.linspace(0, 1, 4097)
    at = np.rint(q * 4096).astype(int)
    right = np.array([np.bincount(at, row, minlength=4097) for row in y])
    ranks, ones = rankdata(q), y.sum(axis=1)
    simulated = {
        "ece": np.abs((y - q) @ cells).sum(axis=1) / len(q),
        "ece_debiased": debiased_calibration_error(
            np.tile(cells.sum(axis=0), (DRAWS, 1)), np.tile(q @ cells, (DRAWS, 1)), y @ cells
        ),
        "smooth_ece": smooth_calibration_error(
            np.bincount(at, minlength=4097) - right, right, grid
        ),
        "auroc": (y @ ranks - ones * (ones + 1) / 2) / (ones * (len(q) - ones)),
    }
    for name, drawn in simulated.items():
        assert abs(value(run.results, name) - drawn.mean()) < SURE * drawn.std(), name


def test_set_confidences_are_true_where_one_answer_is_right(one: Oracle) -> None:
    theory = of_set(one, one.p)
    check_optimum(one, theory)
    sure = one.p.sum(axis=1)
    assert one.expect(theory["set_brier"])[0] == pytest.approx((sure * (1 - sure)).mean())
    held = one.redraw(DRAWS).any(axis=2)
    cells = np.eye(10)[np.minimum((sure * 10).astype(int), 9)]
    gaps = np.abs((held - sure) @ cells).sum(axis=1) / len(sure)
    assert abs(value(one.results, "set_ece") - gaps.mean()) < SURE * gaps.std()
    assert value(one.results, "distribution_distance") == 0
    assert value(one.results, "sum_above_one") == 0


def test_set_confidences_take_answers_for_independent_where_several_are_right(
    several: Oracle,
) -> None:
    # A condition that explains the findings makes the others less likely, so the answers of a patient
    # are not independent, and 1 - prod(1 - q) is not the probability that one is right. Only with
    # max_causes=1, where confidences add up, do true confidences make the set-level metrics best.
    taken = 1 - (1 - several.p).prod(axis=1)
    true = (several.posterior * several.held).sum(axis=1)
    brier, error = several.expect((taken[:, None] - several.held) ** 2)
    assert abs(value(several.results, "set_brier") - brier) < SURE * error
    assert brier - (true * (1 - true)).mean() == pytest.approx(((taken - true) ** 2).mean())
    chance = SURE * several.expect(several.held.astype(np.float64))[1]
    assert value(several.results, "set_ece") > abs((taken - true).mean()) - chance > 0.02


@pytest.mark.parametrize("world", ["several", "one"])
def test_conformal_sets_cover_what_they_promise_where_three_answers_can(
    world: str, request: pytest.FixtureRequest
) -> None:
    run: Oracle = request.getfixturevalue(world)
    reach, reach_error = run.expect(run.held.astype(np.float64))
    for target in (0.8, 0.9, 0.95):
        found = run.results.metrics[f"conformal_coverage@{target:g}"]
        if found.value is None:
            assert found.reason
            assert target > reach - SURE * reach_error
        else:
            assert abs(found.value - target) < SURE * sqrt(target * (1 - target) / found.n)
            assert target < reach + SURE * reach_error
    assert value(run.results, "conformal_coverage@0.8") < reach
    assert (run.results.metrics["conformal_coverage@0.95"].value is None) == (world == "one")
