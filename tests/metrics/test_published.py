"""Our own metrics of recorded runs whose published numbers are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marl_eval.importing.runs import import_runs
from marl_eval.results import read_results
from marl_eval.run import score
from tests.conftest import SHARED

OURS = {
    "accuracy": "pass@1",
    "brier_score": "brier_answered",
    "ece": "ece",
    "auroc": "auroc",
}


def test_accuracy_brier_ece_and_auroc_are_the_published_ones(tmp_path: Path) -> None:
    published = sorted((SHARED / "data" / "rlcr_outputs").glob("*/metrics.json"))
    if not published:
        pytest.skip("the recorded outputs of RLCR are not in shared/data")
    for file in published:
        runs = import_runs([file.parent], tmp_path / file.parent.name)
        for run, numbers in zip(runs, json.loads(file.read_bytes()).values(), strict=True):
            score(run.path, resamples=0)
            found = read_results(run.path).metrics
            for theirs, ours in OURS.items():
                assert found[ours].value == pytest.approx(numbers[theirs], abs=1e-9), run.path
                assert found[ours].share == 1
