"""What generations share is computed once, and an adapter is part of its model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from marl_eval import evaluate
from marl_eval.backends.checkpoint import CheckpointArguments, fingerprint
from marl_eval.errors import UserError
from tests.conftest import Cli

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'marl-eval[hf]'")
peft = pytest.importorskip("peft", reason="peft is not installed: pip install 'marl-eval[hf]'")

SETTINGS: dict[str, Any] = {
    "task": "ddxsim",
    "task_args": {"examples": 10, "conditions": 4, "findings": 6},
    "max_tokens": 24,
    "resamples": 20,
    "batch_size": 16,
}


@pytest.fixture(scope="module")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter as peft saves it, with weights that change what the model says."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(weight, std=0.5)
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    return folder


def completions(out: Path, **values: Any) -> dict[str, dict[str, Any]]:
    evaluate(out=out, **{**SETTINGS, **values})
    lines = (out / "completions" / "part-0.jsonl").read_bytes().splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def test_sharing_the_prompts_of_a_batch_changes_no_completion(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marl_eval.backends.hf import model as hf_model

    pooled = {"model": f"hf:{tiny}", "strategy": "best-of-k", "k": 8, "logprobs": True}
    shared = completions(tmp_path / "shared", **pooled)
    with monkeypatch.context() as patch:
        patch.setattr(hf_model.Model, "_shared", lambda *_: None)
        apart = completions(tmp_path / "apart", **pooled)
    assert len(shared) == 80
    assert shared.keys() == apart.keys()
    for id, row in shared.items():
        assert row["logprobs"] == pytest.approx(apart[id]["logprobs"], abs=1e-4)
        assert {**row, "logprobs": None} == {**apart[id], "logprobs": None}


def test_prompts_are_read_once_each_however_many_generations_they_have(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import LlamaForCausalLM

    read = []
    forward = LlamaForCausalLM.forward

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        rows, width = kwargs["input_ids"].shape
        if width > 1:
            read.append(rows * width)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(LlamaForCausalLM, "forward", counted)
    monkeypatch.setattr(
        "marl_eval.backends.hf.loading.AutoModelForCausalLM.from_pretrained",
        LlamaForCausalLM.from_pretrained,
    )
    rows = completions(tmp_path / "run", model=f"hf:{tiny}", strategy="best-of-k", k=8)
    # Two prompts of eight generations are a batch: each batch reads two, padded to the longer.
    longest = max(row["prompt_tokens"] for row in rows.values())
    assert sum(read) <= 10 * longest


def test_a_model_with_an_adapter_answers_as_the_model_that_it_makes(
    tiny: Path, adapter: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    merged = peft.PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny), str(adapter)
    ).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(tiny).save_pretrained(tmp_path / "merged")

    own = completions(tmp_path / "a", model=f"hf:{tiny}", model_args={"adapter": str(adapter)})
    whole = completions(tmp_path / "b", model=f"hf:{tmp_path / 'merged'}")
    plain = completions(tmp_path / "c", model=f"hf:{tiny}")
    texts = [{id: row["text"] for id, row in rows.items()} for rows in (own, whole, plain)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_another_adapter_is_another_model(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    told = fingerprint(str(tiny), CheckpointArguments(adapter=str(adapter)))
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(told["adapter"])
    completions(tmp_path / "run", model=f"hf:{tiny}", model_args={"adapter": str(adapter)})
    with pytest.raises(UserError, match="other settings"):
        completions(tmp_path / "run", model=f"hf:{tiny}")


def test_a_folder_with_only_an_adapter_is_told_how_to_be_used(
    adapter: Path, cli: Cli, tmp_path: Path
) -> None:
    code, _, said = cli("run", "--model", adapter, "--task", "ddxsim", "--out", tmp_path / "run")
    assert code == 2
    assert re.search(r"holds an adapter and not its model.*--model-args adapter=", said)
    assert len(said.strip().splitlines()) == 1


def test_what_is_no_adapter_is_told(tiny: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, said = cli(
        "run", "--model", f"hf:{tiny}", "--model-args", f"adapter={tmp_path / 'empty'}",
        "--task", "ddxsim", "--out", tmp_path / "run",
    )  # fmt: skip
    assert code == 2
    assert "adapter" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("at", ["loading", "generating"])
def test_a_machine_without_the_memory_says_what_to_lower(
    at: str, tiny: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marl_eval.backends.hf import loading as hf_loading
    from marl_eval.backends.hf import model as hf_model

    def short(*args: Any, **kwargs: Any) -> Any:
        # What PyTorch says on a CPU; to run out of memory for real would endanger the machine.
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried")

    if at == "loading":
        monkeypatch.setattr(hf_loading.AutoModelForCausalLM, "from_pretrained", short)
    else:
        monkeypatch.setattr(hf_model.Model, "_generate", short)
    code, _, said = cli("run", "--model", f"hf:{tiny}", "--task", "ddxsim", "--out", tmp_path / "r")
    assert code == 2
    assert ("dtype=bfloat16" if at == "loading" else "--batch-size") in said
    assert len([line for line in said.splitlines() if "marl-eval:" in line]) == 1
    assert "Traceback" not in said
