"""A suite makes the runs that are missing, compares and reports them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from marl_eval.comparison.differences import compare
from marl_eval.errors import UserError
from marl_eval.suite import SUITES, make_suite, read_suite, runs_of
from tests.conftest import SHARED, Cli

SUITE: dict[str, Any] = {
    "settings": {"resamples": 50, "task_args": {"examples": 20, "conditions": 6}},
    "tasks": {"patients": {"task": "ddxsim"}, "others": {"task": "ddxsim", "task_args": {"seed": 1}}},
    "models": {
        "oracle": {"settings": {"model": "reference:oracle"}, "strategies": ["multi"]},
        "guess": {"settings": {"model": "reference:random"}, "tasks": ["patients"]},
    },
    "strategies": {"multi": {"strategy": "multi", "k": 2}, "single": {"strategy": "single"}},
    "compare": [{"first": "guess/multi", "second": "oracle/multi"}],
    "reports": {"leaderboard": {"csv": "all.csv"}},
}  # fmt: skip
RUNS = [
    "others-oracle-multi",
    "patients-guess-multi",
    "patients-guess-single",
    "patients-oracle-multi",
]


def written(folder: Path, **changes: Any) -> Path:
    file = folder / "suite.yaml"
    file.write_text(yaml.safe_dump({**SUITE, **changes}, sort_keys=False))
    return file


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("results.json")}


def test_every_model_is_asked_for_the_tasks_and_strategies_that_it_is_for(tmp_path: Path) -> None:
    made = make_suite(read_suite(written(tmp_path)), tmp_path / "out")
    assert sorted(f.name for f in (tmp_path / "out/runs").iterdir()) == RUNS
    assert (made.failed, made.incomplete) == ({}, [])
    (only,) = made.comparisons
    runs = tmp_path / "out/runs"
    assert only == compare(runs / "patients-guess-multi", runs / "patients-oracle-multi")
    stored = json.loads((tmp_path / "out/comparisons.json").read_bytes())
    assert stored == [only.model_dump()]
    assert len((tmp_path / "out/all.csv").read_text().splitlines()) == 1 + len(RUNS)


def test_settings_of_the_task_the_model_and_the_strategy_go_over_each_other_in_this_order(
    tmp_path: Path,
) -> None:
    file = written(
        tmp_path,
        settings={**SUITE["settings"], "seed": 1, "temperature": 0.1, "max_tokens": 9, "top_p": 0.9},
        tasks={"t": {"task": "ddxsim", "temperature": 0.2, "max_tokens": 8, "top_p": 0.8,
                     "task_args": {"seed": 7}}},
        models={"m": {"settings": {"model": "reference:oracle", "max_tokens": 7, "top_p": 0.7}}},
        strategies={"s": {"strategy": "multi", "top_p": 0.6}},
        compare=[],
    )  # fmt: skip
    (asked,) = runs_of(read_suite(file), tmp_path)
    settings = asked.settings
    assert (settings.seed, settings.temperature, settings.max_tokens, settings.top_p) == (
        1, 0.2, 7, 0.6
    )  # fmt: skip
    assert settings.task_args == {"examples": 20, "conditions": 6, "seed": 7}


def test_what_is_stored_is_not_asked_again_and_what_is_added_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_suite(read_suite(written(tmp_path)), out)
    before = contents(out)
    stored = out / "runs/patients-oracle-multi/completions/part-0.jsonl"
    inode = stored.stat().st_ino, stored.stat().st_mtime_ns
    prior = {"settings": {"model": "reference:prior"}, "strategies": ["multi"], "tasks": ["others"]}
    make_suite(read_suite(written(tmp_path, models={**SUITE["models"], "prior": prior})), out)
    after = contents(out)
    assert set(after) - set(before) == {"runs/others-prior-multi/results.json"}
    assert {name: after[name] for name in before} == before
    assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == inode


def test_a_run_that_cannot_be_made_does_not_keep_the_others_from_being_made(
    cli: Cli, tmp_path: Path
) -> None:
    models = {**SUITE["models"], "lost": {"settings": {"model": f"hf:{tmp_path}/nowhere"}}}
    out = tmp_path / "out"
    code, _, err = cli("suite", written(tmp_path, models=models), "--out", out)
    assert code == 1
    assert "NOT MADE patients-lost-multi: " in err
    assert [name for name in RUNS if not (out / "runs" / name / "results.json").exists()] == []
    assert len((out / "all.csv").read_text().splitlines()) == 1 + len(RUNS)


def test_where_no_run_can_be_made_each_reason_is_told(cli: Cli, tmp_path: Path) -> None:
    file = written(tmp_path, tasks={"patients": {"task": "ddxsimm"}})
    code, _, err = cli("suite", file, "--out", tmp_path / "out")
    assert code == 1
    assert (
        "NOT MADE patients-oracle-multi: There is no task 'ddxsimm'; did you mean 'ddxsim'" in err
    )
    assert "cannot be written" not in err


def test_a_folder_that_cannot_be_made_is_told(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = cli("suite", written(tmp_path), "--out", tmp_path / "file")
    assert code == 1
    assert f"{tmp_path / 'file'} cannot be written" in err


def test_a_changed_setting_is_told_and_does_not_go_into_the_old_run(
    cli: Cli, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert cli("suite", written(tmp_path), "--out", out)[0] == 0
    changed = written(tmp_path, strategies={**SUITE["strategies"], "single": {"strategy": "single",
                                                                              "seed": 3}})  # fmt: skip
    code, _, err = cli("suite", changed, "--out", out)
    assert code == 1
    assert "NOT MADE patients-guess-single: " in err
    assert "settings.seed: 0 there, 3 now" in err


def test_a_dry_run_lists_the_runs_and_makes_none(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("suite", written(tmp_path), "--out", tmp_path / "out", "--dry-run")
    assert code == 0
    assert [Path(line.partition(":")[0]).name for line in sorted(out.splitlines())] == RUNS
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"models": {}}, "models: "),
        ({"speed": 3}, "speed: "),
        ({"compare": [{"first": "oracle/mult", "second": "oracle/multi"}]}, "mean 'oracle/multi'"),
        ({"reports": {"leaderbord": {}}}, "did you mean 'leaderboard'"),
        ({"reports": {"leaderboard": {"cvs": "x"}}}, "reports.leaderboard: .*did you mean 'csv'"),
        ({"models": {"m": {"settings": {}, "tasks": ["patient"]}}}, "models.m: .*'patients'"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named(changes: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        read_suite(written(tmp_path, **changes))


def test_a_wrong_setting_is_told_with_its_run_before_any_run_is_made(tmp_path: Path) -> None:
    suite = read_suite(written(tmp_path, settings={"temprature": 1}))
    with pytest.raises(UserError, match=r"patients, oracle, multi: .*did you mean 'temperature'"):
        make_suite(suite, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_paper_s_suite_asks_as_published() -> None:
    suite = read_suite(Path("paper"))
    assert list(suite.tasks) == ["ddxplus", "hotpotqa", "mbpp"]
    asked = runs_of(suite, Path("out"))
    assert len(asked) == 3 * (3 + 3 + 1 + 1 + 1 + 1)
    generations = {"single": 1, "best-of-k": 30, "multi": 10}
    for one in asked:
        assert (one.settings.temperature, one.settings.max_tokens) == (0.7, 1536)
        assert (one.settings.seed, one.settings.limit) == (42, 5000)
        assert one.settings.layout.samples == generations[one.settings.strategy.value]


def test_the_paper_s_tasks_are_asked_of_their_real_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the real data is not at {SHARED}")
    monkeypatch.setenv("MARL_EVAL_DATA", str(SHARED / "data"))
    suite = read_suite(Path("paper"))
    models = {name: suite.models[name] for name in ("gold", "guess")}
    few = {**suite.settings, "limit": 3, "resamples": 50}
    small = suite.model_copy(update={"settings": few, "models": models, "compare": []})
    small.reports.pop("figures")
    made = make_suite(small, tmp_path)
    assert (made.failed, made.incomplete, len(made.runs)) == ({}, [], 6)
    assert (tmp_path / "report.html").exists()


def test_the_shipped_suites_are_found_by_name() -> None:
    assert [file.stem for file in sorted(SUITES.glob("*.yaml"))] == ["paper"]
    with pytest.raises(UserError, match="papr"):
        read_suite(Path("papr"))
