"""Runs in which something is extreme: a defined result each, never an error, never a flattering one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from marl_eval import score
from marl_eval.metric import Metric
from marl_eval.plugins import load_metric_families
from marl_eval.results import Results, read_results
from marl_eval.scoring.stage import read_shape
from marl_eval.show import print_table
from marl_eval.store import RunDirectory
from marl_eval.strategies import SetLayout
from marl_eval.types import Completion, Example, Failure, Gold
from tests.runs import completion, example, failure, hand_made, said

LAYOUTS = {
    "one set": SetLayout(k=3, sets=1, members=1),
    "two sets": SetLayout(k=3, sets=2, members=1),
    "pools": SetLayout(k=3, sets=2, members=3),
    "single answers": SetLayout(k=1, sets=4, members=1),
}
ROWS = 4
Values = Mapping[str, float]
Answers = Callable[[int, int], str]
"""From the row of an example and the position of an answer in its set to the answer."""


@dataclass(frozen=True)
class Case:
    """A run, the values it must have, and those that cannot be told of it."""

    examples: Sequence[Example]
    records: Sequence[Completion | Failure]
    values: Values = field(default_factory=dict)
    undefined: Sequence[str] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def texts(
    layout: SetLayout, answers: Answers, q: float | str | None, rows: int = ROWS, **more: Any
) -> list[Completion]:
    """Give every generation of a run, the set's answers dealt out to its generations."""
    each = layout.k // layout.members
    return [
        completion(
            row,
            said(
                *(answers(row, sample % layout.members * each + i) for i in range(each)),
                q=[] if q is None else [q] * each,
            ),
            sample=sample,
            **more,
        )
        for row in range(rows)
        for sample in range(layout.samples)
    ]


def examples(layout: SetLayout, rows: int = ROWS, **more: Any) -> list[Example]:
    """Give examples of which ``k`` answers are right: a0, a1 and so on."""
    return [example(f"e{row}", *(f"a{i}" for i in range(layout.k)), **more) for row in range(rows)]


def right(row: int, position: int) -> str:
    return f"a{position}"


def wrong(row: int, position: int) -> str:
    return f"x{position}"


CALIBRATION = ["brier_answered", "log_score", "ece", "smooth_ece", "mce", "ece_debiased"]
CALIBRATION += ["ece_equal_mass", "brier_reliability", "brier_resolution", "sharpness"]
SET_CALIBRATION = ["set_ece", "correct_bias", "correct_error", "sum_above_one"]
CONFORMAL = [f"conformal_{what}@{to}" for what in ("coverage", "size") for to in (0.8, 0.9, 0.95)]
COVERAGE = ["recall", "capped_recall", "precision", "f1", "correct_answers", "pass@1", "hit@1"]
COSTS = ["prompt_tokens", "tokens_per_example", "tokens_per_distinct_answer"]
NOTHING: Values = dict.fromkeys(COVERAGE, 0)


def no_example(layout: SetLayout) -> Case:
    return Case([], [], undefined=[*COVERAGE, *CALIBRATION, *CONFORMAL, *COSTS, "error_rate"])


def one_example(layout: SetLayout) -> Case:
    values = {"recall": 1, "precision": 1, "brier_answered": 0.25**2, "tokens_per_example": 10.0}
    values["tokens_per_example"] *= layout.samples
    return Case(examples(layout, 1), texts(layout, right, 0.75, 1), values, ["auroc", "set_auroc"])


def no_confidence(layout: SetLayout) -> Case:
    values = {"recall": 1, "hit@1": 1, "answered": 1, "format_ok": 0, "multi_brier": 1}
    values |= {"multi_brier_sum": layout.k, "set_brier": 1, "risk@1": 0}
    undefined = [*CALIBRATION, *SET_CALIBRATION, *CONFORMAL, "auroc", "auprc", "set_auroc"]
    return Case(examples(layout), texts(layout, right, None), values, undefined)


def all_right(layout: SetLayout) -> Case:
    values: Values = {
        "recall": 1, "precision": 1, "f1": 1, "hit@1": 1, "correct_answers": layout.k,
        "multi_brier": 0.25**2, "ece": 0.25, "auprc": 1, "brier_uncertainty": 0, "aurc": 0,
        "risk@1": 0, "set_brier": 0.25 ** (2 * layout.k), "correct_bias": -0.25 * layout.k,
    }  # fmt: skip
    return Case(examples(layout), texts(layout, right, 0.75), values, ["auroc", "set_auroc"])


