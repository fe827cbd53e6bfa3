"""Reading rows out of the files that others write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from marl_eval.errors import UserError
from marl_eval.importing.rows import open_source

ROWS: list[dict[str, Any]] = [
    {"id": number, "text": f"text {number} é", "evals": [1, 0], "level": None}
    for number in range(5)
]


def write_jsonl(path: Path) -> None:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in ROWS))


def write_array(path: Path) -> None:
    path.write_bytes(orjson.dumps(ROWS, option=orjson.OPT_INDENT_2))


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=2)


def write_arrow_file(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def write_arrow_stream(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


WRITERS = {
    "JSON lines": write_jsonl,
    "JSON array": write_array,
    "Parquet": write_parquet,
    "Arrow file": write_arrow_file,
    "Arrow stream": write_arrow_stream,
}


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in open_source([path]).rows()]


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_gives_the_same_rows_whatever_its_name(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "file"
    WRITERS[kind](path)
    assert read(path) == ROWS
    assert open_source([path]).columns == ("id", "text", "evals", "level")


@pytest.mark.parametrize("kind", ["Parquet", "Arrow file", "Arrow stream"])
def test_only_the_columns_wanted_are_read_from_a_file_of_columns(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    WRITERS[kind](path)
    rows = [row for _, row in open_source([path]).rows({"text", "evals"})]
    assert rows == [{"text": row["text"], "evals": row["evals"]} for row in ROWS]


def test_a_folder_that_datasets_saved_is_read(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict, disable_progress_bars

    disable_progress_bars()
    data = Dataset.from_list(ROWS)
    data.save_to_disk(str(tmp_path / "saved"), num_shards=2)
    assert read(tmp_path / "saved") == ROWS
    DatasetDict({"test": data}).save_to_disk(str(tmp_path / "one"))
    assert read(tmp_path / "one") == ROWS
    DatasetDict({"train": data, "test": data}).save_to_disk(str(tmp_path / "two"))
    with pytest.raises(
        UserError, match=r"several splits; give one of them: .*two/train, .*two/test"
    ):
        open_source([tmp_path / "two"])
    assert read(tmp_path / "two" / "train") == ROWS


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.parquet"
    write_jsonl(first)
    write_parquet(second)
    source = open_source([first, second])
    assert [row for _, row in source.rows()] == ROWS + ROWS
    assert source.name == "a.jsonl, b.parquet"
    assert [place for place, _ in source.rows()][4:6] == ["a.jsonl, line 5", "b.parquet, row 1"]
    assert source.sha256() != open_source([second, first]).sha256()


def test_json_lines_may_have_blank_lines_a_byte_order_mark_and_nan(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'\xef\xbb\xbf{"q": NaN}\r\n\n{"q": -Infinity}\n')
    first, second = read(path)
    assert math.isnan(first["q"])
    assert second == {"q": -math.inf}


def cut(path: Path, kind: str) -> None:
    WRITERS[kind](path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


DAMAGE = {
    "missing": (None, "There is no file"),
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "of another kind": (b"\x89PNG\r\n", "is neither JSON lines nor Parquet nor Arrow"),
    "torn JSON": (b'{"a": 1}\n{"a": ', "is damaged: line 2 is not JSON"),
    "a line of no object": (b'{"a": 1}\n[2]\n', "is damaged: line 2 is not an object"),
    "an entry of no object": (b'[{"a": 1}, 2]', "is damaged: row 2 is not an object"),
    "not UTF-8": (b'{"a": "\xff\xfe"}\n', "is damaged: line 1 is not JSON"),
    "nested without end": (b'{"a": ' + b"[" * 200_000, "is damaged: line 1 is not JSON"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, message = DAMAGE[name]
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as told:
        read(path)
    assert message in str(told.value)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["Parquet", "Arrow file", "Arrow stream"])
def test_a_file_that_was_cut_off_is_told_in_one_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    cut(path, kind)
    with pytest.raises(UserError, match=r"file is damaged: .+\.$") as told:
        read(path)
    assert "\n" not in str(told.value)


def test_a_text_in_a_column_that_is_not_utf8_is_damage(tmp_path: Path) -> None:
    texts = pa.array([b"fine", b"\xed\xa0\x80"], pa.binary()).view(pa.string())
    table = pa.table({"text": texts})
    with ipc.new_file(tmp_path / "file", table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(UserError, match=r"file is damaged: .*UTF8"):
        read(tmp_path / "file")


def test_a_folder_of_another_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not one that save_to_disk of datasets wrote"):
        open_source([tmp_path])
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(UserError, match=r"state\.json cannot be read"):
        open_source([tmp_path])
    (tmp_path / "state.json").write_text('{"_data_files": [{"filename": "gone.arrow"}]}')
    with pytest.raises(UserError, match=r"There is no file .*gone\.arrow"):
        open_source([tmp_path])


@pytest.mark.parametrize("kind", ["JSON lines", "Arrow stream"])
def test_rows_come_one_by_one_so_that_the_first_is_there_before_the_damage(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "file"
    WRITERS[kind](path)
    content = path.read_bytes()
    source = open_source([path])
    path.write_bytes(content[:-40])
    rows = source.rows()
    assert next(rows)[1] == ROWS[0]
    with pytest.raises(UserError, match="is damaged"):
        list(rows)
