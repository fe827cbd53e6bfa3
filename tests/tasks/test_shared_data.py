"""Every row of the real data: it loads, can be asked and is right by each of its own gold answers."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from marl_eval.errors import UserError
from marl_eval.plugins import load_task
from marl_eval.task import Dataset, choose, read_options
from marl_eval.tasks.ambigqa import PUBLISHED as AMBIGQA
from marl_eval.tasks.hotpotqa import PUBLISHED as HOTPOTQA
from marl_eval.tasks.noveltybench import PUBLISHED as NOVELTYBENCH
from marl_eval.tasks.protoqa import PUBLISHED as PROTOQA
from marl_eval.types import Example
from tests.conftest import SHARED, Cli

DATA = SHARED / "data"
TASKS = [AMBIGQA, HOTPOTQA, NOVELTYBENCH, PROTOQA]
K = 3


@dataclass(frozen=True, slots=True)
class File:
    """A file of real data, how its rows can be counted, and what is known of all of it."""

    task: str
    name: str
    split: str
    rows: int

    @property
    def path(self) -> Path:
        path = DATA / self.task / self.name
        if not path.exists():
            pytest.skip(f"the real data is not at {path}")
        return path

    def load(self, **options: Any) -> Dataset:
        task = load_task(self.task)
        return task.load(self.path, read_options(task, options))


FILES = [
    File("ambigqa", "dev_light.json", "dev", 2002),
    File("ambigqa", "train_light.json", "train", 10036),
    File("hotpotqa", "hotpot_dev_distractor_103.json", "dev", 103),
    File("hotpotqa", "hotpot_train_distractor_100.json", "train", 100),
    File("protoqa", "dev.crowdsourced.jsonl", "dev", 52),
    File("noveltybench", "curated.jsonl", "curated", 100),
    File("ddxplus", "release_train_patients.csv", "train", 0),
    File("ddxplus", "release_validate_patients.csv", "validate", 0),
]
OF_JSON = [file for file in FILES if file.task != "ddxplus"]

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
each_json_file = pytest.mark.parametrize("file", OF_JSON, ids=lambda file: file.name)


def rows_of(file: File) -> list[dict[str, Any]]:
    if file.name.endswith(".csv"):
        with file.path.open(encoding="utf-8", newline="") as table:
            return list(csv.DictReader(table))
    text = file.path.read_text(encoding="utf-8")
    rows = map(json.loads, text.splitlines()) if file.name.endswith("l") else json.loads(text)
    return list(rows)


def test_every_file_of_these_tasks_is_tried() -> None:
    if not DATA.is_dir():
        pytest.skip(f"the real data is not at {DATA}")
    about = {"LICENSE", "release_conditions.json", "release_evidences.json"}
    found = {
        (task, path.name)
        for task in {file.task for file in FILES}
        for path in (DATA / task).iterdir()
        if path.name not in about
    }
    assert found == {(file.task, file.name) for file in FILES}


@each_file
def test_every_row_is_an_example_with_its_own_id_and_a_question(file: File) -> None:
    dataset = file.load()
    rows = rows_of(file)
    assert len(dataset.examples) == len(rows) == (file.rows or len(rows)) > 0
    assert len({example.id for example in dataset.examples}) == len(rows)
    assert all(example.question.strip() for example in dataset.examples)
    assert (dataset.split, dataset.source) == (file.split, file.name)
    graded = load_task(file.task).graded
    assert all(bool(example.gold) == graded for example in dataset.examples)


@each_file
def test_every_gold_answer_is_right_by_each_of_its_names(file: File) -> None:
    """And by its own index, so that naming it twice in other words counts once."""
    grade = load_task(file.task).grader()
    for example in file.load().examples:
        for index, gold in enumerate(example.gold):
            names = [gold.answer, *gold.aliases]
            assert list(grade(example, names)) == [index] * len(names), (example.id, gold)


@pytest.mark.parametrize("file", FILES[:5], ids=lambda file: file.name)
def test_every_gold_answer_is_found_again_in_what_is_written(file: File, cli: Cli) -> None:
    """Asked, rendered, parsed and graded, all at once: an echo of the gold answers misses none."""
    k = max(len(example.gold) for example in file.load().examples)
    arguments = ["--task", file.task, "--data", file.path, "--limit", 2500, "-k", k]
    code, _, err = cli(
        "run", "--model", "reference:echo-gold", *arguments, "--resamples", 0, "--out", "run"
    )
    assert code == 0, err
    assert value("run", "recall") == 1


def value(run: str, metric: str) -> float | None:
    results = json.loads(Path(run, "results.json").read_bytes())
    found: float | None = results["metrics"][metric]["value"]
    return found


def strings_of(row: dict[str, Any]) -> set[str]:
    """Every string that an annotator of AmbigNQ wrote as an answer."""
    found: set[str] = set()
    for annotation in row["annotations"]:
        for part in annotation.get("qaPairs", [annotation]):
            found |= set(part["answer"])
    return found


@pytest.mark.parametrize("file", FILES[:2], ids=lambda file: file.name)
def test_every_string_of_ambignq_is_right_and_each_reading_is_one_answer(file: File) -> None:
    grade = load_task("ambigqa").grader()
    for example, row in zip(file.load().examples, rows_of(file), strict=True):
        assert -1 not in grade(example, sorted(strings_of(row))), row
        for annotation in row["annotations"]:
            for pair in annotation.get("qaPairs", []):
                assert len(set(grade(example, pair["answer"]))) == 1, row


def told_apart_from_the_rest(example: Example, asked: str) -> str:
    """What the prompt says besides the question itself."""
    assert asked in example.question
    return example.question.replace(asked, "", 1)


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        *((file, lambda row: row["question"].strip()) for file in FILES[:2]),
        (FILES[4], lambda row: row["question"]["original"].strip()),
        (FILES[5], lambda row: row["prompt"].strip()),
    ],
    ids=lambda one: one.name if isinstance(one, File) else "",
)
def test_only_the_question_differs_from_prompt_to_prompt(file: File, asked: Any) -> None:
    """So nothing of the readings, the clusters or the gold answers can show."""
    pairs = zip(file.load().examples, rows_of(file), strict=True)
    assert len({told_apart_from_the_rest(example, asked(row)) for example, row in pairs}) == 1


@pytest.mark.parametrize("removed", ["0", "1", "2", "mixed"])
@pytest.mark.parametrize("file", FILES[2:4], ids=lambda file: file.name)
def test_real_paragraphs_that_were_taken_away_do_not_show(file: File, removed: str) -> None:
    numbers = set()
    for example, row in zip(file.load(removed=removed).examples, rows_of(file), strict=True):
        out = example.meta["removed"]
        gold = {title for title, _ in row["supporting_facts"]}
        number = example.meta["removed_gold"]
        numbers.add(str(number))
        assert len(set(out) & gold) == number
        assert len(out) == min(2, number + len(row["context"]) - len(gold))
        before, *paragraphs, asked = example.question.split("\n\n")
        assert before.startswith("Answer the question at the end")
        kept = [title.strip() for title, _ in row["context"] if title not in out]
        assert [paragraph.split("\n")[0] for paragraph in paragraphs] == (
            kept or ["(No paragraphs.)"]
        )
        assert asked == f"Question: {row['question'].strip()}"
        assert len(example.question) <= 12_000
    assert numbers == ({"0", "1", "2"} if removed == "mixed" else {removed})


@pytest.mark.parametrize("reference", ["echo-gold", "random"])
@pytest.mark.parametrize("strategy", ["multi", "best-of-k"])
@pytest.mark.parametrize("task", [one.task for one in TASKS])
def test_a_run_from_the_command_line_gives_what_is_expected(
    task: str, strategy: str, reference: str, cli: Cli
) -> None:
    file = next(file for file in FILES if file.task == task)
    examples = choose(file.load().examples, 20)
    arguments = ["--model", f"reference:{reference}", "--task", task, "--data", file.path]
    code, out, err = cli(
        "run", *arguments, "--limit", 20, "--strategy", strategy, "-k", K,
        "--resamples", 20, "--out", "run",
    )  # fmt: skip
    assert code == 0, err
    record = json.loads(Path("run/run.json").read_bytes())["task"]
    assert (record["examples"], record["split"]) == (20, file.split)
    assert record["licence"]
    assert str(DATA) not in Path("run/run.json").read_text(encoding="utf-8")
    distinct = value("run", "distinct_answers")
    assert distinct is not None
    if task == "noveltybench":
        assert distinct == 0
        assert "recall" not in json.loads(Path("run/results.json").read_bytes())["metrics"]
        return
    recall = value("run", "recall")
    assert recall is not None
    if reference == "echo-gold":
        named = [min(K, len(example.gold)) for example in examples]
        shares = [n / len(example.gold) for n, example in zip(named, examples, strict=True)]
        assert recall == pytest.approx(sum(shares) / 20)
        assert distinct == pytest.approx(sum(named) / 20)
    else:
        assert 0 <= recall < 0.5
        assert 0 < distinct <= K
    code, out, err = cli("show", "run", "--example", "0")
    assert code == 0, err
    assert f"example 0: {examples[0].id}" in out


@pytest.mark.parametrize("model", ["reference:echo-gold"])
def test_a_survey_weighs_answers_by_people(model: str, cli: Cli) -> None:
    file = FILES[4]
    code, _, err = cli("run", "--model", model, "--task", "protoqa", "--data", file.path, "-k", 1,
                       "--strategy", "single", "--resamples", 0, "--out", "run")  # fmt: skip
    assert code == 0, err
    shares = []
    for row in rows_of(file):
        counts = [cluster["count"] for cluster in row["answers"]["clusters"].values()]
        shares.append(max(counts) / sum(counts))
    assert value("run", "mass_covered") == pytest.approx(sum(shares) / len(shares))


def spoiled(rows: list[dict[str, Any]]) -> list[Any]:
    """Six rows, of which the second, fourth and sixth are wrong in another way each."""
    question = next(name for name in ("question", "prompt") if name in rows[0])
    missing = {name: value for name, value in rows[1].items() if name != question}
    return [rows[0], missing, rows[2], rows[3] | {question: 3}, rows[4], "no row"]


@each_json_file
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_wrong_rows_are_told_all_at_once_with_file_and_line(
    file: File, packed: str, tmp_path: Path, cli: Cli
) -> None:
    rows = spoiled(rows_of(file))
    by_line = file.name.endswith("l")
    text = "\n".join(map(json.dumps, rows)) if by_line else json.dumps(rows)
    path = tmp_path / f"{file.name}{packed}"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    code, _, err = cli("run", "--model", "reference:random", "--task", file.task, "--data", path)
    assert code == 2
    assert "Traceback" not in err
    assert "3 rows cannot be read:" in err
    for number in (2, 4, 6):
        assert f"{path.name}, {'line' if by_line else 'row'} {number}: " in err


@each_json_file
def test_a_file_that_is_cut_off_is_told_with_its_name(file: File, tmp_path: Path) -> None:
    content = file.path.read_bytes()
    path = tmp_path / file.name
    path.write_bytes(content[: len(content) // 2])
    task = load_task(file.task)
    with pytest.raises(UserError, match=file.name):
        task.load(path, read_options(task, {}))


def test_wrong_patients_are_told_all_at_once_with_file_and_line(tmp_path: Path) -> None:
    file = next(file for file in FILES if file.name == "release_validate_patients.csv")
    heading, *rows = file.path.read_text(encoding="utf-8").splitlines()[:6]
    shutil.copy(file.path.parent / "release_evidences.json", tmp_path)
    rows[1], rows[3] = "x" + rows[1], rows[3].replace(",M,", ",X,").replace(",F,", ",X,")
    path = tmp_path / file.name
    path.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    task = load_task("ddxplus")
    with pytest.raises(UserError) as caught:
        task.load(path, read_options(task, {}))
    told = str(caught.value).split("\n")
    assert told[0] == "2 rows cannot be read:"
    assert [line.split(":")[0] for line in told[1:]] == [f"{file.name}, row {n}" for n in (3, 5)]


def test_without_data_or_network_what_was_tried_is_told_with_the_remedy(tmp_path: Path) -> None:
    code = (
        "from marl_eval.cli import main; import sys\n"
        "for task in sys.argv[1:]:\n"
        "    sys.argv = ['', 'run', '--model', 'reference:random', '--task', task, '--out', 'run']\n"
        "    try:\n        main()\n"
        "    except SystemExit as leaving:\n        print(leaving.code)"
    )
    kept = {name: value for name, value in os.environ.items() if name != "MARL_EVAL_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", code, *(published.task for published in TASKS)],
        cwd=tmp_path,
        env=kept | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["2"] * len(TASKS)
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("marl-eval: ")]
    for line, published in zip(told, TASKS, strict=True):
        folder = f"MARL_EVAL_DATA/{published.task}"
        for part in ("--data", folder, published.repository, "`curl -LO http"):
            assert part in line
    assert not (tmp_path / "run").exists()
