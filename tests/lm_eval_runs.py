"""Running lm-eval's own command on our tasks, and scoring its texts as a run of ours."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from marl_eval import evaluate
from marl_eval.importing.runs import Wishes, import_runs
from marl_eval.lm_eval_tasks.files import write_files
from marl_eval.results import Results
from marl_eval.run import read_template, score
from marl_eval.store import RunDirectory
from tests.runs import change_completions, completions_file, read_lines

Values = dict[str, float]


class Harness(NamedTuple):
    """What lm-eval's command left: the values of each task, and its file of samples."""

    values: dict[str, Values]
    samples: dict[str, Path]


def lm_eval(out: Path, tasks: str, model: Path, table: dict[str, Any], *more: str) -> Harness:
    """Run lm-eval's command with the settings ``table``."""
    done = subprocess.run(
        [
            sys.executable, "-m", "lm_eval", "--model", "hf",
            "--model_args", f"pretrained={model},dtype=float32", "--batch_size", "8",
            "--include_path", str(write_files()), "--tasks", tasks,
            "--metadata", json.dumps({"marl_eval": table}),
            "--output_path", str(out), "--log_samples", *more,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = out.glob("*/results_*.json")
    results = json.loads(file.read_bytes())["results"]
    return Harness(
        values={task: plain_values(told) for task, told in results.items()},
        samples={task: next(out.glob(f"*/samples_{task}_2*.jsonl")) for task in results},
    )


def plain_values(told: dict[str, Any]) -> Values:
    """Give the values of a task by metric, out of the form that lm-eval gives them."""
    return {
        name.removesuffix(",none"): value
        for name, value in told.items()
        if name.endswith(",none") and not name.endswith("_stderr,none")
    }


def assert_same_values(lm_evals: Values, ours: Results) -> None:
    """See that all of our metrics are there and equal, and NaN where ours are undefined."""
    assert ours.metrics.keys() <= lm_evals.keys()
    for name, value in lm_evals.items():
        own = ours.metrics[name].value if name in ours.metrics else None
        if own is None:
            assert math.isnan(value), name
        else:
            assert abs(value - own) <= 1e-12, name


def assert_prompts_are_ours(samples: Path, run: Path, tokenizer: Any = None) -> None:
    """See that lm-eval asked what the imported run says, through the chat template if there is one."""
    template = read_template(RunDirectory(run).read_run())
    for line in map(json.loads, samples.read_text(encoding="utf-8").splitlines()):
        messages = template.ask(line["doc"]["example"]["question"])
        expected = "\n\n".join(message.content for message in messages) + "\n\n"
        if tokenizer is not None:
            turns = [{"role": message.role, "content": message.content} for message in messages]
            expected = tokenizer.apply_chat_template(
                turns, add_generation_prompt=True, tokenize=False
            )
        assert line["arguments"]["gen_args_0"]["arg_0"] == expected


def imported(samples: Path, out: Path) -> Results:
    """Import a file of samples and score it."""
    (run,) = import_runs([samples], out, wishes=Wishes())
    assert not run.notes
    return score(run.path, resamples=0).results


def scored_by_us(samples: Path, out: Path, **settings: Any) -> Results:
    """Make the same run ourselves, put lm-eval's texts in the place of ours, and score it."""
    evaluate(model="reference:random", out=out, resamples=0, **settings)
    given = {
        line["doc"]["example"]["id"]: line["resps"][0]
        for line in map(json.loads, samples.read_text(encoding="utf-8").splitlines())
    }
    ids = [example["id"] for example in read_lines(out / "examples.jsonl")]
    assert given.keys() == set(ids)

    def with_text(line: dict[str, Any]) -> dict[str, Any]:
        unknown = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "finish_reason")
        text = given[ids[line["example"]]][line["sample"]]
        return {**line, **dict.fromkeys(unknown), "text": text}

    change_completions(out, with_text)
    (out / "judgements.jsonl").unlink(missing_ok=True)
    assert len(read_lines(completions_file(out))) == sum(map(len, given.values()))
    return score(out, resamples=0).results
