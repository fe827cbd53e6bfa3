"""The page of tasks: a card for each installed one, made of what the task itself tells."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from marl_eval.plugins import found, load_metric_families, load_task
from marl_eval.score_table import SET, Shape
from marl_eval.task import Task
from marl_eval.types import Example, Gold

_TEXTS = {
    "Asks for": "asks",
    "Gold set": "gold",
    "Right": "grading",
    "Data": "data",
    "Limits": "limits",
}
_HEAD = """# Tasks

This page is made by `marl-eval tasks --markdown`; a test holds it to what is installed.

`--task NAME` chooses a task, `--task-args option=value,...` its options. `--data` names a file or a
folder as it was published, zipped or gzipped if you like; without it `MARL_EVAL_DATA/NAME` is
looked for, and then the Hugging Face Hub. Version, split, licence, number and hash of the examples
go into `run.json`. A task of your own: [add-a-task.md](add-a-task.md).

Unless a card says otherwise, an answer is right if it is equal to a gold answer or to one of its
aliases after normalising both: lower case, no punctuation, no articles. Every graded task has the
metrics of coverage, diversity, calibration, selective answering, cost and compliance
([metrics.md](metrics.md)); a card names those that it has besides. The examples were made for this
page, by the code that makes the real ones.
"""


def to_markdown() -> str:
    """Write the cards as the page ``docs/tasks.md``."""
    return "\n".join([_HEAD, *("\n".join(_section(load_task(name))) for name in found("tasks"))])


def _section(task: Task) -> Iterator[str]:
    yield f"## `{task.name}`\n"
    yield f"{task.description}\n"
    if task.card is not None:
        for title, field in _TEXTS.items():
            yield f"- **{title}**: {getattr(task.card, field)}"
            if title == "Right" and task.card.sample is not None:
                yield f"- **Metrics**: {_metrics(task, task.card.sample())}"
        yield ""
    yield from _options(task)
    if task.card is not None and task.card.sample is not None:
        yield from _sample(task, task.card.sample())


def _options(task: Task) -> Iterator[str]:
    if not task.options.model_fields:
        return
    yield "| option | default | |"
    yield "|---|---|---|"
    for name, field in task.options.model_fields.items():
        about = (field.description or "").replace("|", "\\|")
        yield f"| `{name}` | `{field.default}` | {about} |"
    yield ""


def _sample(task: Task, example: Example) -> Iterator[str]:
    yield "An example:\n"
    yield from _block(example.question)
    yield ""
    if not example.gold:
        yield "It has no gold answer.\n"
    elif task.form == "program":
        yield "Its gold answer stands for every program that passes the tests:\n"
        yield from _block(example.gold[0].answer)
        yield ""
    else:
        several = "s" if len(example.gold) > 1 else ""
        yield f"Its gold answer{several}: {'; '.join(map(_gold, example.gold))}.\n"
    if example.distribution is not None:
        told = ", ".join(f"{answer} {chance:.3f}" for answer, chance in example.distribution[:5])
        yield f"The most likely answers, with the true probability that each is right: {told}.\n"


def _block(text: str) -> Iterator[str]:
    """Fence text with a fence that it does not hold."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}text\n{text.strip()}\n{fence}"


def _gold(gold: Gold) -> str:
    aliases = f" (or {', '.join(gold.aliases)})" if gold.aliases else ""
    weight = "" if gold.weight is None else f", weight {gold.weight:.4g}"
    return f"{gold.answer}{aliases}{weight}"


def _metrics(task: Task, example: Example) -> str:
    """Tell the metrics that a run of the task has besides the usual ones."""
    own, usual = _names(_shape(task, example)), _names(_plain())
    if not task.graded:
        return f"those that need no grades: {_listed(own)}."
    more = [name for name in own if name not in usual]
    return f"the usual ones, and {_listed(more)}." if more else "the usual ones."


def _plain(**changes: object) -> Shape:
    levels = {"text": np.array([0.5]), SET: np.array([0.5])}
    values = {"k": 3, "sets": 1, "members": 3, "exclusive": False, "levels": levels, **changes}
    return Shape(**values)  # type: ignore[arg-type]


def _shape(task: Task, example: Example) -> Shape:
    """Give what a run of K = 3 on such examples is like; see ``scoring``."""
    weighted = any(gold.weight is not None for gold in example.gold)
    known = example.distribution
    one = known is not None and np.isclose(sum(chance for _, chance in known), 1)
    return _plain(
        weighted=weighted,
        reference=None if known is None else "exclusive" if one or weighted else "independent",
        truth=example.truth is not None,
        graded=task.graded,
        programs=task.form == "program",
        **({} if task.graded else {"levels": {}}),
    )


def _names(shape: Shape) -> list[str]:
    made = [metric for family in load_metric_families() for metric in family(shape)]
    return list(dict.fromkeys(m.name if m.curve is None else f"{m.curve[0]}@k" for m in made))


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
