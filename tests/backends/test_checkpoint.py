"""What identifies a checkpoint in a folder, and what is no checkpoint."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from marl_eval.backends.checkpoint import CheckpointArguments, check_exists, fingerprint
from marl_eval.errors import UserError

FILES = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"weights",
    "model-00002-of-00002.safetensors": b"more",
    "tokenizer.json": b'{"a": 1}',
    "chat_template.jinja": b"{{ x }}",
    "modeling_own.py": b"pass",
}


def folder_of(path: Path, files: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def test_a_folder_is_known_by_the_hashes_of_what_it_answers_with(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", {**FILES, "README.md": b"about", "optimizer.pt": b"state"})
    told = fingerprint(str(folder), CheckpointArguments())
    assert told["files"] == {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()
    }
    assert str(tmp_path) not in json.dumps(told)


@pytest.mark.parametrize("name", FILES)
def test_any_of_its_files_that_changes_makes_it_another(name: str, tmp_path: Path) -> None:
    one = folder_of(tmp_path / "a", FILES)
    same = folder_of(tmp_path / "b", FILES)
    other = folder_of(tmp_path / "c", {**FILES, name: FILES[name] + b" "})
    prints = [fingerprint(str(path), CheckpointArguments()) for path in (one, same, other)]
    assert prints[0] == prints[1]
    assert prints[0] != prints[2]


def test_what_tells_how_the_weights_were_made_is_not_part_of_it(tmp_path: Path) -> None:
    told = {"marl_eval_card.json": b"{}", "training.json": b"{}", "trainer_state.json": b"{}"}
    folders = [folder_of(tmp_path / "a", FILES), folder_of(tmp_path / "b", {**FILES, **told})]
    one, other = (fingerprint(str(path), CheckpointArguments()) for path in folders)
    assert one == other


def test_an_adapter_and_arguments_of_the_template_are_part_of_it(tmp_path: Path) -> None:
    folder = str(folder_of(tmp_path / "a", FILES))
    adapter = folder_of(tmp_path / "b", {"adapter_config.json": b"{}"})
    arguments = [
        CheckpointArguments(),
        CheckpointArguments(adapter=str(adapter)),
        CheckpointArguments(template={"enable_thinking": False}),
        CheckpointArguments(chat="no"),
    ]
    prints = [json.dumps(fingerprint(folder, given)) for given in arguments]
    assert len(set(prints)) == len(prints)
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    assert json.dumps(fingerprint(folder, arguments[1])) not in prints


def test_a_folder_without_an_adapter_is_not_taken_for_one(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "a", FILES)
    with pytest.raises(UserError, match=r"it has no adapter_config\.json"):
        fingerprint(str(folder), CheckpointArguments(adapter=str(folder)))


@pytest.mark.parametrize("name", ["gpt2", "org/model", "org/model-1.5_b", "0x/y"])
def test_what_may_be_an_id_on_the_hub_is_taken(name: str) -> None:
    check_exists(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "./x",
        "../x",
        "/x/y",
        "~/x",
        "a/b/c",
        "C:\\models\\x",
        "org/",
        "a b",
        "-x",
        "x\n",
        "\u00fc",
    ],
)
def test_what_is_neither_a_folder_nor_an_id_is_told(name: str) -> None:
    with pytest.raises(UserError, match="There is no model at") as caught:
        check_exists(name)
    assert repr(name) in str(caught.value)


def test_a_file_is_not_a_folder_that_holds_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="There is no model at"):
        check_exists(str(tmp_path / "model.safetensors"))
