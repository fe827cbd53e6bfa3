"""Two processes train what one trains with the same batch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from marl_eval.training.checkpoints import read_curve
from tests.training.tiny_models import command, train_settings, trained, weights


def test_two_processes_follow_the_curve_of_one(base: Path, tmp_path: Path) -> None:
    one = trained(base, tmp_path / "one", evaluate_every=2)
    settings = train_settings(
        base,
        tmp_path / "two",
        evaluate_every=2,
        trl={"per_device_train_batch_size": 8},
    )
    launch = [
        sys.executable, "-m", "accelerate.commands.launch",
        "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--multi_gpu", "--main_process_port", "0",
        "-m", "marl_eval", *command(settings),
    ]  # fmt: skip
    done = subprocess.run(
        launch,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    curves = [
        [
            (line["step"], line["reward"], line["rewards/calibration/mean"], line["loss"])
            for line in read_curve(out)
            if "reward" in line
        ]
        for out in (one, settings.out)
    ]
    assert len(curves[0]) == 4
    assert curves[1] == [pytest.approx(line, abs=2e-4) for line in curves[0]]
    a, b = weights(one), weights(settings.out)
    for name in a:
        assert np.abs(a[name] - b[name]).max() < 1e-4, name
    held = [
        [line["held_out/recall"] for line in read_curve(out) if "held_out/recall" in line]
        for out in (one, settings.out)
    ]
    assert held[0] == pytest.approx(held[1])
    assert len(held[0]) == 3
