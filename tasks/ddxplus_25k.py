"""Reading the 25k text rendering of DDXPlus that multi-answer RL was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from marl_eval.data_source import hub_errors, hub_places
from marl_eval.errors import UserError
from marl_eval.rows import Row, json_rows, make_rows
from marl_eval.tasks.ddxplus_release import COLUMNS, EVIDENCES
from marl_eval.tasks.ddxplus_rows import (
    REMEDY,
    Case,
    Differential,
    Rows,
    csv_rows,
    list_of,
    pair_of,
    text_of,
)

T = TypeVar("T")

HUB_TEXT = "mehuldamani/medDataset_25k"
_TEXT_COLUMNS, _ANSWER_COLUMNS = ("question", "problem", "prompt"), ("answers", "answer")


def read_text_hub(make: Callable[[Case], T]) -> list[T]:
    """Read the 25k text rendering from the Hugging Face Hub."""
    from datasets import load_dataset

    with hub_errors("ddxplus", HUB_TEXT, REMEDY):
        rows = load_dataset(HUB_TEXT, split="train")
    return make_rows(hub_places(HUB_TEXT, rows), lambda row: make(_case(row)))


def read_text(path: Path, make: Callable[[Case], T]) -> list[T]:
    """Read the 25k text rendering: csv, jsonl, json, parquet or arrow, or a folder with one of them.

    Raises:
        UserError: if the file is of another form, with the rows that are wrong.
    """
    if path.is_dir():
        known = sorted(
            p for p in path.rglob("*") if p.suffix in _TABLES and p.name not in _NOT_TABLES
        )
        if len(known) != 1:
            raise UserError(
                f"{path} holds neither {EVIDENCES} nor exactly one table ({', '.join(_TABLES)}); "
                f"it has {len(known)} tables. Give the file itself with --data."
            )
        path = known[0]
    if path.suffix not in _TABLES:
        raise UserError(f"{path} is not a table of a known kind ({', '.join(_TABLES)}).")
    rows = _read_table(path)
    if rows and _coded(rows[0][1]):
        raise UserError(
            f"{path} holds coded patients, which need {EVIDENCES} beside them; put it there."
        )
    return make_rows(rows, lambda row: make(_case(row)))


def _coded(row: Any) -> bool:
    return isinstance(row, Mapping) and all(column in row for column in COLUMNS)


_TABLES = (".csv", ".jsonl", ".json", ".parquet", ".arrow")
# What the datasets library writes beside its tables.
_NOT_TABLES = ("dataset_info.json", "state.json", "dataset_dict.json")


def _read_table(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".csv":
            return csv_rows(path, path.read_bytes())
        if path.suffix in (".jsonl", ".json"):
            return list(json_rows(path))
        if path.suffix == ".parquet":
            rows: list[Row] = pq.read_table(path).to_pylist()
        else:
            rows = _read_arrow(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}.") from error
    return [(f"{path.name}, row {number}", row) for number, row in enumerate(rows, start=1)]


def _read_arrow(path: Path) -> list[Row]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            table = pa.ipc.open_file(source).read_all()
        rows: list[Row] = table.to_pylist()
        return rows


def _case(row: Row) -> Case:
    return Case(
        text=text_of(_column(row, _TEXT_COLUMNS), "the text").strip(),
        differential=_named(_column(row, _ANSWER_COLUMNS)),
        pathology=None,
    )


def _column(row: Row, names: tuple[str, ...]) -> Any:
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise ValueError(f"has none of the columns {', '.join(names)}")


def _named(value: Any) -> Differential:
    """Read a ranked differential: names, or pairs of name and probability, or one name."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return [(text_of(value, "the answer"), None)]
    pairs: Differential = []
    for item in list_of(value, "the answers"):
        if isinstance(item, str):
            pairs.append((text_of(item, "an answer"), None))
        else:
            pairs.append(pair_of(item, "the answers"))
    if not pairs:
        raise ValueError("has no answer")
    return pairs
