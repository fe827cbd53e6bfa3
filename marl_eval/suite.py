"""A suite: one file that names models, tasks and strategies, and what to make of their runs.

Every model is asked for every task with every strategy, unless it names those that it is for. What is
stored of a run is not asked again, so the same command continues a suite, or takes in what was added to
its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from inspect import signature
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from marl_eval.comparison.differences import Comparison, compare
from marl_eval.errors import BackendError, StorageError, UserError, storage_error, unknown
from marl_eval.plugins import found
from marl_eval.progress import Progress, silent
from marl_eval.run import evaluate
from marl_eval.settings import RunSettings, make_settings
from marl_eval.store import dump_json, write_whole
from marl_eval.yaml_file import merged, read_yaml

SUITES = Path(str(files("marl_eval.recipes"))) / "suites"
_TABLE = ConfigDict(extra="forbid", frozen=True)
_SEPARATOR = "/"
Table = dict[str, Any]


class SuiteModel(BaseModel):
    """A model: settings of ``run``, and the tasks and strategies that it is for, all if not given."""

    model_config = _TABLE
    settings: Table
    tasks: list[str] | None = None
    strategies: list[str] | None = None


class Pair(BaseModel):
    """Two runs to compare on each task, each as model/strategy."""

    model_config = _TABLE
    first: str
    second: str


class Suite(BaseModel):
    """What a suite's file holds.

    ``settings`` of ``run`` hold for all runs; those of a task go over them, then those of the model,
    then those of the strategy. ``reports`` are installed reports, with a file or folder for each of
    their options.
    """

    model_config = _TABLE
    settings: Table = {}
    tasks: dict[str, Table] = Field(min_length=1)
    models: dict[str, SuiteModel] = Field(min_length=1)
    strategies: dict[str, Table] = Field(min_length=1)
    compare: list[Pair] = []
    reports: dict[str, dict[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Asked:
    """A run of a suite: ``who`` is model/strategy."""

    task: str
    who: str
    settings: RunSettings

    @property
    def path(self) -> Path:
        """The run directory."""
        assert self.settings.out is not None
        return self.settings.out


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a suite: runs that are scored, why others are not, and the comparisons."""

    runs: list[Asked]
    failed: dict[str, str]
    incomplete: list[str]
    comparisons: list[Comparison]


def read_suite(file: Path) -> Suite:
    """Read a suite's file, or the suite of that name that comes with marl-eval.

    Raises:
        UserError: saying what in it is unknown, missing or wrong.
    """
    shipped = SUITES / f"{file}.yaml"
    if not file.exists() and shipped.exists():
        file = shipped
    values = read_yaml(file, "suite")
    try:
        suite = Suite.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{file} is no suite: {place}: {first['msg'].lower()}.") from error
    for name, model in suite.models.items():
        for kind, wanted, known in (
            ("task", model.tasks, suite.tasks),
            ("strategy", model.strategies, suite.strategies),
        ):
            for one in wanted or ():
                if one not in known:
                    raise UserError(f"{file}: models.{name}: {unknown(kind, one, known)}")
    everyone = {f"{m}{_SEPARATOR}{s}" for m in suite.models for s in _strategies(suite, m)}
    for pair in suite.compare:
        for who in (pair.first, pair.second):
            if who not in everyone:
                raise UserError(f"{file}: compare: {unknown('model/strategy', who, everyone)}")
    for name, options in suite.reports.items():
        if name not in found("reports"):
            raise UserError(f"{file}: reports: {unknown('report', name, found('reports'))}")
        takes = [
            one for one in signature(found("reports")[name].load()).parameters if one != "runs"
        ]
        for option in options:
            if option not in takes:
                raise UserError(f"{file}: reports.{name}: {unknown('option', option, takes)}")
    return suite


def _strategies(suite: Suite, model: str) -> Sequence[str]:
    return suite.models[model].strategies or list(suite.strategies)


def runs_of(suite: Suite, out: Path) -> list[Asked]:
    """Give the runs of a suite, task by task, with their settings checked.

    Raises:
        UserError: naming the run whose settings are wrong.
    """
    asked = []
    for task, of_task in suite.tasks.items():
        for name, model in suite.models.items():
            if model.tasks is not None and task not in model.tasks:
                continue
            for strategy in _strategies(suite, name):
                values: Table = {"out": out / "runs" / f"{task}-{name}-{strategy}"}
                for part in (suite.settings, of_task, model.settings, suite.strategies[strategy]):
                    values = merged(values, part)
                try:
                    settings = make_settings(values)
                except UserError as error:
                    raise UserError(f"{task}, {name}, {strategy}: {error}") from error
                asked.append(Asked(task, f"{name}{_SEPARATOR}{strategy}", settings))
    return asked


def make_suite(suite: Suite, out: Path, *, progress: Progress = silent) -> Made:
    """Make the runs that are missing, score, compare and report all.

    A run that cannot be made does not keep the others from being made.

    Args:
        suite: what to do.
        out: the folder of the runs, of ``comparisons.json`` and of the reports.
        progress: what to tell of the work.

    Raises:
        UserError: if settings are wrong, before any run is made.
        StorageError: if the folder cannot be written.
    """
    made: list[Asked] = []
    failed: dict[str, str] = {}
    incomplete: list[str] = []
    wanted = runs_of(suite, out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(out, error) from error
    for asked in wanted:
        try:
            done = evaluate(asked.settings, progress=progress)
        except (UserError, BackendError, StorageError) as error:
            failed[asked.path.name] = str(error)
            continue
        made.append(asked)
        if not done.results.complete:
            incomplete.append(asked.path.name)
    comparisons = _compared(suite, made, failed)
    write_whole(out / "comparisons.json", dump_json([one.model_dump() for one in comparisons]))
    for name, options in suite.reports.items() if made else ():
        report = found("reports")[name].load()
        report(
            [one.path for one in made], **{option: out / file for option, file in options.items()}
        )
    return Made(made, failed, incomplete, comparisons)


def _compared(suite: Suite, made: Sequence[Asked], failed: dict[str, str]) -> list[Comparison]:
    paths = {(asked.task, asked.who): asked.path for asked in made}
    comparisons = []
    for task in suite.tasks:
        for pair in suite.compare:
            first, second = paths.get((task, pair.first)), paths.get((task, pair.second))
            if first is None or second is None:
                continue
            try:
                comparisons.append(compare(first, second))
            except UserError as error:
                failed[f"{task}: {pair.second} against {pair.first}"] = str(error)
    return comparisons
