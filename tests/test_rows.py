"""Reading rows: every wrong row is told with its place, all of them at once, and none is left out."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval.errors import UserError
from marl_eval.rows import (
    Row,
    RowErrorsError,
    field,
    make_rows,
    read_content,
    read_rows,
    records,
    text,
    texts,
    within,
)

GOOD = {"id": "a", "question": "Who?", "gold": ["Ada"]}


def make(row: Row) -> tuple[str, str, list[str]]:
    return text(row, "id"), text(row, "question"), texts(row, "gold")


def lines(*rows: Any) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_rows(path, make)
    return str(caught.value)


BAD: dict[str, tuple[bytes, str]] = {
    "a field is missing": (lines({"id": "a", "gold": ["Ada"]}), "has no 'question'"),
    "the gold is empty": (lines(GOOD | {"gold": []}), "'gold' has 0 entries, fewer than 1"),
    "a text is blank": (lines(GOOD | {"question": " "}), "'question' is empty"),
    "a gold answer is blank": (lines(GOOD | {"gold": ["Ada", ""]}), "'gold' holds an empty text"),
    "a number is given for a text": (lines(GOOD | {"id": 3}), "'id' is a number, not a text"),
    "null is given for a text": (lines(GOOD | {"id": None}), "'id' is null, not a text"),
    "a text is given for a list": (lines(GOOD | {"gold": "Ada"}), "'gold' is a text, not a list"),
    "a list holds a number": (lines(GOOD | {"gold": [1]}), "'gold' holds a number, not only texts"),
    "the row is a list": (b"[1, 2]", "is a list, not an object"),
    "the row is a text": (b'"Who?"', "is a text, not an object"),
    "the line is cut off": (lines(GOOD)[:-3], "is not whole JSON ("),
    "the line is in another encoding": (b'{"id": "caf\xe9"}', "is not UTF-8 (byte 11)"),
    "the line is blank": (b"", "is empty"),
    "the line is white space": (b"  ", "is empty"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_line_is_told_with_its_file_and_line(what: str, tmp_path: Path) -> None:
    bad, told = BAD[what]
    content = b"\n".join([lines(GOOD), bad, lines(GOOD)]) + b"\n"
    heading, line = refusal(write(tmp_path / "a.jsonl", content)).split("\n")
    assert heading == "1 row cannot be read:"
    assert line.startswith(f"a.jsonl, line 2: {told}")


def test_wrong_lines_of_every_kind_are_told_all_at_once(tmp_path: Path) -> None:
    content = b"\n".join(part for bad, _ in BAD.values() for part in (bad, lines(GOOD)))
    heading, *told = refusal(write(tmp_path / "a.jsonl", content)).split("\n")
    assert heading == f"{len(BAD)} rows cannot be read:"
    for number, (line, (_, expected)) in enumerate(zip(told, BAD.values(), strict=True)):
        assert line.startswith(f"a.jsonl, line {2 * number + 1}: {expected}")


def test_wrong_rows_of_an_array_are_told_all_at_once(tmp_path: Path) -> None:
    rows = [GOOD, GOOD | {"gold": []}, 3, GOOD, {}]
    path = write(tmp_path / "a.json", json.dumps(rows).encode())
    assert refusal(path).split("\n") == [
        "3 rows cannot be read:",
        "a.json, row 2: 'gold' has 0 entries, fewer than 1",
        "a.json, row 3: is a number, not an object",
        "a.json, row 5: has no 'id'",
    ]


def test_the_first_hundred_wrong_rows_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    told = refusal(write(tmp_path / "a.jsonl", b"{}\n" * 150)).split("\n")
    assert told[0] == "150 rows cannot be read:"
    assert told[1].startswith("a.jsonl, line 1:")
    assert told[100].startswith("a.jsonl, line 100:")
    assert told[101:] == ["and 50 more"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'[{"id": "a"}, {"id', "is not whole JSON"),
        (b"[]"[:1], "is not whole JSON"),
        (b"", "is empty"),
        (b"3", "must hold an array of objects, not a number"),
        (b'{"rows": []}', "must hold an array of objects, not an object"),
        (b'[{"id": "caf\xe9"}]', "is not UTF-8 (byte 12)"),
        (json.dumps([GOOD]).encode("utf-16"), "is not UTF-8 (byte 0)"),
    ],
)
def test_a_file_that_is_no_array_is_told_with_its_path(
    content: bytes, told: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.json", content)
    assert refusal(path).startswith(f"{path}")
    assert told in refusal(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert str(tmp_path / "a.jsonl") in refusal(tmp_path / "a.jsonl")


def zipped(*members: tuple[str, bytes]) -> Callable[[Path], None]:
    def write_zip(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)

    return write_zip


ROWS = [GOOD, GOOD | {"id": "b"}]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
ARRAY = json.dumps(ROWS, indent=1).encode()
FORMS: dict[str, Callable[[Path], Any]] = {
    "a.jsonl": lambda path: path.write_bytes(JSONL),
    "unended.jsonl": lambda path: path.write_bytes(JSONL.removesuffix(b"\n")),
    "windows.jsonl": lambda path: path.write_bytes(JSONL.replace(b"\n", b"\r\n")),
    "marked.jsonl": lambda path: path.write_bytes(b"\xef\xbb\xbf" + JSONL),
    "a.jsonl.gz": lambda path: path.write_bytes(gzip.compress(JSONL)),
    "a.jsonl.zip": zipped(("a.jsonl", JSONL)),
    "lines.json": lambda path: path.write_bytes(JSONL),
    "lines.txt": lambda path: path.write_bytes(JSONL),
    "a.json": lambda path: path.write_bytes(ARRAY),
    "marked.json": lambda path: path.write_bytes(b"\xef\xbb\xbf" + ARRAY),
    "a.json.gz": lambda path: path.write_bytes(gzip.compress(ARRAY)),
    "a.zip": zipped(("folder/", b""), ("folder/a.json", ARRAY)),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_file_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    FORMS[name](tmp_path / name)
    assert read_rows(tmp_path / name, make) == [("a", "Who?", ["Ada"]), ("b", "Who?", ["Ada"])]


def test_an_empty_file_of_lines_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(write(tmp_path / "a.jsonl", b""), make) == []


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zip"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_packed_file_that_is_cut_off_is_told(name: str, kept: float, tmp_path: Path) -> None:
    FORMS[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    path = write(tmp_path / name, whole[: int(len(whole) * kept)])
    assert str(path) in refusal(path)
    assert "cut off" in refusal(path)


def test_a_packed_file_that_is_damaged_is_told(tmp_path: Path) -> None:
    whole = bytearray(gzip.compress(JSONL))
    whole[-6] ^= 0xFF
    path = write(tmp_path / "a.jsonl.gz", bytes(whole))
    assert refusal(path).startswith(f"{path} cannot be read: ")


def test_a_zip_of_several_files_is_told(tmp_path: Path) -> None:
    zipped(("a.jsonl", JSONL), ("b.jsonl", JSONL))(tmp_path / "a.zip")
    assert "must hold one file, not 2" in refusal(tmp_path / "a.zip")


def test_one_file_of_a_zip_of_several_is_read(tmp_path: Path) -> None:
    zipped(("a.jsonl", b""), ("b.jsonl", JSONL))(tmp_path / "a.zip")
    assert len(read_rows(zipfile.Path(tmp_path / "a.zip", "b.jsonl"), make)) == 2
    assert read_content(zipfile.Path(tmp_path / "a.zip", "a.jsonl")) == b""


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([lines(GOOD), *(bad for bad, _ in BAD.values())]), max_size=12))
def test_each_line_is_a_row_or_a_problem(tmp_path_factory: Any, content: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in content))
    bad = [number for number, line in enumerate(content, start=1) if line != lines(GOOD)]
    try:
        assert len(read_rows(path, make)) == len(content)
        assert not bad
    except RowErrorsError as error:
        told = [int(line.split(", line ")[1].split(":")[0]) for line in str(error).split("\n")[1:]]
        assert told == bad


def test_a_mistake_in_the_code_is_not_told_as_a_wrong_row() -> None:
    def broken(row: Row) -> str:
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        make_rows([("a, row 1", {})], broken)


def test_a_field_is_given_as_its_kind() -> None:
    row = {"text": "a", "whole": 3, "part": 0.5, "yes": True, "none": None}
    assert field(row, "whole", int) == 3
    assert field(row, "part", float) == 0.5
    assert field(row, "yes", bool) is True
    assert type(field(row, "whole", float)) is float


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("yes", int, "'yes' is true or false, not a whole number"),
        ("yes", float, "'yes' is true or false, not a number"),
        ("part", int, "'part' is a number, not a whole number"),
        ("none", str, "'none' is null, not a text"),
        ("other", str, "has no 'other'"),
    ],
)
def test_a_field_of_another_kind_is_told(name: str, kind: type[Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        field({"part": 0.5, "yes": True, "none": None}, name, kind)


def test_a_list_may_be_allowed_to_be_empty() -> None:
    assert texts({"aliases": []}, "aliases", least=0) == []


PAIRS = [{"title": "A", "n": 1}, {"title": "B", "n": 2}]


@pytest.mark.parametrize(
    "value", [PAIRS, {"title": ["A", "B"], "n": [1, 2]}, [["A", 1], {"title": "B", "n": 2}]]
)
def test_records_are_read_from_each_of_their_forms(value: Any) -> None:
    assert records({"pairs": value}, "pairs", ("title", "n")) == PAIRS


@pytest.mark.parametrize("value", [[], {}, {"title": [], "n": []}])
def test_no_records_are_told_where_some_are_needed(value: Any) -> None:
    assert records({"pairs": value}, "pairs") == []
    with pytest.raises(ValueError, match="'pairs' has 0 entries, fewer than 1"):
        records({"pairs": value}, "pairs", least=1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("A", "'pairs' is a text, not a list"),
        (None, "'pairs' is null, not a list"),
        ([["A", 1], ["B"]], "'pairs' 2 has 1 parts, not title and n"),
        ([["A", 1, 2]], "'pairs' 1 has 3 parts, not title and n"),
        (["A"], "'pairs' 1 is a text, not an object"),
        ({"title": ["A"], "n": 1}, "'n' of 'pairs' is a number, not a list"),
        ({"title": ["A"], "n": [1, 2]}, "'pairs' holds lists of different lengths"),
    ],
)
def test_records_of_another_form_are_told(value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        records({"pairs": value}, "pairs", ("title", "n"))
    with pytest.raises(ValueError, match="has no 'pairs'"):
        records({}, "pairs")


def test_lists_are_no_records_where_no_fields_are_named() -> None:
    with pytest.raises(ValueError, match="'pairs' 1 is a list, not an object"):
        records({"pairs": [["A", 1]]}, "pairs")


def test_what_is_wrong_with_a_part_is_told_with_the_part() -> None:
    with pytest.raises(ValueError, match=r"^reading 2: 'question' is empty$"), within("reading 2"):
        text({"question": ""}, "question")
