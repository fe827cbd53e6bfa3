"""MBPP and MBPP+: what is asked and shown, which problems are read, and what counts as right."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged, JudgeSettings
from marl_eval.matching import WRONG
from marl_eval.task import Dataset, read_options
from marl_eval.tasks.mbpp import (
    PLUS_TASK,
    SPLITS,
    TASK,
    example_of,
    plus_example_of,
)
from marl_eval.tasks.programs import ProgramOptions, open_judge
from marl_eval.types import Example
from tests.conftest import SHARED

LEVEL = "limits"
DATA = SHARED / "data" / "mbpp"
CODE = "def double(x):\r\n    return 2 * x"
SHOWN = ["assert double(1) == 2", "assert double(-2) == -4"]


def full(number: int = 11, **changes: Any) -> dict[str, Any]:
    good = {
        "text": "Write a function to double a number.",
        "code": CODE,
        "task_id": number,
        "test_setup_code": "",
        "test_list": SHOWN,
        "challenge_test_list": ["assert double(10) == 20"],
    }
    return good | changes


def sanitized(number: int = 11, **changes: Any) -> dict[str, Any]:
    good = {
        "source_file": "a.ipynb",
        "task_id": number,
        "prompt": "Write a function to double a number.",
        "code": CODE,
        "test_imports": ["import math"],
        "test_list": [*SHOWN, "assert math.isclose(double(0.5), 1.0)"],
    }
    return good | changes


HIDDEN = """
inputs = [[3], [4]]
results = [6, 8]
for i, (inp, exp) in enumerate(zip(inputs, results)):
    assert double(*inp) == exp
