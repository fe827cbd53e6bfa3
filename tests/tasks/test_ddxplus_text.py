"""The English of DDXPlus patients: complete, readable, and without a hint of the diagnosis."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from marl_eval.answers import AnswerFormat, instructions
from marl_eval.normalization import normalize
from marl_eval.tasks import ddxplus
from marl_eval.tasks.ddxplus_text import Patient, describe, english
from marl_eval.types import Example

Evidences = dict[str, Any]
Told = list[tuple[dict[str, str], Example]]

YES_NO = {"V_10", "V_12"}
CODE = re.compile(r"\b[EV]_\d|_@_")
FEMALE = re.compile(r"\b(she|her|hers|herself|girl|woman)\b", re.IGNORECASE)
MALE = re.compile(r"\b(he|his|him|himself|boy|man)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def evidences(ddxplus_data: Path) -> Evidences:
    content: Evidences = json.loads((ddxplus_data / "release_evidences.json").read_bytes())
    return content


@pytest.fixture(scope="module")
def told(ddxplus_data: Path) -> Told:
    pairs: Told = []
    for split in ("validate", "train"):
        examples = load(ddxplus_data, split=split)
        with (ddxplus_data / f"release_{split}_patients.csv").open(encoding="utf-8") as file:
            pairs += zip(csv.DictReader(file), examples, strict=True)
    return pairs


def load(folder: Path, **options: str) -> list[Example]:
    return list(ddxplus.load(folder, ddxplus.Options.model_validate(options)).examples)


def codes(row: dict[str, str]) -> dict[str, list[str]]:
    """Give the values of each evidence of a patient."""
    found: dict[str, list[str]] = {}
    for item in json.loads(row["EVIDENCES"].replace("'", '"')):
        code, _, value = item.partition("_@_")
        found.setdefault(code, []).extend([value] if value else [])
    return found


def items(text: str) -> list[str]:
    """Give the lines of the two lists."""
    return [line for line in text.split("\n")[1:] if line not in ("Symptoms:", "History:")]


def assert_readable(text: str, sex: str) -> None:
    assert not CODE.search(text), text
    assert "{" not in text, text
    assert "}" not in text, text
    for line in text.split("\n"):
        assert "  " not in line.lstrip(), text
        assert line == line.rstrip(), text
    assert not (MALE if sex == "F" else FEMALE).search(text), text


def every_coded_patient(evidences: Evidences) -> Iterator[Patient]:
    """Make patients that between them have every code with every value, for both sexes."""
    for sex in "FM":
        for code, about in evidences.items():
            parent = [about["code_question"]] if about["code_question"] in evidences else []
            values = [f"_@_{value}" for value in about["possible-values"]] or [""]
            initial = code if about["data_type"] == "B" else "E_91"
            for value in values:
                yield Patient(40, sex, (*parent, f"{code}{value}"), initial)


def test_all_patients_of_the_sample_are_told(told: Told) -> None:
    assert [example.id for _, example in told] == [
        *(f"validate-{i}" for i in range(588)),
        *(f"train-{i}" for i in range(98)),
    ]
    for row, example in told:
        opening, symptoms = example.question.split("\n")[:2]
        who = "less than a year old" if row["AGE"] == "0" else f" {row['AGE']}-year-old "
        assert who in opening
        assert ". Reason for the visit: " in opening
        assert symptoms == "Symptoms:"
        assert example.question.count("\nHistory:\n") == 1


def test_every_evidence_has_words(evidences: Evidences) -> None:
    words = english()
    assert [
        c for c in evidences if c not in words["statements"] and c not in words["details"]
    ] == []
    for code, about in evidences.items():
        assert (code in words["statements"]) == (about["data_type"] == "B"), code


def test_no_two_evidences_have_the_same_words() -> None:
    statements = english()["statements"]
    assert len(set(statements.values())) == len(statements)


def test_every_value_has_a_word(evidences: Evidences) -> None:
    words = english()
    for code, about in evidences.items():
        coded = [v for v in about["possible-values"] if isinstance(v, str)]
        for value in coded:
            if value in YES_NO:
                assert words["details"][code]["kind"] in ("yesno", "travel")
            else:
                assert words["values"][value]
        listed = [words["values"][v] for v in coded if v not in YES_NO]
        assert len(set(listed)) == len(listed), code


def test_sides_of_the_body_are_the_ones_of_the_data(evidences: Evidences) -> None:
    sides = {"(R)": ("right", "left"), "(L)": ("left", "right")}
    checked = 0
    for about in evidences.values():
        for value, meaning in about["value_meaning"].items():
            if meaning["en"][-3:] in sides:
                same, other = sides[meaning["en"][-3:]]
                told_as = english()["values"][value].split()
                assert same in told_as
                assert other not in told_as
                checked += 1
    assert checked > 100


def test_every_code_and_value_renders_without_traces_of_the_coding(evidences: Evidences) -> None:
    for patient in every_coded_patient(evidences):
        text = describe(patient, evidences)
        assert_readable(text, patient.sex)
        assert all(re.fullmatch(r"- [A-Z].*\.|- None reported.|- Nothing of note.", line)
                   for line in items(text)), text  # fmt: skip


def test_patients_are_told_without_traces_of_the_coding(told: Told) -> None:
    for row, example in told:
        assert_readable(example.question, row["SEX"])


def test_each_line_of_the_lists_is_a_sentence(told: Told) -> None:
    for _, example in told:
        for line in items(example.question):
            assert re.fullmatch(r"- [A-Z].*[^.]\.", line), line


def test_no_line_is_told_twice(told: Told) -> None:
    for _, example in told:
        lines = items(example.question)
        assert len(set(lines)) == len(lines), example.question


def test_details_are_told_under_what_they_are_details_of(told: Told, evidences: Evidences) -> None:
    words = english()
    checked = 0
    for row, example in told:
        values = codes(row)
        lines = items(example.question)
        for code in values:
            parent = evidences[code]["code_question"]
            if parent == code or parent not in values:
                continue
            label = str(words["details"][code]["label"])
            heading = statement(parent, row["SEX"])
            under = [line for line in lines if line.startswith(f"- {heading}")]
            assert len(under) == 1
            if words["details"][code]["kind"] in ("place", "quality", "colour", "scale"):
                shown = any(v != words["details"][code].get("absent") for v in values[code])
                present = f"{heading} " in under[0] and f" {capital(label)}: " in under[0]
                assert present == shown
            assert not any(line.startswith(f"- {capital(label)}") for line in lines)
            checked += 1
    assert checked > 1000


def test_default_details_are_not_told_of_patients_without_their_parent(
    told: Told, evidences: Evidences
) -> None:
    checked = 0
    for row, example in told:
        values = codes(row)
        for code, listed in values.items():
            about = evidences[code]
            parent = about["code_question"]
            if parent == code or parent in values or about["data_type"] == "B":
                continue
            assert listed == [str(about["default_value"])]
            assert capital(english()["details"][code]["label"]) not in example.question
            checked += 1
    assert checked > 100


def test_evidence_goes_to_symptoms_or_history_as_the_data_says(
    told: Told, evidences: Evidences
) -> None:
    for row, example in told:
        symptoms, history = example.question.split("\nHistory:\n")
        for code in codes(row):
            if code in english()["statements"]:
                where = history if evidences[code]["is_antecedent"] else symptoms
                assert f"\n- {statement(code, row['SEX'])}" in f"\n{where}", code


def statement(code: str, sex: str) -> str:
    """Give the sentence of a yes/no evidence."""
    return capital(filled(english()["statements"][code], sex)) + "."


def filled(clause: str, sex: str) -> str:
    she, her, them = ("she", "her", "her") if sex == "F" else ("he", "his", "him")
    return clause.replace("{she}", she).replace("{her}", her).replace("{them_obj}", them)


def capital(text: str) -> str:
    return text[0].upper() + text[1:]


def test_a_child_is_told_as_expected(evidences: Evidences) -> None:
    evidence = ("E_201", "E_91", "E_48", "E_209", "E_204_@_V_10")
    assert describe(Patient(8, "F", evidence, "E_201"), evidences) == (
        "An 8-year-old girl. Reason for the visit: she has a cough.\n"
        "Symptoms:\n"
        "- She has a cough.\n"
        "- She has a fever, either felt or measured with a thermometer.\n"
        "History:\n"
        "- She lives with 4 or more people.\n"
        "- She is up to date with her vaccinations.\n"
        "- She has not traveled out of the country in the last 4 weeks."
    )


def test_a_baby_is_told_as_expected(evidences: Evidences) -> None:
    evidence = ("E_66", "E_32", "E_67", "E_53", "E_55_@_V_123", "E_56_@_0", "E_160")
    assert describe(Patient(0, "M", evidence, "E_66"), evidences) == (
        "A baby boy less than a year old. Reason for the visit: he has significant shortness of "
        "breath or difficulty breathing.\n"
        "Symptoms:\n"
        "- He has significant shortness of breath or difficulty breathing.\n"
        "- He has a decreased appetite or is feeding less.\n"
        "- He has bouts of choking or shortness of breath that wake him at night.\n"
        "- He has pain related to this visit. Intensity: 0 out of 10 (0 none, 10 worst possible).\n"
        "History:\n"
        "- He was born prematurely or had a complication at birth."
    )


def test_a_man_whose_pain_radiates_is_told_as_expected(evidences: Evidences) -> None:
    evidence = (
        "E_53", "E_54_@_V_183", "E_54_@_V_198", "E_55_@_V_29", "E_55_@_V_56", "E_56_@_7",
        "E_57_@_V_31", "E_57_@_V_121", "E_58_@_3", "E_59_@_10", "E_50", "E_79", "E_204_@_V_10",
    )  # fmt: skip
    assert describe(Patient(58, "M", evidence, "E_53"), evidences) == (
        "A 58-year-old man. Reason for the visit: he has pain.\n"
        "Symptoms:\n"
        "- He has pain related to this visit. Character: heavy, exhausting. Location: lower chest, "
        "left side of the chest. Intensity: 7 out of 10 (0 none, 10 worst possible). "
        "Radiates to: left biceps, jaw. "
        "Precision of location: 3 out of 10 (0 diffuse, 10 precisely located). "
        "Onset: 10 out of 10 (0 gradual, 10 sudden).\n"
        "- He has had significantly increased sweating.\n"
        "History:\n"
        "- He smokes cigarettes.\n"
        "- He has not traveled out of the country in the last 4 weeks."
    )


def test_a_traveller_is_told_as_expected(evidences: Evidences) -> None:
    evidence = ("E_204_@_V_8", "E_129", "E_130_@_V_157", "E_131_@_V_12", "E_132_@_4",
                "E_133_@_V_119", "E_134_@_0", "E_135_@_V_10", "E_136_@_9", "E_73")  # fmt: skip
    assert describe(Patient(34, "F", evidence, "E_129"), evidences) == (
        "A 34-year-old woman. Reason for the visit: she has skin lesions, redness or another skin "
        "problem that she believes is related to the condition she is seeking care for.\n"
        "Symptoms:\n"
        "- She has skin lesions, redness or another skin problem that she believes is related to "
        "the condition she is seeking care for. Color of the lesions: red. Lesions that peel. "
        "Elevation of the lesions: 4 out of 10 (0 flat, 10 markedly raised). "
        "Location of the lesions: right calf. "
        "Intensity of the pain from the lesions: 0 out of 10 (0 none, 10 worst possible). "
        "Lesions not larger than 1 cm. "
        "Severity of the itching: 9 out of 10 (0 none, 10 worst possible).\n"
        "History:\n"
        "- She has traveled to the Caribbean in the last 4 weeks.\n"
        "- She has been in contact with someone infected with the Ebola virus in the last month."
    )


def test_pain_that_does_not_radiate_is_told_as_such(evidences: Evidences) -> None:
    text = describe(Patient(30, "F", ("E_53", "E_57_@_V_123"), "E_53"), evidences)
    assert items(text)[0] == "- She has pain related to this visit. Does not radiate."


@pytest.mark.parametrize(
    ("age", "sex", "who"),
    [
        (0, "F", "A baby girl less than a year old"),
        (1, "M", "A 1-year-old boy"),
        (11, "M", "An 11-year-old boy"),
        (17, "F", "A 17-year-old girl"),
        (18, "F", "An 18-year-old woman"),
        (79, "M", "A 79-year-old man"),
        (80, "M", "An 80-year-old man"),
        (89, "F", "An 89-year-old woman"),
        (90, "F", "A 90-year-old woman"),
        (108, "F", "A 108-year-old woman"),
    ],
)
def test_age_and_sex_open_the_text(age: int, sex: str, who: str, evidences: Evidences) -> None:
    text = describe(Patient(age, sex, ("E_91",), "E_91"), evidences)
    assert text.startswith(f"{who}. Reason for the visit: ")


NEWER: Evidences = {
    code: {
        "code_question": parent,
        "is_antecedent": False,
        "data_type": kind,
        "default_value": 0,
        "question_en": question,
        "value_meaning": {"V_1000": {"en": "in the garden"}},
    }
    for code, parent, kind, question in [
        ("E_1000", "E_1000", "B", "Do you hiccup?"),
        ("E_1001", "E_1000", "B", "Does it happen at night?"),
        ("E_1002", "E_1000", "M", "Where does it happen?"),
    ]
}


def test_evidence_of_a_newer_release_is_told_by_the_question_of_the_data() -> None:
    evidence = ("E_1002_@_V_1000", "E_1001", "E_1000")
    assert describe(Patient(30, "M", evidence, "E_1000"), NEWER).split("\n") == [
        'A 30-year-old man. Reason for the visit: asked "Do you hiccup?", yes.',
        "Symptoms:",
        '- Asked "Do you hiccup?", yes. Where does it happen? in the garden.',
        '  - Asked "Does it happen at night?", yes.',
        "History:",
        "- Nothing of note.",
    ]


def test_a_nested_yes_or_no_without_its_parent_is_told_on_its_own() -> None:
    text = describe(Patient(30, "M", ("E_1001",), "E_1001"), NEWER)
    assert items(text)[0] == '- Asked "Does it happen at night?", yes.'


def test_neither_the_pathology_nor_the_differential_changes_the_text(
    ddxplus_data: Path, tmp_path: Path, told: Told
) -> None:
    shutil.copy(ddxplus_data / "release_evidences.json", tmp_path)
    rows = [row for row, example in told if example.id.startswith("validate")]
    with (tmp_path / "release_validate_patients.csv").open(
        "w", encoding="utf-8", newline=""
    ) as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            other = {"PATHOLOGY": "Ebola", "DIFFERENTIAL_DIAGNOSIS": "[['Ebola', 1.0]]"}
            writer.writerow(row | other)
    changed = load(tmp_path)
    assert [example.gold[0].answer for example in changed] == ["Ebola"] * len(rows)
    before = [e.question.encode() for _, e in told if e.id.startswith("validate")]
    assert [e.question.encode() for e in changed] == before


# By evidence and condition, the words of the data's own question that name the condition, be it by
# an abbreviation, an everyday name or its plain root. "Fluid in your lungs" is the everyday name of
# pulmonary edema, and the French "otite" is otitis.
NAMED_BY_THE_QUESTION: dict[str, dict[str, str]] = {
    "E_1": {"Acute otitis media": "otite"},
    "E_2": {"HIV (initial infection)": "HIV"},
    "E_3": {"Pericarditis": "pericarditis"},
    "E_4": {"Croup": "croup"},
    "E_5": {"Acute pulmonary edema": "fluid in your lungs"},
    "E_21": {"Spontaneous pneumothorax": "spontaneous pneumothorax"},
    "E_24": {"Anemia": "anemia"},
    "E_25": {"Cluster headache": "cluster headaches"},
    "E_26": {"Anemia": "anemia"},
    "E_28": {"Myasthenia gravis": "myasthenia gravis"},
    "E_31": {"Acute COPD exacerbation / infection": "COPD"},
    "E_40": {"Whooping cough": "pertussis"},
    "E_46": {"Bronchospasm / acute asthma exacerbation": "asthma attacks"},
    "E_72": {"Acute COPD exacerbation / infection": "flare ups of chronic obstructive pulmonary"},
    "E_73": {"Ebola": "Ebola"},
    "E_86": {"Allergic sinusitis": "hay fever"},
    "E_87": {"Bronchospasm / acute asthma exacerbation": "asthma"},
    "E_101": {"Bronchospasm / acute asthma exacerbation": "asthma attack"},
    "E_105": {
        "Unstable angina": "angina",
        "Stable angina": "angina",
        "Possible NSTEMI / STEMI": "heart attack",
    },
    "E_116": {"URTI": "cold"},
    "E_118": {"Pneumonia": "pneumonia"},
    "E_119": {"Chronic rhinosinusitis": "chronic sinusitis"},
    "E_123": {"Acute COPD exacerbation / infection": "COPD"},
    "E_124": {"Bronchospasm / acute asthma exacerbation": "asthma"},
    "E_125": {"GERD": "gastroesophageal reflux"},
    "E_142": {"Bronchospasm / acute asthma exacerbation": "asthma"},
    "E_165": {"Spontaneous pneumothorax": "pneumothorax"},
    "E_189": {"HIV (initial infection)": "HIV"},
    "E_223": {"Pancreatic neoplasm": "pancreatic cancer"},
    "E_224": {"Pulmonary neoplasm": "lung cancer"},
}

# What would give a condition away without being one of its accepted names.
TELLING = re.compile(
    r"\b(asthma|copd|chronic obstructive|reflux|gerd|hiv|immunodeficiency virus|pneumothorax|"
    r"collapsed lung|sinusitis|an(a)?emi|angina|heart attack|infarct|myasthenia|pertussis|whooping|"
    r"croup|otitis|ear infection|pneumonia|ebola|pericardi|myocardi|cluster headache|embol|lupus|"
    r"tubercul|influenza|flu\b|grippe|bronchitis|bronchiol|bronchiect|bronchospasm|chagas|trypanosom|"
    r"scombro|histamine|anaphyla|laryng|epiglott|pharyngitis|sarcoid|dystoni|panic|neoplasm|"
    r"lung cancer|pancreatic cancer|guillain|inguinal hernia|boerhaave|rib fracture|fibrillation|"
    r"tachycardia|edema|oedema|fluid in the lungs|cold\b|hay fever|sjögren)",
    re.IGNORECASE,
)


def test_the_table_of_named_conditions_is_the_one_checked_here() -> None:
    table = english()["named_conditions"]
    assert {code: set(named) for code, named in table.items()} == {
        code: set(named) for code, named in NAMED_BY_THE_QUESTION.items()
    }


@pytest.mark.parametrize("code", NAMED_BY_THE_QUESTION)
def test_the_question_of_the_data_itself_names_the_conditions(
    code: str, evidences: Evidences
) -> None:
    asked = f"{evidences[code]['question_en']} {evidences[code]['question_fr']}".lower()
    for word in NAMED_BY_THE_QUESTION[code].values():
        assert re.search(rf"\b{re.escape(word.lower())}\b", asked), word


@pytest.mark.parametrize("table", ["statements", "reasons", "details"])
def test_only_evidence_that_must_tells_of_a_condition(table: str) -> None:
    words = english()
    for code, entry in words[table].items():
        if TELLING.search(str(entry)) or conditions_named(str(entry)):
            assert code in words["named_conditions"], entry


def test_no_value_names_a_condition() -> None:
    for word in english()["values"].values():
        assert not conditions_named(word)
        assert not TELLING.search(word)


def test_no_prompt_names_a_condition_but_where_the_data_itself_asks_for_it(told: Told) -> None:
    allowed = english()["named_conditions"]
    met = set()
    for row, example in told:
        for number, line in enumerate(example.question.split("\n")):
            for condition in conditions_named(line):
                sources = [row["INITIAL_EVIDENCE"]] if number == 0 else codes(row)
                told_by = [c for c in sources if sentence_of(c, row["SEX"], number) in line]
                assert any(condition in allowed.get(c, ()) for c in told_by), (example.id, line)
                met.add(condition)
    assert len(met) >= 15


def sentence_of(code: str, sex: str, line: int) -> str:
    """Give what an evidence makes of a line: the end of the first, the whole of any other."""
    if code not in english()["statements"]:
        return "no yes/no evidence"
    told_as = statement(code, sex)
    return f": {told_as[0].lower()}{told_as[1:]}" if line == 0 else f"- {told_as}"


def test_the_instructions_name_no_condition() -> None:
    asked = instructions(AnswerFormat(k=3, noun=ddxplus.TASK.noun, analysis=True))
    assert not conditions_named(asked)


def test_a_name_in_the_middle_of_a_line_would_be_found() -> None:
    assert conditions_named("- She has Guillain-Barré syndrome/lupus, or the flu.") == {
        "Guillain-Barré syndrome",
        "SLE",
    }
    assert conditions_named("- She might have had a pulmonary embolism.") == {"Pulmonary embolism"}


@cache
def conditions_named(text: str) -> frozenset[str]:
    """Give the conditions of which a name, or an alias of four letters or more, is in a text."""
    padded = [f" {form} " for form in forms(text)]
    return frozenset(
        condition
        for condition, names in condition_names().items()
        if any(name in form for name in names for form in padded)
    )


@cache
def condition_names() -> dict[str, set[str]]:
    return {
        condition: {
            f" {form} "
            for name in (condition, *(a for a in aliases if sum(map(str.isalpha, a)) >= 4))
            for form in forms(name)
        }
        for condition, aliases in english()["aliases"].items()
    }


def forms(text: str) -> set[str]:
    """Normalise a text in the way answers are, with marks left out, and with marks as spaces."""
    return {normalize(text), normalize(re.sub(r"[^\w\s]", " ", text))}
