"""Reading the 25k text rendering of DDXPlus that multi-answer RL was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from marl_eval.errors import UserError
from marl_eval.tasks.ddxplus_release import COLUMNS, EVIDENCES
from marl_eval.tasks.ddxplus_rows import (
    Case,
    Differential,
    Row,
    RowErrorsError,
    csv_rows,
    hub_errors,
    list_of,
    pair_of,
    text_of,
)

HUB_TEXT = "mehuldamani/medDataset_25k"
_TEXT_COLUMNS, _ANSWER_COLUMNS = ("question", "problem", "prompt"), ("answers", "answer")


def read_text_hub() -> list[Case]:
    """Read the 25k text rendering from the Hugging Face Hub."""
    from datasets import load_dataset

    with hub_errors(HUB_TEXT):
        rows = load_dataset(HUB_TEXT, split="train")
    return _text_cases(enumerate(rows, start=1), HUB_TEXT)


def read_text(path: Path) -> list[Case]:
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
    if rows and all(column in rows[0][1] for column in COLUMNS):
        raise UserError(
            f"{path} holds coded patients, which need {EVIDENCES} beside them; put it there."
        )
    return _text_cases(rows, path.name)


_TABLES = (".csv", ".jsonl", ".json", ".parquet", ".arrow")
# What the datasets library writes beside its tables.
_NOT_TABLES = ("dataset_info.json", "state.json", "dataset_dict.json")


def _read_table(path: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".csv":
            return csv_rows(path, path.read_bytes())
        if path.suffix == ".jsonl":
            lines = enumerate(path.read_bytes().splitlines(), start=1)
            rows = [(number, orjson.loads(line)) for number, line in lines if line.strip()]
        elif path.suffix == ".json":
            rows = list(enumerate(orjson.loads(path.read_bytes()), start=1))
        elif path.suffix == ".parquet":
            rows = list(enumerate(pq.read_table(path).to_pylist(), start=1))
        else:
            rows = list(enumerate(_read_arrow(path), start=1))
    except (OSError, TypeError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}.") from error
    if not all(isinstance(row, dict) for _, row in rows):
        raise UserError(f"{path} is not a table: it must hold one object for each case.")
    return rows


def _read_arrow(path: Path) -> list[dict[str, Any]]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            table = pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            table = pa.ipc.open_file(source).read_all()
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows


def _text_cases(rows: Iterable[Row], source: str) -> list[Case]:
    cases, problems = [], []
    for count, (number, row) in enumerate(rows):
        place = f"{source}, row {number}"
        try:
            question = _column(row, _TEXT_COLUMNS)
            cases.append(
                Case(
                    id=f"text-{count}",
                    text=text_of(question, "the text").strip(),
                    differential=_named(_column(row, _ANSWER_COLUMNS)),
                    pathology=None,
                    place=place,
                )
            )
        except (ValueError, TypeError) as error:
            problems.append(f"{place}: {error}")
    if problems:
        raise RowErrorsError(problems)
    return cases


def _column(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
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
