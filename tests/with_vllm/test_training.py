"""Training whose generations come from the real vLLM, in the process that trains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is not installed: run `nox -s vllm`")
pytest.importorskip("trl", reason="the extra 'train' is not installed")

from tests.training.tiny_models import command, train_settings, warmed_up

# On a CPU vLLM packs its weights and lets go of those that a trainer could change, which is why such a
# training is refused there; without oneDNN it keeps them, as it does on a GPU.
PROGRAM = """
from vllm import _custom_ops
_custom_ops._supports_onednn = False
from marl_eval.training import grpo
grpo.see_that_vllm_can_generate = lambda options: None
from marl_eval.cli import main
main()
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warmed-up model whose heads are of a width that vLLM has on a CPU."""
    from marl_eval.training import tiny

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "HEADS", 2)
        return warmed_up(tmp_path_factory.mktemp("tiny"))


def test_vllm_generates_with_the_weights_of_the_step_and_the_rewards_are_ours(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    settings = train_settings(
        base,
        tmp_path / "out",
        trl={
            "use_vllm": True,
            "vllm_mode": "colocate",
            "vllm_max_model_length": 512,
            "vllm_importance_sampling_correction": True,
            "learning_rate": 0.01,
            "max_steps": 6,
        },
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command(settings)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(x) for x in (settings.out / "curve.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "reward" in line]
    assert len(steps) == 6
    for step in steps:
        parts = step["rewards/correctness/mean"] + step["rewards/calibration/mean"]
        assert step["reward"] == pytest.approx(parts, abs=1e-5)
        # The same tokens, given their log-probabilities by vLLM, in bfloat16, and by the model that is
        # trained. Without the weights of the step they differ by 2 to 5 in the mean.
        assert step["sampling/sampling_logp_difference/mean"] < 0.02
        assert step["sampling/sampling_logp_difference/max"] < 0.2
    assert any(step["grad_norm"] > 0 for step in steps[:-1])
