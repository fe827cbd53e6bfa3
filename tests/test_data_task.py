"""A task that is a YAML file and a file of questions: what it means, and how mistakes are told."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl_eval import evaluate, score
from marl_eval.errors import UserError
from marl_eval.normalization import exact, normalize
from marl_eval.rows import RowErrorsError
from marl_eval.task import Dataset, Task
from marl_eval.task_files.data_rows import Rules, read_questions
from marl_eval.task_files.data_task import load_data_task
from marl_eval.types import Example, Gold
from tests.conftest import Cli
from tests.imports import write_rows

FREELY = settings(deadline=None, max_examples=80)
ROW: dict[str, Any] = {"question": "Which?", "gold": ["x"]}


def write_task(folder: Path, yaml: str = "", rows: list[dict[str, Any]] | None = None) -> Path:
    write_rows(folder / "rows.jsonl", [ROW] if rows is None else rows)
    (folder / "mine.yaml").write_text(f"name: mine\ndata: rows.jsonl\n{yaml}", encoding="utf-8")
    return folder / "mine.yaml"


def load(task: Task, data: Path | None = None) -> Dataset:
    return task.load(data, task.options())


def problems(tmp_path: Path, *rows: Any, **options: Any) -> list[str]:
    """Give what is said of wrong rows, each with its line, without the heading."""
    file = write_rows(tmp_path / "rows.jsonl", rows)
    with pytest.raises(RowErrorsError) as caught:
        read_questions(file, Rules(normalize, **options))
    return str(caught.value).splitlines()[1:]


def problem(tmp_path: Path, row: dict[str, Any], **options: Any) -> str:
    (one,) = problems(tmp_path, row, **options)
    return one.removeprefix("rows.jsonl, line 1: ")


def test_every_field_of_a_row_arrives(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": "q",
            "question": "Which?",
            "gold": [
                {"answer": "a b", "aliases": ["ab", "AB!"], "weight": 2},
                {"answer": "c", "weight": 0.5},
            ],
            "distribution": {"c": 0.25, "a b": 1, "d": 0},
            "truth": "c",
            "meta": {"page": [1, None]},
        },
        {"question": "And?", "gold": ["x", {"answer": "y"}]},
        {"id": 17, "question": "So?", "gold": ["x"]},
    ]
    task = load_data_task(write_task(tmp_path, rows=rows))
    assert load(task).examples == [
        Example(
            "q",
            "Which?",
            (Gold("a b", ("ab", "AB!"), 2.0), Gold("c", (), 0.5)),
            (("c", 0.25), ("a b", 1.0), ("d", 0.0)),
            {"page": [1, None]},
            "c",
        ),
        Example("row-2", "And?", (Gold("x"), Gold("y"))),
        Example("17", "So?", (Gold("x"),)),
    ]


def test_every_field_of_the_file_arrives(tmp_path: Path) -> None:
    yaml = (
        "description: Mine\nnoun: river name\nversion: 2.5\nsplit: dev\nlicence: CC0-1.0\n"
        "exclusive: yes\nmatch: exact\nform: text\n"
    )
    task = load_data_task(write_task(tmp_path, yaml))
    assert (task.name, task.description, task.noun, task.form) == (
        "mine",
        "Mine",
        "river name",
        "text",
    )
    assert task.key(" The X! ") == "The X!"
    assert load(task) == Dataset(
        [Example("row-1", "Which?", (Gold("x"),))], "2.5", "dev", "CC0-1.0", "rows.jsonl", exclusive=True
    )  # fmt: skip


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    task = load_data_task(write_task(tmp_path))
    assert (task.description, task.noun, task.form) == ("", "answer", "short")
    assert task.key("The X!") == "x"
    dataset = load(task)
    assert (dataset.version, dataset.split, dataset.licence) == ("1", "all", "unknown")
    assert not dataset.exclusive


def test_the_data_is_seen_from_the_folder_of_the_file_and_given_data_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "task").mkdir()
    (tmp_path / "cwd").mkdir()
    write_task(tmp_path / "task")
    other = {"question": "Other?", "gold": ["y"]}
    (tmp_path / "cwd" / "rows.jsonl.gz").write_bytes(gzip.compress(json.dumps(other).encode()))
    monkeypatch.chdir(tmp_path / "cwd")
    task = load_data_task(Path("../task/mine.yaml"))
    assert load(task).examples[0].question == "Which?"
    given_ = load(task, Path("rows.jsonl.gz"))
    assert given_.examples[0].question == "Other?"
    assert given_.source == "rows.jsonl.gz"


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("", "must be a table of fields"),
        ("- name: mine\n", "must be a table of fields"),
        ("name: [\n", "is not YAML"),
        ("data: rows.jsonl\n", "lacks the field 'name' (of the task: letters"),
        ("name: mine\nnoum: river\n", "'noum'; did you mean 'noun' or"),
        ("name: mine\nlicense: x\n", "did you mean 'licence'?"),
        ("name: my task\n", "the field 'name' (of the task: letters, digits and . _ + -) cannot be"),
        ("name: ../up\n", "the field 'name'"),
        ("name: mine\nmatch: fuzzy\n", "'match' (normalized (as in SQuAD) or exact (as it is written))"),
        ("name: mine\nform: long\n", "'form'"),
        ("name: mine\nexclusive: maybe\n", "'exclusive'"),
        ("name: mine\nnoun: a<b\n", "it must be a few words in one line, without < and >"),
        ("name: mine\nnoun: ''\n", "it must be a few words"),
        ("name: mine\nversion: [1]\n", "'version'"),
        ("1: mine\n", "'1'"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_told_in_a_line(tmp_path: Path, yaml: str, told: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_data_task(file)
    assert told in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_data_is_told_with_who_named_it(tmp_path: Path) -> None:
    task = load_data_task(write_task(tmp_path))
    (tmp_path / "rows.jsonl").unlink()
    with pytest.raises(UserError, match=r"rows.jsonl, which .*mine.yaml names as its data, is not"):
        load(task)
    with pytest.raises(UserError, match="which --data gives, is not there"):
        load(task, tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="which --data gives, is a folder"):
        load(task, tmp_path)
    (tmp_path / "mine.yaml").write_text("name: mine\n")
    with pytest.raises(
        UserError, match=r"names no data; add 'data: FILE.jsonl', or give --data FILE\."
    ):
        load(load_data_task(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"gold": ["x"]}, "has no 'question'"),
        ({"question": " ", "gold": ["x"]}, "'question' is empty"),
        ({"question": ["Which?"], "gold": ["x"]}, "'question' is a list, not a text"),
        ({"question": "Which?"}, "has no 'gold'"),
        (ROW | {"gold": []}, "'gold' is empty"),
        (ROW | {"gold": "x"}, "'gold' is a text, not a list"),
        (ROW | {"gold": None}, "'gold' is null, not a list"),
        (ROW | {"gold": ["x", ""]}, "'gold' is empty"),
        (ROW | {"gold": ["x", 3]}, "'gold' holds a number, not only texts or objects"),
        (ROW | {"gold": [["x", "y"]]}, "'gold' holds a list, not only texts or objects"),
        (ROW | {"gold": [{"aliases": ["x"]}]}, "has no 'answer'"),
        (ROW | {"gold": [{"answer": "x", "alias": ["y"]}]}, "'alias'; did you mean 'aliases'?"),
        (ROW | {"gold": [{"answer": "x", "aliases": "y"}]}, "'aliases' is a text, not a list"),
        (ROW | {"gold": [{"answer": "x", "aliases": [" "]}]}, "'aliases' holds an empty text"),
        (ROW | {"gold": [{"answer": "x", "aliases": ["An"]}]}, "'aliases' holds 'An', which nothing"),
        (ROW | {"gold": [{"answer": "x", "weight": 0}]}, "'weight' is 0, not a number above 0"),
        (ROW | {"gold": [{"answer": "x", "weight": -1}]}, "'weight' is -1, not a number above 0"),
        (ROW | {"gold": [{"answer": "x", "weight": True}]}, "'weight' is true or false"),
        (ROW | {"gold": [{"answer": "x", "weight": 1}, "y"]}, "weights for some answers and not"),
        (ROW | {"gold": ["A"]}, "'gold' holds 'A', which nothing is left of"),
        (ROW | {"gold": ["x", "X."]}, "'gold' has 'x' and 'X.', which are the same answer"),
        (ROW | {"gold": ["x", "x"]}, "'gold' has 'x' and 'x', which are the same answer"),
        (ROW | {"truth": "the"}, "'truth' holds 'the', which nothing"),
        (ROW | {"truth": None}, "'truth' is null, not a text"),
        (ROW | {"meta": [1]}, "'meta' is a list, not an object"),
        (ROW | {"id": ""}, "'id' is empty"),
        (ROW | {"id": True}, "'id' is true or false, not a text"),
        (ROW | {"golds": ["y"]}, "has the unknown field 'golds'; did you mean 'gold'?"),
        (ROW | {"zzz": 1}, "known: id, question, gold, distribution, truth, meta"),
        (ROW | {"distribution": [["x", 1]]}, "'distribution' is a list, not an object"),
        (ROW | {"distribution": {"x": 1.5}}, "'distribution' gives 'x' 1.5, not a probability"),
        (ROW | {"distribution": {"x": "1"}}, "'x' is a text, not a number"),
        (ROW | {"distribution": {"x": 1, "The X": 0}}, "'distribution' has 'x' and 'The X', which are"),
        (ROW | {"distribution": {"x": 1, "a": 0}}, "'distribution' holds 'a', which nothing"),
        (ROW | {"distribution": {"y": 1}}, "'distribution' holds 'x' of 'gold' to be impossible"),
        (ROW | {"distribution": {"x": 0}}, "'distribution' holds 'x' of 'gold' to be impossible"),
    ],
)  # fmt: skip
def test_a_row_that_would_make_a_number_wrong_is_refused(
    tmp_path: Path, row: dict[str, Any], told: str
) -> None:
    assert told in problem(tmp_path, row)


def test_where_one_answer_is_right_a_row_has_one_and_chances_of_at_most_1(tmp_path: Path) -> None:
    two = ROW | {"gold": ["x", "y"]}
    assert "'gold' has 2 answers, and the task is exclusive" in problem(
        tmp_path, two, exclusive=True
    )
    much = ROW | {"distribution": {"x": 0.75, "y": 0.5}}
    assert "'distribution' sums to 1.25" in problem(tmp_path, much, exclusive=True)
    thirds = {"x": 0.3333333, "y": 0.3333333, "z": 0.3333335}
    file = write_rows(tmp_path / "rows.jsonl", [ROW | {"distribution": thirds}])
    assert len(read_questions(file, Rules(normalize, exclusive=True))) == 1
    write_rows(file, [two, much])
    assert len(read_questions(file, Rules(normalize))) == 2


def test_where_no_answer_is_right_a_row_has_none(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "Write a poem."},
        {"question": "Another.", "gold": []},
    ]
    task = load_data_task(write_task(tmp_path, "graded: false\nform: text\n", rows))
    assert not task.graded
    assert [example.gold for example in load(task).examples] == [(), ()]
    assert [example.distribution for example in load(task).examples] == [None, None]
    for name, value in (("gold", ["x"]), ("distribution", {}), ("truth", "x"), ("gold", None)):
        row: dict[str, Any] = {"question": "Write.", name: value}
        assert f"has {name!r}, and the task is not graded" in problem(tmp_path, row, graded=False)
    with pytest.raises(UserError, match="leave out one of the two"):
        load_data_task(write_task(tmp_path, "graded: false\nexclusive: true\n"))


def test_answers_that_only_an_exact_match_tells_apart_are_fine_with_it(tmp_path: Path) -> None:
    row = {"question": "Which letters?", "gold": ["A", "a", "The"]}
    file = write_rows(tmp_path / "rows.jsonl", [row])
    assert len(read_questions(file, Rules(exact))[0].gold) == 3
    assert "'match: exact' takes it" in problem(tmp_path, row)


def test_all_wrong_rows_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    lines = [
        b'{"id": "a", "question": "Which?", "gold": ["x"]}',
        b'{"id": "b", "question": "Which?"}',
        b'["a list"]',
        b'{"id": "a", "question": "Again?", "gold": ["x"]}',
        b'{"question": "Cut off?", "gold": ["x"',
        b'{"question": "Latin-1 \xe9?", "gold": ["x"]}',
    ]
    file.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(RowErrorsError) as caught:
        read_questions(file, Rules(normalize))
    heading, *told = str(caught.value).splitlines()
    assert heading == "5 rows cannot be read:"
    assert [line.partition(": ")[0] for line in told] == [
        f"rows.jsonl, line {n}" for n in range(2, 7)
    ]
    assert "has the 'id' 'a' of an earlier row" in told[2]


NAMES = st.text("abcxyz AÉ.-1", min_size=1, max_size=6).filter(normalize)
SETS = st.lists(NAMES, min_size=1, max_size=4, unique_by=normalize)


@FREELY
@given(st.lists(SETS, min_size=1, max_size=6))
def test_what_is_read_is_what_was_written_and_each_gold_answer_is_right(
    tmp_path_factory: pytest.TempPathFactory, sets: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    rows = [{"question": f"{n}?", "gold": own} for n, own in enumerate(sets)]
    task = load_data_task(write_task(folder, rows=rows))
    examples = load(task).examples
    assert [[gold.answer for gold in example.gold] for example in examples] == sets
    assert [example.id for example in examples] == [f"row-{n + 1}" for n in range(len(sets))]
    for example, own in zip(examples, sets, strict=True):
        assert list(task.grader()(example, own)) == list(range(len(own)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(["id", "question", "gold", "distribution", "truth", "meta", "answer"])


@FREELY
@given(
    st.lists(
        JSON | st.fixed_dictionaries({}, optional={"id": JSON}) | st.dictionaries(FIELDS, JSON),
        max_size=5,
    )
)
def test_whatever_a_row_holds_its_line_is_told_and_nothing_else_is_raised(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    file = write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl", [ROW, *rows, {"gold": ["x"]}])
    with pytest.raises(RowErrorsError) as caught:
        read_questions(file, Rules(normalize, exclusive=True))
    assert f"rows.jsonl, line {len(rows) + 2}: has no 'question'" in str(caught.value)


CAPITALS = [
    {"question": "Georgia?", "gold": ["Tbilisi", "Atlanta"]},
    {"question": "Bolivia?", "gold": ["Sucre", "La Paz"]},
]


def final_bytes(run: Path) -> list[bytes]:
    return [(run / name).read_bytes() for name in ("results.json", "scores.parquet")]


@pytest.mark.parametrize(("match", "recall"), [("normalized", 1), ("exact", 0.5)])
def test_a_run_is_scored_anywhere_from_its_directory_alone(
    cli: Cli, tmp_path: Path, match: str, recall: float
) -> None:
    (tmp_path / "task").mkdir()
    yaml = write_task(tmp_path / "task", f"noun: capital\nmatch: {match}\n", CAPITALS)
    run = ["run", "--model", "reference:echo-gold", "--task", "task/mine.yaml", "-k", 2]
    assert cli(*run, "--resamples", 20, "--out", "run")[0] == 0
    completions = tmp_path / "run" / "completions" / "part-0.jsonl"
    said = completions.read_text().replace("Sucre", "sucre!").replace("Atlanta", "ATLANTA")
    completions.write_text(said)
    for file in (yaml, yaml.with_name("rows.jsonl")):
        file.unlink()
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    result = score(tmp_path / "elsewhere", resamples=20)
    assert result.results.metrics["recall"].value == recall
    code, out, _ = cli("show", "elsewhere", "--example", 0)
    assert code == 0
    assert ("2: ATLANTA  confidence 1  " + ("right" if recall == 1 else "wrong")) in out


def test_scoring_again_gives_the_same_bytes(tmp_path: Path) -> None:
    yaml = write_task(tmp_path, "match: exact\nform: text\n", CAPITALS)
    asked: dict[str, Any] = {"model": "reference:random", "k": 2, "resamples": 20}
    run = evaluate(task=str(yaml), out=tmp_path / "run", **asked).path
    before = final_bytes(run)
    score(run, resamples=20)
    assert final_bytes(run) == before


def test_a_configuration_and_a_call_make_the_same_run_as_the_command_line(
    cli: Cli, tmp_path: Path
) -> None:
    write_task(tmp_path, "", CAPITALS)
    asked: dict[str, Any] = {"model": "reference:echo-gold", "task": "mine.yaml", "resamples": 20}
    (tmp_path / "run.yaml").write_text(json.dumps(asked | {"out": "by-file"}))
    assert cli("run", "--config", "run.yaml")[0] == 0
    evaluate(**asked, out=tmp_path / "by-call")
    flags = [part for name, value in asked.items() for part in (f"--{name}", value)]
    assert cli("run", *flags, "--out", "by-flags")[0] == 0
    for name in ("run.json", "results.json", "scores.parquet"):
        assert (
            len(
                {(tmp_path / run / name).read_bytes() for run in ("by-file", "by-call", "by-flags")}
            )
            == 1
        )


@pytest.mark.parametrize(
    ("yaml", "told"),
    [
        ("match: exact\n", "task.definition.match: 'normalized' there, 'exact' now"),
        ("noun: capital\n", "task.definition.noun: 'answer' there, 'capital' now"),
        ("version: 2\n", "task.version: '1' there, '2' now"),
        ("exclusive: true\n", "format.sum_to_one: False there, True now"),
    ],
)
def test_a_changed_definition_does_not_go_on_with_an_old_run(
    cli: Cli, tmp_path: Path, yaml: str, told: str
) -> None:
    run = ["run", "--model", "reference:echo-gold", "--task", "mine.yaml", "--out", "run"]
    write_task(tmp_path)
    assert cli(*run)[0] == 0
    write_task(tmp_path, yaml)
    code, _, err = cli(*run)
    assert code == 2
    assert told in err


def test_changed_questions_do_not_go_on_with_an_old_run_and_words_for_people_do(
    cli: Cli, tmp_path: Path
) -> None:
    run = ["run", "--model", "reference:echo-gold", "--task", "mine.yaml", "--out", "run"]
    write_task(tmp_path)
    assert cli(*run)[0] == 0
    write_task(tmp_path, "description: Better told\nlicence: CC0-1.0\n")
    assert cli(*run)[0] == 0
    write_task(tmp_path, rows=[ROW | {"gold": ["x", "y"]}])
    code, _, err = cli(*run)
    assert code == 2
    assert "task.sha256" in err


def test_a_run_has_the_same_name_wherever_the_file_lies(cli: Cli, tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        write_task(tmp_path / folder)
    run = ["run", "--model", "reference:echo-gold"]
    assert cli(*run, "--task", "here/mine.yaml")[0] == 0
    assert cli(*run, "--task", tmp_path / "there" / "mine.yaml")[0] == 0
    (one,) = (tmp_path / "runs").iterdir()
    assert one.name.startswith("mine-reference-echo-gold-multi-k3-")
    assert str(tmp_path) not in (one / "run.json").read_text()


def test_recorded_generations_are_graded_by_a_data_task(cli: Cli, tmp_path: Path) -> None:
    write_task(tmp_path, "match: exact\n")
    row = {"id": "q", "question": "Which?", "gold": ["x"], "text": "<answer>X</answer>"}
    for name, matched in (("mine.yaml", 0), ("recorded", 1)):
        file = write_rows(tmp_path / "said.jsonl", [row])
        assert cli("import", file, "--task", name, "--out", f"run-{matched}")[0] == 0
        results = json.loads((tmp_path / f"run-{matched}" / "results.json").read_bytes())
        assert results["metrics"]["recall"]["value"] == matched


def test_a_run_without_right_answers_tells_only_what_needs_none(cli: Cli, tmp_path: Path) -> None:
    poems = [{"question": "Write a poem."}, {"question": "Write another."}]
    write_task(tmp_path, "graded: false\nform: text\nnoun: poem\n", poems)
    assert (
        cli("run", "--model", "reference:echo-gold", "--task", "mine.yaml", "--out", "run")[0] == 0
    )
    before = final_bytes(tmp_path / "run")
    (tmp_path / "mine.yaml").unlink()
    assert cli("score", "run")[0] == 0
    assert final_bytes(tmp_path / "run") == before
    metrics = json.loads(before[0])["metrics"]
    assert "answered" in metrics
    assert not {"recall", "correct_answers", "multi_brier"} & set(metrics)


def test_a_damaged_definition_is_told(cli: Cli, tmp_path: Path) -> None:
    write_task(tmp_path)
    cli("run", "--model", "reference:echo-gold", "--task", "mine.yaml", "--out", "run")
    file = tmp_path / "run" / "run.json"
    record = json.loads(file.read_bytes())
    record["task"]["definition"]["match"] = "by magic"
    file.write_text(json.dumps(record))
    code, _, err = cli("score", "run")
    assert code == 2
    assert "not one that this version can read" in err
