"""Each known way of spoiling the best possible answers moves what it should, by what theory gives."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from math import exp, log
from pathlib import Path

import numpy as np
import orjson
import pytest

from marl_eval import score
from marl_eval.answers import AnswerFormat, render
from marl_eval.results import Results
from marl_eval.store import COMPLETIONS, RUN
from tests.oracles import (
    SURE,
    Facts,
    K,
    Oracle,
    calibration,
    coverage,
    facts,
    of_number,
    of_set,
    ranked,
    run_oracle,
    value,
)

Answers = list[tuple[str, float]]

STATED = re.compile(r"<answer\d>(.*?)</answer\d><confidence\d>(.*?)</confidence\d>")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """A world of several right answers, and few enough confidences for metrics by rank to be exact."""
    return run_oracle(tmp_path_factory.mktemp("small") / "run", 1200, 3)


@pytest.fixture(scope="module")
def small_one(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """The same with one right answer, so that confidences of a set add up."""
    return run_oracle(tmp_path_factory.mktemp("small_one") / "run", 1200, 1)


def spoil(run: Oracle, out: Path, change: Callable[[Answers], Answers]) -> Results:
    """Score the run again with the answers of each stored text changed."""
    shutil.copytree(run.path, out)
    fmt = AnswerFormat(**orjson.loads((out / RUN).read_bytes())["format"])
    lines = [orjson.loads(line) for line in (out / COMPLETIONS).read_bytes().splitlines()]
    for line in lines:
        answers = change([(name, float(q)) for name, q in STATED.findall(line["text"])])
        names, confidences = [name for name, _ in answers], [q for _, q in answers]
        line["text"] = render(fmt, names, confidences, reasoning="Spoilt.")
    (out / COMPLETIONS).write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return score(out, resamples=0).results


def moved(run: Oracle, spoilt: Results, *, by: float = 0) -> set[str]:
    """Name the metrics that differ by more, or are defined in one only."""
    assert list(run.results.metrics) == list(spoilt.metrics)
    before, after = (
        np.array([metric.value for metric in results.metrics.values()], dtype=np.float64)
        for results in (run.results, spoilt)
    )
    same = (np.abs(after - before) <= by) | (np.isnan(before) & np.isnan(after))
    return {name for name, kept in zip(spoilt.metrics, same, strict=True) if not kept}


def check_moves(run: Oracle, spoilt: Results, before: Facts, after: Facts) -> None:
    """See that each metric changed by what theory gives."""
    for name in after:
        change, error = run.expect(after[name] - before[name])
        found = value(spoilt, name) - value(run.results, name)
        assert abs(found - change) < SURE * error + 1e-9, name


def soften(q: float, temperature: float) -> float:
    """Divide the logit of a probability by a temperature."""
    if q in (0, 1):
        return q
    return 1 / (1 + exp((log(1 - q) - log(q)) / temperature))


OF_ANSWERS = {
    "multi_brier", "multi_brier_sum", "brier_answered", "log_score", "ece", "smooth_ece", "mce",
    "ece_debiased", "ece_equal_mass", "brier_reliability", "brier_resolution",
}  # fmt: skip
OF_SETS = {"set_brier", "set_ece", "set_auroc", "correct_bias", "correct_error"}
"""Metrics of how the confidences of single answers lie, and those of whole sets."""
OF_PROBABILITIES = {"probability_brier", "probability_error"}
OF_ORDER = {"auroc", "auprc"}
OF_FIRST = {"pass@1", "hit@1", "aurc", *(f"risk@{tenths / 10:g}" for tenths in range(1, 11))}
CONFORMAL = {f"conformal_{what}@{t}" for what in ("coverage", "size") for t in (0.8, 0.9, 0.95)}
FEWER_ANSWERS = {
    "recall", "capped_recall", "precision", "f1", "correct_answers", "regret", "hit@2", "hit@3",
    "distinct_answers", "effective_answers_1", "effective_answers_2", "tokens_per_distinct_answer",
    "tokens_per_correct_answer", "format_ok", "brier_uncertainty", "sharpness", "sum_above_one",
}  # fmt: skip
"""Metrics that see that a set has two different answers and not three."""


def test_the_same_answers_written_again_move_nothing(small: Oracle, tmp_path: Path) -> None:
    assert moved(small, spoil(small, tmp_path / "run", lambda answers: answers)) == set()


def test_another_order_of_the_answers_moves_nothing(small: Oracle, tmp_path: Path) -> None:
    spoilt = spoil(small, tmp_path / "run", lambda a: [a[1], a[0], a[2]])
    assert moved(small, spoilt) == set()


@pytest.mark.parametrize(
    ("world", "temperature", "besides"),
    [("small", 2.0, "sum_above_one"), ("small_one", 0.5, "distribution_distance")],
)
def test_a_temperature_on_confidences_moves_calibration_alone(
    world: str,
    temperature: float,
    besides: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    run: Oracle = request.getfixturevalue(world)
    spoilt = spoil(
        run, tmp_path / "run", lambda answers: [(a, soften(q, temperature)) for a, q in answers]
    )
    assert moved(run, spoilt) == OF_ANSWERS | OF_SETS | OF_PROBABILITIES | {"sharpness", besides}
    q = np.vectorize(soften)(run.p, temperature)
    before, after = facts(run, run.p), facts(run, q)
    squares = (q - run.p) ** 2
    if world == "small_one":
        before, after = before | of_set(run, run.p), after | of_set(run, q)
        excess = (q - run.p).sum(axis=1)
        rise = run.expect(after["set_brier"] - before["set_brier"])[0]
        assert rise == pytest.approx((excess**2).mean())
        distance = (np.abs(q - run.p).sum(axis=1) + np.abs(excess)) / 2
        assert value(spoilt, "distribution_distance") == pytest.approx(distance.mean())
    check_moves(run, spoilt, before, after)
    rise = run.expect(after["multi_brier"] - before["multi_brier"])[0]
    assert rise == pytest.approx(squares.mean())
    assert value(spoilt, "probability_brier") == pytest.approx(squares.mean())
    assert value(spoilt, "probability_error") == pytest.approx(np.abs(q - run.p).mean())
    assert value(spoilt, "sharpness") == pytest.approx(q.var())


def test_confidences_of_each_others_answers_move_what_looks_at_single_answers(
    small: Oracle, tmp_path: Path
) -> None:
    spoilt = spoil(
        small, tmp_path / "run", lambda a: [(a[0][0], a[1][1]), (a[1][0], a[0][1]), a[2]]
    )
    expected = OF_ANSWERS | OF_PROBABILITIES | OF_ORDER | OF_FIRST | CONFORMAL
    assert moved(small, spoilt) == expected
    before, after = facts(small, small.p), facts(small, small.p[:, [1, 0, 2]])
    # The second answer now has the most confidence.
    after |= ranked(small.right[:, :, [1, 0, 2]])
    check_moves(small, spoilt, before, after)
    gap = small.p[:, 0] - small.p[:, 1]
    rise = small.expect(after["multi_brier"] - before["multi_brier"])[0]
    assert rise == pytest.approx((2 * gap**2 / K).mean())
    assert value(spoilt, "probability_brier") == pytest.approx((2 * gap**2 / K).mean())
    assert value(spoilt, "probability_error") == pytest.approx((2 * gap / K).mean())


def test_a_dropped_answer_is_lost_to_coverage_and_counts_as_the_worst(
    small: Oracle, tmp_path: Path
) -> None:
    spoilt = spoil(small, tmp_path / "run", lambda a: [a[0], a[2]])
    expected = OF_ANSWERS | OF_SETS | OF_PROBABILITIES | OF_ORDER | CONFORMAL | FEWER_ANSWERS
    assert moved(small, spoilt, by=1e-12) == expected | {"answered"}
    before, right, p = facts(small, small.p), small.right[:, :, [0, 2]], small.p[:, [0, 2]]
    after = coverage(small, right, given=2) | ranked(right) | calibration(right, p)
    check_moves(small, spoilt, before, after)
    fall = small.expect(after["recall"] - before["recall"])[0]
    assert fall == pytest.approx(-small.gain[:, 1].mean())
    second = small.p[:, 1]
    rise = small.expect(after["multi_brier"] - before["multi_brier"])[0]
    assert rise == pytest.approx((1 - second * (1 - second)).mean() / K)
    assert value(spoilt, "regret") == pytest.approx(second.mean())
    for name in ("answered", "probability_brier", "probability_error"):
        assert value(spoilt, name) == pytest.approx(2 / 3 if name == "answered" else 1 / 3)
    assert spoilt.metrics["ece"].share == pytest.approx(2 / 3)
    assert value(spoilt, "set_brier") == 1
    for name in OF_SETS - {"set_brier"}:
        assert (spoilt.metrics[name].value, spoilt.metrics[name].share) == (None, 0)
        assert spoilt.metrics[name].reason
    check_fewer(small, spoilt, {"distinct_answers": 2, "effective_answers_1": 2})


def test_a_repeated_answer_is_lost_to_coverage_but_no_less_calibrated(
    small: Oracle, tmp_path: Path
) -> None:
    spoilt = spoil(small, tmp_path / "run", lambda a: [a[0], a[1], a[0]])
    # A third answer that alone is right has too little confidence to matter for 80 %.
    conformal = CONFORMAL - {"conformal_coverage@0.8"}
    expected = OF_ANSWERS | OF_SETS | OF_ORDER | conformal | FEWER_ANSWERS
    assert moved(small, spoilt, by=1e-12) == expected | {"repeated_share"}
    right, p, again = small.right, small.p, [0, 1, 0]
    before, after = facts(small, p), coverage(small, right[:, :, :2])
    after |= ranked(right[:, :, [0, 0, 1]]) | calibration(right[:, :, again], p[:, again])
    after |= of_number(right[:, :, :2], p[:, :2])
    check_moves(small, spoilt, before, after)
    fall = small.expect(after["recall"] - before["recall"])[0]
    assert fall == pytest.approx(-small.gain[:, 2].mean())
    assert small.expect(after["correct_bias"])[0] == pytest.approx(0, abs=1e-9)
    assert value(spoilt, "regret") == pytest.approx(p[:, 2].mean())
    assert value(spoilt, "hit@2") == value(small.results, "hit@1")
    hill = {"effective_answers_1": 3 / 2 ** (2 / 3), "effective_answers_2": 1.8}
    check_fewer(small, spoilt, {"distinct_answers": 2, "repeated_share": 1 / 3, **hill})


def check_fewer(run: Oracle, spoilt: Results, expected: dict[str, float]) -> None:
    """See what two different answers of three, for the same tokens, come to."""
    for name, own in expected.items():
        assert value(spoilt, name) == pytest.approx(own), name
    assert value(spoilt, "format_ok") == 0
    for name, of in (("distinct", "distinct_answers"), ("correct", "correct_answers")):
        cost = f"tokens_per_{name}_answer"
        ratio = value(run.results, of) / value(spoilt, of)
        assert value(spoilt, cost) == pytest.approx(ratio * value(run.results, cost))
