"""A model that thinks and has an adapter, on an engine of its own; and engines that cannot start."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from marl_eval.backends.endings import THINK_CLOSE
from marl_eval.errors import UserError
from marl_eval.plugins import open_model
from marl_eval.types import Sampling
from tests.conftest import Cli
from tests.with_vllm.test_engine import ask, request

BUDGET = 10
RANK = 4
LAYERS, WIDTH, HEADS_WIDTH = 30, 576, 576


@pytest.fixture(scope="module")
def thinking(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 with a chat template that opens the reasoning, as some thinking models have."""
    folder = tmp_path_factory.mktemp("thinking") / "model"
    shutil.copytree(smollm2, folder)
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + "{% if add_generation_prompt %}<think>{% endif %}")
    return folder


@pytest.fixture(scope="module")
def adapter(smollm2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the first layers' queries that changes what the model says."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(1)
    weights = {}
    for layer in range(4):
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        weights[f"{name}.lora_A.weight"] = torch.randn(RANK, WIDTH) * 0.22
        weights[f"{name}.lora_B.weight"] = torch.randn(HEADS_WIDTH, RANK) * 0.22
    save_file(weights, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": RANK,
        "target_modules": ["q_proj"],
        "base_model_name_or_path": str(smollm2),
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def backend(thinking: Path, adapter: Path) -> Any:
    args = {
        "dtype": "float32",
        "enforce_eager": True,
        "thinking_budget": BUDGET,
        "adapter": str(adapter),
        "max_model_len": 2048,
    }
    return open_model(f"vllm:{thinking}", args, batch_size=8)


def test_reasoning_ends_at_its_budget_and_the_answers_follow(backend: Any) -> None:
    made = ask(backend, *(request(row, sampling=Sampling(1.0, 1.0, 40)) for row in range(6)))
    for one in made:
        assert one.thinking_opened
        _, close, after = one.text.partition(THINK_CLOSE)
        assert close
        assert after.strip()
        assert one.reasoning_tokens is not None
        mark = backend._asker.tokenizer(THINK_CLOSE, add_special_tokens=False)["input_ids"]
        # A mark of several tokens is forced up to two tokens late, as the engine looks ahead.
        assert len(mark) <= one.reasoning_tokens <= BUDGET + 2 + len(mark)
        assert one.completion_tokens is not None
        assert one.reasoning_tokens < one.completion_tokens <= 40


def test_an_ending_within_the_reasoning_does_not_end_a_generation(backend: Any) -> None:
    greedy = Sampling(0.0, 1.0, 40)
    (free,) = ask(backend, request(0, sampling=greedy))
    within = free.text.partition(THINK_CLOSE)[0].split()[2]
    (one,) = ask(backend, request(0, sampling=greedy, endings=(within,)))
    thought, close, _ = one.text.partition(THINK_CLOSE)
    assert close
    assert within in thought
    # The engine was asked again from there. It counts the reasoning before, but for a token or two.
    assert free.text.startswith(thought.rstrip())
    assert len(thought.split()) >= len(free.text.partition(THINK_CLOSE)[0].split()) - 2


def test_reasoning_that_fills_the_generation_is_told_as_cut_off(backend: Any) -> None:
    (one,) = ask(backend, request(0, sampling=Sampling(1.0, 1.0, BUDGET - 4)))
    assert one.finish_reason == "length"
    assert one.thinking_opened
    assert THINK_CLOSE not in one.text
    assert one.reasoning_tokens == one.completion_tokens == BUDGET - 4


def test_an_adapter_answers_as_the_weights_that_it_makes(
    backend: Any, thinking: Path, adapter: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(thinking, tmp_path / "merged")
    weights = load_file(thinking / "model.safetensors")
    for name, low in (lora := load_file(adapter / "adapter_model.safetensors")).items():
        if "lora_A" in name:
            high = lora[name.replace("lora_A", "lora_B")].float()
            place = name.removeprefix("base_model.model.").replace("lora_A.", "")
            weights[place] = weights[place].float() + high @ low.float()
    save_file(weights, tmp_path / "merged" / "model.safetensors", metadata={"format": "pt"})

    greedy = Sampling(0.0, 1.0, BUDGET - 2)
    requests = [request(row, sampling=greedy) for row in range(6)]
    own = [one.text for one in ask(backend, *requests)]
    exact = {"dtype": "float32"}
    merged = ask(open_model(f"hf:{tmp_path / 'merged'}", exact), *requests)
    plain = ask(open_model(f"hf:{thinking}", exact), *requests)
    assert own == [one.text for one in merged]
    assert own != [one.text for one in plain]
    assert set(backend.fingerprint()["adapter"]) == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ("dtype=flot32", r"dtype.*'float32'"),
        ("gpu_memory_utilisation=0.5", r"did you mean 'gpu_memory_utilization'"),
        ("max_num_seqs=8", r"is set by --batch-size"),
        ("hf_token=hf_abcdefghij", r"HF_TOKEN"),
        ("max_model_len=100000", r"max_model_len"),
        ("adapter=/no/such/adapter", r"no folder '/no/such/adapter'"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_is_written(
    args: str, told: str, smollm2: Path, cli: Cli, tmp_path: Path
) -> None:
    code, _, err = cli(
        "run", "--model", f"vllm:{smollm2}", "--model-args", args, "--task", "ddxsim",
        "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2
    assert re.search(told, err), err
    assert "hf_abcdefghij" not in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_prompts_that_do_not_fit_are_named_before_anything_is_written(
    smollm2: Path, cli: Cli, tmp_path: Path
) -> None:
    code, _, err = cli(
        "run", "--model", f"vllm:{smollm2}", "--model-args", "max_model_len=512,enforce_eager=true",
        "--task", "ddxsim", "--max-tokens", 400, "--limit", 5, "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2
    assert "context of 512 tokens is too short" in err
    assert "--max-tokens" in err
    assert not (tmp_path / "run" / "completions").exists()


@pytest.mark.parametrize("level", [None, "ERROR"])
def test_an_engine_without_memory_for_the_context_says_what_to_lower(
    smollm2: Path, monkeypatch: pytest.MonkeyPatch, level: str | None
) -> None:
    # TRL sets it where it is imported, in this process by the test of training.
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    if level is not None:
        monkeypatch.setenv("VLLM_LOGGING_LEVEL", level)
    args = {"dtype": "float32", "enforce_eager": True, "num_gpu_blocks_override": 4}
    with pytest.raises(UserError, match=r"did not start .*lower --batch-size.*max_model_len"):
        ask(open_model(f"vllm:{smollm2}", args), request(0))
