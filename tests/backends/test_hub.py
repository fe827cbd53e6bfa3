"""Models of a hub: which commit a name stands for, and what is told where the hub gives none.

The client is the real one; the hub is a server on this machine. Its address and the folder of what is
fetched are read when the client is imported, so each test asks in a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.backends.tiny import save_tiny_model
from tests.hub_server import hub_server

pytest.importorskip("torch", reason="torch is not installed: pip install 'marl-eval[hf]'")

COMMAND = str(Path(sys.executable).with_name("marl-eval"))
OLD, NEW, TUNED = "0" * 40, "1" * 40, "2" * 40
FIND = """
import sys
from marl_eval.backends.checkpoint import CheckpointArguments, find_model
from marl_eval.errors import UserError
try:
    found = find_model(sys.argv[1], CheckpointArguments(revision=sys.argv[2] or None))
    print(found.commit, found.place == found.name, found.revision)
except UserError as error:
    print(error)
"""


def process(url: str, home: Path, *command: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "HF_ENDPOINT": url, "HF_HOME": str(home), **env},
    )  # fmt: skip


def find(url: str, home: Path, name: str, revision: str = "", **env: str) -> str:
    """Find a model, and give what was found or what was told."""
    done = process(url, home, sys.executable, "-c", FIND, name, revision, **env)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("other"), seed=1)


def test_a_name_stands_for_the_newest_commit_and_offline_for_the_one_that_was_fetched(
    tiny: Path, other: Path, tmp_path: Path
) -> None:
    with hub_server({"org/tiny": {OLD: tiny}}) as hub:
        assert find(hub.url, tmp_path, "org/tiny") == f"{OLD} True {OLD}"
        hub.models["org/tiny"][NEW] = other
        hub.broken = True
        assert find(hub.url, tmp_path, "org/tiny") == f"{OLD} False None"
        hub.broken = False
        assert find(hub.url, tmp_path, "org/tiny") == f"{NEW} True {NEW}"
        assert find(hub.url, tmp_path, "org/tiny", OLD) == f"{OLD} True {OLD}"
    assert find(hub.url, tmp_path, "org/tiny") == f"{NEW} False None"
    assert find(hub.url, tmp_path, "org/tiny", OLD, HF_HUB_OFFLINE="1") == f"{OLD} False None"


@pytest.mark.parametrize(
    ("name", "revision", "env", "told"),
    [
        ("org/nothing", "", {}, "no such model on the Hugging Face Hub that you may read"),
        ("org/a--b", "", {}, "no model on the Hugging Face Hub can have that name"),
        ("org/gated", "", {}, "accept them on its page, and give your token"),
        ("org/tiny", "v9", {}, "has no revision 'v9'"),
        ("org/adapter", "", {}, "has no config.json, .* adapter of it by --model-args adapter="),
        ("org/tiny", "", {"HF_HUB_OFFLINE": "1"}, r"cannot be reached \(the environment says"),
    ],
)
def test_what_the_hub_does_not_give_is_told_in_a_sentence(
    name: str, revision: str, env: dict[str, str], told: str, tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "adapter").mkdir()
    models = {"org/tiny": {OLD: tiny}, "org/adapter": {OLD: tmp_path / "adapter"}}
    with hub_server(models, gated=frozenset({"org/gated"})) as hub:
        said = find(hub.url, tmp_path / "home", name, revision, **env)
    assert len(said.splitlines()) == 1
    assert name in said
    assert re.search(told, said), said


def test_a_hub_that_does_not_answer_is_asked_once(tiny: Path, tmp_path: Path) -> None:
    with hub_server({"org/tiny": {OLD: tiny}}) as hub:
        hub.broken = True
        said = find(hub.url, tmp_path, "org/tiny")
        assert "it answers with status 503" in said
        assert len([path for path in hub.asked if "org/tiny" in path]) == 1
    said = find(hub.url, tmp_path, "org/tiny")
    assert "cannot be reached" in said
    assert "give a folder that holds a checkpoint, or a network" in said


def test_a_run_has_the_commits_of_its_model_and_adapter_and_goes_on_without_a_network(
    tiny: Path, other: Path, tmp_path: Path
) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    from transformers import AutoModelForCausalLM

    config = peft.LoraConfig(
        r=4, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False
    )
    tuned = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config)
    tuned.save_pretrained(tmp_path / "adapter")

    def run(model: object, adapter: object, out: Path, **env: str) -> list[dict[str, Any]]:
        done = process(
            hub.url, tmp_path / "home", COMMAND, "run", "--model", f"hf:{model}", "--model-args",
            f"adapter={adapter}", "--task", "ddxsim", "--task-args", "examples=6", "--max-tokens",
            12, "--resamples", 0, "--out", out, **env,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        lines = (out / "completions" / "part-0.jsonl").read_bytes().splitlines()
        return [json.loads(line) for line in lines]

    models = {"org/tiny": {OLD: tiny}, "org/lora": {TUNED: tmp_path / "adapter"}}
    with hub_server(models) as hub:
        made = run("org/tiny", "org/lora", tmp_path / "run")
        assert run(tiny, tmp_path / "adapter", tmp_path / "folder") == made
    told = json.loads((tmp_path / "run" / "run.json").read_bytes())["model"]
    assert told["files"] == {"hub": "org/tiny", "commit": OLD}
    assert told["adapter"] == {"hub": "org/lora", "commit": TUNED}

    stored = tmp_path / "run" / "completions" / "part-0.jsonl"
    stored.write_bytes(b"".join(stored.read_bytes().splitlines(keepends=True)[:2]))
    assert run("org/tiny", "org/lora", tmp_path / "run") == made
