"""From recorded files to run directories: one for each system that the files hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from marl_eval.answers import AnswerFormat
from marl_eval.errors import UserError, unknown
from marl_eval.importing import columns, lm_eval, released
from marl_eval.importing.generations import Choices, System
from marl_eval.importing.rows import Source, open_source
from marl_eval.importing.survey import Survey, survey
from marl_eval.importing.writing import Written, beside, put_in_place, write_generations
from marl_eval.judging import JudgeSettings
from marl_eval.plugins import load_task
from marl_eval.preparation import SCHEMA_VERSION
from marl_eval.provenance import git_state, versions
from marl_eval.settings import RunSettings
from marl_eval.strategies import SetLayout, Strategy, set_layout
from marl_eval.task import Task
from marl_eval.task_files import find_task

DEFAULT_TASK = "recorded"

LAYOUTS: dict[str, Callable[[Source, Choices], list[System]]] = {
    "columns": columns.systems,
    "rlcr": released.systems,
    "lm-eval": lm_eval.systems,
}

_UNKNOWN = ("temperature", "top_p", "max_tokens", "seed", "limit", "shots")
"""The settings that a recording does not tell."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user says of the recording; None is seen from the recording itself.

    The fields are those of ``RunSettings``; ``exclusive`` says that one answer is right for each
    example.
    """

    task: str = DEFAULT_TASK
    model: str | None = None
    strategy: Strategy | None = None
    k: int | None = None
    confidence: bool | None = None
    reasoning: bool | None = None
    analysis: bool = False
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """An imported run: where it is, and ``notes`` on what its numbers will have to leave out."""

    path: Path
    notes: tuple[str, ...]


def import_runs(
    paths: Sequence[Path],
    out: Path,
    *,
    layout: str | None = None,
    choices: Choices | None = None,
    wishes: Wishes | None = None,
) -> list[ImportedRun]:
    """Bring recorded generations into run directories.

    One system goes into ``out`` itself; of several, each into a directory of its own under ``out``.
    Importing the same again changes nothing.

    Args:
        paths: files or folders of rows, read one after the other.
        out: where the run directories go.
        layout: one of ``LAYOUTS``; seen from the columns if not given.
        choices: which system and columns to read.
        wishes: what the recording does not tell of itself.

    Raises:
        UserError: if the files cannot be read as such, or ``out`` holds something else.
        StorageError: if the run directories cannot be written.
    """
    wishes = wishes or Wishes()
    task = find_task(wishes.task)
    wishes = replace(wishes, task=task.name)
    source = open_source(paths)
    if layout is not None and layout not in LAYOUTS:
        raise unknown("layout named", layout, LAYOUTS)
    systems = LAYOUTS[layout or _layout(source.columns)](source, choices or Choices())
    out = out.resolve() if out.name in ("", "..") else out
    places = {system.name: out for system in systems}
    if len(systems) > 1:
        places = {name: out / re.sub(r"[^A-Za-z0-9._-]+", "-", name) for name in places}
    if len(set(places.values())) < len(systems):
        raise UserError(
            f"Two systems of {source.name} would share a directory; choose one with --system."
        )
    content = source.sha256()
    return [
        _import(source, content, system, places[system.name], task, wishes) for system in systems
    ]


def _layout(names: tuple[str, ...]) -> str:
    if released.matches(names):
        return "rlcr"
    return "lm-eval" if lm_eval.matches(names) else "columns"


def _import(
    source: Source, content: str, system: System, out: Path, task: Task, wishes: Wishes
) -> ImportedRun:
    if system.told is not None:
        return _import_told(source, content, system, out, wishes, system.told)
    shown = survey(system.recordings())
    if not shown.graded and _is_judged(task):
        raise UserError(
            f"The task {task.name!r} grades by more than comparing texts, and a recording lacks what "
            f"that needs. Bring its own grades (--map grades=COLUMN), or have it graded as another "
            f"task (--task)."
        )
    k, strategy = _elicitation(shown, wishes)
    fmt = AnswerFormat(
        k=k,
        confidence=shown.tagged if wishes.confidence is None else wishes.confidence,
        reasoning=shown.reasoning if wishes.reasoning is None else wishes.reasoning,
        analysis=wishes.analysis,
        sum_to_one=wishes.exclusive,
        noun=task.noun,
        form=task.form,
    )
    with beside(out) as temporary:
        written = write_generations(
            temporary,
            system,
            fmt,
            nameless=shown.graded,
            pooled=strategy is Strategy.BEST_OF_K,
        )
        if written.present == 0:
            raise UserError(f"{source.name} holds no generations of {system.name!r}.")
        layout = _set_layout(strategy, k, written.most, wishes.k)
        record = {
            "schema_version": SCHEMA_VERSION,
            "settings": _settings(
                wishes, system, strategy, layout, fmt, stated=fmt.confidence or shown.stated
            ),
            "task": _task_record(task, source, written, exclusive=wishes.exclusive),
            "model": {"backend": "import", "file": source.name, "sha256": content},
            "layout": asdict(layout),
            "format": asdict(fmt),
            "prompt": {"wording": "unknown", "sha256": "", "messages": []},
            "recorded": {"grades": shown.graded, "confidences": shown.stated},
            "versions": versions(),
            "git": git_state(),
        }
        put_in_place(temporary, out, record)
    return ImportedRun(out, tuple(_notes(shown, fmt, layout, written)))


def _import_told(
    source: Source,
    content: str,
    system: System,
    out: Path,
    wishes: Wishes,
    told: Mapping[str, Any],
) -> ImportedRun:
    """Import a recording that tells what it was asked for."""
    if replace(wishes, model=None) != Wishes():
        raise UserError(
            f"{source.name} tells itself of which task it is and what was asked for: leave out all "
            f"flags but --model and those of scoring."
        )
    task = load_task(told["task"]["name"])
    fmt, layout = AnswerFormat(**told["format"]), SetLayout(**told["layout"])
    with beside(out) as temporary:
        written = write_generations(temporary, system, fmt, nameless=False, pooled=False)
        own = {"examples": written.examples, "sha256": written.sha256}
        record = {
            **told,
            "settings": {**told["settings"], "model": wishes.model or told["settings"]["model"]},
            "task": {**told["task"], "name": task.name, **own},
            "model": {"backend": "import", "file": source.name, "sha256": content},
            "versions": versions(),
            "git": git_state(),
        }
        put_in_place(temporary, out, record)
    return ImportedRun(out, tuple(_missing(layout, written)))


def _is_judged(task: Task) -> bool:
    return task.judge is not None and task.judge(task.options(), JudgeSettings()) is not None


def _elicitation(shown: Survey, wishes: Wishes) -> tuple[int, Strategy]:
    """Give the answers of one generation and the strategy.

    Raises:
        UserError: if what was recorded cannot have been obtained so.
    """
    if wishes.strategy is Strategy.BEST_OF_K:
        if max(shown.k, shown.asked) > 1:
            raise UserError(
                f"The strategy 'best-of-k' pools generations of one answer, and these hold "
                f"{max(shown.k, shown.asked)}."
            )
        return 1, Strategy.BEST_OF_K
    k = wishes.k or shown.asked or shown.k
    if k < shown.asked:
        raise UserError(f"-k is {k}, but {shown.asked} answers were asked for of some examples.")
    return k, wishes.strategy or (Strategy.SINGLE if k == 1 else Strategy.MULTI)


def _set_layout(strategy: Strategy, k: int, samples: int, told: int | None) -> SetLayout:
    """Lay out ``samples`` generations of ``k`` answers; ``told`` is the K that the user gave."""
    if strategy is not Strategy.BEST_OF_K:
        return set_layout(strategy, k, samples)
    members = told or samples
    return set_layout(strategy, members, -(-samples // members))


def _settings(
    wishes: Wishes,
    system: System,
    strategy: Strategy,
    layout: SetLayout,
    fmt: AnswerFormat,
    *,
    stated: bool,
) -> dict[str, Any]:
    known = RunSettings(
        model=wishes.model or system.name,
        task=wishes.task,
        strategy=strategy,
        k=layout.k,
        n=layout.sets,
        confidence=stated,
        reasoning=fmt.reasoning,
        analysis=fmt.analysis,
    )
    return {**known.identity(), **dict.fromkeys(_UNKNOWN), "task_args": {}}


def _task_record(
    task: Task, source: Source, written: Written, *, exclusive: bool
) -> dict[str, Any]:
    return {
        "name": task.name,
        "version": "recorded",
        "split": "unknown",
        "licence": "unknown",
        "source": source.name,
        "exclusive": exclusive,
        "examples": written.examples,
        "of": written.examples,
        "sha256": written.sha256,
        **task.origin,
    }


def _notes(shown: Survey, fmt: AnswerFormat, layout: SetLayout, written: Written) -> list[str]:
    """Say what the numbers will leave out."""
    notes = _missing(layout, written)
    if above := shown.above(fmt.k):
        notes.append(
            f"{above} generations hold more than {fmt.k} answers, of which the first {fmt.k} count; "
            f"-k raises K."
        )
    return notes


def _missing(layout: SetLayout, written: Written) -> list[str]:
    asked = written.examples * layout.samples
    if asked == written.present:
        return []
    return [
        f"{asked - written.present} of {asked} generations are not there (not every example has "
        f"{layout.samples}) and count as missing requests."
    ]
