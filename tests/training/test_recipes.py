"""The shipped recipes are settings of trainings, with what was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from marl_eval.errors import UserError
from marl_eval.training.recipes import read_recipe
from marl_eval.training.settings import TrainSettings, make_training_settings


@pytest.mark.parametrize("name", ["ddxplus", "hotpotqa", "mbpp"])
def test_a_recipe_has_the_published_settings(name: str) -> None:
    from marl_eval.training.grpo import grpo_options

    given = {"model": "m", "out": Path("o"), "method": "rlcr-multi"}
    settings = make_training_settings(TrainSettings, {**read_recipe(name), **given})
    assert settings.task == name
    assert settings.generation_k == 3
    assert (settings.temperature, settings.max_tokens, settings.max_prompt_tokens) == (
        0.7,
        1536,
        3072,
    )
    options = grpo_options(settings)
    assert options["num_generations"] == 32
    assert options["learning_rate"] == 1e-6
    assert options["warmup_steps"] == 0.05
    assert options["num_train_epochs"] == 1
    assert options["use_vllm"]
    assert not options["vllm_importance_sampling_correction"]
    batch = options["per_device_train_batch_size"] * options["gradient_accumulation_steps"]
    assert batch == 6 * 32
    assert 4 * batch % options["num_generations"] == 0


def test_only_the_medical_recipe_asks_for_confidences_that_sum_to_one() -> None:
    assert read_recipe("ddxplus")["sum_to_one"] is True
    assert "sum_to_one" not in read_recipe("hotpotqa")


def test_a_recipe_that_there_is_not_is_told_with_those_that_are() -> None:
    with pytest.raises(UserError, match="no file or recipe 'ddxplu'; did you mean 'ddxplus'"):
        read_recipe("ddxplu")


def test_a_wording_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("prompt: words.txt\n")
    assert read_recipe(str(tmp_path / "own.yaml")) == {"prompt": tmp_path / "words.txt"}
