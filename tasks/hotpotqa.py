"""HotpotQA: an answer from paragraphs, of which those that are needed may be missing.

Source: Yang et al., "HotpotQA: A Dataset for Diverse, Explainable Multi-hop Question Answering", EMNLP
2018, arXiv:1809.09600; CC BY-SA 4.0. Read from the official distractor files or from the Hub: a question
with ten paragraphs, two of which (the gold ones) hold what the answer rests on. Taking 0, 1 or 2 of
these away leaves questions that can be answered, half answered or only guessed at, which is how
multi-answer RL (arXiv:2603.24844) uses them.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from marl_eval.data_source import Published, read_published
from marl_eval.normalization import name_key
from marl_eval.rows import Row, field, records, text, within
from marl_eval.task import Card, Dataset, Task, TaskOptions
from marl_eval.tasks.hotpotqa_paragraphs import Paragraph, Removed, cut_to, drawn, joined
from marl_eval.types import Example, Gold

VERSION = "1"
"""Raised whenever the wording of the question, or what is taken away or cut, changes."""

PUBLISHED = Published(
    task="hotpotqa",
    files={"dev": ("hotpot_dev_distractor*.json",), "train": ("hotpot_train*.json",)},
    repository="hotpotqa/hotpot_qa",
    hub={"dev": ("distractor", "validation"), "train": ("distractor", "train")},
    remedy=(
        "Get it with "
        "`curl -LO http://curtis.ml.cmu.edu/datasets/hotpot/hotpot_dev_distractor_v1.json` "
        "and give it with --data hotpot_dev_distractor_v1.json."
    ),
)


# The same words whatever is taken away; the question comes last.
_BEFORE = (
    "Answer the question at the end with the help of these paragraphs. Some have nothing to do with it, "
    "and some that would be needed may be missing: answer all the same.\n\n"
)


def _as_text(value: object) -> object:
    """Take 0, 1 and 2 as they are read from a file of settings."""
    return str(value) if type(value) is int else value


class Options(TaskOptions):
    """What is read, and what is taken away of it."""

    split: Literal["auto", "dev", "train"] = Field(
        "auto", description="auto: dev, or train where there is no dev"
    )
    removed: Annotated[Removed, BeforeValidator(_as_text)] = Field(
        "mixed",
        description="of two paragraphs taken away, how many are gold: 0, 1, 2, or mixed "
        "(each as often, as published); none takes nothing away",
    )
    seed: int = Field(0, description="of the draw of what is taken away")
    max_chars: int = Field(
        12_000, ge=1, description="longest question with its paragraphs; sentences are cut to fit"
    )


def load(data: Path | None, options: Options) -> Dataset:
    """Read the questions: from ``data``, the folder ``hotpotqa`` in ``MARL_EVAL_DATA``, or the Hub."""
    make = partial(example_of, options=options)
    found = read_published(PUBLISHED, data, options.split, make)
    return Dataset(
        examples=found.made,
        version=VERSION,
        split=found.split,
        licence="CC-BY-SA-4.0",
        source=found.source,
        exclusive=True,
    )


def example_of(row: Row, options: Options) -> Example:
    """Make an example of a row of the official files or of the Hub.

    What was taken away is in ``meta``: the titles, the number that were gold, and the number of
    sentences cut for length, where any were.

    Raises:
        ValueError: if the row is not as it should be.
    """
    name = text(row, "_id" if "_id" in row else "id")
    question = text(row, "question").strip()
    paragraphs = _paragraphs(row)
    out = drawn(paragraphs, options.removed, options.seed, name)
    kept = [paragraph for place, paragraph in enumerate(paragraphs) if place not in out]
    asked = f"\n\nQuestion: {question}"
    kept, cut = cut_to(kept, options.max_chars - len(_BEFORE) - len(asked))
    meta = {
        "removed": [paragraphs[place].title for place in out],
        "removed_gold": sum(paragraphs[place].gold for place in out),
        **({"sentences_cut": cut} if cut else {}),
        **{name: text(row, name) for name in ("type", "level") if name in row},
    }
    return Example(
        id=name,
        question=f"{_BEFORE}{joined(kept) or '(No paragraphs.)'}{asked}",
        gold=(Gold(text(row, "answer").strip()),),
        meta=meta,
    )


def _paragraphs(row: Row) -> list[Paragraph]:
    supporting: dict[str, set[int]] = {}
    for number, fact in enumerate(records(row, "supporting_facts", ("title", "sent_id")), start=1):
        with within(f"supporting fact {number}"):
            supporting.setdefault(text(fact, "title"), set()).add(field(fact, "sent_id", int))
    paragraphs = []
    for number, one in enumerate(records(row, "context", ("title", "sentences"), least=1), start=1):
        with within(f"paragraph {number}"):
            paragraphs.append(_paragraph(one, supporting))
    return paragraphs


def _paragraph(row: Row, supporting: Mapping[str, Set[int]]) -> Paragraph:
    title = text(row, "title")
    sentences = field(row, "sentences", list)
    if not all(isinstance(sentence, str) for sentence in sentences):
        raise ValueError("'sentences' holds something else than texts")
    told = [place for place, sentence in enumerate(sentences) if sentence.strip()]
    places = supporting.get(title, frozenset())
    return Paragraph(
        title=title.strip(),
        sentences=tuple(sentences[place].strip() for place in told),
        supporting=frozenset(new for new, place in enumerate(told) if place in places),
        gold=title in supporting,
    )


CARD = Card(
    asks="an answer from paragraphs, of which two were taken away: `removed` of them are gold, that is, "
    "hold what the answer rests on. So a question can be answered, half answered or guessed at.",
    gold="the one answer; exactly one answer is right.",
    grading="as said above, but an answer that is all articles or punctuation keeps them.",
    data=f"HotpotQA (distractor setting), Yang et al. 2018, arXiv:1809.09600; CC BY-SA 4.0; Hub: "
    f"`{PUBLISHED.repository}`. {PUBLISHED.remedy}",
    limits="The answer is one string without aliases, so a right answer in other words counts as wrong. "
    "A model may know the answer without the paragraphs. What is taken away depends on `seed` and the "
    "question's id; questions longer than `max_chars` lose sentences that are not supporting first.",
    sample=lambda: example_of(
        {
            "_id": "1",
            "question": "In which country was the builder of the Ola Bridge born?",
            "answer": "Norway",
            "supporting_facts": [["Ola Bridge", 0], ["Ada Berg", 0]],
            "context": [
                ["Ola Bridge", ["The Ola Bridge was built by Ada Berg."]],
                ["Ada Berg", ["Ada Berg was an engineer born in Norway."]],
                ["Ola River", ["The Ola is 40 km long."]],
                ["Bridges", ["A bridge spans an obstacle."]],
            ],
        },
        Options(removed="1"),
    ),
)


TASK = Task(
    name="hotpotqa",
    description="Questions over paragraphs, some of them taken away (Yang et al. 2018)",
    noun="answer",
    load=load,
    options=Options,
    train_args={"split": "train"},
    key=name_key,
    card=CARD,
)
