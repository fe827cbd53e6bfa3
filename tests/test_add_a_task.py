"""The guide ``docs/add-a-task.md``, followed to the letter: pure data, a Python file, a package."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from marl_eval.plugins import found
from tests.pages import DOCS, shell

PAGE = (DOCS / "add-a-task.md").read_text(encoding="utf-8")

_STEP = re.compile(r"(?:`([\w./-]+)`[^`\n]*:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A fenced block, with the name of the file that the words before it say it is."""


class Step(NamedTuple):
    """What the reader is to do: write a file, give commands, or look at what they printed."""

    file: str
    language: str
    content: str


STEPS = [Step(*match) for match in _STEP.findall(PAGE)]
FILES = {step.file: step.content for step in STEPS if step.file}


class Shown(NamedTuple):
    """Lines that the guide shows, and those that the commands before printed; spaces as one."""

    shown: list[str]
    printed: list[str]


class Followed(NamedTuple):
    folder: Path
    outputs: list[Shown]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """The folder in which the guide was followed, and what was to be seen."""
    folder, outputs, printed = tmp_path_factory.mktemp("guide"), [], ""
    around = {"PYTHONPATH": str(folder / "site"), "XDG_STATE_HOME": str(folder / "state")}
    for file, language, content in STEPS:
        if file:
            (folder / file).write_text(content, encoding="utf-8")
        elif content.startswith("pip install "):
            _install(content, folder)
        elif language == "bash":
            printed = shell(content, folder, **around)
        else:
            assert language == "text"
            outputs.append(
                Shown(
                    *(
                        [" ".join(one.split()) for one in text.splitlines()]
                        for text in (content, printed)
                    )
                )
            )
    return Followed(folder, outputs)


def _install(command: str, folder: Path) -> None:
    """Install into a folder of the test, from this machine alone."""
    here = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder / "site")]
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), *here],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def lines(*files: str) -> int:
    return sum(bool(line.strip()) for file in files for line in FILES[file].splitlines())


def test_the_guide_has_the_files_it_speaks_of() -> None:
    assert list(FILES) == [
        "cities.yaml",
        "cities.jsonl",
        "wrong.jsonl",
        "factors.py",
        "factors-task/pyproject.toml",
    ]
    assert PAGE.count("```") == 2 * len(STEPS)


def test_a_task_takes_under_40_lines() -> None:
    assert len(FILES["factors.py"].splitlines()) < 40
    assert lines("factors.py", "factors-task/pyproject.toml") < 40
    assert lines("cities.yaml", "cities.jsonl") < 10


def test_the_commands_print_what_the_guide_shows(followed: Followed) -> None:
    assert len(followed.outputs) == 4
    for shown, printed in followed.outputs:
        assert [line for line in shown if line not in printed] == []


def test_the_file_and_the_package_give_the_same_results(followed: Followed) -> None:
    runs = followed.folder / "runs"
    by_file, by_name = (
        (runs / name / "results.json").read_bytes() for name in ("file", "installed")
    )
    assert by_file == by_name


def test_three_answers_cover_all_but_one_product(followed: Followed) -> None:
    """Of the 27 numbers up to 40 that are products, only 36 has four: (26 + 3 / 4) / 27."""
    results = json.loads((followed.folder / "runs" / "file" / "results.json").read_bytes())
    assert results["metrics"]["recall"]["value"] == pytest.approx((26 + 3 / 4) / 27)


def test_a_product_is_the_same_either_way_round() -> None:
    names: dict[str, object] = {}
    exec(FILES["factors.py"], names)
    key = names["key"]
    assert callable(key)
    assert key("9 * 4") == key("4 x 9") == "4 9"
    assert key("10 x 2") == key("2 x 10") == "2 10"


def test_without_the_package_there_is_no_such_task() -> None:
    assert "factors" not in found("tasks")


def test_the_guide_names_every_field_of_the_files() -> None:
    from marl_eval.task_files.data_rows import FIELDS, GOLD_FIELDS
    from marl_eval.task_files.data_task import TaskFile

    for field in (*FIELDS, *GOLD_FIELDS, *TaskFile.model_fields):
        assert f"`{field}`" in PAGE, field
