"""Reading DDXPlus in each form in which it is published, and telling what cannot be read."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marl_eval.errors import UserError
from marl_eval.matching import WRONG
from marl_eval.normalization import normalize
from marl_eval.task import Dataset
from marl_eval.tasks import ddxplus
from marl_eval.tasks.ddxplus import Options, key, load
from marl_eval.tasks.ddxplus_text import english

HEADING = ["AGE", "DIFFERENTIAL_DIAGNOSIS", "SEX", "PATHOLOGY", "EVIDENCES", "INITIAL_EVIDENCE"]
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"


def evidence(
    kind: str, parent: str, default: Any, values: Sequence[Any] = (), antecedent: bool = False
) -> dict[str, Any]:
    return {
        "code_question": parent,
        "is_antecedent": antecedent,
        "data_type": kind,
        "default_value": default,
        "question_en": "Is it so?",
        "value_meaning": {v: {"en": v} for v in values if isinstance(v, str)},
        "possible-values": list(values),
    }


EVIDENCES = {
    "E_91": evidence("B", "E_91", 0),
    "E_201": evidence("B", "E_201", 0),
    "E_53": evidence("B", "E_53", 0),
    "E_55": evidence("M", "E_53", "V_123", ["V_123", "V_29", "V_101"]),
    "E_56": evidence("C", "E_53", 0, range(11)),
    "E_204": evidence("C", "E_204", "V_10", ["V_10", "V_0", "V_1"], antecedent=True),
}


def patient(**changes: Any) -> dict[str, Any]:
    good = {
        "AGE": 40,
        "DIFFERENTIAL_DIAGNOSIS": [["Influenza", 0.25], ["URTI", 0.7], ["Bronchitis", 0.05]],
        "SEX": "F",
        "PATHOLOGY": "URTI",
        "EVIDENCES": ["E_91", "E_201", "E_204_@_V_10"],
        "INITIAL_EVIDENCE": "E_201",
    }
    return good | changes


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], heading: list[str] = HEADING) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, heading)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_zip(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def release(folder: Path, *rows: Mapping[str, Any], split: str = "validate") -> Path:
    """Write a folder as it is published, with one split."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "release_evidences.json").write_text(json.dumps(EVIDENCES), encoding="utf-8")
    write_csv(folder / f"release_{split}_patients.csv", rows)
    return folder


def read(data: Path | None, **options: Any) -> Dataset:
    return load(data, Options.model_validate(options))


