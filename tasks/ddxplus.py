"""DDXPlus: a differential diagnosis for a patient told in English.

Source: Fansi Tchango et al., "DDXPlus: A New Dataset For Automatic Medical Diagnosis", NeurIPS 2022,
arXiv:2205.09148; data CC-BY. Read from the official English release files (csv, or the published zip
files), or from the 25k text rendering of multi-answer RL (``mehuldamani/medDataset_25k``).

An answer is right if it names a condition of the gold set, by the data's own name for it or by another
name that physicians use for the same condition (``ddxplus_english.toml``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from marl_eval.data_source import local_data
from marl_eval.normalization import normalize
from marl_eval.task import Card, Dataset, Task, TaskOptions
from marl_eval.tasks.ddxplus_25k import HUB_TEXT, read_text, read_text_hub
from marl_eval.tasks.ddxplus_release import (
    HUB_RELEASE,
    read_release,
    read_release_hub,
    release_folder,
)
from marl_eval.tasks.ddxplus_rows import REMEDY, Case
from marl_eval.tasks.ddxplus_text import english
from marl_eval.types import Example, Gold

VERSION = "1"
"""Raised whenever the rendering or the accepted names change."""


class Options(TaskOptions):
    """What is read, and what counts as right."""

    split: Literal["auto", "test", "validate", "train"] = Field(
        "auto", description="auto: test, or validate where there is no test"
    )
    gold: Literal["differential", "pathology"] = Field(
        "differential", description="every condition of the differential, or the one true pathology"
    )
    min_prob: float = Field(
        0.01, ge=0, le=1, description="least probability of a condition in the differential"
    )
    source: Literal["release", "text"] = Field(
        "release", description="what to take from the Hub: the release, or the 25k text rendering"
    )


@cache
def _names() -> dict[str, str]:
    """Map every accepted name, normalised, to the data's own name, normalised."""
    names: dict[str, str] = {}
    for condition, aliases in english()["aliases"].items():
        own = normalize(condition)
        names[own] = own
        for alias in aliases:
            names[normalize(alias)] = own
    return names


@lru_cache(maxsize=1 << 16)
def key(answer: str) -> str:
    """Give the condition that an answer names, or the normalised answer if it names none."""
    normal = normalize(answer)
    return _names().get(normal, normal)


def load(data: Path | None, options: Options) -> Dataset:
    """Read the patients.

    Looked for, in this order: ``data``, the folder ``ddxplus`` in ``MARL_EVAL_DATA``, the Hub.
    """
    data = local_data("ddxplus", data)
    make = partial(_example, options=options)
    if data is None:
        split, examples = _from_hub(options, make)
        name = HUB_TEXT if options.source == "text" else HUB_RELEASE
    elif release_folder(data) is not None:
        split, name, examples = read_release(data, options.split, make)
    else:
        split, name, examples = "text", data.name, read_text(data, make)
    return Dataset(
        examples=[replace(one, id=f"{split}-{count}") for count, one in enumerate(examples)],
        version=VERSION,
        split=split,
        licence="CC-BY-4.0",
        source=name,
        exclusive=options.gold == "pathology",
    )


def _from_hub(options: Options, make: Callable[[Case], Example]) -> tuple[str, list[Example]]:
    if options.source == "text":
        return "text", read_text_hub(make)
    split = "test" if options.split == "auto" else options.split
    return split, read_release_hub(split, make)


def _example(case: Case, options: Options) -> Example:
    """Make an example, still without its id.

    Raises:
        ValueError: if the case does not have what the options ask for.
    """
    differential = sorted(case.differential, key=lambda pair: -(pair[1] or 0))
    if options.gold == "pathology":
        if case.pathology is None:
            raise ValueError("does not say the pathology; leave out gold=pathology")
        gold = [Gold(case.pathology)]
    else:
        gold = [
            Gold(name, weight=probability)
            for name, probability in differential
            if probability is None or probability >= options.min_prob
        ]
        if not gold:
            raise ValueError(
                f"no condition has a probability of at least min_prob={options.min_prob}; lower it"
            )
    return Example(
        id="",
        question=case.text,
        gold=tuple(gold),
        meta={"differential": differential},
        truth=case.pathology,
    )


CARD = Card(
    asks="a diagnosis for a synthetic patient, told in English from the coded evidence: age, sex, "
    "reason for the visit, symptoms, history. Neither pathology nor differential is looked at for that.",
    gold="every condition of the differential with a probability of at least `min_prob`, weighted by "
    "it; or the pathology alone (`gold=pathology`, then exactly one answer is right).",
    grading="by the condition that an answer names: the data's own name for it, or another name that "
    "physicians use (`tasks/ddxplus_english.toml`).",
    data=f"DDXPlus, Fansi Tchango et al. 2022, arXiv:2205.09148; CC BY 4.0; Hub: `{HUB_RELEASE}`. "
    f"{REMEDY} The 25k text rendering of multi-answer RL (`{HUB_TEXT}`) is read too, as csv, jsonl, "
    "json, parquet or arrow, or from the Hub with `source=text`; it does not have the "
    "pathology, and where it has ranks without probabilities the metrics of weights are left out.",
    limits="49 conditions, and a differential made by a rule-based system, not by physicians. The "
    "patients are synthetic: results say nothing of real ones. A right diagnosis under a name that the "
    "list does not have counts as wrong.",
    sample=lambda: _example(
        Case(
            text="A 40-year-old woman. Reason for the visit: she has a cough.\nSymptoms:\n"
            "- She has a cough.\n- She has a fever.\nHistory:\n- She smokes.",
            differential=[("URTI", 0.7), ("Influenza", 0.25), ("Bronchitis", 0.05)],
            pathology="URTI",
        ),
        Options(),
    ),
)


TASK = Task(
    name="ddxplus",
    description="Differential diagnosis of synthetic patients (Fansi Tchango et al. 2022)",
    noun="diagnosis",
    load=load,
    options=Options,
    train_args={"split": "train"},
    key=key,
    card=CARD,
)
