"""Answers that need it are judged once, between the completions and the scores, and stored."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import orjson
import pytest

from marl_eval import RunResult, evaluate, score
from marl_eval.answers import AnswerFormat
from marl_eval.errors import UserError
from marl_eval.judging import Judge, Judged, JudgeSettings, Program, Question
from marl_eval.judging.judgements import Judgement, answer_hash, read_findings
from marl_eval.judging.stage import judge_answers
from marl_eval.line_index import index_lines
from marl_eval.normalization import exact
from marl_eval.progress import Advance
from marl_eval.scoring.grading import Scorer
from marl_eval.scoring.stage import ScoringOptions, write_scores
from marl_eval.store import RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.task import Dataset, Task
from tests import lengths
from tests.conftest import Cli
from tests.imports import write_rows
from tests.runs import (
    completion,
    completions_file,
    example,
    hand_made,
    read_lines,
    read_scores,
    said,
    small_blocks,
)

TASK_FILE = Path(lengths.__file__)
COMMAND = str(Path(sys.executable).with_name("marl-eval"))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is told what the judge does."""
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv("LENGTHS_LOG", str(path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return path


def run(out: Path, **values: Any) -> RunResult:
    settings: dict[str, Any] = {
        "model": "reference:random", "task": str(TASK_FILE), "n": 3, "k": 2, "resamples": 20,
    }  # fmt: skip
    return evaluate(**{**settings, "out": out, **values})


def lines_of(path: Path) -> list[str]:
    """Give what was told, and forget it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("", encoding="utf-8")
    return lines


def judgements(path: Path) -> list[dict[str, Any]]:
    return read_lines(path / "judgements.jsonl")


def final_files(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in ("results.json", "scores.parquet")}


def different(path: Path) -> set[tuple[str, str]]:
    scores = read_scores(path).dropna(subset=["answer"])
    return set(zip(scores["example"], scores["answer"], strict=True))


def test_every_different_answer_to_an_example_is_judged_once(told: Path, tmp_path: Path) -> None:
    with small_blocks(30):
        path = run(tmp_path / "run").path
    # Opened once to be tried, and once to judge.
    assert [line for line in lines_of(told) if line.startswith("open")] == ["open None full"] * 2
    lines = judgements(path)
    assert sum(len(line["answers"]) for line in lines) == len(different(path))
    assert [line["example"] for line in lines] != sorted(line["example"] for line in lines)
    assert len({(line["example"], line["sample"]) for line in lines}) == len(lines) == 40


def test_what_was_judged_is_told_by_the_hash_of_the_answer(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run").path
    judged = Counter(line for line in lines_of(told) if not line.startswith("open"))
    assert judged == Counter(f"{name} {word!r}" for name, word in different(path))
    directory = RunDirectory(path)
    findings = read_findings(directory, index_lines(directory.judgements), 0, 40)
    for name, word in different(path):
        row = int(name[1:])
        own = example(name, lengths.RIGHT[row % 3])
        assert findings[row][answer_hash(word)] == lengths.judged(own, word, kinds=False)


def test_a_run_that_is_judged_opens_no_judge_again(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run").path
    stored, results = (path / "judgements.jsonl").read_bytes(), final_files(path)
    lines_of(told)
    score(path, resamples=20)
    assert lines_of(told) == []
    run(path)
    # It is tried before a run, also of one that has everything.
    assert lines_of(told) == ["open None full"]
    assert (path / "judgements.jsonl").read_bytes() == stored
    assert final_files(path) == results


def test_strict_scoring_needs_no_further_judging(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run", confidence=False).path
    file = completions_file(path)
    text = file.read_text(encoding="utf-8").replace("</answer2>", "</answer3>", 20)
    file.write_text(text, encoding="utf-8")
    (path / "judgements.jsonl").unlink()
    score(path, resamples=0)
    assert lines_of(told)
    given = read_scores(path)["answer"].notna().sum()
    score(path, resamples=0, strict=True)
    assert lines_of(told) == []
    assert read_scores(path)["answer"].notna().sum() < given


def test_a_judge_that_cannot_work_here_says_so_before_anything_is_generated(
    told: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="does not work here"):
        run(tmp_path / "run", task_args={"broken": True})
    assert not (tmp_path / "run").exists()


def test_workers_and_the_level_of_isolation_reach_the_judge(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run", workers=2, sandbox_min_level="weak").path
    assert [line for line in lines_of(told) if line.startswith("open")] == ["open 2 weak"] * 2
    before = final_files(path)
    (path / "judgements.jsonl").unlink()
    score(path, resamples=20, sandbox_min_level="none")
    assert lines_of(told)[0] == "open None none"
    assert final_files(path) == before
    # They change no run.
    run(path, workers=1, sandbox_min_level="full")


def test_the_command_line_takes_the_level(cli: Cli, told: Path) -> None:
    flags = ["--model", "reference:random", "--task", TASK_FILE, "--out", "run", "--resamples", "0"]
    assert cli("run", *flags, "--sandbox-min-level", "weak", "--workers", "3")[0] == 0
    assert lines_of(told)[0] == "open 3 weak"
    Path("run/judgements.jsonl").unlink()
    code, _, err = cli("score", "run", "--sandbox-min-level", "none")
    assert code == 0
    assert lines_of(told)[0] == "open None none"
    assert err == "judging: 40/40\n"


@pytest.mark.parametrize("kinds", [False, True])
def test_a_run_scored_midway_ends_with_the_same_bytes(
    kinds: bool, told: Path, tmp_path: Path
) -> None:
    path = run(tmp_path / "run", task_args={"kinds": kinds}).path
    whole, expected = completions_file(path).read_bytes(), final_files(path)
    (path / "judgements.jsonl").unlink()
    lines_of(told)
    half = whole.splitlines(keepends=True)[::2]
    completions_file(path).write_bytes(b"".join(half))
    score(path, resamples=20)
    first = lines_of(told)
    run(path, task_args={"kinds": kinds})
    second = [line for line in lines_of(told) if not line.startswith("open")]
    assert final_files(path) == expected
    assert second
    # What kinds answers are of rests on all of them; what else is found of one, on it alone.
    assert bool(set(first) & set(second)) == kinds
    score(path, resamples=20)
    assert lines_of(told) == []
    assert final_files(path) == expected


def test_a_torn_last_line_is_judged_again(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run").path
    file, expected = path / "judgements.jsonl", final_files(path)
    whole = file.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    file.write_bytes(whole[:-10])
    lines_of(told)
    score(path, resamples=20)
    judged = [line for line in lines_of(told) if not line.startswith("open")]
    assert len(judged) == len(orjson.loads(last)["answers"])
    assert file.read_bytes() == whole
    assert final_files(path) == expected


def test_a_run_killed_while_it_judges_ends_with_the_same_bytes(told: Path, tmp_path: Path) -> None:
    settings = [
        "run", "--model", "reference:random", "--task", str(TASK_FILE), "-n", "3", "-k", "2",
        "--resamples", "20", "--task-args", "examples=250,delay=0.0015",
    ]  # fmt: skip
    expected = tmp_path / "expected"
    subprocess.run([COMMAND, *settings, "--out", expected], check=True, capture_output=True)
    lines_of(told)
    path, rng, midway = tmp_path / "run", random.Random(4), 0
    file = path / "judgements.jsonl"
    for _ in range(5):
        before = whole_lines(file)
        process = subprocess.Popen(
            [COMMAND, *settings, "--out", path],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if file.exists() and file.stat().st_size > len(before):
                time.sleep(rng.uniform(0, 0.3))
                break
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert whole_lines(file).startswith(before)
        midway += 0 < whole_lines(file).count(b"\n") < 250
    assert midway > 0
    subprocess.run([COMMAND, *settings, "--out", path], check=True, capture_output=True)
    assert final_files(path) == final_files(expected)
    assert sorted(line["id"] for line in judgements(path)) == sorted(
        line["id"] for line in judgements(expected)
    )
    judged = Counter(line for line in lines_of(told) if not line.startswith("open"))
    # Of what was being judged when a kill struck, at most one example had not been stored.
    again = sum(count - 1 for count in judged.values())
    assert again <= 5 * 6


def whole_lines(file: Path) -> bytes:
    content = file.read_bytes() if file.exists() else b""
    return content[: content.rfind(b"\n") + 1]


SCORER = Scorer(
    Task("t", "", "answer", lambda *_: Dataset([], "", "", "", "", exclusive=False), key=exact),
    SetLayout(2, 1, 1),
    AnswerFormat(2, confidence=False, reasoning=False),
    exclusive=False,
    strict=False,
    stated=None,
    overlap=False,
    judged=True,
)


def made(path: Path) -> RunDirectory:
    own = [example("a", "x"), example("b", "x", "y"), example("c", "x")]
    lines = [completion(0, said("x", "y")), completion(1, said("y", "z")), completion(2, "no")]
    return RunDirectory(hand_made(path, own, lines, confidence=False))


def judging(*told: tuple[int, list[Judged]]) -> Any:
    def judge(questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        yield from told

    return nullcontext(judge)


TWO = [Judged(0), Judged(-1)]
FAULTS = {
    "too few findings": ([(0, TWO), (1, [Judged(0)])], "number 1, 1 findings"),
    "a question twice": ([(0, TWO), (0, TWO)], "number 0"),
    "a question that was not asked": ([(2, TWO)], "number 2"),
    "nothing of a question": ([(1, TWO)], "nothing of 1 of 2 questions"),
    "a gold answer that there is not": ([(1, [Judged(2), Judged(-1)])], "gold answer 2"),
    "a grade below wrong": ([(0, [Judged(-2), Judged(-1)])], "gold answer -2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_judge_that_does_not_do_its_work_is_told(name: str, tmp_path: Path) -> None:
    told, message = FAULTS[name]
    with pytest.raises(UserError, match=message):
        judge_answers(made(tmp_path), SCORER, b"", judging(*told))


def test_an_example_without_answers_is_not_asked_about(tmp_path: Path) -> None:
    asked: list[Question] = []

    def judge(questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        asked.extend(questions)
        yield from [(0, TWO), (1, TWO)]

    run = made(tmp_path)
    judge_answers(run, SCORER, b"", nullcontext(judge))
    assert [(own.id, answers) for own, answers in asked] == [("a", ["x", "y"]), ("b", ["y", "z"])]
    # So nothing is left, and no judge needed.
    judge_answers(run, SCORER, b"", judging())
    assert len(judgements(tmp_path)) == 2


def test_other_options_make_judgements_that_do_not_count(tmp_path: Path) -> None:
    run = made(tmp_path)
    judge_answers(run, SCORER, b"one", judging((0, TWO), (1, TWO)))
    again = [Judged(-1), Judged(0)]
    judge_answers(run, SCORER, b"other", judging((0, again), (1, again)))
    assert [line["sample"] for line in judgements(tmp_path)] == [0, 0, 1, 1]
    found = read_findings(run, index_lines(run.judgements), 0, 3)
    assert [judged.gold for judged in found[0].values()] == [-1, 0]
    judge_answers(run, SCORER, b"other", judging())


def test_whatever_a_judge_says_can_be_stored_and_read(tmp_path: Path) -> None:
    run = made(tmp_path)
    program = Program(True, "s", None, "full", 0.5, 3)
    told = [Judged(None, "\ud800", "bad \udfff " + "x" * 5000, program), Judged()]
    judge_answers(run, SCORER, b"", judging((0, told), (1, TWO)))
    found = read_findings(run, index_lines(run.judgements), 0, 1)[0]
    one, other = found[answer_hash("x")], found[answer_hash("y")]
    assert one.kind == "\\ud800"
    assert one.reason.startswith("bad \\udfff xxx")
    assert len(one.reason) == 2000
    assert one.program == program
    assert other == Judged()


def test_the_progress_counts_examples(tmp_path: Path) -> None:
    calls: list[tuple[Any, ...]] = []

    @contextmanager
    def progress(what: str, *, total: int, done: int) -> Iterator[Advance]:
        calls.append((what, total, done))
        yield lambda examples, tokens: calls.append((examples, tokens))

    run = made(tmp_path)
    with small_blocks(1):
        judge_answers(run, SCORER, b"", _each(TWO), progress)
    first, *rest = calls
    assert first == ("judging", 3, 0)
    assert (sum(n for n, _ in rest), {tokens for _, tokens in rest}) == (3, {0})


def test_the_progress_goes_on_after_what_was_judged_before(tmp_path: Path) -> None:
    calls: list[tuple[Any, ...]] = []

    @contextmanager
    def progress(what: str, *, total: int, done: int) -> Iterator[Advance]:
        calls.append((what, total, done))
        yield lambda examples, tokens: calls.append((examples, tokens))

    run = made(tmp_path)
    with pytest.raises(UserError):
        judge_answers(run, SCORER, b"", judging((0, TWO)))
    judge_answers(run, SCORER, b"", _each(TWO), progress)
    assert calls[0] == ("judging", 3, 1)
    assert sum(n for n, _ in calls[1:]) == 2


def _each(found: list[Judged]) -> Any:
    def judge(questions: Sequence[Question]) -> Iterator[tuple[int, list[Judged]]]:
        for place in range(len(questions)):
            yield place, found

    return nullcontext(judge)


def test_scores_are_not_written_of_answers_that_are_not_judged(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run").path
    file = path / "judgements.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match="has not been judged"):
        write_scores(RunDirectory(path), ScoringOptions())


def test_two_processes_do_not_judge_one_run(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run").path
    (path / "judgements.jsonl").unlink()
    with RunDirectory(path).locked(), pytest.raises(UserError, match="Another process"):
        score(path, resamples=0)


def test_a_damaged_line_is_told(told: Path, tmp_path: Path) -> None:
    path = run(tmp_path / "run").path
    file = path / "judgements.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"compiles":true', b'"compiles":"ja"', 1))
    with pytest.raises(UserError, match="damaged"):
        score(path, resamples=0)
    shutil.rmtree(path)


def test_a_line_begins_with_its_key(tmp_path: Path) -> None:
    run = made(tmp_path)
    judge_answers(run, SCORER, b"", judging((0, TWO), (1, TWO)))
    line = run.judgements.read_bytes().splitlines()[0]
    assert list(orjson.loads(line)) == list(Judgement.__dataclass_fields__)
    assert line.startswith(b'{"id":"')


def test_the_judge_protocol_is_that_of_a_plain_function() -> None:
    judge: Judge
    with lengths.open_judge(lengths.Options(), JudgeSettings()) as judge:
        found = list(judge([(example("e", "abc"), ["abc", "ab"])]))
    assert [(place, [own.gold for own in judged]) for place, judged in found] == [(0, [0, -1])]


ROWS = [
    {
        "id": i,
        "question": f"{i}?",
        "gold": "def",
        "text": f"<answer>{word}</answer>",
        "grade": grade,
    }
    for i, (word, grade) in enumerate([("def", 0), ("for", 1), ("x <", 1)])
]


def test_what_was_graded_elsewhere_is_not_judged(cli: Cli, told: Path) -> None:
    write_rows(Path("rows.jsonl"), ROWS)
    command = ["import", "rows.jsonl", "--task", TASK_FILE, "--out", "run", "--resamples", "0"]
    code, out, err = cli(*command)
    assert (code, err) == (0, "")
    assert "compiles" not in out
    assert score(Path("run"), resamples=0).results.metrics["recall"].value == pytest.approx(2 / 3)
    assert lines_of(told) == []
    assert RunDirectory(Path("run")).read_run()["format"]["form"] == "program"


def test_a_recording_that_would_have_to_be_judged_is_refused(cli: Cli, told: Path) -> None:
    rows = [{name: value for name, value in row.items() if name != "grade"} for row in ROWS]
    write_rows(Path("rows.jsonl"), rows)
    code, _, err = cli("import", "rows.jsonl", "--task", TASK_FILE, "--out", "run")
    assert code == 2
    assert "'lengths' grades by more than comparing texts" in err
    assert "--map grades=COLUMN" in err
    assert not Path("run").exists()
