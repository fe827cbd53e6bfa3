"""Reading DDXPlus from the forms in which it is published, telling every row that is wrong."""

from __future__ import annotations

import ast
import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from marl_eval.errors import UserError
from marl_eval.tasks.ddxplus_text import Patient, describe

HUB_RELEASE = "aai530-group6/ddxplus"
HUB_TEXT = "mehuldamani/medDataset_25k"
EVIDENCES = "release_evidences.json"
_COLUMNS = (
    "AGE", "DIFFERENTIAL_DIAGNOSIS", "SEX", "PATHOLOGY", "EVIDENCES", "INITIAL_EVIDENCE",
)  # fmt: skip
_TEXT_COLUMNS, _ANSWER_COLUMNS = ("question", "problem", "prompt"), ("answers", "answer")
_TOLD = 10
_OLDEST = 130

Differential = list[tuple[str, float | None]]


@dataclass(frozen=True, slots=True)
class Case:
    """One patient as text, with what is known of the diagnosis; ``place`` is where it was read."""

    id: str
    text: str
    differential: Differential
    pathology: str | None
    place: str


class RowErrorsError(UserError):
    """Rows that cannot be read, all of them at once."""

    def __init__(self, problems: list[str]) -> None:
        more = len(problems) - _TOLD
        lines = problems[:_TOLD] + ([f"and {more} more"] if more > 0 else [])
        rows = "1 row" if len(problems) == 1 else f"{len(problems)} rows"
        super().__init__("\n".join([f"{rows} cannot be read:", *lines]))


def release_folder(data: Path) -> Path | None:
    """Give the folder of the release files that ``data`` is, or is in; None if it is something else."""
    folder = data if data.is_dir() else data.parent
    named = data.is_dir() or data.name.startswith("release_")
    return folder if named and (folder / EVIDENCES).exists() else None


def read_release(data: Path, split: str) -> tuple[str, str, list[Case]]:
    """Read one split of the official files; give its name, the file's name and the cases.

    ``data`` is the folder with ``release_evidences.json`` and the patients, or one patients file in
    it; a patients file is csv, bare or zipped as it is published.

    Raises:
        UserError: if a file is missing or of another form, with the rows that are wrong.
    """
    folder = release_folder(data)
    assert folder is not None
    evidences = _read_evidences(folder / EVIDENCES)
    if data.is_file():
        found = data.name.removeprefix("release_").partition("_")[0]
        return found, data.name, _cases(_rows(data), evidences, data.name, found)
    for name in ("test", "validate") if split == "auto" else (split,):
        for suffix in (".csv", ".zip", ""):
            path = folder / f"release_{name}_patients{suffix}"
            if path.is_file():
                return name, path.name, _cases(_rows(path), evidences, path.name, name)
    wanted = "release_test_patients or release_validate_patients"
    if split != "auto":
        wanted = f"release_{split}_patients"
    raise UserError(
        f"{folder} holds no {wanted} (.csv or .zip); "
        f"--task-args split=train, validate or test chooses another."
    )


def read_release_hub(split: str) -> list[Case]:
    """Read one split of the release from the Hugging Face Hub."""
    from datasets import load_dataset
    from huggingface_hub import hf_hub_download

    with _hub_errors(HUB_RELEASE):
        rows = load_dataset(HUB_RELEASE, split=split)
        evidences = _read_evidences(
            Path(hf_hub_download(HUB_RELEASE, EVIDENCES, repo_type="dataset"))
        )
    return _cases(enumerate(rows, start=1), evidences, HUB_RELEASE, split)


def read_text_hub() -> list[Case]:
    """Read the 25k text rendering from the Hugging Face Hub."""
    from datasets import load_dataset

    with _hub_errors(HUB_TEXT):
        rows = load_dataset(HUB_TEXT, split="train")
    return _text_cases(enumerate(rows, start=1), HUB_TEXT)


class _hub_errors:  # noqa: N801 - reads as a statement
    """Turns whatever the Hub's clients raise into one sentence with the remedy."""

    def __init__(self, repository: str) -> None:
        self._repository = repository

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: Any) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError)) and not isinstance(
            error, UserError
        ):
            raise UserError(
                f"The data of ddxplus was not given (--data), is not in MARL_EVAL_DATA/ddxplus, and "
                f"the Hugging Face Hub did not give {self._repository} "
                f"({type(error).__name__}). Download the English release files "
                f"(doi:10.6084/m9.figshare.20043374) into a folder and give it with --data."
            ) from error


