"""A DDXPlus patient as English text, from the coded evidence.

The words are in ``ddxplus_english.toml``; an evidence that it does not know (a newer release) is
told by the data's own question. Nothing but age, sex and evidence is told: neither the pathology nor
the differential is looked at.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_PRONOUNS = {
    "F": {"she": "she", "her": "her", "them_obj": "her", "herself": "herself", "hers": "hers"},
    "M": {"she": "he", "her": "his", "them_obj": "him", "herself": "himself", "hers": "his"},
}
_ADULT = 18


@cache
def english() -> dict[str, Any]:
    """Load the words."""
    text = (files("marl_eval.tasks") / "ddxplus_english.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@dataclass(frozen=True, slots=True)
class Patient:
    """One row of the release files, as coded: ``evidence`` holds codes with ``_@_`` values."""

    age: int
    sex: str
    evidence: tuple[str, ...]
    initial: str


def describe(patient: Patient, evidences: Mapping[str, Any]) -> str:
    """Describe a patient: who, why they came, symptoms, history.

    Args:
        patient: the coded patient.
        evidences: ``release_evidences.json`` as read.

    Every evidence of the patient must be in ``evidences``.
    """
    values = _values(patient.evidence)
    symptoms: list[str] = []
    history: list[str] = []
    for code in values:
        parent = evidences[code]["code_question"]
        if parent != code and (parent in values or _is_default(values[code], evidences[code])):
            continue
        lines = _told(code, patient, values, evidences)
        (history if evidences[code]["is_antecedent"] else symptoms).extend(lines)
    reason = english()["reasons"].get(patient.initial)
    if reason is None:
        reason = _clause(patient.initial, evidences)
    return "\n".join(
        [
            f"{_who(patient)}. Reason for the visit: {_filled(reason, patient)}.",
            "Symptoms:",
            *(symptoms or ["- None reported."]),
            "History:",
            *(history or ["- Nothing of note."]),
        ]
    )


def _values(evidence: Sequence[str]) -> dict[str, list[str]]:
    """Map each code to its values, none for a yes/no evidence, in order of appearance."""
    values: dict[str, list[str]] = {}
    for item in evidence:
        code, _, value = item.partition("_@_")
        listed = values.setdefault(code, [])
        if value:
            listed.append(value)
    return values


def _is_default(values: Sequence[str], evidence: Mapping[str, Any]) -> bool:
    """Whether a detail holds only the value that is recorded where its parent does not apply.

    Such details of pain, lesions and swelling are listed for some patients who have none of these;
    told alone they would say nothing of the patient and hint at how the data was made.
    """
    return evidence["data_type"] != "B" and list(values) == [str(evidence["default_value"])]


def _who(patient: Patient) -> str:
    female = patient.sex == "F"
    if patient.age < 1:
        return f"A baby {'girl' if female else 'boy'} less than a year old"
    young, grown = ("girl", "woman") if female else ("boy", "man")
    noun = young if patient.age < _ADULT else grown
    article = "An" if patient.age in (8, 11, 18) or 80 <= patient.age < 90 else "A"
    return f"{article} {patient.age}-year-old {noun}"


def _told(
    code: str, patient: Patient, values: Mapping[str, list[str]], evidences: Mapping[str, Any]
) -> list[str]:
    """Tell one evidence with all that is nested under it, as lines of a list."""
    children = [c for c in values if c != code and evidences[c]["code_question"] == code]
    if evidences[code]["data_type"] != "B":
        told = _value_clause(code, values[code], evidences)
        return [f"- {_sentence(told, patient)}"] if told else []
    line = f"- {_sentence(_clause(code, evidences), patient)}"
    nested = []
    for child in children:
        if evidences[child]["data_type"] == "B":
            nested.append(f"  - {_sentence(_clause(child, evidences), patient)}")
        else:
            told = _value_clause(child, values[child], evidences)
            line += f" {_sentence(told, patient)}" if told else ""
    return [line, *nested]


def _clause(code: str, evidences: Mapping[str, Any]) -> str:
    known: str | None = english()["statements"].get(code)
    return known if known is not None else f'asked "{evidences[code]["question_en"]}", yes'


def _value_clause(code: str, values: Sequence[str], evidences: Mapping[str, Any]) -> str | None:
    """Tell a value or several; None where the value says that there is nothing to tell."""
    words = english()
    detail = words["details"].get(code)
    if detail is None:
        meanings = evidences[code]["value_meaning"]
        told = ", ".join(meanings[v]["en"] if v in meanings else v for v in values)
        return f"{evidences[code]['question_en']} {told}"
    listed = [v for v in values if v != detail.get("absent")]
    if detail["kind"] == "scale":
        return _scale(detail, values[0])
    if detail["kind"] in ("yesno", "travel"):
        value = values[0]
        if detail["kind"] == "yesno":
            answer: str = detail["yes"] if value == "V_12" else detail["no"]
            return answer
        place = words["values"].get(value)
        clause: str = detail["no"] if place is None else detail["yes"].replace("{value}", place)
        return clause
    if not listed:
        absent: str | None = detail.get("absent_as")
        return absent
    return f"{detail['label']}: {', '.join(words['values'].get(v, v) for v in listed)}"


def _scale(detail: Mapping[str, str], value: str) -> str:
    ends = f" (0 {detail['low']}, 10 {detail['high']})"
    return f"{detail['label']}: {value} out of 10{ends}"


def _filled(clause: str, patient: Patient) -> str:
    for name, word in _PRONOUNS[patient.sex].items():
        clause = clause.replace(f"{{{name}}}", word)
    return clause


def _sentence(clause: str, patient: Patient) -> str:
    filled = _filled(clause, patient)
    return f"{filled[0].upper()}{filled[1:]}."
