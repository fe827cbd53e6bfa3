"""The shipped checkpoints are what the command makes: made anew, they give the same results."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from marl_eval.comparison.differences import compare
from marl_eval.reproduction.stages import BASE
from marl_eval.run import evaluate
from marl_eval.settings import make_settings

REMADE = os.environ.get("MARL_EVAL_REMADE")
"""The folder of one seed of ``marl-eval reproduce``, which ``nox -s checkpoints`` names."""

pytestmark = pytest.mark.skipif(
    REMADE is None,
    reason="making checkpoints anew takes a quarter of an hour or more: run `nox -s checkpoints`",
)

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
MULTI = {"strategy": "multi", "k": 3, "temperature": 1.0}


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        (BASE, MULTI),
        ("rlvr-single", {}),
        ("rlcr-single", {}),
        ("rlvr-multi", {}),
        ("rlcr-multi", {}),
    ],
)
def test_a_remade_checkpoint_differs_from_the_shipped_one_within_intervals(
    made: str, asked: dict[str, object], tmp_path: Path
) -> None:
    assert REMADE is not None
    models = {"shipped": f"tiny-{made}", "made": f"hf:{Path(REMADE).resolve() / made}"}
    for name, model in models.items():
        evaluate(make_settings({**ASKED, **asked, "model": model, "out": tmp_path / name}))
    found = compare(tmp_path / "shipped", tmp_path / "made")
    for name in OTHER_TRAINING.keys() & found.metrics:
        one = found.metrics[name]
        if one.low is not None and one.high is not None:
            print(f"{made}: {name} {one.difference:.4g} [{one.low:.4g}, {one.high:.4g}]")
            assert one.low <= OTHER_TRAINING[name], (name, one)
            assert one.high >= -OTHER_TRAINING[name], (name, one)
        else:
            assert one.difference == 0, (name, one)
