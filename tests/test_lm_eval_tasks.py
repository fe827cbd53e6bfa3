"""Our tasks inside lm-eval: by its command with a tiny model, and with a model that answers."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from marl_eval.answers import AnswerFormat, render
from marl_eval.errors import UserError
from marl_eval.importing.runs import Wishes, import_runs
from marl_eval.lm_eval_tasks.files import lm_eval_name, write_files
from marl_eval.plugins import found
from marl_eval.run import score
from marl_eval.strategies import Strategy
from tests.backends.tiny import save_tiny_model
from tests.conftest import Cli
from tests.lm_eval_runs import (
    assert_prompts_are_ours,
    assert_same_values,
    imported,
    lm_eval,
    plain_values,
    scored_by_us,
)
from tests.pages import DOCS, blocks, not_printed, shell
from tests.runs import completions_file, read_lines

pytest.importorskip("torch")
pytest.importorskip("lm_eval")

SMALL = {"examples": 12, "conditions": 4, "findings": 6}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_there_is_a_file_for_every_installed_task_and_strategy(cache: Path, cli: Cli) -> None:
    code, printed, _ = cli("lm-eval-path")
    assert code == 0
    folder = Path(printed.strip())
    assert cache in folder.parents
    wanted = {f"{lm_eval_name(task, way)}.yaml" for task in found("tasks") for way in Strategy}
    assert {path.name for path in folder.iterdir()} == wanted
    assert {"marl_humaneval_plus_best_of_k.yaml", "marl_ddxsim_multi.yaml"} <= wanted


def test_the_files_are_written_once_mended_and_safe_to_write_at_once() -> None:
    command = [str(Path(sys.executable).with_name("marl-eval")), "lm-eval-path"]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    (folder,) = {Path(writer.communicate()[0].strip()) for writer in writers}
    assert {writer.returncode for writer in writers} == {0}
    file = folder / "marl_qasim_multi.yaml"
    content, written = file.read_bytes(), file.stat().st_mtime_ns
    assert write_files() == folder
    assert file.stat().st_mtime_ns == written
    file.write_bytes(content[:10])
    write_files()
    assert file.read_bytes() == content
    assert all(path.suffix == ".yaml" for path in folder.iterdir())


def test_another_set_of_tasks_has_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_files()
    some = dict(list(found("tasks").items())[:3])
    monkeypatch.setattr("marl_eval.lm_eval_tasks.files.found", lambda group: some)
    assert write_files() != before


def test_tasks_of_the_same_name_in_lm_eval_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"humaneval+": None, "humaneval_plus": None}
    monkeypatch.setattr("marl_eval.lm_eval_tasks.files.found", lambda group: both)
    with pytest.raises(UserError, match="'humaneval_plus'"):
        write_files()


def test_lm_evals_command_gives_the_values_of_score_and_of_import(
    tiny: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    table = {"max_tokens": 40, "task_args": SMALL, "limit": 5, "n": 2, "shots": 1}
    harness = lm_eval(tmp_path / "out", "marl_ddxsim", tiny, table, "--apply_chat_template")
    assert len(harness.values) == 3
    for strategy in Strategy:
        name = lm_eval_name("ddxsim", strategy)
        values, samples = harness.values[name], harness.samples[name]
        run = tmp_path / f"{name}-imported"
        assert_same_values(values, imported(samples, run))
        assert_prompts_are_ours(samples, run, AutoTokenizer.from_pretrained(tiny))
        ours = scored_by_us(samples, tmp_path / name, task="ddxsim", strategy=strategy, **table)
        assert_same_values(values, ours)
        assert math.isfinite(values["recall"])


def answering_model() -> Any:
    """A model of lm-eval that answers from the gold set: often right, sometimes out of form."""
    from lm_eval.api.model import LM

    class Answering(LM):  # type: ignore[misc]
        tokenizer_name = "none"

        def __init__(self) -> None:
            super().__init__()
            self._rng = random.Random(0)

        def apply_chat_template(self, turns: Any, add_generation_prompt: bool = True) -> str:
            return f"{turns[-1]['content']}\n<think>\n"

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [self._answer(request.doc) for request in requests]

        def _answer(self, doc: dict[str, Any]) -> str:
            fmt = AnswerFormat(**doc["run"]["format"])
            example = doc["example"]
            possible = [answer for answer, _ in example["distribution"] or []]
            possible += [gold["answer"] for gold in example["gold"]]
            answers = [self._rng.choice([*possible, "nothing"]) for _ in range(fmt.k)]
            confidences = [round(self._rng.random() / fmt.k, 2) for _ in range(fmt.k)]
            text = render(fmt, answers, confidences, reasoning="I think so.", analysis="Not sure.")
            return self._rng.choice([text, text, text, text[: len(text) // 2], "Who knows?"])

        def loglikelihood(self, requests: Any) -> Any:
            raise NotImplementedError

        def loglikelihood_rolling(self, requests: Any) -> Any:
            raise NotImplementedError

    return Answering()


def answered(tasks: list[str], table: dict[str, Any], out: Path, **options: Any) -> Any:
    """Run our tasks by lm-eval's function; give its results and files of samples."""
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    manager = TaskManager(
        include_path=str(write_files()), include_defaults=False, metadata={"marl_eval": table}
    )
    results = simple_evaluate(
        model=answering_model(), tasks=tasks, task_manager=manager, log_samples=True, **options
    )
    tracker = EvaluationTracker(output_path=str(out / "results.json"))
    tracker.save_results_aggregated(results, samples=results["samples"])
    for task in tasks:
        tracker.save_results_samples(task, results["samples"][task])
    files = {task: next(out.glob(f"samples_{task}_2*.jsonl")) for task in tasks}
    return results["results"], files


