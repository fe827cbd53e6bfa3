"""Where a task's data is found, and what is told when it is not."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marl_eval.data_source import (
    Published,
    find_file,
    hub_errors,
    local_data,
    read_published,
)
from marl_eval.errors import UserError
from marl_eval.rows import Row, text

FILES = {"dev": ("dev_light.json", "dev*.jsonl"), "train": ("train.json",)}
PUBLISHED = Published(
    task="riddles",
    files=FILES,
    repository="nobody/riddles",
    hub={"dev": ("light", "validation"), "train": ("light", "train")},
    remedy="Get it with `curl`.",
)


def put(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[]", encoding="utf-8")
    return folder


def refusal(data: Path, split: str = "auto") -> str:
    with pytest.raises(UserError) as caught:
        find_file(data, FILES, split)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "split", "expected"),
    [
        (["dev_light.json", "train.json"], "auto", ("dev", "dev_light.json")),
        (["dev_light.json", "train.json"], "train", ("train", "train.json")),
        (["train.json", "LICENSE"], "auto", ("train", "train.json")),
        (["dev.x.jsonl", "dev_light.json"], "auto", ("dev", "dev_light.json")),
        (["dev.x.jsonl"], "dev", ("dev", "dev.x.jsonl")),
        (["data/dev/dev_light.json"], "dev", ("dev", "dev_light.json")),
        (["dev_light.json.gz"], "dev", ("dev", "dev_light.json.gz")),
        (["dev_light.json.zip"], "dev", ("dev", "dev_light.json.zip")),
        (["._dev_light.json", "dev_light.json"], "dev", ("dev", "dev_light.json")),
    ],
)
def test_the_file_of_a_split_is_found_in_a_folder(
    names: list[str], split: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    found, file = find_file(put(tmp_path, *names), FILES, split)
    assert (found, file.name) == expected


def test_the_file_of_a_split_is_found_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("light/train.json", "[1]")
        archive.writestr("light/dev_light.json", "[2]")
    split, file = find_file(tmp_path / "all.zip", FILES, "auto")
    assert (split, file.name, file.read_bytes()) == ("dev", "dev_light.json", b"[2]")
    split, file = find_file(tmp_path / "all.zip", FILES, "train")
    assert (split, file.read_bytes()) == ("train", b"[1]")


def test_the_only_file_of_a_zip_is_taken_whatever_its_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "mine.zip", "w") as archive:
        archive.writestr("mine.json", "[]")
    split, file = find_file(tmp_path / "mine.zip", FILES, "auto")
    assert (split, file.name) == ("given", "mine.json")


@pytest.mark.parametrize(
    ("name", "split", "expected"),
    [
        ("dev_light.json", "auto", "dev"),
        ("dev_light.json.gz", "auto", "dev"),
        ("train.json", "train", "train"),
        ("mine.json", "auto", "given"),
        ("mine.json", "train", "train"),
    ],
)
def test_a_file_is_taken_as_it_is_and_its_name_tells_the_split(
    name: str, split: str, expected: str, tmp_path: Path
) -> None:
    path = put(tmp_path, name) / name
    assert find_file(path, FILES, split) == (expected, path)


def test_a_file_of_another_split_than_asked_for_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "dev_light.json")
    told = refusal(tmp_path / "dev_light.json", "train")
    assert str(tmp_path / "dev_light.json") in told
    assert "'dev'" in told
    assert "split=train" in told


def test_a_folder_without_the_file_tells_what_was_looked_for(tmp_path: Path) -> None:
    told = refusal(put(tmp_path, "test.json", "train.json"), "dev")
    for part in (str(tmp_path), "dev_light.json", "dev*.jsonl", "--data", "dev, train"):
        assert part in told
    assert "train.json" not in told
    assert "train.json" in refusal(put(tmp_path / "empty", "test.json"))


def test_two_files_of_one_split_are_not_chosen_between(tmp_path: Path) -> None:
    told = refusal(put(tmp_path, "dev.a.jsonl", "dev.b.jsonl"))
    assert "dev.a.jsonl" in told
    assert "dev.b.jsonl" in told
    assert "--data" in told


def test_the_environment_names_the_folder_of_each_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MARL_EVAL_DATA", raising=False)
    assert local_data("riddles", None) is None
    monkeypatch.setenv("MARL_EVAL_DATA", str(tmp_path))
    assert local_data("riddles", None) is None
    (tmp_path / "riddles").mkdir()
    assert local_data("riddles", None) == tmp_path / "riddles"
    assert local_data("riddles", tmp_path) == tmp_path
    with pytest.raises(UserError, match="--data takes a file or a folder"):
        local_data("riddles", tmp_path / "nowhere")


def make(row: Row) -> str:
    return text(row, "id")


def test_what_was_read_is_told_without_its_folder(tmp_path: Path) -> None:
    content = b'{"id": "a"}\n{"id": "b"}\n'
    (tmp_path / "dev.1.jsonl.gz").write_bytes(gzip.compress(content))
    found = read_published(PUBLISHED, tmp_path, "auto", make)
    assert (found.made, found.split, found.source) == (["a", "b"], "dev", "dev.1.jsonl.gz")


def test_rows_of_a_data_set_are_read_as_the_hub_gives_them(tmp_path: Path) -> None:
    """A folder in the form of one on the Hub, through the same client, in a process of its own."""
    folder = tmp_path / "riddles"
    folder.mkdir()
    rows = [{"id": "a", "pairs": {"n": [1, 2]}}, {"id": "", "pairs": {"n": []}}]
    pq.write_table(pa.Table.from_pylist(rows[:1]), folder / "train.parquet")
    pq.write_table(pa.Table.from_pylist(rows), folder / "validation.parquet")
    code = (
        "from marl_eval.data_source import Published, read_published\n"
        "from marl_eval.errors import UserError\n"
        "from marl_eval.rows import records, text\n"
        "hub = {'dev': (None, 'validation'), 'train': (None, 'train')}\n"
        "published = Published('riddles', {}, 'riddles', hub, '')\n"
        "make = lambda row: (text(row, 'id'), records(row, 'pairs'))\n"
        "print(read_published(published, None, 'train', make))\n"
        "try:\n    read_published(published, None, 'auto', make)\n"
        "except UserError as error:\n    print(error)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "MARL_EVAL_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "Found(made=[('a', [{'n': 1}, {'n': 2}])], split='train', source='riddles')",
        "1 row cannot be read:",
        "riddles, row 2: 'id' is empty",
    ]


def test_without_data_what_was_tried_is_told_with_the_remedy() -> None:
    with pytest.raises(UserError) as caught, hub_errors("riddles", "nobody/riddles", "Get it."):
        raise ConnectionError("no network")
    told = str(caught.value)
    for part in (
        "--data",
        "MARL_EVAL_DATA/riddles",
        "nobody/riddles",
        "ConnectionError",
        "Get it.",
    ):
        assert part in told


def test_errors_of_any_type_from_the_hub_are_told() -> None:
    class OddError(Exception):
        pass

    with pytest.raises(UserError, match="OddError"), hub_errors("riddles", "nobody/riddles", ""):
        raise OddError


def test_an_error_that_is_told_already_stays_as_it_is() -> None:
    with pytest.raises(UserError, match=r"^As it is\.$"), hub_errors("a", "b", "c"):
        raise UserError("As it is.")
