"""A task that is a Python file: what it has to hold, and when it is run and when it is not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from marl_eval import evaluate, score
from marl_eval.errors import UserError
from marl_eval.plugins import found
from marl_eval.task import Task
from marl_eval.task_files import find_task
from marl_eval.task_files.consent import given_places, note_given
from tests.conftest import Cli
from tests.imports import write_rows

CODE = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from marl_eval.task import Dataset, Task, TaskOptions
from marl_eval.types import Example, Gold

class Options(TaskOptions):
    examples: int = 4

def load(path, options):
    examples = [Example(str(n), f"{n}?", (Gold(f"n{n}"),)) for n in range(options.examples)]
    return Dataset(examples, "1", "all", "CC0-1.0", "made", exclusive=False)

def key(answer):
    return answer.strip().lower().removeprefix("number ")

@dataclass
class Case:
    number: int

Path("was-run").touch()
TASK = Task("mine", "Mine", "number", load, Options, key=key)
"""
RUN = ["run", "--model", "reference:echo-gold", "-k", "1", "--resamples", "20"]


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A user who has given no file yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


def as_another_user(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "another"))
    Path("was-run").unlink(missing_ok=True)


def write(path: Path, code: str = CODE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def final_bytes(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in ("results.json", "scores.parquet")]


def told(code: str, folder: Path, *, then_load: bool = False) -> str:
    """Give what is said of a file, without where it lies."""
    file = write(folder / "mine.py", code)

    def use() -> None:
        task = find_task(str(file))
        if then_load:
            task.load(None, task.options())

    with pytest.raises(UserError) as caught:
        use()
    return str(caught.value).replace(str(file), "FILE")


@pytest.mark.usefixtures("cli")
def test_a_task_of_a_file_is_what_the_file_says(tmp_path: Path) -> None:
    task = find_task(str(write(tmp_path / "mine.py")))
    assert (task.name, task.noun, task.key("Number N1")) == ("mine", "number", "n1")
    assert len(task.load(None, task.options.model_validate({"examples": 3})).examples) == 3


def test_a_task_need_not_be_called_task_where_it_is_the_only_one(tmp_path: Path) -> None:
    code = "from marl_eval.tasks.ddxsim import TASK as known\nsame = known\n"
    assert find_task(str(write(tmp_path / "mine.py", code))).name == "ddxsim"


def test_installed_tasks_go_by_name_whatever_lies_in_the_folder(cli: Cli) -> None:
    Path("ddxsim").mkdir()
    assert find_task("ddxsim").origin == {}
    with pytest.raises(UserError, match="no task 'ddxsin'; did you mean 'ddxsim'"):
        find_task("ddxsin")


TWO = """from marl_eval.tasks.ddxsim import TASK as one
from marl_eval.tasks.recorded import TASK as two
"""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "FILE defines no task: it must hold TASK = Task(...)."),
        ("TASK = {}", "In FILE, TASK is of the type dict, not a marl_eval.task.Task."),
        (TWO, "FILE has several tasks (one, two): call the one that is meant TASK."),
        ("x = 1\nTASK = x / 0\n", "The task file FILE, line 2: ZeroDivisionError: division by zero."),
        ("\n\nTASK = (\n", "The task file FILE, line 3: SyntaxError: '(' was never closed."),
        ("def f():\n  raise KeyError('k')\n\nf()\n", "The task file FILE, line 2: KeyError: 'k'."),
        ("import json\njson.loads('{')\n", "The task file FILE, line 2: JSONDecodeError: "),
        ("import sys\nsys.exit()\n", "The task file FILE, line 2: SystemExit."),
        ("a = 1\nimport besides\n", "ModuleNotFoundError: No module named 'besides'. Install it"),
        ("TASK = '\0'", "FILE: SyntaxError: source code string cannot contain null bytes."),
        (CODE.replace('"mine"', '"my/task"'), "is called 'my/task'; its name may have letters"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("cli")
def test_a_file_without_a_task_is_told_with_the_line(
    tmp_path: Path, code: str, message: str
) -> None:
    what = told(code, tmp_path)
    assert message in what
    assert "\n" not in what


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("range(options.examples)", "rang(4)", "The task file FILE, line 12: NameError: name 'rang'"),
        ("return Dataset(", "return examples, Dataset(", "The load of FILE gives a tuple, not a"),
        ('Gold(f"n{n}")', 'f"n{n}"', "The example '0' of FILE has a gold set that is no tuple of"),
        ('(Gold(f"n{n}"),)', 'Gold(f"n{n}")', "The example '0' of FILE has a gold set that is no tuple"),
        ("examples, \"1\"", "['x'], \"1\"", "The examples of FILE must be marl_eval.types.Example"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("cli")
def test_a_loader_that_goes_wrong_is_told(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    assert before in CODE
    assert message in told(CODE.replace(before, after), tmp_path, then_load=True)


def test_a_loader_s_own_words_to_the_user_are_left_as_they_are(cli: Cli, tmp_path: Path) -> None:
    code = CODE.replace("    examples = [", "    raise UserError('no data')\n    examples = [")
    code = "from marl_eval.errors import UserError\n" + code.replace(
        "from __future__ import annotations\n", ""
    )
    assert told(code, tmp_path, then_load=True) == "no data"


def test_a_file_that_is_not_there_or_of_another_kind_is_told(cli: Cli, tmp_path: Path) -> None:
    Path("mine.txt").touch()
    Path("folder.py").mkdir()
    for named, what in (
        ("none.py", "The task file none.py is not there; --task takes a name, or a .py or .yaml file."),
        ("none.yaml", "The task file none.yaml is not there"),
        ("a/none", "The task file a/none is not there"),
        ("folder.py", "The task file folder.py is a folder"),
        ("mine.txt", "A task file is a .py, .yaml or .yml file, which mine.txt is not."),
    ):  # fmt: skip
        code, _, err = cli(*RUN, "--task", named)
        assert code == 2
        assert what in err
        assert not Path("runs").exists()


def test_a_run_keeps_the_hash_of_the_file_and_no_path(cli: Cli, tmp_path: Path) -> None:
    file = write(tmp_path / "tasks" / "mine.py")
    assert cli(*RUN, "--task", file, "--task-args", "examples=2", "--out", "run")[0] == 0
    text = Path("run/run.json").read_text()
    record = json.loads(text)
    assert record["task"]["file"] == {"name": "mine.py", "sha256": sha256(file)}
    assert (record["task"]["name"], record["settings"]["task"]) == ("mine", "mine")
    assert record["task"]["examples"] == 2
    assert str(tmp_path) not in text


def test_a_run_has_the_same_name_wherever_the_file_lies(cli: Cli, tmp_path: Path) -> None:
    assert cli(*RUN, "--task", write(tmp_path / "here" / "mine.py"))[0] == 0
    shutil.move("here", "there")
    assert cli(*RUN, "--task", "there/mine.py")[0] == 0
    assert len(list(Path("runs").iterdir())) == 1
    write(tmp_path / "there" / "mine.py", CODE + "# changed\n")
    assert cli(*RUN, "--task", "there/mine.py")[0] == 0
    assert len(list(Path("runs").iterdir())) == 2


def test_a_changed_file_does_not_go_on_with_an_old_run(cli: Cli, tmp_path: Path) -> None:
    old = sha256(write(tmp_path / "mine.py"))
    assert cli(*RUN, "--task", "mine.py", "--out", "run")[0] == 0
    assert cli(*RUN, "--task", "mine.py", "--out", "run")[0] == 0
    new = sha256(write(tmp_path / "mine.py", CODE + "# changed\n"))
    code, _, err = cli(*RUN, "--task", "mine.py", "--out", "run")
    assert code == 2
    assert f"task.code: {old!r} there, {new!r} now" in err


def test_a_file_that_becomes_an_installed_task_does_not_go_on_with_its_run(
    cli: Cli, tmp_path: Path
) -> None:
    code = "from marl_eval.tasks.ddxsim import TASK\n"
    write(tmp_path / "mine.py", code)
    few = ["--task-args", "examples=5", "--out", "run"]
    assert cli(*RUN, "--task", "mine.py", *few)[0] == 0
    code_, _, err = cli(*RUN, "--task", "ddxsim", *few)
    assert code_ == 2
    assert "task.code: " in err


def test_whoever_gave_the_file_need_not_give_it_again(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "mine.py")
    assert cli(*RUN, "--task", "mine.py", "--out", "run")[0] == 0
    before = final_bytes(Path("run"))
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    shutil.move("../run", "run")
    assert cli("score", "run", "--resamples", "20")[0] == 0
    assert final_bytes(Path("run")) == before
    code, out, _ = cli("show", "run", "--example", 1)
    assert code == 0
    assert "1: n1  confidence 1  right: gold 0" in out


def test_of_two_places_of_a_file_the_one_that_still_holds_it_is_taken(
    cli: Cli, tmp_path: Path
) -> None:
    for place in ("one.py", "two.py"):
        write(tmp_path / place)
        assert cli(*RUN, "--task", place, "--out", "run")[0] == 0
    write(tmp_path / "two.py", CODE + "# changed\n")
    assert cli("score", "run")[0] == 0
    write(tmp_path / "one.py", CODE + "# changed\n")
    assert cli("score", "run")[0] == 2


def test_the_key_of_the_file_grades_and_is_not_the_usual_one(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path / "mine.py")
    cli(*RUN, "--task", "mine.py", "--out", "run")
    completions = Path("run/completions/part-0.jsonl")
    completions.write_text(completions.read_text().replace("<answer>n1<", "<answer>Number N1<"))
    result = score(Path("run"), resamples=20)
    assert result.results.metrics["recall"].value == 1
    completions.write_text(completions.read_text().replace("Number N1", "The n1"))
    assert score(Path("run"), resamples=20).results.metrics["recall"].value == 0.75


@pytest.mark.parametrize("place", ["run/mine.py", "mine.py", "beside/mine.py"])
def test_a_run_of_somebody_else_runs_no_code(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    cli(*RUN, "--task", write(tmp_path / "mine.py"), "--out", "run")
    shutil.move("mine.py", tmp_path / "kept.py")
    write(tmp_path / place)
    as_another_user(monkeypatch, tmp_path)
    record = json.loads(Path("run/run.json").read_bytes())
    record["task"]["file"] = {"name": place, "path": place, "sha256": sha256(Path(place))}
    Path("run/run.json").write_text(json.dumps(record))
    for command in (["score", "run"], ["show", "run", "--example", "0"], ["official", "run"]):
        code, _, err = cli(*command)
        assert code == 2
        assert f"made with the task file {place!r}, whose SHA-256 is {sha256(Path(place))!r}" in err
        assert "give it once with 'marl-eval score RUN --task FILE'" in err
    assert cli("show", "run")[0] == cli("compare", "run", "run")[0] == 0
    assert not Path("was-run").exists()


def test_a_given_file_is_run_only_if_it_is_that_of_the_run(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli(*RUN, "--task", write(tmp_path / "mine.py"), "--out", "run")
    before = final_bytes(Path("run"))
    shutil.move("mine.py", "moved.py")
    other = write(tmp_path / "other.py", CODE + "# changed\n")
    as_another_user(monkeypatch, tmp_path)
    for command in (["score", "run"], ["show", "run", "--example", "0"]):
        code, _, err = cli(*command, "--task", other)
        assert code == 2
        assert "is not the task file of this run, or has changed since" in err
        assert f"its SHA-256 is {sha256(other)}, and" in err
        assert cli(*command, "--task", "none.py")[0] == 2
    assert not Path("was-run").exists()
    code, out, _ = cli("show", "run", "--example", 1, "--task", "moved.py")
    assert code == 0
    assert "right: gold 0" in out
    assert cli("score", "run", "--task", "moved.py", "--resamples", 20)[0] == 0
    assert final_bytes(Path("run")) == before
    assert cli("score", "run", "--resamples", 20)[0] == cli("official", "run")[0] == 0
    Path("was-run").unlink()
    write(tmp_path / "moved.py", CODE + "# changed\n")
    assert cli("score", "run")[0] == 2
    assert not Path("was-run").exists()


def test_a_file_is_refused_where_none_is_needed(cli: Cli, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [{"question": "Which?", "gold": ["x"]}])
    Path("mine.yaml").write_text("name: mine\ndata: rows.jsonl\n")
    for task in ("mine.yaml", "ddxsim"):
        assert cli(*RUN, "--task", task, "--limit", 1, "--out", task + "-run")[0] == 0
        code, _, err = cli("score", task + "-run", "--task", write(tmp_path / "mine.py"))
        assert code == 2
        assert "leave out --task" in err
    assert not Path("was-run").exists()


def test_a_run_ends_as_it_began_if_its_file_changes_meanwhile(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "mine.py", CODE.replace('Path("was-run").touch()', ""))
    changing = CODE.replace(
        "    examples = [", "    Path(__file__).write_text('changed')\n    examples = ["
    )
    write(file, changing)
    result = evaluate(task="mine.py", model="reference:echo-gold", resamples=20)
    assert file.read_text() == "changed"
    assert result.results.metrics["recall"].value == 1


def test_where_nothing_can_be_noted_a_run_still_ends(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert cli(*RUN, "--task", write(tmp_path / "mine.py"), "--out", "run")[0] == 0
    assert cli("score", "run")[0] == 2
    assert cli("score", "run", "--task", "mine.py")[0] == 0


def test_notes_are_by_content_and_the_last_place_comes_first(tmp_path: Path) -> None:
    assert given_places("a" * 64) == []
    for name, content in (("one", "a"), ("two", "a"), ("three", "b"), ("one", "a")):
        note_given(tmp_path / name, content * 64)
    assert given_places("a" * 64) == [tmp_path / "two", tmp_path / "one"]
    assert given_places("b" * 64) == [tmp_path / "three"]
    assert given_places("c" * 64) == given_places("") == given_places("a" * 63) == []
    note_given(tmp_path / os.fsdecode(b"\xff \xc3"), "d" * 64)
    assert given_places("d" * 64) == [tmp_path / os.fsdecode(b"\xff \xc3")]


def test_recorded_generations_are_graded_by_a_file(cli: Cli, tmp_path: Path) -> None:
    file = write_rows(
        tmp_path / "said.jsonl",
        [{"id": "q", "question": "?", "gold": ["n1"], "text": "<answer>Number n1</answer>"}],
    )
    write(tmp_path / "mine.py")
    assert cli("import", file, "--task", "mine.py", "--out", "run")[0] == 0
    record = json.loads(Path("run/run.json").read_bytes())
    assert (record["task"]["name"], record["settings"]["task"]) == ("mine", "mine")
    assert record["task"]["file"]["sha256"] == sha256(Path("mine.py"))
    results = json.loads(Path("run/results.json").read_bytes())
    assert results["metrics"]["recall"]["value"] == 1


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with three entry points, two of them wrong."""
    write(tmp_path / "site" / "sound.py", CODE.replace('Path("was-run").touch()', ""))
    about = tmp_path / "site" / "sound-1.0.dist-info"
    write(about / "METADATA", "Metadata-Version: 2.1\nName: sound\nVersion: 1.0\n")
    points = "[marl_eval.tasks]\nmine = sound:TASK\nyours = sound:TASK\nloader = sound:load\n"
    write(about / "entry_points.txt", points)
    monkeypatch.syspath_prepend(tmp_path / "site")
    found.cache_clear()
    yield
    found.cache_clear()
    sys.modules.pop("sound", None)


@pytest.mark.usefixtures("installed")
def test_a_wrong_entry_point_is_told() -> None:
    assert find_task("mine").name == "mine"
    with pytest.raises(
        UserError, match="'yours' calls itself 'mine'; its entry point and its name"
    ):
        find_task("yours")
    with pytest.raises(UserError, match="'loader' is of the type function, not a marl_eval"):
        find_task("loader")


def test_every_installed_task_is_called_as_its_entry_point_is() -> None:
    for name in found("tasks"):
        task = find_task(name)
        assert isinstance(task, Task)
        assert task.name == name