CASES: list[tuple[str, Strategy, dict[str, Any]]] = [
    ("ddxsim", Strategy.MULTI, {"n": 2, "analysis": True}),
    ("ddxsim", Strategy.BEST_OF_K, {"k": 4, "overlap": False}),
    ("qasim", Strategy.MULTI, {"confidence": False}),
    ("qasim", Strategy.SINGLE, {"n": 3, "temperature": 1.0}),
    ("progsim", Strategy.MULTI, {"k": 2}),
    ("progsim", Strategy.BEST_OF_K, {"n": 2, "reasoning": False}),
]


@pytest.mark.parametrize(
    ("task", "strategy", "table"), CASES, ids=[f"{t}-{s}-{i}" for i, (t, s, _) in enumerate(CASES)]
)
def test_every_value_is_that_of_score_and_of_import(
    task: str, strategy: Strategy, table: dict[str, Any], tmp_path: Path
) -> None:
    table = {"limit": 20, **table}
    name = lm_eval_name(task, strategy)
    results, files = answered([name], table, tmp_path)
    values = plain_values(results[name])
    overlap = table.get("overlap", True)
    (run,) = import_runs([files[name]], tmp_path / "imported")
    assert_same_values(values, score(run.path, resamples=0, overlap=overlap).results)
    ours = scored_by_us(
        files[name], tmp_path / "ours", task=task, strategy=strategy,
        **{k: v for k, v in table.items() if k != "overlap"},
    )  # fmt: skip
    if overlap:
        assert_same_values(values, ours)
    assert 0 < values["recall"] < 1
    assert_prompts_are_ours(files[name], run.path)


def test_a_prompt_that_opens_the_reasoning_is_known_to_do_so(tmp_path: Path) -> None:
    name = "marl_ddxsim_multi"
    opened = []
    for folder, options in (("chat", {"apply_chat_template": True}), ("plain", {})):
        (tmp_path / folder).mkdir()
        results, files = answered([name], {"limit": 20}, tmp_path / folder, **options)
        run = tmp_path / folder / "run"
        assert_same_values(plain_values(results[name]), imported(files[name], run))
        opened.append({line["thinking_opened"] for line in read_lines(completions_file(run))})
    assert opened == [{True}, {False}]


