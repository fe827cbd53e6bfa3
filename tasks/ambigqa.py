"""AmbigQA: an answer to a question that can be read in several ways.

Source: Min et al., "AmbigQA: Answering Ambiguous Open-domain Questions", EMNLP 2020, arXiv:2004.10645;
the data set AmbigNQ, CC BY-SA 3.0. Read from the official light or full files or from the Hub.

There is one gold answer for each reading; the other strings that the data gives for it are its aliases,
so two names of one reading are one answer. How the annotators of a question are brought together is
told in ``ambigqa_readings``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from marl_eval.data_source import Published, read_published
from marl_eval.normalization import name_key
from marl_eval.rows import Row, records, text, texts, within
from marl_eval.task import Card, Dataset, Task, TaskOptions
from marl_eval.tasks.ambigqa_readings import Reading, merge
from marl_eval.types import Example

VERSION = "1"
"""Raised whenever the wording of the question or the merging of annotators changes."""

PUBLISHED = Published(
    task="ambigqa",
    files={"dev": ("dev_light.json", "dev.json"), "train": ("train_light.json", "train.json")},
    repository="sewon/ambig_qa",
    hub={"dev": ("light", "validation"), "train": ("light", "train")},
    remedy=(
        "Get it with `curl -LO https://nlp.cs.washington.edu/ambigqa/data/ambignq_light.zip` "
        "and give it with --data ambignq_light.zip."
    ),
)

Annotators = Literal["all", "first"]


class Options(TaskOptions):
    """What is read, and whose readings count."""

    split: Literal["auto", "dev", "train"] = Field(
        "auto", description="auto: dev, or train where there is no dev"
    )
    annotators: Annotators = Field(
        "all", description="whose readings count: those of all annotators, or of the first alone"
    )


def load(data: Path | None, options: Options) -> Dataset:
    """Read the questions: from ``data``, the folder ``ambigqa`` in ``MARL_EVAL_DATA``, or the Hub."""
    make = partial(example_of, annotators=options.annotators)
    found = read_published(PUBLISHED, data, options.split, make)
    return Dataset(
        examples=found.made,
        version=VERSION,
        split=found.split,
        licence="CC-BY-SA-3.0",
        source=found.source,
        exclusive=False,
    )


def example_of(row: Row, annotators: Annotators = "all") -> Example:
    """Make an example of a row of the official files or of the Hub.

    Raises:
        ValueError: if the row is not as it should be.
    """
    readings: list[Reading] = []
    rows = records(row, "annotations", least=1)
    for number, annotation in enumerate(rows, start=1):
        with within(f"annotation {number}"):
            own = _readings(annotation)
        if number == 1 or annotators == "all":
            readings += own
    merged = merge(readings)
    return Example(
        id=text(row, "id"),
        question=(
            f"{text(row, 'question').strip()}\n\n"
            "The question may have several readings. An answer that is right for any of them is right."
        ),
        gold=tuple(one.gold for one in merged),
        meta={"readings": [list(one.questions) for one in merged], "annotators": len(rows)},
    )


def _readings(annotation: Row) -> list[Reading]:
    kind = text(annotation, "type")
    if kind == "singleAnswer":
        return [Reading(None, tuple(texts(annotation, "answer")))]
    if kind != "multipleQAs":
        raise ValueError(f"'type' is {kind!r}, not 'singleAnswer' or 'multipleQAs'")
    readings = []
    for number, pair in enumerate(records(annotation, "qaPairs", least=1), start=1):
        with within(f"reading {number}"):
            readings.append(Reading(text(pair, "question"), tuple(texts(pair, "answer"))))
    return readings


CARD = Card(
    asks="an answer to a question of search-engine users that can be read in several ways. The prompt "
    "says that it may have several readings, and not which.",
    gold="one answer for each reading that any annotator saw; the other strings given for a reading are "
    "its aliases. `annotators=first` takes the readings of the first alone.",
    grading="as said above, but an answer that is all articles or punctuation keeps them. Two names of "
    "one reading are one right answer.",
    data=f"AmbigNQ, Min et al. 2020, arXiv:2004.10645; CC BY-SA 3.0; Hub: `{PUBLISHED.repository}`. "
    f"{PUBLISHED.remedy}",
    limits="Readings that share a string are one, which joins about one gold answer in a hundred that "
    "has other strings besides. A list written as one string stays one answer. The official score "
    "takes for each prediction the annotator that agrees most; recall here counts the readings of all "
    "of them, so the two are not to be compared.",
    sample=lambda: example_of(
        {
            "id": "1",
            "question": "When did the bridge open?",
            "annotations": [
                {
                    "type": "multipleQAs",
                    "qaPairs": [
                        {
                            "question": "When did it open to trains?",
                            "answer": ["4 March 1890", "1890"],
                        },
                        {"question": "When did it open to cars?", "answer": ["1964"]},
                    ],
                }
            ],
        }
    ),
)


TASK = Task(
    name="ambigqa",
    description="Questions with several readings, an answer for each (Min et al. 2020)",
    noun="answer",
    load=load,
    options=Options,
    train_args={"split": "train"},
    key=name_key,
    card=CARD,
)
