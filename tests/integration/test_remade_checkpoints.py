"""The shipped checkpoints are what the command makes: made anew, they give the same results."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from marl_eval.comparison import compare
from marl_eval.reproduction.recipe import read_reproduction
from marl_eval.reproduction.stages import BASE, Place, train, warm_up
from marl_eval.run import evaluate
from marl_eval.settings import make_settings

pytestmark = pytest.mark.integration

OTHER_TRAINING = {
    "recall": 0.06,
    "correct_answers": 0.12,
    "distinct_answers": 0.2,
    "multi_brier": 0.06,
    "tokens_per_example": 3.0,
}
"""By how much the interval of a difference may miss 0: on another processor arithmetic is rounded
otherwise, and after some steps the training is another one."""
ASKED = {"task": "ddxsim", "limit": 500, "resamples": 0, "batch_size": 256}


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cores = len(os.sched_getaffinity(0))
    recipe = read_reproduction("miniature-ddxsim", quick=False)
    folder = tmp_path_factory.mktemp("remade")
    # With the threads that the command gives to each, so that one machine makes the same twice.
    warm_up(Place(recipe, folder, 0, cores))
    train(Place(recipe, folder, 0, 1), "rlcr-multi")
    return folder


@pytest.mark.parametrize(
    ("shipped", "made", "asked"),
    [
        ("tiny-base", BASE, {"strategy": "multi", "k": 3, "temperature": 1.0}),
        ("tiny-rlcr-multi", "rlcr-multi", {}),
    ],
)
def test_a_remade_checkpoint_differs_from_the_shipped_one_within_intervals(
    shipped: str, made: str, asked: dict[str, object], remade: Path, tmp_path: Path
) -> None:
    for name, model in (("shipped", shipped), ("made", f"hf:{remade / made}")):
        evaluate(make_settings({**ASKED, **asked, "model": model, "out": tmp_path / name}))
    found = compare(tmp_path / "shipped", tmp_path / "made", metrics=list(OTHER_TRAINING))
    for name, one in found.metrics.items():
        if one.low is not None and one.high is not None:
            assert one.low <= OTHER_TRAINING[name], (name, one)
            assert one.high >= -OTHER_TRAINING[name], (name, one)
        else:
            assert one.difference == 0, (name, one)