def test_strictness_is_that_of_the_table(tmp_path: Path) -> None:
    name = "marl_ddxsim_multi"
    results, files = answered([name], {"limit": 20, "strict": True}, tmp_path)
    (run,) = import_runs([files[name]], tmp_path / "imported")
    assert_same_values(
        plain_values(results[name]), score(run.path, strict=True, resamples=0).results
    )
    assert (
        results[name]["recall,none"] < score(run.path, resamples=0).results.metrics["recall"].value
    )


def test_the_limit_of_lm_eval_takes_the_first_and_ours_the_chosen(tmp_path: Path) -> None:
    name = "marl_ddxsim_multi"
    for folder, table, options in (
        ("theirs", {"task_args": SMALL}, {"limit": 3}),
        ("ours", {"task_args": SMALL, "limit": 3}, {}),
    ):
        (tmp_path / folder).mkdir()
        _, files = answered([name], table, tmp_path / folder, **options)
        lines = map(json.loads, files[name].read_text(encoding="utf-8").splitlines())
        ids = [line["doc"]["example"]["id"] for line in lines]
        first = ["ddxsim-0-0", "ddxsim-0-1", "ddxsim-0-2"]
        assert (ids == first) == (folder == "theirs")


def test_an_import_tells_what_was_asked_and_how_it_was_drawn_in_the_end(tmp_path: Path) -> None:
    name = "marl_ddxsim_best_of_k"
    _, files = answered(
        [name], {"task_args": SMALL, "limit": 3}, tmp_path, gen_kwargs="temperature=0.3"
    )
    (run,) = import_runs([files[name]], tmp_path / "run", wishes=Wishes(model="named"))
    record = json.loads((run.path / "run.json").read_bytes())
    settings = record["settings"]
    assert (settings["model"], settings["strategy"], settings["k"]) == ("named", "best-of-k", 3)
    assert (settings["temperature"], settings["max_tokens"]) == (0.3, 1536)
    assert (record["task"]["name"], record["task"]["examples"]) == ("ddxsim", 3)
    with pytest.raises(UserError, match="tells itself"):
        import_runs([files[name]], tmp_path / "other", wishes=Wishes(k=2))
    lines = files[name].read_bytes().splitlines(keepends=True)
    changed = json.loads(lines[1])
    changed["doc"]["run"]["settings"]["seed"] = 5
    lines[1] = json.dumps(changed).encode() + b"\n"
    files[name].write_bytes(b"".join(lines))
    with pytest.raises(UserError, match="line 2 is of another run"):
        import_runs([files[name]], tmp_path / "other")


def test_predictions_alone_are_kept_without_scoring(tmp_path: Path) -> None:
    name = "marl_ddxsim_multi"
    results, files = answered([name], {"limit": 3}, tmp_path, predict_only=True)
    assert set(plain_values(results[name])) == {"bypass"}
    assert "recall" in imported(files[name], tmp_path / "run").metrics


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"temprature": 0}, "did you mean 'temperature'"),
        ({"seed": 1}, "no setting of marl-eval inside lm-eval named 'seed'"),
        ({"k": 0}, "-k is the number of answers"),
        ({"max_tokens": "many"}, "'max_tokens'"),
        ("k=3", "must be a table of settings"),
        ({"task_args": {"exmples": 3}}, "did you mean 'examples'"),
    ],
)
def test_a_wrong_setting_is_told(table: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        answered(["marl_ddxsim_multi"], table, tmp_path)


def test_the_k_of_the_table_is_passed_over_by_single(tmp_path: Path) -> None:
    names = ["marl_ddxsim_multi", "marl_ddxsim_single"]
    _, files = answered(names, {"k": 5, "limit": 2}, tmp_path)
    sets = [
        json.loads(files[name].read_text(encoding="utf-8").splitlines()[0])["doc"]["run"]["layout"]
        for name in names
    ]
    assert [layout["k"] for layout in sets] == [5, 1]


def test_the_guide_does_what_it_says(tiny: Path, tmp_path: Path) -> None:
    printed = ""
    for language, content in blocks(DOCS / "lm-eval.md"):
        if language == "bash":
            printed = shell(content, tmp_path, MODEL=str(tiny))
        elif language == "text":
            assert not_printed(content, printed) == []
