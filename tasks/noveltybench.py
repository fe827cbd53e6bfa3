"""NoveltyBench: open prompts that many different responses answer well; diversity only.

Source: Zhang et al., "NoveltyBench: Evaluating Language Models for Humanlike Diversity", 2025,
arXiv:2504.05228; MIT. Read from the official files (``curated``: 100 prompts written for it;
``wildchat``: 1,000 prompts of users, from WildChat, whose own licence is ODC-BY) or from the Hub.

No response is right or wrong, so there is no gold answer. Two responses are the same if their
normalised texts are equal, or as an embedding or a model says that the user names.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from pydantic import Field

from marl_eval.data_source import Published, read_published
from marl_eval.judging import Judge, JudgeSettings
from marl_eval.judging.partition import Partition, open_partition
from marl_eval.normalization import name_key
from marl_eval.rows import Row, text
from marl_eval.task import Card, Dataset, Task, TaskOptions
from marl_eval.types import Example

VERSION = "1"
"""Raised whenever what is asked changes."""

PUBLISHED = Published(
    task="noveltybench",
    files={"curated": ("curated.jsonl",), "wildchat": ("wildchat*.jsonl",)},
    repository="yimingzhang/novelty-bench",
    hub={"curated": (None, "curated"), "wildchat": (None, "wildchat")},
    remedy=(
        "Get it with `curl -LO https://raw.githubusercontent.com/novelty-bench/novelty-bench/main/"
        "data/curated.jsonl` and give it with --data curated.jsonl."
    ),
)


class Options(TaskOptions):
    """What is read."""

    split: Literal["auto", "curated", "wildchat"] = Field(
        "auto", description="auto: curated, or wildchat where there is no curated"
    )
    partition: Partition = Field(
        "text", description="how responses are told apart: text, embedding or judge"
    )
    partition_model: str | None = Field(
        None, description="embedding: folder or hub id of an encoder; judge: a model as for --model"
    )
    threshold: float = Field(
        0.85, ge=-1, le=1, description="embedding: least cosine of two that are the same"
    )


def load(data: Path | None, options: Options) -> Dataset:
    """Read the prompts: from ``data``, the folder ``noveltybench`` in ``MARL_EVAL_DATA``, or the Hub."""
    found = read_published(PUBLISHED, data, options.split, example_of)
    return Dataset(
        examples=found.made,
        version=VERSION,
        split=found.split,
        licence="MIT AND ODC-BY-1.0" if found.split == "wildchat" else "MIT",
        source=found.source,
        exclusive=False,
    )


def example_of(row: Row) -> Example:
    """Make an example of a row of either file, or of the Hub.

    Raises:
        ValueError: if the row is not as it should be.
    """
    meta = {"category": text(row, "category")} if "category" in row else {}
    return Example(id=text(row, "id"), question=text(row, "prompt").strip(), gold=(), meta=meta)


def open_judge(options: Options, settings: JudgeSettings) -> AbstractContextManager[Judge] | None:
    """Give what says which responses are the same; None where their texts do."""
    return open_partition(options.partition, options.partition_model, options.threshold)


CARD = Card(
    asks="a response to an open prompt that many different responses answer well.",
    gold="none: no response is right or wrong, and no confidences are asked for.",
    grading="does not apply. Two responses are the same if their normalised texts are equal, or as an "
    "embedding (`partition=embedding`) or a model (`partition=judge`) says that `partition_model` "
    "names.",
    data=f"NoveltyBench, Zhang et al. 2025, arXiv:2504.05228; MIT, and ODC-BY 1.0 for `wildchat`; Hub: "
    f"`{PUBLISHED.repository}`. {PUBLISHED.remedy}",
    limits="By their texts hardly two long responses are the same, so that diversity is overstated; the "
    "published partition is a trained model, which is not shipped. Quality is not measured.",
    sample=lambda: example_of(
        {"id": "1", "prompt": "Name a colour for the door of a small house."}
    ),
)


TASK = Task(
    name="noveltybench",
    description="Open prompts, for the diversity of responses (Zhang et al. 2025)",
    noun="response",
    load=load,
    options=Options,
    key=name_key,
    form="text",
    judge=open_judge,
    graded=False,
    card=CARD,
)