def all_wrong(layout: SetLayout) -> Case:
    values: Values = {
        **NOTHING, "answered": 1, "multi_brier": 0.75**2, "ece": 0.75, "aurc": 1, "risk@0.1": 1,
        "risk@1": 1, "set_brier": (1 - 0.25**layout.k) ** 2, "correct_bias": 0.75 * layout.k,
        "brier_uncertainty": 0, "distinct_answers": layout.k,
    }  # fmt: skip
    undefined = ["auroc", "auprc", "set_auroc", *CONFORMAL, "tokens_per_correct_answer"]
    return Case(examples(layout), texts(layout, wrong, 0.75), values, undefined)


def nothing_readable(layout: SetLayout) -> Case:
    values: Values = {
        **NOTHING, "answered": 0, "format_ok": 0, "multi_brier": 1, "multi_brier_sum": layout.k,
        "set_brier": 1, "aurc": 1, "risk@0.1": 1, "risk@1": 1, "distinct_answers": 0,
        "probability_brier": 1, "probability_error": 1, "regret": 0.25 * layout.k,
    }  # fmt: skip
    undefined = [*CALIBRATION, *SET_CALIBRATION, *CONFORMAL, "auroc", "auprc", "set_auroc"]
    undefined += ["tokens_per_distinct_answer", "tokens_per_correct_answer", "repeated_share"]
    known = tuple((f"a{i}", 0.25) for i in range(4))
    lines = [
        completion(row, "I do not know.", sample=sample)
        for row in range(ROWS)
        for sample in range(layout.samples)
    ]
    return Case(examples(layout, distribution=known), lines, values, undefined)


def every_request_failed(layout: SetLayout) -> Case:
    lost = [failure(row, sample=s) for row in range(ROWS) for s in range(layout.samples)]
    undefined = [*COVERAGE, *CALIBRATION, *CONFORMAL, *COSTS, "multi_brier", "set_brier", "aurc"]
    return Case(examples(layout), lost, {"error_rate": 1}, [*undefined, "answered", "format_ok"])


def nothing_was_generated(layout: SetLayout) -> Case:
    undefined = [*COVERAGE, *CALIBRATION, *CONFORMAL, *COSTS, "multi_brier", "set_brier", "aurc"]
    return Case(examples(layout), [], {"error_rate": 1}, undefined)


def one_example_of_two_failed(layout: SetLayout) -> Case:
    lost = [failure(1, sample=sample) for sample in range(layout.samples)]
    values = {"recall": 1, "error_rate": 0.5, "multi_brier": 0.25**2, "risk@1": 0}
    return Case(examples(layout, 2), [*texts(layout, right, 0.75, 1), *lost], values)


def as_few_as_were_asked_for(layout: SetLayout) -> Case:
    own = [example("one", "a0", asked=1), example("all", "a0")]
    if layout.members > 1:
        own = [example("one", "a0"), example("all", "a0")]
    lines = texts(layout, lambda row, place: f"{'ab'[row]}{place}", 0.5, 2)
    values = {"recall": 0.5, "error_rate": 0, "multi_brier": 0.25}
    return Case(own, lines, values)


def no_right_answer_exists(layout: SetLayout) -> Case:
    own = [example(f"e{row}") for row in range(ROWS)]
    values = {**NOTHING, "multi_brier": 0.25**2, "answered": 1}
    return Case(own, texts(layout, wrong, 0.25), values, ["auroc", *CONFORMAL])


def every_answer_the_same(layout: SetLayout) -> Case:
    values: Values = {
        "recall": 1 / layout.k, "correct_answers": 1, "distinct_answers": 1, "hit@1": 1,
        "precision": 1 / layout.k, "set_brier": 0.25**2,
        "repeated_share": (layout.k - 1) / layout.k,
    }  # fmt: skip
    return Case(examples(layout), texts(layout, lambda *_: "a0", 0.75), values)


