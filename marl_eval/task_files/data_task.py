"""A task that is pure data: a short YAML file, and a file of questions with their gold sets.

Nothing of it is code, so ``run.json`` holds all that grading needs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from marl_eval.answers.format import Form
from marl_eval.errors import UserError, unknown
from marl_eval.normalization import Key, exact, normalize
from marl_eval.records import Record
from marl_eval.task import Dataset, Task
from marl_eval.task_files.data_rows import Rules, read_questions
from marl_eval.yaml_file import read_yaml

Match = Literal["normalized", "exact"]

KEYS: dict[Match, Key] = {"normalized": normalize, "exact": exact}


def _as_noun(text: str) -> str:
    if not re.fullmatch(r"[^\s<>](?:[^<>\n\r]*[^\s<>])?", text):
        raise ValueError("it must be a few words in one line, without < and >")
    return text


class Definition(Record):
    """What grading needs to know of the task; kept in ``run.json``."""

    noun: Annotated[str, AfterValidator(_as_noun)] = Field(
        "answer", description="what an answer is called in the prompt"
    )
    match: Match = Field(
        "normalized", description="normalized (as in SQuAD) or exact (as it is written)"
    )
    form: Form = Field("short", description="what an answer looks like: short, text or program")
    graded: bool = Field(True, description="false if no answer is right or wrong")


class TaskFile(Definition):
    """The YAML file."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$",
        description="of the task: letters, digits and . _ + -",
    )
    description: str = Field("", description="a line for people")
    data: Path | None = Field(
        None, description="the file of questions, seen from the folder of the YAML file"
    )
    version: str = Field(
        "1", coerce_numbers_to_str=True, description="of the questions, part of a run's identity"
    )
    split: str = Field("all", description="which part of a data set the questions are")
    licence: str = Field("unknown", description="of the questions")
    exclusive: bool = Field(False, description="true if exactly one answer is right for each")


def load_data_task(path: Path) -> Task:
    """Read a YAML file as a task.

    Raises:
        UserError: naming the field that is unknown, missing or wrong, and what it is for.
    """
    values = read_yaml(path, "task file")
    if not isinstance(values, dict):
        raise UserError(f"The task file {path} must be a table of fields: name, data and so on.")
    fields = TaskFile.model_fields
    for name in values:
        if name not in fields:
            raise unknown(f"field of a task in {path} named", str(name), fields)
    try:
        told = TaskFile.model_validate(values)
    except ValidationError as error:
        raise _wrong_field(path, error) from error
    if told.exclusive and not told.graded:
        raise UserError(
            f"The task file {path} is 'exclusive', so one answer is right, and not 'graded', so none "
            f"is: leave out one of the two."
        )
    rules = Rules(KEYS[told.match], told.exclusive, told.graded)

    def load(data: Path | None, options: Any) -> Dataset:
        questions = _questions_file(path, told, data)
        return Dataset(
            examples=read_questions(questions, rules),
            version=told.version,
            split=told.split,
            licence=told.licence,
            source=questions.name,
            exclusive=told.exclusive,
        )

    definition = Definition(**{name: getattr(told, name) for name in Definition.model_fields})
    return _task(told.name, told.description, definition, load)


def _wrong_field(path: Path, error: ValidationError) -> UserError:
    first = error.errors()[0]
    name = str(first["loc"][0])
    about = TaskFile.model_fields[name].description
    if first["type"] == "missing":
        return UserError(f"The task file {path} lacks the field {name!r} ({about}).")
    reason = first["msg"].removeprefix("Value error, ")
    return UserError(
        f"In the task file {path}, the field {name!r} ({about}) cannot be {first['input']!r}: "
        f"{reason[0].lower()}{reason[1:]}."
    )


def _questions_file(path: Path, told: TaskFile, data: Path | None) -> Path:
    if data is None and told.data is None:
        raise UserError(f"{path} names no data; add 'data: FILE.jsonl', or give --data FILE.")
    if data is not None:
        questions, where = data, "--data gives"
    else:
        questions, where = path.parent / (told.data or ""), f"{path} names as its data"
    if not questions.is_file():
        what = "is a folder" if questions.is_dir() else "is not there"
        raise UserError(f"{questions}, which {where}, {what}: it must be a file of questions.")
    return questions


def task_of_definition(name: str, definition: Mapping[str, Any]) -> Task:
    """Give the task of a run again from its ``run.json``.

    Raises:
        UserError: if this version cannot read it.
    """
    try:
        read = Definition.model_validate(definition)
    except ValidationError as error:
        raise UserError(
            "The definition of the task in run.json is not one that this version can read."
        ) from error

    def load(data: Path | None, options: Any) -> Dataset:
        raise UserError(f"The questions of {name!r} are in its YAML file, not in run.json.")

    return _task(name, "", read, load)


def _task(name: str, description: str, definition: Definition, load: Any) -> Task:
    return Task(
        name=name,
        description=description,
        noun=definition.noun,
        load=load,
        key=KEYS[definition.match],
        form=definition.form,
        graded=definition.graded,
        origin={"definition": definition.model_dump(mode="json")},
    )
