"""Reading the official release of DDXPlus: coded patients, csv or zipped, or from the Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import orjson

from marl_eval.data_source import hub_errors, hub_places
from marl_eval.errors import UserError
from marl_eval.rows import Row, make_rows, read_content
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
from marl_eval.tasks.ddxplus_text import Patient, describe

T = TypeVar("T")

HUB_RELEASE = "aai530-group6/ddxplus"
EVIDENCES = "release_evidences.json"
COLUMNS = (
    "AGE", "DIFFERENTIAL_DIAGNOSIS", "SEX", "PATHOLOGY", "EVIDENCES", "INITIAL_EVIDENCE",
)  # fmt: skip
_OLDEST = 130


def release_folder(data: Path) -> Path | None:
    """Give the folder of the release files that ``data`` is, or is in; None if it is something else."""
    folder = data if data.is_dir() else data.parent
    named = data.is_dir() or data.name.startswith("release_")
    return folder if named and (folder / EVIDENCES).exists() else None


def read_release(data: Path, split: str, make: Callable[[Case], T]) -> tuple[str, str, list[T]]:
    """Read one split of the official files; give its name, the file's name and what is made of it.

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
        return found, data.name, _made(_rows(data), evidences, make)
    for name in ("test", "validate") if split == "auto" else (split,):
        for suffix in (".csv", ".zip", ""):
            path = folder / f"release_{name}_patients{suffix}"
            if path.is_file():
                return name, path.name, _made(_rows(path), evidences, make)
    wanted = "release_test_patients or release_validate_patients"
    if split != "auto":
        wanted = f"release_{split}_patients"
    raise UserError(
        f"{folder} holds no {wanted} (.csv or .zip); "
        f"--task-args split=train, validate or test chooses another."
    )


def read_release_hub(split: str, make: Callable[[Case], T]) -> list[T]:
    """Read one split of the release from the Hugging Face Hub."""
    from datasets import load_dataset
    from huggingface_hub import hf_hub_download

    with hub_errors("ddxplus", HUB_RELEASE, REMEDY):
        rows = load_dataset(HUB_RELEASE, split=split)
        path = Path(hf_hub_download(HUB_RELEASE, EVIDENCES, repo_type="dataset"))
    return _made(hub_places(HUB_RELEASE, rows), _read_evidences(path), make)


def _read_evidences(path: Path) -> Mapping[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold an object with one entry for each evidence.")
    return value


def _rows(path: Path) -> Rows:
    return csv_rows(path, read_content(path), COLUMNS)


def _made(
    rows: Iterable[tuple[str, Row]], evidences: Mapping[str, Any], make: Callable[[Case], T]
) -> list[T]:
    return make_rows(rows, lambda row: make(_case(row, evidences)))


def _case(row: Row, evidences: Mapping[str, Any]) -> Case:
    patient = Patient(
        age=_age(row["AGE"]),
        sex=_one_of(row["SEX"], "MF", "SEX"),
        evidence=tuple(_evidence(e, evidences) for e in list_of(row["EVIDENCES"], "EVIDENCES")),
        initial=_evidence(row["INITIAL_EVIDENCE"], evidences, bare=True),
    )
    return Case(
        text=describe(patient, evidences),
        differential=_differential(row["DIFFERENTIAL_DIAGNOSIS"]),
        pathology=text_of(row["PATHOLOGY"], "PATHOLOGY"),
    )


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


def _differential(value: Any) -> Differential:
    pairs: Differential = []
    for pair in list_of(value, "DIFFERENTIAL_DIAGNOSIS"):
        pairs.append(pair_of(pair, "DIFFERENTIAL_DIAGNOSIS"))
    return pairs