def refusal(data: Path | None, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(data, **options)
    return str(caught.value)


def gold(dataset: Dataset) -> list[list[tuple[str, float | None]]]:
    return [[(g.answer, g.weight) for g in example.gold] for example in dataset.examples]


def ages(dataset: Dataset) -> list[str]:
    return [example.question.split("-year-old")[0].split()[-1] for example in dataset.examples]


def test_a_folder_is_read(tmp_path: Path) -> None:
    dataset = read(release(tmp_path, patient(AGE=41), patient(AGE=42)))
    assert ages(dataset) == ["41", "42"]
    assert [example.id for example in dataset.examples] == ["validate-0", "validate-1"]
    assert dataset.split == "validate"
    assert dataset.source == "release_validate_patients.csv"
    assert dataset.licence == "CC-BY-4.0"
    assert not dataset.exclusive


def test_one_patients_file_is_read_with_the_evidences_beside_it(tmp_path: Path) -> None:
    release(tmp_path, patient(AGE=41), split="test")
    release(tmp_path, patient(AGE=42), split="train")
    dataset = read(tmp_path / "release_train_patients.csv")
    assert ages(dataset) == ["42"]
    assert dataset.split == "train"
    assert dataset.source == "release_train_patients.csv"


@pytest.mark.parametrize("member", ["release_validate_patients", "release_validate_patients.csv"])
@pytest.mark.parametrize("give", ["folder", "file"])
def test_a_zip_as_published_gives_the_same_examples(member: str, give: str, tmp_path: Path) -> None:
    bare = release(tmp_path / "bare", patient(AGE=41), patient(AGE=42))
    folder = release(tmp_path / "zipped", split="other")
    content = (bare / "release_validate_patients.csv").read_bytes()
    path = write_zip(folder / "release_validate_patients.zip", (member, content))
    dataset = read(folder if give == "folder" else path)
    assert dataset.examples == read(bare).examples
    assert dataset.split == "validate"
    assert dataset.source == "release_validate_patients.zip"


def test_a_patients_file_without_a_suffix_is_read(tmp_path: Path) -> None:
    release(tmp_path, patient(AGE=41))
    path = tmp_path / "release_validate_patients.csv"
    path.rename(path.with_suffix(""))
    assert ages(read(tmp_path)) == ["41"]


def test_the_sample_is_the_same_zipped(ddxplus_data: Path, tmp_path: Path) -> None:
    for name in ("release_evidences.json", "release_conditions.json"):
        (tmp_path / name).write_bytes((ddxplus_data / name).read_bytes())
    content = (ddxplus_data / "release_validate_patients.csv").read_bytes()
    write_zip(tmp_path / "release_validate_patients.zip", ("release_validate_patients", content))
    assert read(tmp_path).examples == read(ddxplus_data).examples


def test_test_is_preferred_to_validate(tmp_path: Path) -> None:
    for split, age in [("train", 41), ("validate", 42), ("test", 43)]:
        release(tmp_path, patient(AGE=age), split=split)
    assert ages(read(tmp_path)) == ["43"]
    assert ages(read(tmp_path, split="auto")) == ["43"]


@pytest.mark.parametrize(("split", "age"), [("train", "41"), ("validate", "42"), ("test", "43")])
def test_a_split_can_be_chosen(split: str, age: str, tmp_path: Path) -> None:
    for name, years in [("train", 41), ("validate", 42), ("test", 43)]:
        release(tmp_path, patient(AGE=years), split=name)
    dataset = read(tmp_path, split=split)
    assert ages(dataset) == [age]
    assert dataset.split == split
    assert dataset.examples[0].id == f"{split}-0"


def test_train_is_never_read_unasked(tmp_path: Path) -> None:
    release(tmp_path, patient(), split="train")
    message = refusal(tmp_path)
    assert str(tmp_path) in message
    assert "release_test_patients" in message
    assert "split=train" in message


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    release(tmp_path, patient())
    assert "release_train_patients" in refusal(tmp_path, split="train")


def test_gold_is_the_differential_with_the_most_probable_first(tmp_path: Path) -> None:
    pairs = [["Influenza", 0.25], ["URTI", 0.7], ["Bronchitis", 0.01], ["Croup", 0.009]]
    dataset = read(release(tmp_path, patient(DIFFERENTIAL_DIAGNOSIS=pairs)))
    assert gold(dataset) == [[("URTI", 0.7), ("Influenza", 0.25), ("Bronchitis", 0.01)]]
    assert dataset.examples[0].meta["differential"] == [
        ("URTI", 0.7),
        ("Influenza", 0.25),
        ("Bronchitis", 0.01),
        ("Croup", 0.009),
    ]
    assert dataset.examples[0].truth == "URTI"
    assert dataset.examples[0].distribution is None


@pytest.mark.parametrize(
    ("min_prob", "left"), [(0.0, 4), (0.01, 3), (0.25, 2), (0.2500001, 1), (0.7, 1)]
)
def test_min_prob_cuts_the_differential(min_prob: float, left: int, tmp_path: Path) -> None:
    pairs = [["Influenza", 0.25], ["URTI", 0.7], ["Bronchitis", 0.01], ["Croup", 0.0]]
    dataset = read(release(tmp_path, patient(DIFFERENTIAL_DIAGNOSIS=pairs)), min_prob=min_prob)
    assert len(dataset.examples[0].gold) == left


def test_min_prob_that_leaves_nothing_names_the_row(tmp_path: Path) -> None:
    low = patient(DIFFERENTIAL_DIAGNOSIS=[["URTI", 0.5], ["Influenza", 0.5]])
    message = refusal(release(tmp_path, patient(), low), min_prob=0.6)
    assert "release_validate_patients.csv, row 3" in message
    assert "min_prob=0.6" in message
    assert "lower" in message


def test_gold_can_be_the_pathology_alone(tmp_path: Path) -> None:
    dataset = read(release(tmp_path, patient(PATHOLOGY="Influenza")), gold="pathology")
    assert gold(dataset) == [[("Influenza", None)]]
    assert dataset.exclusive


def test_the_choice_of_gold_does_not_change_the_questions(ddxplus_data: Path) -> None:
    questions = [
        [(e.id, e.question) for e in read(ddxplus_data, **options).examples]
        for options in ({}, {"gold": "pathology"}, {"min_prob": 0.05})
    ]
    assert questions[0] == questions[1] == questions[2]


BAD = {
    "AGE is not a number": ({"AGE": "old"}, "old"),
    "AGE is empty": ({"AGE": ""}, ""),
    "AGE is below zero": ({"AGE": "-3"}, "-3"),
    "SEX is not M or F": ({"SEX": "X"}, "SEX is 'X'"),
    "SEX is empty": ({"SEX": ""}, "SEX is ''"),
    "the differential is no list": (
        {"DIFFERENTIAL_DIAGNOSIS": "Influenza"},
        "DIFFERENTIAL_DIAGNOSIS is not a list",
    ),
    "the differential is cut off": (
        {"DIFFERENTIAL_DIAGNOSIS": "[['Influenza', 0.25], ['UR"},
        "DIFFERENTIAL_DIAGNOSIS is not a list",
    ),
    "the differential is a list of names": (
        {"DIFFERENTIAL_DIAGNOSIS": ["Influenza"]},
        "DIFFERENTIAL_DIAGNOSIS",
    ),
    "a probability is above 1": ({"DIFFERENTIAL_DIAGNOSIS": [["URTI", 1.5]]}, "1.5"),
    "a probability is below 0": ({"DIFFERENTIAL_DIAGNOSIS": [["URTI", -0.1]]}, "-0.1"),
    "a probability is no number": ({"DIFFERENTIAL_DIAGNOSIS": [["URTI", "high"]]}, "high"),
    "a condition has no name": (
        {"DIFFERENTIAL_DIAGNOSIS": [["", 0.5]]},
        "DIFFERENTIAL_DIAGNOSIS",
    ),
    "the evidence is no list": ({"EVIDENCES": "E_91"}, "EVIDENCES is not a list"),
    "an evidence is unknown": ({"EVIDENCES": ["E_91", "E_999"]}, "E_999"),
    "the value of an evidence is unknown": ({"EVIDENCES": ["E_53", "E_55_@_V_999"]}, "V_999"),
    "the value of an evidence is missing": ({"EVIDENCES": ["E_53", "E_56"]}, "E_56"),
    "the initial evidence is unknown": ({"INITIAL_EVIDENCE": "E_999"}, "E_999"),
    "the pathology is empty": ({"PATHOLOGY": " "}, "PATHOLOGY is empty"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_row_is_named_as_a_person_counts_it(what: str, tmp_path: Path) -> None:
    changes, told = BAD[what]
    rows = [patient(), patient(), patient(**changes), patient()]
    message = refusal(release(tmp_path, *rows))
    assert "release_validate_patients.csv, row 4: " in message
    assert told in message
    assert message.count("release_validate_patients.csv, row ") == 1


def test_all_bad_rows_are_told_at_once(tmp_path: Path) -> None:
    rows = [
        patient(),
        patient(AGE="old"),
        patient(SEX="X"),
        patient(),
        patient(DIFFERENTIAL_DIAGNOSIS=[["URTI", 1.5]]),
        patient(EVIDENCES=["E_999"]),
        patient(PATHOLOGY=""),
    ]
    first, *lines = refusal(release(tmp_path, *rows)).split("\n")
    assert first == "5 rows cannot be read:"
    place = "release_validate_patients.csv, row "
    assert [line.removeprefix(place).split(":")[0] for line in lines] == ["3", "4", "6", "7", "8"]


def test_very_many_bad_rows_are_counted_and_the_first_told(tmp_path: Path) -> None:
    message = refusal(release(tmp_path, *[patient(SEX="X")] * 200))
    assert message.startswith("200 rows cannot be read:\n")
    assert message.endswith("\nand 100 more")
    assert "row 101:" in message
    assert "row 102:" not in message


def test_a_single_bad_row_is_told_in_the_singular(tmp_path: Path) -> None:
    assert refusal(release(tmp_path, patient(SEX="X"))).startswith("1 row cannot be read:")


def test_a_row_below_an_empty_line_keeps_its_number(tmp_path: Path) -> None:
    path = release(tmp_path, patient(), patient(SEX="X")) / "release_validate_patients.csv"
    heading, good, bad = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(heading + good + b"\r\n" + bad)
    assert "release_validate_patients.csv, row 4: SEX is 'X'" in refusal(tmp_path)


def test_a_row_of_the_text_form_below_an_empty_line_keeps_its_number(tmp_path: Path) -> None:
    good, bad = (json.dumps({"question": text, "answers": "URTI"}) for text in (TEXTS[0], ""))
    (tmp_path / "a.jsonl").write_text(f"{good}\n\n{bad}\n", encoding="utf-8")
    assert "a.jsonl, line 3: " in refusal(tmp_path / "a.jsonl")


def test_a_row_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = release(tmp_path, patient(), patient()) / "release_validate_patients.csv"
    path.write_bytes(path.read_bytes()[:-60])
    assert "release_validate_patients.csv, row 3: " in refusal(tmp_path)


@pytest.mark.parametrize("name", ["release_validate_patients.csv", "a.csv"])
def test_a_web_page_in_place_of_a_csv_is_named(name: str, tmp_path: Path) -> None:
    """A line of it may be longer than any field that the csv module reads."""
    folder = release(tmp_path, patient())
    (folder / name).write_text(f"<html><script>{'x' * 200_000}</script></html>", encoding="utf-8")
    assert name in refusal(folder / name)


def corrupt(content: bytes) -> bytes:
    """Change bytes in the middle, so that a zip opens but its file cannot be unpacked."""
    start = len(content) // 3
    changed = bytes(byte ^ 0xFF for byte in content[start : start + 40])
    return content[:start] + changed + content[start + 40 :]


@pytest.mark.parametrize(
    "kind",
    ["png", "other columns", "not utf-8", "empty", "cut-off zip", "corrupt zip", "two files"],
)
@pytest.mark.parametrize("give", ["folder", "file"])
def test_a_patients_file_of_another_form_is_named(kind: str, give: str, tmp_path: Path) -> None:
    folder = release(tmp_path, *(patient(AGE=age) for age in range(20, 90)))
    path = folder / "release_validate_patients.csv"
    good = path.read_bytes()
    if kind == "other columns":
        write_csv(path, [{"name": "Ada", "age": 36}], ["name", "age"])
    elif kind == "two files":
        write_zip(path, ("release_validate_patients", good), ("notes.txt", b"Notes."))
    elif kind.endswith("zip"):
        whole = write_zip(path, ("release_validate_patients", good)).read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if kind == "cut-off zip" else corrupt(whole))
    else:
        latin = good.replace(b"URTI", "Guillain-Barré".encode("latin-1"))
        path.write_bytes({"png": PNG, "not utf-8": latin, "empty": b""}[kind])
    assert str(path) in refusal(folder if give == "folder" else path)


@pytest.mark.parametrize("content", [b"", b"not json", PNG, b"[]"])
def test_evidences_of_another_form_are_named(content: bytes, tmp_path: Path) -> None:
    release(tmp_path, patient())
    (tmp_path / "release_evidences.json").write_bytes(content)
    assert "release_evidences.json" in refusal(tmp_path)


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    message = refusal(tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in message
    assert "--data" in message


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    path.write_bytes(PNG)
    message = refusal(path)
    assert str(path) in message
    assert ".parquet" in message


TEXTS = ["A woman coughs.", "A man has a fever.\nHe rests."]
RANKED = [["URTI", "Influenza", "Bronchitis"], ["Influenza", "Croup"]]


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the form that the name of the file tells."""
    if path.name.endswith(".csv"):
        return write_csv(path, rows, list(rows[0]))
    if path.name.endswith(".jsonl"):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        path.write_text(lines, encoding="utf-8")
    elif path.name.endswith(".json"):
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        table = pa.Table.from_pylist(rows)
        new = pa.ipc.new_file if path.name.startswith("file") else pa.ipc.new_stream
        with new(path, table.schema) as writer:
            writer.write_table(table)
    return path


TABLES = ["a.csv", "a.jsonl", "a.json", "a.parquet", "stream.arrow", "file.arrow"]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("columns", [("question", "answers"), ("problem", "answer")])
def test_the_text_form_is_read(name: str, columns: tuple[str, str], tmp_path: Path) -> None:
    rows = [dict(zip(columns, pair, strict=True)) for pair in zip(TEXTS, RANKED, strict=True)]
    dataset = read(write_table(tmp_path / name, rows))
    assert [example.question for example in dataset.examples] == TEXTS
    assert gold(dataset) == [[(name, None) for name in ranked] for ranked in RANKED]
    assert [example.id for example in dataset.examples] == ["text-0", "text-1"]
    assert (dataset.split, dataset.source, dataset.exclusive) == ("text", name, False)
    assert dataset.examples[0].truth is None


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("['URTI', \"Crohn's disease\"]", [("URTI", None), ("Crohn's disease", None)]),
        ('["URTI", "Influenza"]', [("URTI", None), ("Influenza", None)]),
        ("[['Influenza', 0.3], ['URTI', 0.6]]", [("URTI", 0.6), ("Influenza", 0.3)]),
        ("[('Influenza', 0.3), ('URTI', 0.6)]", [("URTI", 0.6), ("Influenza", 0.3)]),
        ("Guillain-Barré syndrome", [("Guillain-Barré syndrome", None)]),
    ],
)
def test_answers_in_a_string_are_read(
    name: str, answers: str, expected: list[tuple[str, float | None]], tmp_path: Path
) -> None:
    rows = [{"question": TEXTS[0], "answers": answers}]
    assert gold(read(write_table(tmp_path / name, rows))) == [expected]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_pairs_with_probabilities_are_sorted_and_cut(name: str, tmp_path: Path) -> None:
    pairs = [["Influenza", 0.3], ["Croup", 0.009], ["URTI", 0.6]]
    rows = [{"question": TEXTS[0], "answers": pairs}]
    path = write_table(tmp_path / name, rows)
    assert gold(read(path)) == [[("URTI", 0.6), ("Influenza", 0.3)]]
    assert gold(read(path, min_prob=0.5)) == [[("URTI", 0.6)]]


def test_the_text_form_does_not_say_the_pathology(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.jsonl", [{"question": TEXTS[0], "answers": RANKED[0]}])
    message = refusal(path, gold="pathology")
    assert "a.jsonl, line 1" in message
    assert "gold=pathology" in message


def test_a_folder_with_one_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("A copy of the data.", encoding="utf-8")
    write_table(tmp_path / "data" / "a.parquet", [{"question": TEXTS[0], "answers": RANKED[0]}])
    assert read(tmp_path).examples[0].question == TEXTS[0]


@pytest.mark.parametrize("names", [[], ["a.csv", "b.jsonl"]])
def test_a_folder_with_no_table_or_two_is_refused(names: list[str], tmp_path: Path) -> None:
    for name in names:
        write_table(tmp_path / name, [{"question": TEXTS[0], "answers": "URTI"}])
    message = refusal(tmp_path)
    assert str(tmp_path) in message
    assert "release_evidences.json" in message
    assert f"{len(names)} tables" in message


BAD_TEXT = {
    "there is no text": ({"question": " "}, "empty"),
    "there is no answer": ({"answers": "[]"}, "no answer"),
    "an answer is empty": ({"answers": "['URTI', ' ']"}, "empty"),
    "the answers are cut off": ({"answers": "['URTI', 'Infl"}, "not a list"),
    "a probability is above 1": ({"answers": "[['URTI', 1.5]]"}, "1.5"),
    "a probability is no number": ({"answers": "[['URTI', 'high']]"}, "high"),
    "a pair has three parts": ({"answers": "[['URTI', 0.5, 1]]"}, "URTI"),
}


@pytest.mark.parametrize("what", BAD_TEXT)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_bad_row_of_the_text_form_is_named(what: str, name: str, tmp_path: Path) -> None:
    changes, told = BAD_TEXT[what]
    good = {"question": TEXTS[0], "answers": str(RANKED[0])}
    message = refusal(write_table(tmp_path / name, [good, good | changes, good]))
    # A csv has a heading, which is row 1.
    place = {"a.csv": "row 3", "a.jsonl": "line 2", "a.parquet": "row 2"}[name]
    assert f"{name}, {place}: " in message
    assert told in message


@pytest.mark.parametrize("name", TABLES)
def test_a_text_table_with_other_columns_is_named(name: str, tmp_path: Path) -> None:
    message = refusal(write_table(tmp_path / name, [{"name": "Ada", "age": 36}]))
    assert name in message
    assert "question, problem" in message


@pytest.mark.parametrize("name", TABLES)
def test_a_text_table_of_another_form_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(PNG)
    told = "a.jsonl, line 1: is not UTF-8" if name == "a.jsonl" else str(path)
    assert told in refusal(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.json", "stream.arrow", "file.arrow"])
def test_a_text_table_that_is_cut_off_is_named(name: str, tmp_path: Path) -> None:
    path = write_table(tmp_path / name, [{"question": TEXTS[0], "answers": RANKED[0]}])
    path.write_bytes(path.read_bytes()[:40])
    assert str(path) in refusal(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b'{"question": "A woman coughs.", "answers": ["URTI"]}'),
        ("a.json", b'["A woman coughs."]'),
        ("a.json", b"3"),
        ("a.jsonl", b'["A woman coughs.", "URTI"]\n'),
        ("a.jsonl", b'{"question": "A woman coughs.", "answers": 3}\n'),
    ],
)
def test_json_that_is_not_a_table_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert name in refusal(tmp_path / name)


def test_the_environment_tells_where_the_data_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path / "ddxplus", patient(AGE=41))
    monkeypatch.setenv("MARL_EVAL_DATA", str(tmp_path))
    assert ages(read(None)) == ["41"]


def test_a_path_that_is_given_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path / "ddxplus", patient(AGE=41))
    monkeypatch.setenv("MARL_EVAL_DATA", str(tmp_path))
    assert ages(read(release(tmp_path / "own", patient(AGE=42)))) == ["42"]


@pytest.mark.parametrize(
    ("source", "repository"),
    [("release", "aai530-group6/ddxplus"), ("text", "mehuldamani/medDataset_25k")],
)
def test_without_data_or_network_the_remedy_is_told_in_one_message(
    source: str, repository: str, tmp_path: Path
) -> None:
    code = (
        "from marl_eval.cli import main; import sys; "
        "sys.argv = ['marl-eval', 'run', '--model', 'reference:echo-gold', '--task', 'ddxplus', "
        f"'--task-args', 'source={source}', '--out', 'run']; main()"
    )
    kept = {name: value for name, value in os.environ.items() if name != "MARL_EVAL_DATA"}
    environment = kept | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("marl-eval: ")]
    assert len(told) == 1
    for part in ("--data", "MARL_EVAL_DATA/ddxplus", repository, "10.6084/m9.figshare"):
        assert part in told[0]
    assert not (tmp_path / "run" / "run.json").exists()


def accepted_names() -> list[tuple[str, str]]:
    return [(own, name) for own, names in english()["aliases"].items() for name in (own, *names)]


def test_every_accepted_name_is_a_key_of_its_condition() -> None:
    assert len(accepted_names()) > 300
    for own, name in accepted_names():
        assert key(name) == key(own) == normalize(own), name
        assert key(f"The {name.upper()}.") == normalize(own), name


def test_no_name_is_accepted_for_two_conditions() -> None:
    owners: dict[str, set[str]] = {}
    for own, name in accepted_names():
        owners.setdefault(normalize(name), set()).add(own)
    assert {name: owned for name, owned in owners.items() if len(owned) > 1} == {}


def test_no_name_is_listed_twice_for_a_condition() -> None:
    for own, names in english()["aliases"].items():
        every = [own.lower(), *(name.lower() for name in names)]
        assert len(set(every)) == len(every), own


def test_every_condition_of_the_release_has_accepted_names(ddxplus_data: Path) -> None:
    conditions = json.loads((ddxplus_data / "release_conditions.json").read_bytes())
    assert set(english()["aliases"]) == {c["cond-name-eng"] for c in conditions.values()}
    assert all(english()["aliases"].values())


def test_what_names_no_condition_is_its_own_key() -> None:
    assert key("Ulcerative Colitis") == "ulcerative colitis"
    assert key("acute asthma and pneumonia") == "acute asthma and pneumonia"
    assert key("") == ""


@pytest.mark.parametrize("options", [{}, {"split": "train"}, {"gold": "pathology"}])
def test_every_gold_answer_of_the_sample_is_right_by_each_of_its_names(
    options: dict[str, str], ddxplus_data: Path
) -> None:
    aliases = english()["aliases"]
    grade = ddxplus.TASK.grader()
    for example in read(ddxplus_data, **options).examples:
        answers, expected = [], []
        rank = {answer.answer: index for index, answer in enumerate(example.gold)}
        assert len(rank) == len(example.gold)
        for own, names in aliases.items():
            answers += [own, *names]
            expected += [rank.get(own, WRONG)] * (1 + len(names))
        assert list(grade(example, answers)) == expected, example.id
        assert set(rank) <= set(aliases)