"""


def plus(number: int | str = 11, **changes: Any) -> dict[str, Any]:
    return sanitized(11) | {"task_id": number, "test": HIDDEN} | changes


def write(path: Path, *rows: dict[str, Any]) -> Path:
    text = "".join(f"{json.dumps(one)}\n" for one in rows)
    path.write_text(json.dumps(rows) if path.suffix == ".json" else text, encoding="utf-8")
    return path


def load(data: Path | None, task: Any = TASK, **options: Any) -> Dataset:
    dataset: Dataset = task.load(data, read_options(task, options))
    return dataset


def numbers(dataset: Dataset) -> list[int]:
    return [int(example.id.removeprefix("MBPP/")) for example in dataset.examples]


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


def wrong_of(examples: Sequence[Example]) -> dict[str, str]:
    """Give the reason for each example whose own gold answer is not right."""
    questions = [(example, [example.gold[0].answer]) for example in examples]
    with open_judge(ProgramOptions(), JudgeSettings(None, LEVEL)) as opened:
        found = dict(opened(questions))
    assert sorted(found) == list(range(len(questions)))
    return {examples[n].id: one.reason for n, [one] in sorted(found.items()) if one.gold != 0}


def test_the_text_is_asked_and_the_tests_are_shown() -> None:
    example = example_of(full())
    assert example.id == "MBPP/11"
    assert example.question == (
        "Write a function to double a number.\n\nThe program must pass these tests:\n\n"
        "```python\nassert double(1) == 2\nassert double(-2) == -4\n```"
    )
    assert [gold.answer for gold in example.gold] == ["def double(x):\n    return 2 * x"]


def test_imports_of_the_tests_are_shown_with_them() -> None:
    shown = example_of(sanitized()).question.split("```python\n")[1]
    assert shown.startswith("import math\nassert double(1) == 2\n")


def test_the_hidden_tests_of_mbpp_plus_are_not_shown(judge: Judge) -> None:
    example = plus_example_of(plus())
    assert "assert double(1) == 2" in example.question
    assert "inputs" not in example.question
    cheat = "def double(x):\n    return {1: 2, -2: -4, 0.5: 1.0}.get(x)"
    assert grades(judge, example, CODE, cheat) == [0, WRONG]
    assert grades(judge, example_of(sanitized()), CODE, cheat) == [0, 0]


def test_the_shown_tests_of_mbpp_plus_count_too(judge: Judge) -> None:
    """Some are not among the hidden ones."""
    cheat = "def double(x):\n    return {3: 6, 4: 8}.get(x)"
    assert grades(judge, plus_example_of(plus()), cheat) == [WRONG]


def test_the_challenge_tests_do_not_count(judge: Judge) -> None:
    """They are no part of the published protocol."""
    program = "def double(x):\n    return 2 * x if x < 10 else 0"
    assert grades(judge, example_of(full()), program) == [0]


def test_a_program_that_lacks_a_name_is_wrong(judge: Judge) -> None:
    assert grades(judge, example_of(full()), "def twice(x):\n    return 2 * x") == [WRONG]


@pytest.mark.parametrize("name", ["abs", "set", "len", "print", "AssertionError", "__builtins__"])
def test_a_name_that_only_the_program_defines_does_not_reach_the_tests(
    name: str, judge: Judge
) -> None:
    tests = ["assert set(double(1)) == set([2])", "assert abs(len(double(1))) == 1"]
    example = example_of(full(test_list=tests, code="def double(x): return [2 * x]"))
    program = f"class {name}:\n    def __init__(self, *a): pass\n    __eq__ = lambda a, b: True\n"
    assert grades(judge, example, f"{program}\ndef double(x): return [3]") == [WRONG]


def test_classes_of_the_program_are_built_by_the_tests(judge: Judge) -> None:
    code = (
        "class Pair:\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n"
        "def total(pairs): return sum(p.a + p.b for p in pairs)"
    )
    setup = "root = Pair(1, 2)\nroot.a = 10"
    tests = ["assert total([Pair(1, 2), Pair(3, 4)]) == 10", "assert total([root]) == 12"]
    example = example_of(full(code=code, test_list=tests, test_setup_code=setup))
    assert example.meta["names"] == ["Pair", "total"]
    assert grades(judge, example, code, code.replace("p.b", "1")) == [0, WRONG]


def test_an_import_that_only_the_reference_makes_is_there_for_the_tests(judge: Judge) -> None:
    code = "import sys\ndef size(x): return sys.getsizeof(x)"
    example = example_of(full(code=code, test_list=["assert size((1,)) == sys.getsizeof((1,))"]))
    assert example.meta["names"] == ["size"]
    assert grades(judge, example, "from sys import getsizeof as size", "size = len") == [0, WRONG]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [11, 510]),
        ({"split": "test"}, [11, 510]),
        ({"split": "validation"}, [511, 600]),
        ({"split": "train"}, [601, 974]),
        ({"split": "prompt"}, [1, 10]),
        ({"split": "all"}, [1, 10, 11, 510, 511, 600, 601, 974]),
    ],
)
def test_a_split_is_a_range_of_numbers(
    options: dict[str, Any], expected: list[int], tmp_path: Path
) -> None:
    every = [1, 10, 11, 510, 511, 600, 601, 974]
    dataset = load(write(tmp_path / "mbpp.jsonl", *map(full, every)), **options)
    assert numbers(dataset) == expected
    assert dataset.split == options.get("split", "test")


def test_the_splits_are_the_whole() -> None:
    parts = [number for name, own in SPLITS.items() if name != "all" for number in own]
    assert sorted(parts) == list(SPLITS["all"])
    assert len(SPLITS["test"]) == 500


def test_a_split_without_problems_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no problem of the split 'train'"):
        load(write(tmp_path / "mbpp.jsonl", full(11)), split="train")


@pytest.mark.parametrize(
    ("version", "source"),
    [("auto", "mbpp.jsonl"), ("full", "mbpp.jsonl"), ("sanitized", "sanitized-mbpp.json")],
)
def test_of_both_versions_in_a_folder_one_is_chosen(
    version: str, source: str, tmp_path: Path
) -> None:
    write(tmp_path / "mbpp.jsonl", full())
    write(tmp_path / "sanitized-mbpp.json", sanitized())
    assert load(tmp_path, version=version).source == source


@pytest.mark.parametrize("row", [full, sanitized])
def test_a_file_is_read_whichever_version_it_is(row: Any, tmp_path: Path) -> None:
    assert numbers(load(write(tmp_path / "a.jsonl", row(12)))) == [12]


def test_a_file_of_the_other_version_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", full())
    with pytest.raises(UserError, match=r"is the full version: leave out version=sanitized"):
        load(path, version="sanitized")


def test_data_of_the_other_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--task mbpp\+"):
        load(write(tmp_path / "a.jsonl", plus()))
    with pytest.raises(UserError, match=r"--task mbpp\."):
        load(write(tmp_path / "b.jsonl", full()), PLUS_TASK)


def test_the_form_with_inputs_alone_is_refused(tmp_path: Path) -> None:
    only = plus(plus_input=[[1]])
    del only["test"]
    with pytest.raises(UserError, match="OriginFmt"):
        load(write(tmp_path / "MbppPlus.jsonl", only), PLUS_TASK)


@pytest.mark.parametrize("number", [11, "11", "Mbpp/11"])
def test_a_number_is_read_in_each_form(number: int | str) -> None:
    assert plus_example_of(plus(number)).id == "MBPP/11"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code": "def double(x:"}, "the reference solution cannot be parsed"),
        ({"code": "def twice(x): return x"}, "the tests use 'double', which nothing defines"),
        ({"code": " "}, "'code' is empty"),
        ({"test_list": []}, "'test_list' has 0 entries"),
        ({"test_list": ["assert double(1 == 2"]}, "the tests cannot be parsed"),
        ({"test_list": ["assert abs(1) == 1"]}, "nothing that the reference solution defines"),
        ({"test_list": [3]}, "'test_list' holds a number, not only texts"),
        ({"task_id": "eleven"}, "'task_id' is 'eleven', not the number of a problem"),
        ({"task_id": True}, "'task_id' is True"),
        ({"task_id": None}, "'task_id' is None"),
        ({"text": ""}, "'text' is empty"),
        ({"test_setup_code": None}, "'test_setup_code' is null"),
    ],
)
def test_a_bad_row_is_told_with_file_and_line(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "mbpp.jsonl", full(), full(12) | changes)
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(caught.value).startswith("1 row cannot be read:\nmbpp.jsonl, line 2: ")
    assert told in str(caught.value)


def test_all_bad_rows_are_told_at_once_even_those_of_other_splits(tmp_path: Path) -> None:
    rows = [full(1, code=""), full(11), full(12, test_list=[]), {"task_id": 13}]
    with pytest.raises(UserError) as caught:
        load(write(tmp_path / "mbpp.jsonl", *rows))
    places = [line.split(":")[0] for line in str(caught.value).split("\n")[1:]]
    assert places == [f"mbpp.jsonl, line {number}" for number in (1, 3, 4)]


@pytest.fixture(scope="module")
def real() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"MBPP is not at {DATA}")
    return DATA


def test_every_problem_is_read(real: Path) -> None:
    for options, count in (
        ({"split": "all"}, 974),
        ({"split": "test"}, 500),
        ({"split": "all", "version": "sanitized"}, 427),
        ({"version": "sanitized"}, 257),
    ):
        dataset = load(real, **options)
        assert len(dataset.examples) == len(set(numbers(dataset))) == count
        assert all("assert " in example.question for example in dataset.examples)
    assert len(load(real, PLUS_TASK).examples) == 378


def test_every_reference_solution_of_mbpp_is_right(real: Path) -> None:
    """That of 367 too, whose set-up code needs the classes of the program."""
    assert wrong_of(load(real, split="all").examples) == {}


def test_every_reference_solution_of_sanitized_mbpp_is_right(real: Path) -> None:
    assert wrong_of(load(real, split="all", version="sanitized").examples) == {}


MENDED = (737, 787, 794)
CUT = 255


def test_reference_solutions_of_mbpp_plus_are_right(real: Path) -> None:
    """A tenth of them and all that were mended; all of them in the integration tests."""
    examples = load(real, PLUS_TASK).examples
    quick = [one for one in examples if one.meta["cpu_seconds"] is None][::10]
    mended = [one for one in examples if one.id in {f"MBPP/{n}" for n in (*MENDED, CUT)}]
    assert len(mended) == 4
    assert wrong_of([*quick, *mended]) == {}


@pytest.mark.integration
def test_every_reference_solution_of_mbpp_plus_is_right(real: Path) -> None:
    assert wrong_of(load(real, PLUS_TASK).examples) == {}


@pytest.mark.parametrize("number", MENDED)
def test_tests_that_compare_and_do_nothing_are_mended(
    number: int, real: Path, judge: Judge
) -> None:
    """As published, whatever does not raise passes them."""
    [example] = [one for one in load(real, PLUS_TASK).examples if one.id == f"MBPP/{number}"]
    name = example.meta["names"][0]
    reference = example.gold[0].answer
    answers = [
        reference,
        f"{reference}\nown = {name}\ndef {name}(text):\n    return bool(own(text))",
        f"def {name}(text):\n    return True",
        f"def {name}(text):\n    return None",
        f"{reference}\nown = {name}\ndef {name}(text):\n    return not own(text)",
        # Right for the tests that are shown, and for no other.
        f"{reference}\nown = {name}\ndef {name}(text):\n    return own(text) if len(text) < 12 else 1",
    ]
    assert grades(judge, example, *answers) == [0, 0, *[WRONG] * 4]


def test_only_the_inputs_with_endless_results_are_left_out(real: Path) -> None:
    lines = gzip.decompress((real / "MbppPlus-OriginFmt.jsonl.gz").read_bytes()).splitlines()
    [published] = [one for one in map(json.loads, lines) if int(one["task_id"]) == CUT]
    [example] = [one for one in load(real, PLUS_TASK).examples if one.id == f"MBPP/{CUT}"]
    space: dict[str, Any] = {}
    exec(published["test"].split("for i, inp")[0], space)
    inputs = space["inputs"]
    asked: list[Any] = []

    def record(colors: list[str], n: int) -> Any:
        asked.append([colors, n])
        return space["ref_func"](colors, n)

    exec(example.meta["tests"], {example.meta["names"][0]: record})
    hidden = [one for one in asked if one in inputs]
    left_out = [one for one in inputs if one not in asked]
    assert sorted(n for _, n in left_out) == [76, 76, 77, 77, 77]
    assert len(hidden) >= len(inputs) - 5


def test_slow_problems_have_more_time(real: Path) -> None:
    for task, expected in ((TASK, {"MBPP/123"}), (PLUS_TASK, {"MBPP/599", "MBPP/123"})):
        examples = load(real, task).examples
        own = {one.id: one.meta["cpu_seconds"] for one in examples if one.meta["cpu_seconds"]}
        assert expected <= set(own)
        assert min(own.values()) > 3
        assert len(own) < 12
