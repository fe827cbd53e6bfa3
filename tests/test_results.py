from __future__ import annotations

import json
import math
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from marl_eval import RunResult, evaluate, score
from marl_eval.errors import UserError
from marl_eval.plugins import load_metric_families
from marl_eval.results import MetricResult, Results, read_results
from marl_eval.score_table import BLOCK, SCHEMA, Shape

RESAMPLES = 50
TASK_ARGS = {"examples": 50}
COVERAGE = ["recall", "capped_recall", "precision", "correct_answers", "pass@1"]
COST = [
    "prompt_tokens",
    "tokens_per_example",
    "tokens_per_distinct_answer",
    "tokens_per_correct_answer",
]
CALIBRATION = ["multi_brier", "brier_answered", "ece", "auroc"]
COMPLIANCE = ["format_ok", "answered", "error_rate"]


def run(out: Path, **values: Any) -> RunResult:
    settings = {"model": "reference:oracle", "task": "ddxsim", "task_args": TASK_ARGS}
    return evaluate(**{**settings, "resamples": RESAMPLES, "out": out, **values})


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(tmp_path_factory.mktemp("oracle") / "run")


def read_scores(path: Path) -> pd.DataFrame:
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


def test_results_read_back_as_they_were_written(oracle: RunResult) -> None:
    assert read_results(oracle.path) == oracle.results


def test_results_have_the_documented_fields(oracle: RunResult) -> None:
    content = json.loads((oracle.path / "results.json").read_text(encoding="utf-8"))
    assert list(content) == list(Results.model_fields)
    assert content["schema_version"] == 1
    assert content["examples"] == content["requests"] == 50
    assert content["errors"] == {"failed": 0, "missing": 0}
    assert content["parsing"] == "lenient"
    assert content["resamples"] == RESAMPLES
    assert content["deviations"] == {}
    for name, entry in content["metrics"].items():
        assert list(entry) == list(MetricResult.model_fields), name
    assert all(field.description for field in MetricResult.model_fields.values())


def test_a_run_has_every_metric_that_fits_it(oracle: RunResult, tmp_path: Path) -> None:
    hits = ["hit@1", "hit@2", "hit@3"]
    expected = [*CALIBRATION, *COMPLIANCE, *COST, *COVERAGE, *hits, "distinct_answers"]
    assert list(oracle.results.metrics) == expected
    other = run(tmp_path / "run", strategy="best-of-k", n=2, k=2, confidence=False)
    expected = [*COMPLIANCE, *COST, *COVERAGE, "hit@1", "hit@2"]
    expected += ["distinct_answers", "distinct_answers_of_all"]
    assert list(other.results.metrics) == expected


def test_values_and_intervals_lie_within_bounds_and_near_each_other(oracle: RunResult) -> None:
    file = read_scores(oracle.path)
    levels = file["confidence"].dropna().unique()
    levels.sort()
    shape = Shape(k=3, sets=1, members=1, confidence=True, exclusive=False, levels=levels)
    for metric in (m for family in load_metric_families() for m in family(shape)):
        found = oracle.results.metrics[metric.name]
        assert found.value is not None, metric.name
        assert found.low is not None, metric.name
        assert found.high is not None, metric.name
        low, high = metric.bounds
        assert low <= found.low <= found.high <= high, metric.name
        width = found.high - found.low
        assert found.low - width - 1e-9 <= found.value <= found.high + width + 1e-9, metric.name
        assert found.better == metric.better
        assert found.counted == metric.counted
        assert found.reason is None
        assert found.n == 50


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


def assert_tells_nothing_of_this_machine(text: str, path: Path) -> None:
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
    assert str(path) not in text
    assert str(path.parent) not in text
    assert not re.search(rf"\b{datetime.now(UTC).year}\b", text)


def test_results_hold_no_clock_host_or_path(oracle: RunResult) -> None:
    content = json.loads((oracle.path / "results.json").read_text(encoding="utf-8"))
    for text in strings(content):
        assert_tells_nothing_of_this_machine(text, oracle.path)


def test_scores_hold_no_clock_host_or_path(oracle: RunResult) -> None:
    file = pq.ParquetFile(oracle.path / "scores.parquet")
    table = file.read()
    texts = {text for column in table.columns for text in map(str, column.unique().to_pylist())}
    for text in texts - {str(number) for number in range(10_000)}:
        assert_tells_nothing_of_this_machine(text, oracle.path)
    for name, entry in (file.metadata.metadata or {}).items():
        if name != b"ARROW:schema":
            assert_tells_nothing_of_this_machine(entry.decode(), oracle.path)
    assert table.schema.metadata is None
    assert_tells_nothing_of_this_machine(file.metadata.created_by, oracle.path)


def test_two_runs_that_should_agree_are_the_same_bytes(oracle: RunResult, tmp_path: Path) -> None:
    other = run(tmp_path / "elsewhere" / "again")
    again = score(other.path, resamples=RESAMPLES)
    assert again.results == oracle.results
    for name in ("results.json", "scores.parquet"):
        assert (other.path / name).read_bytes() == (oracle.path / name).read_bytes()


