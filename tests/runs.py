"""Run directories for the tests: made by a run, made by hand, read back and spoiled."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest

from marl_eval import RunResult, evaluate, score_table
from marl_eval.answers import AnswerFormat, render
from marl_eval.lines import Appender
from marl_eval.store import RUN, RunDirectory, dump_json, write_whole
from marl_eval.strategies import SetLayout
from marl_eval.types import Completion, Example, Failure, Gold

RESAMPLES = 50


def run(out: Path, **values: Any) -> RunResult:
    """Run the oracle on 50 examples of a simulated task, or what ``values`` say."""
    settings = {"model": "reference:oracle", "task": "ddxsim", "task_args": {"examples": 50}}
    return evaluate(**{**settings, "resamples": RESAMPLES, "out": out, **values})


def example(name: str, *gold: str | Gold, **more: Any) -> Example:
    """Make an example from its right answers."""
    return Example(
        name, f"{name}?", tuple(g if isinstance(g, Gold) else Gold(g) for g in gold), **more
    )


def completion(
    row: int, text: str, *, sample: int = 0, stage: int = 0, tokens: int | None = 10, **more: Any
) -> Completion:
    """Make a generation of the example at ``row`` that took as many tokens as were sent."""
    name = f"{row:016x}{sample:08x}{stage:08x}"
    return Completion(name, row, sample, stage, text, tokens, tokens, "stop", **more)


def failure(row: int, *, sample: int = 0) -> Failure:
    """Make a request that failed for good."""
    return Failure(completion(row, "", sample=sample).id, row, sample, 0, "made to fail")


def said(*answers: str, q: Sequence[float | str] = ()) -> str:
    """Write answers, with the confidences ``q`` if there are any, as they are asked for."""
    fmt = AnswerFormat(len(answers), confidence=bool(q), reasoning=False)
    return render(fmt, answers, q)


def hand_made(
    path: Path,
    examples: Sequence[Example],
    records: Sequence[Completion | Failure],
    *,
    k: int = 2,
    sets: int = 1,
    members: int = 1,
    recorded: Mapping[str, bool] | None = None,
    exclusive: bool = False,
    **fmt: Any,
) -> Path:
    """Write a run directory by hand.

    ``fmt`` are the fields of the ``AnswerFormat`` of a generation, without reasoning if not given.
    """
    run = RunDirectory(path)
    of_one = AnswerFormat(**{"k": k // members, "reasoning": False, **fmt})
    record: dict[str, Any] = {
        "settings": {
            "model": "by hand",
            "task": "recorded",
            "strategy": "best-of-k" if members > 1 else "multi",
            "k": k,
            "n": sets,
            "task_args": {},
        },
        "task": {
            "name": "recorded",
            "version": "1",
            "split": "by hand",
            "sha256": "",
            "exclusive": exclusive,
        },
        "model": {"backend": "by hand"},
        "layout": asdict(SetLayout(k, sets, members)),
        "format": asdict(of_one),
        "prompt": {"sha256": "", "messages": []},
    }
    if recorded is not None:
        record["recorded"] = dict(recorded)
    with run.locked():
        write_whole(path / RUN, dump_json(record))
        run.write_examples(examples)
        for file, kind in ((run.completions, Completion), (run.errors, Failure)):
            appender = Appender(file)
            appender.append([record for record in records if isinstance(record, kind)])
            appender.close()
    return path


@contextmanager
def small_blocks(completions: int) -> Iterator[None]:
    """Score in blocks of this many generations, so that a small run has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(score_table, "_COMPLETIONS", completions)
        yield


def read_scores(path: Path) -> pd.DataFrame:
    """Read the scores of a run."""
    return pd.read_parquet(path / "scores.parquet")


def completions_file(path: Path) -> Path:
    return path / "completions" / "part-0.jsonl"


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


Edit = Callable[[dict[str, Any]], dict[str, Any] | None]


def change_completions(path: Path, edit: Edit) -> None:
    """Rewrite the completions of a run; those edited to None become failed requests."""
    kept, failed = [], []
    for line in read_lines(completions_file(path)):
        new = edit(dict(line))
        if new is not None:
            kept.append(orjson.dumps(new) + b"\n")
        else:
            failure = {name: line[name] for name in ("id", "example", "sample", "stage")}
            failed.append(orjson.dumps({**failure, "reason": "broken"}) + b"\n")
    completions_file(path).write_bytes(b"".join(kept))
    with (path / "errors.jsonl").open("ab") as file:
        file.writelines(failed)


def assert_tells_nothing_of_this_machine(text: str, path: Path) -> None:
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
    assert str(path) not in text
    assert str(path.parent) not in text
    assert not re.search(rf"\b{datetime.now(UTC).year}\b", text)


def with_things_wrong(line: dict[str, Any]) -> dict[str, Any] | None:
    """Spoil some completions, each in a way that its row and sample decide."""
    kind = (7 * line["example"] + line["sample"]) % 12
    text = line["text"]
    if kind == 0:
        return None
    if kind == 1:
        line["text"] = "I do not know."
    elif kind == 2:
        line["text"] = text.partition("<answer2>")[0]
    elif kind == 3:
        line["text"] = re.sub(r"<confidence1?>.*?</confidence1?>", "", text)
    elif kind == 4:
        first = text.partition("<answer1>")[2].partition("</answer1>")[0]
        line["text"] = re.sub(r"(<answer[23]>)[^<]*", rf"\g<1>{first}", text)
    elif kind == 5:
        line["text"] = re.sub(r"(<confidence3>)[^<]*", r"\g<1>0.875", text)
    elif kind == 6:
        line["text"] = re.sub(r"(<confidence1?>)[^<]*", r"\g<1>85%", text)
    elif kind == 7:
        line["text"] = re.sub(r"(<answer2?>)[^<]*", r"\g<1>nothing that there is", text)
    line["completion_tokens"] += 5 * kind
    return line
