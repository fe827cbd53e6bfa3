"""The guide ``docs/running.md``, followed to the letter with a tiny model, and with a real one."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from tests.backends.tiny import save_tiny_model
from tests.pages import DOCS, blocks, not_printed, shell
from tests.tasks.test_ddxplus_reading import patient, release

pytest.importorskip("torch")

PAGE = blocks(DOCS / "running.md")


def follow(folder: Path, model: str, data: Path) -> None:
    printed = ""
    for language, content in PAGE:
        if language == "bash":
            printed = shell(content, folder, MODEL=model, DDXPLUS=str(data))
        elif language == "text":
            assert not_printed(content, printed) == []
    with (folder / "leaderboard.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["strategy"] for row in rows) == ["best-of-k", "multi"]


def test_the_guide_does_what_it_says_with_a_tiny_model(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "tiny")
    data = release(tmp_path / "ddxplus", *(patient(AGE=age) for age in range(30, 42)))
    follow(tmp_path, str(model), data)


@pytest.mark.integration
def test_the_guide_does_what_it_says_with_a_real_model(ddxplus_data: Path, tmp_path: Path) -> None:
    follow(tmp_path, os.environ["MARL_EVAL_SMOLLM2"], ddxplus_data)
