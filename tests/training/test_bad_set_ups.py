"""What cannot be trained is told before anything is."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from marl_eval.errors import UserError
from marl_eval.training.grpo import train
from marl_eval.training.settings import SftSettings, TrainSettings, make_training_settings
from tests.training.tiny_models import common, train_settings, untrained


def refused(base: Path, out: Path, **changes: Any) -> str:
    with pytest.raises(UserError) as told:
        train(train_settings(base, out, **changes))
    return str(told.value)


def test_k_with_a_single_method(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", method="rlcr-single", k=3)
    assert told == (
        "The method 'rlcr-single' trains one answer a generation, not 3: leave out -k, or train "
        "'rlcr-multi'."
    )


def test_a_model_without_an_end_token(base: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(tmp_path / "model")
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(tmp_path / "model")
    told = refused(base, tmp_path / "out", model=str(tmp_path / "model"))
    assert "has no end token (eos_token)" in told


def test_prompts_longer_than_the_limit_and_how_many(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", max_prompt_tokens=20)
    assert "64 of 64 prompts are longer than 20 tokens, the longest has " in told
    assert "drop_long_prompts" in told


def test_long_prompts_can_be_left_out(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", max_prompt_tokens=20, drop_long_prompts=True)
    assert "has 0 examples to train on" in told


def test_a_context_without_room_for_a_prompt(base: Path, tmp_path: Path) -> None:
    assert "leaves no room for a prompt" in refused(base, tmp_path / "out", max_tokens=512)


def test_a_group_of_one(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", trl={"num_generations": 1})
    assert "must be at least 2" in told


def test_a_task_without_gold_answers(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", task=open_task(tmp_path), task_args={})
    assert "has no right answers" in told


def test_examples_without_gold_answers(base: Path, tmp_path: Path) -> None:
    told = refused(
        base, tmp_path / "out", task=open_task(tmp_path, gold=["sold"]), task_args={}, held_out=1
    )
    assert "1 of 2 examples" in told


def open_task(folder: Path, gold: list[str] | None = None) -> str:
    rows = [{"id": "a", "question": "a patient has", "gold": []}]
    if gold:
        rows.append({"id": "b", "question": "a patient has", "gold": gold})
    file = folder / "own.py"
    file.write_text(
        "from marl_eval.task import Dataset, Task\n"
        "from marl_eval.types import Example, Gold\n"
        f"ROWS = {rows!r}\n"
        "def load(data, options):\n"
        "    made = [Example(r['id'], r['question'], tuple(map(Gold, r['gold']))) for r in ROWS]\n"
        "    return Dataset(made, '1', 'all', 'none', 'own', exclusive=False)\n"
        "TASK = Task(name='own', description='', noun='answer', load=load)\n"
    )
    return str(file)


def test_rewards_that_are_equal_over_the_first_batches(base: Path, tmp_path: Path) -> None:
    raw = untrained(tmp_path / "raw-model")
    out = tmp_path / "out"
    told = refused(raw, out, trl={"max_steps": 6})
    assert "In the first 2 batches all generations of a question earned the same reward" in told
    assert "100% of them were malformed" in told
    assert "One was '" in told
    assert "marl-eval sft" in told
    assert not list(out.glob("checkpoint-*"))


def test_an_unknown_option_of_trl(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", trl={"lerning_rate": 1})
    assert "did you mean 'learning_rate'" in told


def test_an_option_of_trl_that_has_another_name_here(base: Path, tmp_path: Path) -> None:
    assert "set by 'max_tokens'" in refused(base, tmp_path / "o", trl={"max_completion_length": 9})


def test_a_secret_is_not_taken_where_it_would_be_written_down(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", trl={"hub_token": "hf_abcdefghijklmnop"})
    assert "HF_TOKEN" in told
    assert "abcdef" not in told


def test_an_option_that_the_engine_does_not_have(base: Path, tmp_path: Path) -> None:
    assert "use_vllm alone" in refused(base, tmp_path / "out", trl={"top_k": 5})


def test_vllm_that_is_not_installed_or_has_no_gpu(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"trl": {"use_vllm": True}}
    if find_spec("vllm") is None:
        assert "pip install 'marl-eval[vllm]'" in refused(base, tmp_path / "out", **given)
    monkeypatch.setattr("marl_eval.backends.arguments.find_spec", lambda name: object())
    if not torch.accelerator.is_available():
        assert "--trl use_vllm=false" in refused(base, tmp_path / "out", **given)


def test_what_trl_itself_refuses(base: Path, tmp_path: Path) -> None:
    told = refused(base, tmp_path / "out", trl={"num_generations": 5})
    assert told.startswith("TRL does not take this configuration: ")


def test_what_peft_refuses(base: Path, tmp_path: Path) -> None:
    assert "options of LoRA" in refused(base, tmp_path / "out", lora={"rank": 4})


def test_saving_where_generations_are_still_in_use(base: Path, tmp_path: Path) -> None:
    trl = {"steps_per_generation": 4, "save_steps": 2, "max_steps": 4}
    told = refused(base, tmp_path / "out", trl=trl)
    assert "make save_steps a multiple of 4, not 2" in told


def test_a_folder_that_holds_another_training(base: Path, tmp_path: Path) -> None:
    train(train_settings(base, tmp_path / "out", trl={"max_steps": 1}))
    told = refused(base, tmp_path / "out", trl={"max_steps": 1}, seed=7)
    assert "settings.seed: 0 there, 7 now" in told


def test_a_folder_that_holds_something_else(base: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "is not empty and holds no training" in refused(base, tmp_path)


def test_settings_are_checked_by_name_and_value(tmp_path: Path) -> None:
    values = {"model": "m", "task": "ddxsim", "out": tmp_path, "method": "rlcr-multi"}
    with pytest.raises(UserError, match="no setting 'temprature'; did you mean 'temperature'"):
        make_training_settings(TrainSettings, {**values, "temprature": 1})
    with pytest.raises(UserError, match=r"'method'.*cannot be 'ppo'"):
        make_training_settings(TrainSettings, {**values, "method": "ppo"})
    with pytest.raises(UserError, match=r"rewards\.correctness"):
        make_training_settings(TrainSettings, {**values, "rewards": {"correctness": "all"}})
    fast = make_training_settings(TrainSettings, {**values, "trl": {"learning_rate": "1e-6"}})
    assert fast.trl == {"learning_rate": 1e-6}
    given = {"save_strategy": "no", "bf16": "false", "max_steps": "7"}
    told = make_training_settings(TrainSettings, {**values, "trl": given})
    assert told.trl == {"save_strategy": "no", "bf16": False, "max_steps": 7}
    own = {**common(tmp_path, tmp_path), "out": tmp_path, "repeats": 2}
    with pytest.raises(UserError, match="'repeats'"):
        make_training_settings(SftSettings, own)
