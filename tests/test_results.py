"""What ``results.json`` says of a run: every metric with its interval, or why there is none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from marl_eval import RunResult, score
from marl_eval.errors import UserError
from marl_eval.plugins import load_metric_families
from marl_eval.results import MetricResult, Results, read_results
from marl_eval.scoring.stage import read_shape
from marl_eval.stats import Resampling, bca_interval, jackknife_groups, percentile_interval
from marl_eval.store import RunDirectory
from tests.runs import (
    RESAMPLES,
    assert_tells_nothing_of_this_machine,
    change_completions,
    completions_file,
    read_lines,
    read_scores,
    run,
    small_blocks,
    with_things_wrong,
)

CALIBRATION = ["multi_brier", "brier_answered", "log_score", "ece", "smooth_ece", "auroc"]
DETAILS = ["mce", "ece_debiased", "ece_equal_mass", "auprc", "brier_reliability"]
DETAILS += ["brier_resolution", "brier_uncertainty", "sharpness"]
COMPLIANCE = ["format_ok", "answered", "error_rate"]
TOKENS_OF_REASONING = ["reasoning_tokens", "answer_tokens"]
COST = ["prompt_tokens", "tokens_per_example", *TOKENS_OF_REASONING]
COST += ["tokens_per_distinct_answer", "tokens_per_correct_answer"]
COVERAGE = ["recall", "capped_recall", "precision", "f1", "correct_answers", "pass@1"]
DIVERSITY = ["distinct_answers", "repeated_share"]
EFFECTIVE = ["effective_answers_1", "effective_answers_2"]
OVERLAPS = ["overlap_3gram", "overlap_4gram", "overlap_jaccard", "overlap_rouge_l"]
TENTHS = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]
SELECTIVE = ["aurc", *(f"risk@{share}" for share in [*TENTHS, "1"])]
SELECTIVE += [f"conformal_{what}@{to}" for what in ("coverage", "size") for to in (0.8, 0.9, 0.95)]
SETS = ["set_brier", "set_ece", "set_auroc", "correct_bias", "correct_error", "sum_above_one"]
CURVES = ["recall", "correct", "pass", "distinct"]

UNTOLD = {*TOKENS_OF_REASONING}
"""What the reference models do not tell."""


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(tmp_path_factory.mktemp("oracle") / "run")


def test_results_read_back_as_they_were_written(oracle: RunResult) -> None:
    assert read_results(oracle.path) == oracle.results


def test_results_have_the_documented_fields(oracle: RunResult) -> None:
    content = json.loads((oracle.path / "results.json").read_text(encoding="utf-8"))
    assert list(content) == list(Results.model_fields)
    assert content["schema_version"] == 2
    assert content["examples"] == content["requests"] == 50
    assert content["errors"] == {"failed": 0, "missing": 0}
    assert content["parsing"] == "lenient"
    assert content["confidence"] == "text"
    assert content["interval"] == "95% BCa bootstrap over examples (calibration errors: basic)"
    assert content["resamples"] == RESAMPLES
    assert content["currency"] is None
    assert content["deviations"] == {}
    for name, entry in content["metrics"].items():
        assert list(entry) == list(MetricResult.model_fields), name
    for model in (MetricResult, Results):
        for name, field in model.model_fields.items():
            assert field.description or name in ("errors", "metrics")


def test_a_run_has_every_metric_that_fits_it(oracle: RunResult, tmp_path: Path) -> None:
    expected = [*CALIBRATION, "multi_brier_sum", *DETAILS, *COMPLIANCE, *COST, *COVERAGE]
    expected += ["hit@1", "hit@2", "hit@3", *DIVERSITY, *EFFECTIVE]
    expected += ["probability_brier", "probability_error", "regret", *SELECTIVE, *SETS]
    assert list(oracle.results.metrics) == expected

    other = run(tmp_path / "run", strategy="best-of-k", n=2, k=2, confidence=False)
    expected = [f"{name}_frequency" for name in CALIBRATION]
    expected += [*COMPLIANCE, *COST, *COVERAGE, "hit@1", "hit@2"]
    expected += [*DIVERSITY, "distinct_answers_of_all", *EFFECTIVE, *OVERLAPS]
    expected += ["recall_token_area", *(f"tokens_to_recall@{share}" for share in TENTHS), "regret"]
    # Of one generation, pass@1 is told among the metrics of coverage.
    expected += [f"{curve}@{k}" for curve in CURVES for k in range(1, 5)]
    expected.remove("pass@1")
    expected.insert(expected.index("correct_answers") + 1, expected.pop(expected.index("pass@1")))
    expected.append("aurc_frequency")
    assert list(other.results.metrics) == expected


def test_values_and_intervals_lie_within_bounds_and_near_each_other(oracle: RunResult) -> None:
    shape = read_shape(RunDirectory(oracle.path))
    metrics = [metric for family in load_metric_families() for metric in family(shape)]
    assert [metric.name for metric in metrics] == list(oracle.results.metrics)
    for metric in metrics:
        found = oracle.results.metrics[metric.name]
        assert found.better == metric.better
        assert found.counted == metric.counted
        assert (found.curve, found.at) == (metric.curve or (None, None))
        if found.value is None:
            assert metric.name in {*UNTOLD, "set_auroc"}
            assert (found.low, found.high, found.no_interval) == (None, None, None)
            assert found.reason == metric.undefined
            continue
        assert found.reason is None
        assert found.n == 50
        if found.low is None or found.high is None:
            # The oracle answers in as many tokens every time.
            assert metric.name in ("tokens_per_example", "tokens_per_distinct_answer")
            assert found.no_interval == "every example gives the same value, and nothing bounds it"
            continue
        assert found.no_interval is None
        low, high = metric.bounds
        assert low - 1e-12 <= found.low < found.high <= high + 1e-12, metric.name
        width = found.high - found.low
        assert found.low - width - 1e-9 <= found.value <= found.high + width + 1e-9, metric.name


def test_each_value_rests_on_what_it_says_it_counted(oracle: RunResult) -> None:
    metrics = oracle.results.metrics
    scores = read_scores(oracle.path)
    right = scores[scores["gold"] >= 0]
    assert metrics["recall"].denominator == 50
    assert metrics["ece"].denominator == 150
    assert metrics["ece"].share == 1
    assert metrics["recall"].share is None
    assert metrics["error_rate"].denominator == 50
    assert metrics["tokens_per_distinct_answer"].denominator == 150
    distinct_right = right[["example", "gold"]].drop_duplicates()
    assert metrics["tokens_per_correct_answer"].denominator == len(distinct_right)


def strings(value: Any) -> Iterator[str]:
    """Give all names and texts in a piece of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def test_results_hold_no_clock_host_or_path(oracle: RunResult) -> None:
    content = json.loads((oracle.path / "results.json").read_text(encoding="utf-8"))
    for text in strings(content):
        assert_tells_nothing_of_this_machine(text, oracle.path)


