"""Reading the official release of DDXPlus: coded patients, csv or zipped, or from the Hub."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from marl_eval.errors import UserError
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
from marl_eval.tasks.ddxplus_text import Patient, describe

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

    with hub_errors(HUB_RELEASE):
        rows = load_dataset(HUB_RELEASE, split=split)
        evidences = _read_evidences(
            Path(hf_hub_download(HUB_RELEASE, EVIDENCES, repo_type="dataset"))
        )
    return _cases(enumerate(rows, start=1), evidences, HUB_RELEASE, split)


def _read_evidences(path: Path) -> Mapping[str, Any]:
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold an object with one entry for each evidence.")
    return value


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
    return csv_rows(path, content, COLUMNS)


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
                    _evidence(e, evidences) for e in list_of(row["EVIDENCES"], "EVIDENCES")
                ),
                initial=_evidence(row["INITIAL_EVIDENCE"], evidences, bare=True),
            )
            cases.append(
                Case(
                    id=f"{split}-{count}",
                    text=describe(patient, evidences),
                    differential=_differential(row["DIFFERENTIAL_DIAGNOSIS"]),
                    pathology=text_of(row["PATHOLOGY"], "PATHOLOGY"),
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


def _differential(value: Any) -> Differential:
    pairs: Differential = []
    for pair in list_of(value, "DIFFERENTIAL_DIAGNOSIS"):
        pairs.append(pair_of(pair, "DIFFERENTIAL_DIAGNOSIS"))
    return pairs