def sure_and_wrong(layout: SetLayout) -> Case:
    values: Values = {
        **NOTHING, "multi_brier": 1, "brier_answered": 1, "set_brier": 1, "ece": 1, "mce": 1,
        "log_score": -math.log(2**-52), "correct_bias": layout.k, "aurc": 1,
    }  # fmt: skip
    return Case(examples(layout), texts(layout, wrong, 1), values, ["auroc"])


def tokens_not_told(layout: SetLayout) -> Case:
    undefined = [*COSTS, "tokens_per_correct_answer", "reasoning_tokens", "answer_tokens"]
    lines = texts(layout, right, 0.75, tokens=None)
    return Case(examples(layout), lines, {"recall": 1}, undefined)


def weights_of_nothing(layout: SetLayout) -> Case:
    gold = [Gold(f"a{i}", weight=0) for i in range(layout.k)]
    own = [example(f"e{row}", *gold, truth="x0") for row in range(ROWS)]
    values: Values = {"recall": 1, "GTPA": 0, "GTPA@1": 0, "DDR": 1, "probability_brier": 0.75**2}
    return Case(own, texts(layout, right, 0.75), values, ["mass_covered"])


def one_right_answer_at_most(layout: SetLayout) -> Case:
    values: Values = {
        "sum_above_one": float(layout.k > 1), "set_brier": 1 if layout.k > 1 else 0.75**2,
    }  # fmt: skip
    options = {"exclusive": True, "sum_to_one": True}
    lines = texts(layout, wrong, 0.75)
    return Case(examples(layout), lines, {**NOTHING, **values}, ["auroc"], options)


CASES = [
    no_example,
    one_example,
    no_confidence,
    all_right,
    all_wrong,
    nothing_readable,
    every_request_failed,
    nothing_was_generated,
    one_example_of_two_failed,
    as_few_as_were_asked_for,
    no_right_answer_exists,
    every_answer_the_same,
    sure_and_wrong,
    tokens_not_told,
    weights_of_nothing,
    one_right_answer_at_most,
]


def make(path: Path, case: Case, layout: SetLayout) -> Path:
    return hand_made(
        path,
        case.examples,
        case.records,
        k=layout.k,
        sets=layout.sets,
        members=layout.members,
        **case.options,
    )


def metrics_of(path: Path) -> list[Metric]:
    shape = read_shape(RunDirectory(path))
    return [metric for family in load_metric_families() for metric in family(shape)]


def assert_defined(path: Path, results: Results) -> None:
    """Assert what ``results.json`` promises of every metric."""
    content = json.loads((path / "results.json").read_text(), parse_constant=pytest.fail)
    assert content["schema_version"] == 2
    assert read_results(path) == results
    metrics = metrics_of(path)
    assert [metric.name for metric in metrics] == list(results.metrics)
    for metric in metrics:
        found, name = results.metrics[metric.name], metric.name
        assert 0 <= found.n <= results.examples, name
        assert found.denominator >= 0, name
        assert found.share is None or 0 <= found.share <= 1, name
        if found.value is None:
            assert found.reason, name
            assert (found.low, found.high, found.no_interval) == (None, None, None), name
            continue
        low, high = metric.bounds
        assert found.reason is None, name
        assert low - 1e-9 <= found.value <= high + 1e-9, name
        assert found.denominator > 0, name
        if found.low is None or found.high is None:
            assert (found.low, found.high) == (None, None), name
            assert found.no_interval, name
            continue
        assert found.n > 1, name
        assert found.no_interval is None, name
        # No amount of agreement makes a few examples certain.
        assert low - 1e-9 <= found.low < found.high <= high + 1e-9, name


