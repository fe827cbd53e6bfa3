"""The known faults of the released evaluator: each shown beside ours, which does not have it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from marl_eval.metrics.official import official
from marl_eval.metrics.official_judging import judge_run
from marl_eval.run import score
from marl_eval.store import RunDirectory
from tests.imports import import_rows


def answers(*pairs: tuple[str, float]) -> str:
    return "<think>So.</think>" + "".join(
        f"<answer{i}>{answer}</answer{i}><confidence{i}>{q}</confidence{i}>"
        for i, (answer, q) in enumerate(pairs, start=1)
    )


def figures(
    folder: Path, rows: Sequence[dict[str, Any]], **wishes: Any
) -> tuple[dict[str, float], dict[str, float | None]]:
    """Give the released evaluator's figures and our metrics of the same rows."""
    folder.mkdir(exist_ok=True)
    run = import_rows(folder, rows, **wishes)
    released = {figure.name: figure.value for figure in official(run).figures}
    ours = score(run, resamples=0).results.metrics
    return released, {name: metric.value for name, metric in ours.items()}


def test_fault_1_calibration_of_a_set_reads_the_confidence_of_each_answer(tmp_path: Path) -> None:
    rows = [
        {"id": i, "gold": "Paris", "text": answers(("Paris", 0.9), (wrong, 0.1))}
        for i, wrong in enumerate(["Lyon", "Nice"])
    ]
    released, ours = figures(tmp_path, rows)
    # Read as 0 throughout, the confidences cannot tell a right answer from a wrong one.
    assert released["confidence level"] == 0
    assert released["auroc"] == 0.5
    assert released["ece"] == 0.5
    assert ours["auroc"] == 1
    assert ours["ece"] == pytest.approx(0.1)


def test_fault_2_a_generation_without_answers_has_the_worst_brier_score(tmp_path: Path) -> None:
    good = {"id": 1, "gold": "Paris", "text": answers(("Paris", 0.9), ("Lyon", 0.2))}
    broken = {"id": 2, "gold": "Paris", "text": "I cannot say."}
    released_alone, ours_alone = figures(tmp_path / "alone", [good])
    released, ours = figures(tmp_path / "both", [good, broken])
    of_good = 0.1**2 + 0.2**2
    assert released_alone["set_brier"] == pytest.approx(of_good)
    assert released["set_brier"] == pytest.approx(of_good / 2)
    assert ours_alone["multi_brier"] == pytest.approx(of_good / 2)
    assert ours["multi_brier"] == pytest.approx((of_good / 2 + 1) / 2)


def test_fault_3_length_is_counted_in_tokens(tmp_path: Path) -> None:
    short, long = answers(("Paris", 0.9)), answers(("Llanfairpwllgwyngyll", 0.9))
    lengths = []
    for name, text in (("short", short), ("long", long)):
        row = {"id": 1, "gold": "x", "text": text, "completion_tokens": 40}
        released, ours = figures(tmp_path / name, [row])
        assert ours["tokens_per_example"] == 40
        lengths.append(released["completion length"])
    assert lengths == [len(short), len(long)]
    _, unknown = figures(tmp_path / "unknown", [{"id": 1, "gold": "x", "text": short}])
    assert unknown["tokens_per_example"] is None


def test_fault_4_two_names_of_one_gold_answer_are_one_right_answer(tmp_path: Path) -> None:
    gold = [["Paris", "City of Light"], ["Lyon"]]
    text = answers(("Paris", 0.5), ("the city of light", 0.5))
    run = import_rows(tmp_path, [{"id": 1, "gold": gold, "text": text}])
    ((judged,),) = judge_run(RunDirectory(run))
    assert sum(judged.right) == 2
    ours = score(run, resamples=0).results.metrics
    assert ours["correct_answers"].value == 1
    assert ours["recall"].value == 0.5
    assert ours["precision"].value == 0.5


def test_fault_5_no_mathematical_parser_is_imported_to_score(tmp_path: Path) -> None:
    rows = [{"id": 1, "gold": "1/2", "text": answers(("$\\frac{1}{2}$", 0.9), ("0.5", 0.1))}]
    run = import_rows(tmp_path, rows, task="ddxsim")
    probe = (
        "import sys\n"
        "from pathlib import Path\n"
        "from marl_eval.run import score\n"
        "score(Path(sys.argv[1]), resamples=0)\n"
        "parsers = ['math_verify', 'latex2sympy2_extended', 'sympy', 'antlr4']\n"
        "print([name for name in parsers if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, str(run)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
