"""The small checkpoints that come with the package."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from marl_eval.shipped import FOLDER, shipped_checkpoint, shipped_names
from marl_eval.training.card import CARD, read_card
from tests.conftest import Cli

TRAINED = ["rlcr-multi", "rlcr-single", "rlvr-multi", "rlvr-single"]
MEBIBYTE = 1 << 20


def test_the_base_and_the_four_methods_come_with_the_package() -> None:
    assert shipped_names() == sorted(["tiny-base", *(f"tiny-{name}" for name in TRAINED)])


def test_they_are_a_few_megabytes_in_all() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 8 * MEBIBYTE


@pytest.mark.parametrize("method", TRAINED)
def test_each_card_tells_the_method_and_the_base_and_no_place_on_a_machine(method: str) -> None:
    folder, base = shipped_checkpoint(f"tiny-{method}"), shipped_checkpoint("tiny-base")
    assert folder is not None
    assert base is not None
    card = read_card(folder)
    assert card is not None
    assert card.method == method
    assert card.curve[-1]["step"] == card.step
    assert '"/' not in (folder / CARD).read_text()
    weights = hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest()
    assert card.base["files"]["model.safetensors"] == weights


def test_a_run_of_one_needs_its_name_and_a_task_alone(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("run", "--model", "tiny-rlcr-multi", "--task", "ddxsim", "--limit", "20")
    assert code == 0, err
    assert "chat template" not in err
    (run,) = (tmp_path / "runs").iterdir()
    record = json.loads((run / "run.json").read_text())
    assert record["settings"]["model"] == "tiny-rlcr-multi"
    assert (record["format"]["k"], record["format"]["confidence"]) == (3, True)
    results = json.loads((run / "results.json").read_text())["metrics"]
    assert results["format_ok"]["value"] > 0.8


def test_a_checkpoint_that_there_is_not_is_told(cli: Cli) -> None:
    code, _, err = cli("run", "--model", "./tiny-rlcr-mult", "--task", "ddxsim", "--limit", "20")
    assert code == 2
    assert "There is no model at './tiny-rlcr-mult'" in err