@pytest.mark.parametrize("interval", ["percentile", "BCa"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("make_case", CASES, ids=lambda case: case.__name__)
def test_an_extreme_run_has_a_defined_result(
    make_case: Callable[[SetLayout], Case],
    layout: str,
    interval: Any,
    tmp_path: Path,
) -> None:
    case = make_case(LAYOUTS[layout])
    path = make(tmp_path, case, LAYOUTS[layout])
    results = score(path, resamples=30, interval=interval).results
    assert_defined(path, results)
    for name, expected in case.values.items():
        assert results.metrics[name].value == pytest.approx(expected, abs=1e-9), name
    for name in case.undefined:
        assert results.metrics[name].value is None, name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_run_of_nothing_readable_has_the_worst_of_every_value(
    layout: str, tmp_path: Path
) -> None:
    path = make(tmp_path, nothing_readable(LAYOUTS[layout]), LAYOUTS[layout])
    results = score(path, resamples=0).results
    # What is not about the answers, or is worst where no answer could be: see its bounds.
    spared = {"error_rate", "regret", *COSTS}
    told = 0
    for metric in metrics_of(path):
        found = results.metrics[metric.name].value
        if metric.better != "neither" and metric.name not in spared and found is not None:
            assert found == metric.bounds[metric.better == "lower"], metric.name
            told += 1
    assert told >= 15


@pytest.mark.parametrize("layout", LAYOUTS)
def test_strict_reading_makes_a_run_of_nothing_strict_one_of_nothing_readable(
    layout: str, tmp_path: Path
) -> None:
    own = LAYOUTS[layout]
    lines = texts(own, right, "75%")
    path = hand_made(
        tmp_path / "run", examples(own), lines, k=own.k, sets=own.sets, members=own.members
    )
    lenient = score(path, resamples=0).results
    assert lenient.metrics["recall"].value == 1
    assert lenient.deviations == {"confidence-percent": len(lines)}
    strict = score(path, resamples=0, strict=True).results
    assert strict.deviations == lenient.deviations
    assert strict.metrics["recall"].value == 0
    assert strict.metrics["multi_brier"].value == 1
    assert strict.metrics["answered"].value == 0
    assert_defined(path, strict)


def test_errors_and_missing_requests_are_counted_apart_and_the_run_is_not_complete(
    tmp_path: Path,
) -> None:
    own = [example(f"e{row}", "Paris") for row in range(3)]
    path = hand_made(tmp_path, own, [completion(0, said("Paris", q=[0.5])), failure(1)], k=1)
    results = score(path, resamples=0).results
    assert (results.errors.failed, results.errors.missing) == (1, 1)
    assert not results.complete
    assert results.metrics["recall"].value == 1
    assert results.metrics["error_rate"].value == pytest.approx(2 / 3)


@pytest.mark.parametrize("make_case", CASES, ids=lambda case: case.__name__)
def test_the_table_of_an_extreme_run_is_printed(
    make_case: Callable[[SetLayout], Case], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = LAYOUTS["two sets"]
    path = make(tmp_path, make_case(layout), layout)
    results = score(path, resamples=30).results
    print_table(path, results)
    out = capsys.readouterr().out
    for name, found in results.metrics.items():
        if found.curve is None:
            assert f"\n{name} " in out, name
            assert found.reason is None or found.reason.split()[0] in out, name
    assert ("ERRORS" in out) == (not results.complete)


def test_a_value_says_how_many_examples_it_really_rests_on(tmp_path: Path) -> None:
    # One answer of a hundred has a confidence: nobody can tell from it how the others would do.
    own = [example(f"e{row}", "Paris") for row in range(100)]
    lines = [completion(row, said("Paris", q=[1] if row == 7 else [])) for row in range(100)]
    path = hand_made(tmp_path, own, lines, k=1)
    metrics = score(path, resamples=100).results.metrics
    for name in ("brier_answered", "ece", "sharpness"):
        found = metrics[name]
        assert found.value == 0, name
        assert found.share == 0.01, name
        assert (found.denominator, found.n) == (1, 1), name
        assert (found.low, found.high) == (None, None), name
        assert found.no_interval == "one example has no spread", name


def test_a_risk_at_low_coverage_is_no_surer_than_the_few_answers_it_rests_on(
    tmp_path: Path,
) -> None:
    # A tenth of 50 questions is 5. Of 5 right ones, Clopper and Pearson allow a risk of up to 0.52.
    own = [example(f"e{row}", "Paris") for row in range(50)]
    lines = [
        completion(row, said("Paris" if row < 25 else "Lyon", q=[0.9 if row < 25 else 0.1]))
        for row in range(50)
    ]
    path = hand_made(tmp_path, own, lines, k=1)
    found = score(path, resamples=200).results.metrics["risk@0.1"]
    assert found.value == found.low == 0
    assert found.high is not None
    assert found.high > 0.4
