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

METRICS = ["recall", "correct_answers", "distinct_answers", "multi_brier", "tokens_per_example"]
ASKED = {"task": "ddxsim", "limit": 500, "resamples": 0, "batch_size": 256}


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cores = len(os.sched_getaffinity(0))
    recipe = read_reproduction("miniature-ddxsim", quick=False)
    place = Place(recipe, tmp_path_factory.mktemp("remade"), 0, cores)
    warm_up(place)
    train(place, "rlcr-multi")
    return place.folder


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
    found = compare(tmp_path / "shipped", tmp_path / "made", metrics=METRICS)
    for name, one in found.metrics.items():
        assert one.p_holm is None or one.p_holm > 0.01, (name, one)