def test_scores_read_with_pandas_as_they_are(oracle: RunResult) -> None:
    scores = read_scores(oracle.path)
    assert list(scores.columns) == SCHEMA.names
    assert len(scores) == 50 * 3
    assert scores["example"].nunique() == 50
    assert scores["position"].tolist() == [0, 1, 2] * 50
    assert scores["confidence"].between(0, 1).all()
    # The oracle states its answers in order of their confidence.
    assert scores["rank"].tolist() == scores["position"].tolist()


@pytest.mark.parametrize(
    ("strategy", "n", "rows"), [("multi", 2, 2 * 3), ("best-of-k", 2, 2 * 3), ("single", 4, 4)]
)
def test_scores_have_one_row_for_each_answer_asked_for(
    strategy: str, n: int, rows: int, tmp_path: Path
) -> None:
    result = run(tmp_path / "run", model="reference:random", strategy=strategy, n=n)
    scores = read_scores(result.path)
    assert len(scores) == 50 * rows
    places = scores[["example", "set", "position"]]
    assert not places.duplicated().any()
    assert (scores.groupby(["example", "set"])["rank"].nunique() == rows // n).all()


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


@pytest.fixture(scope="module", params=["multi", "best-of-k"])
def spoiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Give a run over three blocks, the last a partial one, in which much went wrong."""
    result = run(
        tmp_path_factory.mktemp("spoiled") / "run",
        model="reference:prior",
        task_args={"examples": 2 * BLOCK + 60},
        strategy=request.param,
        n=2,
        resamples=0,
    )
    change_completions(result.path, with_things_wrong)
    return score(result.path, resamples=20)


def test_token_columns_add_up_to_those_of_the_completions(spoiled: RunResult) -> None:
    scores, lines = read_scores(spoiled.path), read_lines(completions_file(spoiled.path))
    for column in ("prompt_tokens", "completion_tokens"):
        assert scores[column].sum() == sum(line[column] for line in lines), column


def test_the_tokens_of_follow_ups_are_counted(tmp_path: Path) -> None:
    # There are only two conditions, so that four answers cannot be given and are asked for again.
    result = run(
        tmp_path / "run",
        task_args={"examples": 20, "conditions": 2},
        k=4,
        force_answer=True,
    )
    scores, lines = read_scores(result.path), read_lines(completions_file(result.path))
    assert len(lines) == 40
    assert result.results.requests == 20
    for column in ("prompt_tokens", "completion_tokens"):
        assert scores[column].sum() == sum(line[column] for line in lines), column
    assert result.results.deviations == {"missing-answer": 20, "missing-confidence": 20}


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
    requests = (2 * BLOCK + 60) * read_scores(spoiled.path)[
        ["set", "sample"]
    ].drop_duplicates().shape[0]
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


def test_ranks_follow_confidence_then_position_and_missing_answers_come_last(
    spoiled: RunResult,
) -> None:
    scores = read_scores(spoiled.path)
    keys = pd.DataFrame(
        {
            "example": scores["example"],
            "set": scores["set"],
            "missing": scores["gold"].isna(),
            "silent": scores["confidence"].isna(),
            "doubt": -scores["confidence"].fillna(0),
            "position": scores["position"],
        }
    )
    ordered = keys.sort_values(["example", "set", "missing", "silent", "doubt", "position"])
    expected = ordered.groupby(["example", "set"]).cumcount()
    assert (expected.reindex(scores.index) == scores["rank"]).all()
    assert (scores["rank"] != scores["position"]).any()


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
        assert found.n == 1, name
        assert (found.low, found.high) == (None, None), name
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


def test_without_resamples_there_are_values_and_no_intervals(tmp_path: Path) -> None:
    result = run(tmp_path / "run", resamples=0)
    assert result.results.resamples == 0
    for name, found in result.results.metrics.items():
        assert found.value is not None, name
        assert (found.low, found.high) == (None, None), name


def test_a_longer_bootstrap_changes_intervals_and_no_values(oracle: RunResult) -> None:
    before = oracle.results.metrics
    content = (oracle.path / "results.json").read_bytes()
    after = score(oracle.path, resamples=400).results.metrics
    score(oracle.path, resamples=RESAMPLES)
    assert (oracle.path / "results.json").read_bytes() == content
    for name, found in after.items():
        assert found.value == before[name].value, name
    assert after["recall"].low != before["recall"].low


def test_the_interval_of_recall_is_about_as_wide_as_the_normal_one(oracle: RunResult) -> None:
    scores = read_scores(oracle.path)
    right = scores[scores["gold"] >= 0].groupby("example")["gold"].nunique()
    sizes = scores.groupby("example")["gold_size"].first()
    recall = right.reindex(sizes.index, fill_value=0) / sizes
    width = 2 * 1.96 * recall.std(ddof=0) / math.sqrt(len(recall))
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