def _read_evidences(path: Path) -> Mapping[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold an object with one entry for each evidence.")
    return value


Row = tuple[int, Mapping[str, Any]]
"""A row with its number as a person counts it in the file: a csv's heading is line 1."""


def _rows(path: Path) -> list[Row]:
    """Read a csv of patients, bare or as the one file of a zip."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if not n.endswith("/")]
                if len(names) != 1:
                    raise UserError(f"{path} must hold one file of patients, not {len(names)}.")
                content = archive.read(names[0])
        else:
            content = path.read_bytes()
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    return _csv_rows(path, content, _COLUMNS)


def _csv_rows(path: Path, content: bytes, needed: tuple[str, ...] = ()) -> list[Row]:
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        missing = [name for name in needed if name not in (reader.fieldnames or [])]
        if missing:
            raise UserError(
                f"{path} is not a file of DDXPlus patients: it has no column {', '.join(missing)}."
            )
        return [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as csv in UTF-8: {error}.") from error


def _cases(
    rows: Iterable[Row], evidences: Mapping[str, Any], source: str, split: str
) -> list[Case]:
    cases, problems = [], []
    for count, (number, row) in enumerate(rows):
        place = f"{source}, row {number}"
        try:
            patient = Patient(
                age=_age(row["AGE"]),
                sex=_one_of(row["SEX"], "MF", "SEX"),
                evidence=tuple(
                    _evidence(e, evidences) for e in _list(row["EVIDENCES"], "EVIDENCES")
                ),
                initial=_evidence(row["INITIAL_EVIDENCE"], evidences, bare=True),
            )
            cases.append(
                Case(
                    id=f"{split}-{count}",
                    text=describe(patient, evidences),
                    differential=_differential(row["DIFFERENTIAL_DIAGNOSIS"]),
                    pathology=_text(row["PATHOLOGY"], "PATHOLOGY"),
                    place=place,
                )
            )
        except (ValueError, TypeError) as error:
            problems.append(f"{place}: {error}")
    if problems:
        raise RowErrorsError(problems)
    return cases


def _age(value: Any) -> int:
    try:
        age = int(value)
    except (TypeError, ValueError):
        raise ValueError(f"AGE is {value!r}, not a number of years") from None
    if not 0 <= age <= _OLDEST:
        raise ValueError(f"AGE is {age}, not between 0 and {_OLDEST}")
    return age


def _evidence(item: Any, evidences: Mapping[str, Any], *, bare: bool = False) -> str:
    """Check one coded evidence, such as ``E_91`` or ``E_54_@_V_161``."""
    code, _, value = str(item).partition("_@_")
    if code not in evidences:
        raise ValueError(f"the evidence {code!r} is not in {EVIDENCES}")
    if bare:
        return code
    known = {str(v) for v in evidences[code]["possible-values"]}
    if known and value not in known:
        raise ValueError(f"the evidence {code!r} cannot have the value {value!r}")
    return str(item)


def _one_of(value: Any, allowed: str, column: str) -> str:
    if value not in tuple(allowed):
        raise ValueError(f"{column} is {value!r}, not one of {', '.join(allowed)}")
    return str(value)


def _text(value: Any, column: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{column} is empty")
    return value


def _list(value: Any, column: str) -> list[Any]:
    """Read a list that csv holds as Python text; JSON reads almost all of them, and faster."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value.replace("'", '"'))
        except orjson.JSONDecodeError:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                raise ValueError(f"{column} is not a list: {value[:60]!r}") from None
    if not isinstance(value, list):
        raise ValueError(f"{column} is not a list: {str(value)[:60]!r}")
    return value


def _differential(value: Any) -> Differential:
    pairs: Differential = []
    for pair in _list(value, "DIFFERENTIAL_DIAGNOSIS"):
        pairs.append(_pair(pair, "DIFFERENTIAL_DIAGNOSIS"))
    return pairs


def _pair(pair: Any, column: str) -> tuple[str, float]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError(f"{column} holds {str(pair)[:60]!r}, not [name, number]")
    name, probability = _text(pair[0], column), float(pair[1])
    if not 0 <= probability <= 1:
        raise ValueError(f"{column} has the probability {probability}")
    return name, probability


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
    if rows and all(column in rows[0][1] for column in _COLUMNS):
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
            return _csv_rows(path, path.read_bytes())
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
                    text=_text(question, "the text").strip(),
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
        return [(_text(value, "the answer"), None)]
    pairs: Differential = []
    for item in _list(value, "the answers"):
        if isinstance(item, str):
            pairs.append((_text(item, "an answer"), None))
        else:
            pairs.append(_pair(item, "the answers"))
    if not pairs:
        raise ValueError("has no answer")
    return pairs
