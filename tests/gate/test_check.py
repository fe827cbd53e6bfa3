"""Checking real runs against rules, with a run and with a baseline file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import nct, t

from marl_eval import score
from marl_eval.comparison.differences import compare
from marl_eval.errors import UserError
from marl_eval.gate.baseline import read_baseline, write_baseline
from marl_eval.gate.check import POWER, Check, Finding, _enough, _judged, check
from marl_eval.gate.outputs import as_junit, as_markdown, headline
from marl_eval.gate.rules import parse_rules
from marl_eval.results import read_results
from tests.runs import completion, example, failure, hand_made, run, said

EXAMPLES = {"examples": 120}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The best and the worst of the reference models, and the best on other examples."""
    folder = tmp_path_factory.mktemp("runs")
    asked = {
        "oracle": {"model": "reference:oracle"},
        "random": {"model": "reference:random"},
        "elsewhere": {"task_args": {"examples": 120, "seed": 1}},
    }
    common = {"task_args": EXAMPLES, "resamples": 1000}
    return {name: run(folder / name, **{**common, **own}).path for name, own in asked.items()}


@pytest.fixture(scope="module")
def stored(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("baseline") / "oracle.baseline"
    write_baseline(runs["oracle"], file)
    return file


def checked(run: Path, *rules: str, baseline: Path | None = None, **more: bool) -> Check:
    return check(run, parse_rules("\n".join(rules), "rules"), baseline, **more)


def one(run: Path, rule: str, baseline: Path | None = None, **more: bool) -> Finding:
    return checked(run, rule, baseline=baseline, **more).findings[0]


def test_a_run_that_is_much_worse_than_its_baseline_fails(runs: dict[str, Path]) -> None:
    found = checked(runs["random"], "recall >= 0.95 * baseline", baseline=runs["oracle"])
    assert found.findings[0].outcome == "fail"
    assert not found.passed


def test_the_paired_interval_is_that_of_a_comparison(runs: dict[str, Path]) -> None:
    found = one(runs["random"], "recall >= baseline", runs["oracle"])
    told = compare(runs["oracle"], runs["random"], metrics=["recall"]).metrics["recall"]
    # Sums of other shapes are added in another order, so the last digit may differ.
    assert (found.value, found.baseline) == pytest.approx((told.second, told.first), rel=1e-12)
    assert (found.gap, found.low, found.high) == pytest.approx(
        (told.difference, told.low, told.high), rel=1e-12
    )


def test_a_gap_below_a_limit_is_turned_around(runs: dict[str, Path]) -> None:
    above = one(runs["random"], "recall >= baseline - 0.1", runs["oracle"])
    below = one(runs["random"], "recall <= baseline - 0.1", runs["oracle"])
    assert above.gap is not None
    assert above.low is not None
    assert above.high is not None
    assert (below.gap, below.low, below.high) == pytest.approx(
        (-above.gap, -above.high, -above.low)
    )
    assert (above.outcome, below.outcome) == ("fail", "pass")


def test_a_number_is_held_against_the_interval_of_the_results(runs: dict[str, Path]) -> None:
    told = read_results(runs["oracle"]).metrics["multi_brier"]
    found = one(runs["oracle"], "multi_brier <= 0.2")
    assert told.low is not None
    assert told.high is not None
    assert told.value is not None
    assert found.value == pytest.approx(told.value, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((0.2 - told.high, 0.2 - told.low), rel=1e-9)


def test_a_number_inside_the_interval_cannot_be_told_yet(runs: dict[str, Path]) -> None:
    told = read_results(runs["oracle"]).metrics["recall"]
    assert told.low is not None
    assert told.value is not None
    found = checked(runs["oracle"], f"recall >= {(told.low + told.value) / 2}")
    assert found.findings[0].outcome == "too few examples"
    assert (found.findings[0].enough or 0) > 120
    assert found.passed
    assert not found.certain


@pytest.mark.parametrize(
    "name", ["recall", "ece", "set_brier", "tokens_per_correct_answer", "auroc"]
)
@pytest.mark.parametrize("relation", [">=", "<="])
def test_a_baseline_file_tells_the_same_as_the_run_it_was_made_of(
    name: str, relation: str, runs: dict[str, Path], stored: Path
) -> None:
    rule = f"{name} {relation} 0.95 * baseline"
    assert one(runs["random"], rule, stored) == one(runs["random"], rule, runs["oracle"])


def test_a_baseline_holds_no_text_of_questions_answers_or_completions(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    secret = "xylophone-of-the-patient"
    made = hand_made(
        tmp_path / "run", [example("e", secret), example("f", "b")],
        [completion(0, said(secret, "b")), completion(1, said("a", "b"))],
    )  # fmt: skip
    score(made, resamples=0)
    write_baseline(made, tmp_path / "file", ["recall"])
    content = (tmp_path / "file").read_bytes()
    assert b"xylophone" not in content
    assert list(read_baseline(tmp_path / "file").contents) == ["e", "f"]


def test_a_baseline_file_keeps_only_the_metrics_that_were_named(
    runs: dict[str, Path], stored: Path, tmp_path: Path
) -> None:
    file = tmp_path / "few"
    assert write_baseline(runs["oracle"], file, ["recall", "recall"]) == ["recall"]
    assert file.stat().st_size < stored.stat().st_size
    with pytest.raises(UserError, match=r"rules, line 2: There is no metric of .*few named 'ece'"):
        checked(runs["random"], "recall >= baseline", "ece <= baseline", baseline=file)


def test_a_baseline_that_this_version_computes_otherwise_is_refused(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marl_eval.gate import baseline

    monkeypatch.setattr(baseline, "_value", lambda side, name: 0.123)
    write_baseline(runs["oracle"], tmp_path / "old", ["recall"])
    monkeypatch.undo()
    with pytest.raises(UserError, match="computes recall otherwise"):
        read_baseline(tmp_path / "old")


def test_a_baseline_whose_zero_was_rounded_otherwise_elsewhere_is_read(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from marl_eval.gate import baseline

    monkeypatch.setattr(baseline, "_value", lambda side, name: 2e-16)
    write_baseline(runs["oracle"], tmp_path / "file", ["error_rate"])
    monkeypatch.undo()
    assert list(read_baseline(tmp_path / "file").metrics) == ["error_rate"]


def test_what_is_neither_a_run_nor_a_baseline_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no parquet")
    with pytest.raises(UserError, match="neither a run directory nor a baseline"):
        read_baseline(tmp_path / "text")
    with pytest.raises(UserError, match="There is no baseline"):
        read_baseline(tmp_path / "absent")


def test_runs_on_other_examples_are_not_compared(runs: dict[str, Path], stored: Path) -> None:
    for baseline in (runs["oracle"], stored):
        with pytest.raises(UserError, match="example"):
            one(runs["elsewhere"], "recall >= baseline", baseline)


def test_a_rule_that_speaks_of_a_baseline_needs_one(runs: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"rules, line 2: .* speaks of a baseline: give --baseline"):
        checked(runs["oracle"], "ece <= 0.5", "recall >= baseline")


def test_an_unknown_metric_is_named_with_its_line_and_what_may_have_been_meant(
    runs: dict[str, Path],
) -> None:
    with pytest.raises(UserError, match=r"rules, line 1: .*'recal'; did you mean .*'recall'"):
        checked(runs["oracle"], "recal >= 0.5")


def test_a_metric_without_a_value_fails_and_says_why(tmp_path: Path) -> None:
    made = hand_made(
        tmp_path / "run", [example("e", "a"), example("f", "b")],
        [completion(0, said("x", "y")), completion(1, said("x", "y"))],
    )  # fmt: skip
    score(made, resamples=100)
    found = checked(made, "tokens_per_correct_answer <= 100")
    assert found.findings[0].outcome == "undefined"
    assert not found.passed


def test_a_run_with_failed_requests_fails_unless_that_is_allowed(tmp_path: Path) -> None:
    texts = [completion(row, said("one", "two")) for row in range(19)]
    made = hand_made(
        tmp_path / "run", [example(f"e{row}", "one") for row in range(20)], [*texts, failure(19)]
    )
    score(made, resamples=100)
    assert not checked(made, "recall >= 0.5").passed
    assert checked(made, "recall >= 0.5").errors == 1
    allowed = checked(made, "recall >= 0.5", allow_errors=True)
    assert allowed.passed
    assert allowed.findings[0].examples == 19


def test_with_several_rules_each_interval_is_wider(runs: dict[str, Path]) -> None:
    alone = one(runs["random"], "recall >= baseline", runs["oracle"])
    several = checked(
        runs["random"], "recall >= baseline", "ece <= 1", "precision >= 0", baseline=runs["oracle"]
    )
    assert several.level == pytest.approx(1 - 0.05 / 3)
    first = several.findings[0]
    assert first.low is not None
    assert alone.low is not None
    assert first.low < alone.low


@pytest.fixture
def collapsed(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    """Runs that name every right answer and runs that name none, on five and on six examples."""
    made = {}
    for count in (5, 6):
        paths = []
        for name, answer in (("before", "cat"), ("now", "cow")):
            path = hand_made(
                tmp_path / f"{name}-{count}",
                [example(str(row), "cat") for row in range(count)],
                [completion(row, said(answer, "dog")) for row in range(count)],
            )
            score(path, resamples=100)
            paths.append(path)
        made[str(count)] = paths[0], paths[1]
    return made


@pytest.mark.parametrize("rule", ["recall >= 0.95 * baseline", "recall >= baseline"])
def test_so_few_examples_that_all_may_go_one_way_by_chance_neither_pass_nor_fail(
    rule: str, collapsed: dict[str, tuple[Path, Path]]
) -> None:
    # The sign test's p-value is 2^(1 - n): 1/16 of five, 1/32 of six.
    before, now = collapsed["5"]
    found = one(now, rule, before)
    assert (found.outcome, found.enough) == ("too few examples", 6)
    assert one(before, rule, before).outcome == "too few examples"
    before, now = collapsed["6"]
    assert one(now, rule, before).outcome == "fail"
    assert one(before, rule, before).outcome == "pass"


def test_a_value_that_every_example_has_is_held_against_a_number_as_it_is(
    runs: dict[str, Path],
) -> None:
    told = read_results(runs["oracle"]).metrics["tokens_per_example"]
    assert told.value == 71
    assert told.low is None
    assert one(runs["oracle"], "tokens_per_example <= 71").outcome == "pass"
    assert one(runs["oracle"], "tokens_per_example <= 70").outcome == "fail"


@pytest.mark.parametrize(("error", "examples"), [(0.2, 10), (0.2, 20), (0.3, 50), (0.9, 400)])
def test_enough_examples_and_no_fewer_show_a_gap_with_the_chance_that_is_promised(
    error: float, examples: int
) -> None:
    def chance(size: int) -> float:
        # The gap over its standard error follows the noncentral t distribution.
        mean = np.sqrt(size / examples) / error
        return float(nct.sf(t.ppf(0.975, size - 1), size - 1, mean))

    count = _enough(error, examples, 0.975)
    assert chance(count - 1) < POWER <= chance(count)


def test_a_gap_that_is_only_rounding_asks_for_no_number_of_examples() -> None:
    rule = parse_rules("recall >= 0.3", "rules")[0]
    ends = (-0.1, 0.1)
    found = _judged(rule, {"value": 0.3, "baseline": None}, 1e-17, ends, 50, 0.975, 0.05, 0.0)
    assert (found.outcome, found.enough) == ("too few examples", None)


def test_examples_that_failed_in_the_baseline_are_told_beside_the_outcome(tmp_path: Path) -> None:
    paths = []
    for name, failed in (("before", 2), ("now", 0)):
        rows = [failure(row) if row < failed else completion(row, said("cat")) for row in range(20)]
        made = hand_made(tmp_path / name, [example(f"e{r}", "cat") for r in range(20)], rows, k=1)
        score(made, resamples=100)
        paths.append(made)
    write_baseline(paths[0], tmp_path / "file")
    for baseline in (paths[0], tmp_path / "file"):
        found = checked(paths[1], "recall >= 0.95 * baseline", baseline=baseline)
        assert (found.passed, found.left_out, found.findings[0].examples) == (True, 2, 18)
        told = "2 examples left out against the baseline, for a request failed in one of the two"
        for text in (headline(found), as_markdown(found), as_junit(found).decode()):
            assert told in text
    assert checked(paths[1], "recall >= 0.5").left_out == 0
