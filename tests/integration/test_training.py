"""Training a real model on real patients, for a few steps on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

from marl_eval.training.card import read_card
from marl_eval.training.checkpoints import read_curve

pytestmark = pytest.mark.integration

COMMAND = str(Path(sys.executable).with_name("marl-eval"))
SHORT = (
    "per_device_train_batch_size={batch},gradient_accumulation_steps=1,max_steps={steps},"
    "activation_checkpointing=false"
)


def marl_eval(*arguments: object) -> str:
    done = subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def warm(ddxplus_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 with an adapter that has learned the format."""
    out = tmp_path_factory.mktemp("trained") / "warm"
    marl_eval(
        "sft", "--model", os.environ["MARL_EVAL_SMOLLM2"], "--task", "ddxplus", "--data", ddxplus_data,
        "--methods", "rlcr-multi", "-k", "2", "--no-reasoning", "--max-tokens", "96", "--limit", "60",
        "--lora", "r=16,lora_alpha=32,target_modules=all-linear",
        "--trl", SHORT.format(batch=2, steps=8) + ",learning_rate=1e-3", "--out", out,
    )  # fmt: skip
    return out


def test_the_loss_of_the_warm_up_falls(warm: Path) -> None:
    losses = [line["loss"] for line in read_curve(warm) if "loss" in line]
    assert len(losses) == 8
    assert fmean(losses[-2:]) < 0.75 * fmean(losses[:2])


def test_rewards_change_and_the_checkpoint_evaluates_by_its_folder(
    warm: Path, ddxplus_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    marl_eval(
        "train", "--method", "rlcr-multi", "--model", warm, "--task", "ddxplus", "--data", ddxplus_data,
        "-k", "2", "--held-out", "2", "--limit", "20", "--temperature", "1.0",
        "--trl", SHORT.format(batch=4, steps=2) + ",num_generations=4,learning_rate=1e-4", "--out", out,
    )  # fmt: skip
    rewards = [line["reward"] for line in read_curve(out) if "reward" in line]
    assert len(rewards) == 2
    assert len(set(rewards)) > 1
    card = read_card(out)
    assert card is not None
    assert card.adapter
    assert not card.asks["reasoning"]
    marl_eval(
        "run", "--model", out, "--task", "ddxplus", "--data", ddxplus_data, "--limit", "4",
        "--out", tmp_path / "run",
    )  # fmt: skip
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["format"] == card.format
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["metrics"]["format_ok"]["value"] > 0