def test_two_runs_that_should_agree_are_the_same_bytes(oracle: RunResult, tmp_path: Path) -> None:
    other = run(tmp_path / "elsewhere" / "again")
    again = score(other.path, resamples=RESAMPLES)
    assert again.results == oracle.results
    for name in ("results.json", "scores.parquet"):
        assert (other.path / name).read_bytes() == (oracle.path / name).read_bytes()


EXAMPLES, IN_BLOCK = 500, 220


@pytest.fixture(scope="module", params=["multi", "best-of-k"])
def spoiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Give a run over three blocks, the last a partial one, in which much went wrong."""
    result = run(
        tmp_path_factory.mktemp("spoiled") / "run",
        model="reference:prior",
        task_args={"examples": EXAMPLES},
        strategy=request.param,
        n=2,
        resamples=0,
    )
    change_completions(result.path, with_things_wrong)
    samples = 6 if request.param == "best-of-k" else 2
    with small_blocks(IN_BLOCK * samples):
        return score(result.path, resamples=20)


def test_several_blocks_give_what_pandas_computes_from_the_scores(spoiled: RunResult) -> None:
    scores = read_scores(spoiled.path)
    assert pq.ParquetFile(spoiled.path / "scores.parquet").num_row_groups == 3
    good = scores[~scores["failed"]]
    sets = good.groupby(["example", "set"])
    right = good[good["gold"] >= 0]
    named = right.groupby(["example", "set"])["gold"].nunique()
    named = named.reindex(sets.size().index, fill_value=0)
    first = good[good["rank"] == 0].set_index(["example", "set"])["gold"]
    generations = good.sort_values("rank").groupby(["example", "set", "sample"])
    # pandas skips nulls in first(), and the first answer of a generation may be missing.
    top_of_each = generations["gold"].nth(0).groupby([good["example"], good["set"]])
    stated = good.dropna(subset=["confidence"])
    loss = (good["confidence"] - (good["gold"] >= 0)) ** 2
    by_example = good.groupby("example")

    def mean_of_means(per_set: Any) -> float:
        return float(per_set.astype(float).groupby("example").mean().mean())

    whole = scores.groupby("example").filter(lambda rows: not rows["failed"].any())
    expected = {
        "recall": mean_of_means(named / sets["gold_size"].first()),
        "capped_recall": mean_of_means(named / sets["gold_size"].first().clip(upper=3)),
        "correct_answers": mean_of_means(named),
        "precision": mean_of_means((named / sets["gold"].count()).fillna(0)),
        "hit@1": mean_of_means(first >= 0),
        "pass@1": mean_of_means(top_of_each.agg(lambda gold: (gold >= 0).mean())),
        "hit@3": mean_of_means(named > 0),
        "multi_brier": mean_of_means(loss.fillna(1).groupby([good["example"], good["set"]]).mean()),
        "brier_answered": float(loss.mean()),
        "auroc": float(roc_auc_score(stated["gold"] >= 0, stated["confidence"])),
        "answered": mean_of_means(sets["gold"].count() / 3),
        "format_ok": mean_of_means(
            good["strict"].astype(float).groupby([good["example"], good["set"]]).min()
        ),
        "error_rate": float(scores.groupby(["example", "set"])["failed"].first().mean()),
        "distinct_answers": mean_of_means(sets["same_as"].nunique()),
        "distinct_answers_of_all": float(whole.groupby("example")["same_as"].nunique().mean()),
        "tokens_per_example": float(whole.groupby("example")["completion_tokens"].sum().mean()),
        "prompt_tokens": float(whole.groupby("example")["prompt_tokens"].sum().mean()),
        "tokens_per_distinct_answer": float(
            whole["completion_tokens"].sum() / whole.groupby("example")["same_as"].nunique().sum()
        ),
    }
    for name, direct in expected.items():
        assert spoiled.results.metrics[name].value == pytest.approx(direct, rel=1e-12), name
    assert spoiled.results.metrics["recall"].n == by_example.ngroups
    assert spoiled.results.metrics["brier_answered"].share == pytest.approx(
        good["confidence"].notna().mean()
    )


def test_what_went_wrong_is_counted(spoiled: RunResult) -> None:
    lines = read_lines(completions_file(spoiled.path))
    requests = EXAMPLES * read_scores(spoiled.path)[["set", "sample"]].drop_duplicates().shape[0]
    results = spoiled.results
    assert results.requests == requests
    assert results.errors.failed == requests - len(lines)
    assert results.errors.failed > 0
    assert results.errors.missing == 0
    assert not results.complete
    text = read_scores(spoiled.path)["deviations"].dropna()
    for name, count in results.deviations.items():
        assert text.str.split().map(lambda found, name=name: name in found).sum() == count, name
    assert {"missing-answer", "missing-confidence", "confidence-percent"} <= set(results.deviations)


def test_an_unfinished_request_is_missing_and_not_wrong(tmp_path: Path) -> None:
    result = run(tmp_path / "run")
    before = score(result.path, resamples=0).results.metrics
    file = completions_file(result.path)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:40]))
    results = score(result.path, resamples=0).results
    assert (results.errors.failed, results.errors.missing) == (0, 10)
    assert results.metrics["error_rate"].value == 10 / 50
    assert results.metrics["recall"].n == 40
    assert before["recall"].n == 50
    assert results.metrics["format_ok"].value == 1


def test_an_undefined_value_is_null_with_a_reason(tmp_path: Path) -> None:
    result = run(tmp_path / "run", model="reference:echo-gold")
    content = json.loads((result.path / "results.json").read_text(encoding="utf-8"))
    auroc = content["metrics"]["auroc"]
    assert (auroc["value"], auroc["low"], auroc["high"]) == (None, None, None)
    assert "all right" in auroc["reason"]
    assert content["metrics"]["recall"]["value"] == 1


def test_without_a_readable_confidence_calibration_is_null_with_a_reason(tmp_path: Path) -> None:
    result = run(tmp_path / "run")

    def silence(line: dict[str, Any]) -> dict[str, Any]:
        line["text"] = re.sub(r"<confidence.>.*?</confidence.>", "", line["text"])
        return line

    change_completions(result.path, silence)
    metrics = score(result.path, resamples=RESAMPLES).results.metrics
    for name in ("brier_answered", "ece", "auroc"):
        found = metrics[name]
        assert (found.value, found.low, found.high) == (None, None, None), name
        assert found.reason, name
        assert found.share == 0, name
    assert metrics["multi_brier"].value == 1


def test_where_every_request_failed_only_the_error_rate_has_a_value(tmp_path: Path) -> None:
    result = run(tmp_path / "run")
    change_completions(result.path, lambda line: None)
    results = score(result.path, resamples=RESAMPLES).results
    assert results.errors.failed == 50
    for name, found in results.metrics.items():
        if name == "error_rate":
            assert found.value == 1
        else:
            assert found.value is None, name
            assert found.reason, name


def test_one_example_has_values_and_no_interval(tmp_path: Path) -> None:
    result = run(tmp_path / "run", task_args={"examples": 1})
    for name, found in result.results.metrics.items():
        assert (found.low, found.high) == (None, None), name
        if found.value is not None:
            assert found.n == 1, name
            assert found.no_interval == "one example has no spread", name
    assert result.results.metrics["recall"].value is not None


def fail_one_of_the_second_example(line: dict[str, Any]) -> dict[str, Any] | None:
    return None if (line["example"], line["sample"]) == (1, 1) else line


def test_a_value_that_rests_on_one_example_has_no_interval(tmp_path: Path) -> None:
    # Costs leave an example out if any of its sets failed, so they rest on the first one alone.
    result = run(tmp_path / "run", task_args={"examples": 2}, n=2)
    change_completions(result.path, fail_one_of_the_second_example)
    found = score(result.path, resamples=RESAMPLES).results.metrics["tokens_per_example"]
    assert found.denominator == 1
    assert found.n == 1
    assert (found.low, found.high) == (None, None)


def test_without_resamples_there_are_values_and_no_intervals(
    oracle: RunResult, tmp_path: Path
) -> None:
    result = run(tmp_path / "run", resamples=0)
    assert result.results.resamples == 0
    for name, found in result.results.metrics.items():
        assert found.value == oracle.results.metrics[name].value, name
        assert (found.low, found.high) == (None, None), name
        if found.value is not None:
            assert found.no_interval == "no resamples were asked for", name


def test_a_longer_bootstrap_changes_intervals_and_no_values(oracle: RunResult) -> None:
    before = oracle.results.metrics
    content = (oracle.path / "results.json").read_bytes()
    after = score(oracle.path, resamples=400).results.metrics
    score(oracle.path, resamples=RESAMPLES)
    assert (oracle.path / "results.json").read_bytes() == content
    for name, found in after.items():
        assert found.value == before[name].value, name
    assert after["recall"].low != before["recall"].low


def test_percentile_intervals_are_told_as_such_and_change_no_values(
    oracle: RunResult, tmp_path: Path
) -> None:
    result = run(tmp_path / "run", interval="percentile")
    assert result.results.interval.startswith("95% percentile bootstrap over examples")
    moved = 0
    for name, found in result.results.metrics.items():
        before = oracle.results.metrics[name]
        assert found.value == before.value, name
        assert (found.low is None) == (before.low is None), name
        moved += (found.low, found.high) != (before.low, before.high)
    assert moved >= 20


def test_what_every_example_agrees_on_has_an_interval_all_the_same(oracle: RunResult) -> None:
    # Of 50 examples with no wrong answer, up to 7.1 % may have one: 0.025 ** (1 / 50) = 0.9289.
    found = oracle.results.metrics["hit@3"]
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 50))
    found = oracle.results.metrics["error_rate"]
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 50))
    # Three different answers of three every time: the mean is at least 0.9289 * 3.
    found = oracle.results.metrics["distinct_answers"]
    assert (found.value, found.high) == (3, 3)
    assert found.low == pytest.approx(3 * 0.025 ** (1 / 50))


@pytest.mark.parametrize("examples", [50, 230])
def test_the_intervals_of_a_mean_are_those_of_its_resamples(examples: int, tmp_path: Path) -> None:
    result = run(tmp_path / "run", task_args={"examples": examples}, interval="percentile")
    scores = read_scores(result.path)
    loss = (scores["confidence"] - (scores["gold"] >= 0)) ** 2
    own = loss.groupby(scores["example"], sort=False).mean().to_numpy()
    resampled = Resampling(examples, RESAMPLES).between(0, examples) @ own / examples
    found = result.results.metrics["multi_brier"]
    assert (found.low, found.high) == pytest.approx(percentile_interval(resampled, 0.95))

    found = score(result.path, resamples=RESAMPLES, interval="BCa").results.metrics["multi_brier"]
    rest = 1 - jackknife_groups(examples, 0, examples)
    without = rest @ own / rest.sum(axis=1)
    expected = bca_interval(own.mean(), resampled, without, 0.95)
    assert (found.low, found.high) == pytest.approx(expected)


def test_the_interval_of_recall_is_about_as_wide_as_the_normal_one(oracle: RunResult) -> None:
    scores = read_scores(oracle.path)
    right = scores[scores["gold"] >= 0].groupby("example")["gold"].nunique()
    sizes = scores.groupby("example")["gold_size"].first()
    own = right.reindex(sizes.index, fill_value=0) / sizes
    width = 2 * 1.96 * own.std(ddof=0) / math.sqrt(len(own))
    found = oracle.results.metrics["recall"]
    assert found.high is not None
    assert found.low is not None
    assert found.high - found.low == pytest.approx(width, rel=0.5)


def test_results_of_a_run_not_yet_scored_are_refused_with_advice(tmp_path: Path) -> None:
    result = run(tmp_path / "run")
    (result.path / "results.json").unlink()
    with pytest.raises(UserError, match="marl-eval score"):
        read_results(result.path)
    (result.path / "results.json").write_text('{"schema_version": 0}', encoding="utf-8")
    with pytest.raises(UserError, match="score the run again"):
        read_results(result.path)
    with pytest.raises(UserError, match="not a run directory"):
        read_results(tmp_path)
