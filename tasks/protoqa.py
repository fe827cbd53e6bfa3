"""ProtoQA: popular answers to a survey question.

Source: Boratko et al., "ProtoQA: A Question Answering Dataset for Prototypical Common-Sense Reasoning",
EMNLP 2020, arXiv:2005.00771; CC BY 4.0. Read from the files of the official repository, its older form
included, or from the Hub. The scraped files have one string for each cluster, so most right answers to
them are graded as wrong; their authors advise against scoring generated answers with them.

There is one gold answer for each cluster of answers that people gave, weighted by how many gave it; it
is named by the string that most of them wrote, and the other strings are its aliases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from marl_eval.data_source import Published, read_published
from marl_eval.normalization import name_key
from marl_eval.rows import Row, field, kind_of, records, text, texts, within
from marl_eval.task import Card, Dataset, Task, TaskOptions
from marl_eval.types import Example, Gold

VERSION = "1"
"""Raised whenever the wording of the question or the reading of clusters changes."""

PUBLISHED = Published(
    task="protoqa",
    files={
        "dev": ("dev.crowdsourced.jsonl", "crowdsource_dev.jsonl"),
        "scraped": ("dev.scraped.jsonl", "protoqa_scraped_dev.jsonl"),
        "train": ("train.jsonl", "protoqa_train.jsonl"),
    },
    repository="community-datasets/proto_qa",
    hub={
        "dev": ("proto_qa_cs", "validation"),
        "scraped": ("proto_qa", "validation"),
        "train": ("proto_qa", "train"),
    },
    remedy=(
        "Get it with `curl -LO https://raw.githubusercontent.com/iesl/protoqa-data/master/data/dev/"
        "dev.crowdsourced.jsonl` and give it with --data dev.crowdsourced.jsonl."
    ),
)

_CLUSTERS = ("answers-cleaned", "answer-clusters")


class Options(TaskOptions):
    """What is read."""

    split: Literal["auto", "dev", "scraped", "train"] = Field(
        "auto", description="auto: dev (crowdsourced), or else the first that is there"
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """How many people gave these answers, which count as the same."""

    count: int
    answers: tuple[str, ...]


def load(data: Path | None, options: Options) -> Dataset:
    """Read the questions: from ``data``, the folder ``protoqa`` in ``MARL_EVAL_DATA``, or the Hub."""
    found = read_published(PUBLISHED, data, options.split, example_of)
    return Dataset(
        examples=found.made,
        version=VERSION,
        split=found.split,
        licence="CC-BY-4.0",
        source=found.source,
        exclusive=False,
    )


def example_of(row: Row) -> Example:
    """Make an example of a row of the official files, of their older form or of the Hub.

    Raises:
        ValueError: if the row is not as it should be.
    """
    about = row if "metadata" not in row else field(row, "metadata", dict)
    question = row.get("question")
    if isinstance(question, Mapping):
        with within("'question'"):
            asked = text(question, "original" if "original" in question else "question")
    else:
        asked = text(row, "question")
    clusters, counts = _clusters(row)
    return Example(
        id=text(about, "id"),
        question=(
            "People were asked this in a survey. An answer is right if some of them gave it, and the "
            f"more of them did the better.\n\n{asked.strip()}"
        ),
        gold=tuple(gold_set(clusters, counts)),
    )


def _clusters(row: Row) -> tuple[list[Cluster], dict[str, int]]:
    """Give the clusters, and for each string how many wrote it, where that is told."""
    older = [name for name in _CLUSTERS if name in row]
    if older:
        rows = records(row, older[0], least=1)
        counts = row.get("answerstrings")
        return [_cluster(one, str(n)) for n, one in enumerate(rows, start=1)], _counts(counts)
    answers = field(row, "answers", dict)
    clusters = field(answers, "clusters", dict)
    if not clusters:
        raise ValueError("'clusters' is empty")
    return [_cluster(one, name) for name, one in clusters.items()], _counts(answers.get("raw"))


def _cluster(row: object, name: str) -> Cluster:
    with within(f"cluster {name}"):
        if not isinstance(row, Mapping):
            raise ValueError(f"is {kind_of(row)}, not an object")
        count = field(row, "count", int)
        if count < 0:
            raise ValueError(f"'count' is {count}, below 0")
        return Cluster(count, tuple(texts(row, "answers")))


def _counts(raw: object) -> dict[str, int]:
    """Read how many wrote each string; the Hub tells only which strings there are."""
    if not isinstance(raw, Mapping):
        return {}
    return {name: count for name, count in raw.items() if type(count) is int}


def gold_set(clusters: Sequence[Cluster], counts: Mapping[str, int]) -> list[Gold]:
    """Give a gold answer for each cluster, the heaviest first.

    A string that is in two clusters belongs to the heavier one, to the first of two that weigh the
    same. A cluster of which no string is left cannot be told from the one that has its first string,
    and its people are added to that one.
    """
    owner: dict[str, int] = {}
    names: list[dict[str, str]] = []
    weights: list[int] = []
    for cluster in sorted(clusters, key=lambda cluster: -cluster.count):
        ranked = sorted(cluster.answers, key=lambda name: (-counts.get(name, 0), len(name), name))
        own: dict[str, str] = {}
        for name in ranked:
            if name_key(name) not in owner:
                own.setdefault(name_key(name), name.strip())
        if not own:
            weights[owner[name_key(ranked[0])]] += cluster.count
            continue
        owner |= dict.fromkeys(own, len(names))
        names.append(own)
        weights.append(cluster.count)
    gold = []
    for own, weight in zip(names, weights, strict=True):
        name, *aliases = own.values()
        gold.append(Gold(name, tuple(aliases), weight=float(weight)))
    return sorted(gold, key=lambda one: -(one.weight or 0))


CARD = Card(
    asks="an answer that people gave to a survey question, the more of them the better.",
    gold="one answer for each cluster of answers that people gave, weighted by how many; it is named by "
    "the string that most of them wrote, and the others are its aliases.",
    grading="as said above, but an answer that is all articles or punctuation keeps them.",
    data=f"ProtoQA, Boratko et al. 2020, arXiv:2005.00771; CC BY 4.0; Hub: `{PUBLISHED.repository}`. "
    f"{PUBLISHED.remedy}",
    limits="Matching is of strings: a good answer in words that nobody in the survey used is wrong. The "
    "official evaluator also matches by WordNet, which is not done here. The scraped and training files "
    "have one string for each cluster, so most right answers to them are graded as wrong.",
    sample=lambda: example_of(
        {
            "metadata": {"id": "1"},
            "question": {"original": "Name something that people forget on a journey."},
            "answers": {
                "raw": {"toothbrush": 30, "tooth brush": 4, "charger": 21, "socks": 9},
                "clusters": {
                    "a": {"count": 34, "answers": ["toothbrush", "tooth brush"]},
                    "b": {"count": 21, "answers": ["charger"]},
                    "c": {"count": 9, "answers": ["socks"]},
                },
            },
        }
    ),
)


TASK = Task(
    name="protoqa",
    description="Popular answers to survey questions (Boratko et al. 2020)",
    noun="answer",
    load=load,
    options=Options,
    train_args={"split": "train"},
    key=name_key,
    card=CARD,
)
