"""What ``scores.parquet`` holds, for whoever opens it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from marl_eval import RunResult, score, score_table
from marl_eval.errors import UserError
from marl_eval.money import Price
from marl_eval.results import Results
from marl_eval.score_table import OVERLAPS, SCHEMA, SET
from marl_eval.scoring.stage import ScoringOptions, read_shape, write_scores
from marl_eval.store import RunDirectory
from tests.runs import (
    assert_tells_nothing_of_this_machine,
    change_completions,
    completion,
    completions_file,
    example,
    hand_made,
    read_lines,
    read_scores,
    run,
    said,
    small_blocks,
    with_things_wrong,
)

EXAMPLES, IN_BLOCK = 500, 220


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(tmp_path_factory.mktemp("oracle") / "run")


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
    with small_blocks(IN_BLOCK * (6 if request.param == "best-of-k" else 2)):
        return score(result.path, resamples=0)


def documented() -> list[str]:
    """Give the columns that the docstring lists, in its order."""
    listed = (score_table.__doc__ or "").partition("Columns of ``scores.parquet``:")[2]
    heads = re.findall(r"^    (\w+(?:, \w+)*)(?:  | *$)", listed, re.MULTILINE)
    return [name for head in heads for name in head.split(", ")]


def test_the_docstring_lists_exactly_the_columns() -> None:
    assert documented() == SCHEMA.names


def test_scores_hold_no_clock_host_or_path(oracle: RunResult) -> None:
    file = pq.ParquetFile(oracle.path / "scores.parquet")
    table = file.read()
    texts = {text for column in table.columns for text in map(str, column.unique().to_pylist())}
    for text in texts - {str(number) for number in range(10_000)}:
        assert_tells_nothing_of_this_machine(text, oracle.path)
    for name, entry in (file.metadata.metadata or {}).items():
        if name != b"ARROW:schema":
            assert_tells_nothing_of_this_machine(entry.decode(), oracle.path)
    assert list(table.schema.metadata) == [b"marl_eval.shape"]
    assert_tells_nothing_of_this_machine(file.metadata.created_by, oracle.path)


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


def test_there_is_one_group_of_rows_for_each_block(spoiled: RunResult) -> None:
    file = pq.ParquetFile(spoiled.path / "scores.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [IN_BLOCK * 6, IN_BLOCK * 6, (EXAMPLES - 2 * IN_BLOCK) * 6]
    assert file.schema_arrow.remove_metadata().equals(SCHEMA)


def per_set(scores: pd.DataFrame) -> Any:
    return scores.groupby(["example", "set"], sort=False)


def test_columns_hold_what_they_are_documented_to_hold(spoiled: RunResult) -> None:
    scores = read_scores(spoiled.path)
    given = scores["answer"].notna()
    assert scores["asked"].all()
    for name in ("confidence", "gold", "same_as", "probability", "confidence_frequency"):
        assert not scores.loc[~given, name].notna().any(), name
    assert scores["gold"].dropna().between(-1, scores["gold_size"][given] - 1).all()
    for name in ("gold", "same_as", "probability", "confidence_frequency"):
        assert scores.loc[given, name].notna().all(), name
    for name in ("confidence", "probability", "set_confidence", "confidence_frequency", *OVERLAPS):
        assert scores[name].dropna().between(0, 1).all(), name
    # What belongs to a set or a generation stands on its first row.
    first_of_set = scores["position"] == 0
    assert not scores.loc[~first_of_set, "set_confidence"].notna().any()
    first = ~scores.duplicated(["example", "sample"])
    absent = scores["failed"] & scores["strict"].isna()
    for name in ("strict", "finish_reason", "deviations", "prompt_tokens", "completion_tokens"):
        assert scores.loc[first & ~absent, name].notna().all(), name
        assert not scores.loc[~first, name].notna().any(), name
    # Nothing of these is known of this run.
    for name in ("confidence_text", "confidence_logprob", "gold_weight", "weight_total", "truth"):
        assert scores[name].isna().all(), name
    assert scores["reasoning_tokens"].isna().all()


def test_the_first_of_equal_answers_says_that_it_is_the_first(spoiled: RunResult) -> None:
    scores = read_scores(spoiled.path)
    scores["place"] = scores["set"] * 3 + scores["position"]
    given = scores[scores["answer"].notna()]
    firsts = given.groupby(["example", "same_as"])["place"].min()
    assert (firsts.index.get_level_values("same_as") == firsts).all()
    # Answers that name the same gold answer are the same, and no others are the same as those.
    right = given[given["gold"] >= 0]
    assert (right.groupby(["example", "gold"])["same_as"].nunique() == 1).all()
    assert (given.groupby(["example", "same_as"])["gold"].nunique() == 1).all()


def test_a_set_fails_as_a_whole_where_one_of_its_requests_did(spoiled: RunResult) -> None:
    scores = read_scores(spoiled.path)
    assert (per_set(scores)["failed"].nunique() == 1).all()
    lines = read_lines(completions_file(spoiled.path))
    there = {(line["example"], line["sample"]) for line in lines}
    row = scores["example"].map({name: i for i, name in enumerate(scores["example"].unique())})
    lost = [place not in there for place in zip(row, scores["sample"], strict=True)]
    expected = pd.Series(lost).groupby([row, scores["set"]]).transform("any")
    assert (expected == scores["failed"]).all()
    assert scores["failed"].any()


def test_the_confidence_of_a_set_takes_its_different_answers_for_independent(
    spoiled: RunResult,
) -> None:
    scores = read_scores(spoiled.path)
    wrong = (1 - scores["confidence"]).where(scores["confidence"].notna())
    ordered = scores.assign(wrong=wrong).sort_values("rank")
    once = ordered[~ordered.duplicated(["example", "set", "same_as"])]
    whole = per_set(scores)["confidence"].count() == 3
    expected = (1 - per_set(once)["wrong"].prod()).reindex(whole.index).where(whole)
    found = scores.loc[scores["position"] == 0, "set_confidence"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert 0 < found.isna().mean() < 1


def test_the_frequency_of_an_answer_is_the_share_of_generations_that_give_it(
    spoiled: RunResult,
) -> None:
    scores = read_scores(spoiled.path)
    absent = scores.groupby(["example", "sample"])["strict"].transform("first").isna()
    made = scores[~absent].groupby("example")["sample"].nunique()
    given = scores[scores["answer"].notna()]
    giving = given.groupby(["example", "same_as"])["sample"].transform("nunique")
    expected = giving / given["example"].map(made)
    np.testing.assert_allclose(given["confidence_frequency"], expected, rtol=1e-12)


def test_overlaps_stand_with_the_earlier_of_two_neighbouring_generations(
    spoiled: RunResult,
) -> None:
    scores = read_scores(spoiled.path)
    first = scores[~scores.duplicated(["example", "sample"])]
    last = first["sample"] == first["sample"].max()
    for name in OVERLAPS:
        assert not first.loc[last, name].notna().any(), name
        # The references write the same reasoning every time.
        known = first.loc[~last, name].dropna()
        assert len(known) > EXAMPLES / 2
        assert known.isin([1.0]).mean() > 0.5, name


def test_the_halves_are_about_equal_and_the_same_for_every_run(
    oracle: RunResult, spoiled: RunResult
) -> None:
    halves = [
        read_scores(result.path).groupby("example")["second_half"].agg(["first", "nunique"])
        for result in (oracle, spoiled)
    ]
    assert (halves[1]["nunique"] == 1).all()
    # Five standard deviations of a fair coin.
    assert abs(halves[1]["first"].mean() - 0.5) < 5 * 0.5 / math.sqrt(EXAMPLES)
    shared = halves[0].index.intersection(halves[1].index)
    assert len(shared) == 50
    assert (halves[0]["first"][shared] == halves[1]["first"][shared]).all()


def assert_about_the_same(found: Results, expected: Results) -> None:
    """Compare values: sums are rounded differently where they are added up in another order."""
    assert found.deviations == expected.deviations
    assert found.metrics.keys() == expected.metrics.keys()
    for name, metric in found.metrics.items():
        before = expected.metrics[name]
        assert (metric.n, metric.reason) == (before.n, before.reason), name
        assert metric.value == (before.value and pytest.approx(before.value, rel=1e-9)), name


def test_blocks_change_nothing_but_the_groups_of_rows(spoiled: RunResult) -> None:
    scores = read_scores(spoiled.path)
    assert_about_the_same(score(spoiled.path, resamples=0).results, spoiled.results)
    assert pq.ParquetFile(spoiled.path / "scores.parquet").num_row_groups == 1
    pd.testing.assert_frame_equal(read_scores(spoiled.path), scores)
    with small_blocks(50):
        assert_about_the_same(score(spoiled.path, resamples=0).results, spoiled.results)
    pd.testing.assert_frame_equal(read_scores(spoiled.path), scores)


def test_the_shape_of_a_run_can_be_read_from_its_scores(tmp_path: Path) -> None:
    lines = [
        completion(0, said("x", "y", q=[0.5, 0.25])),
        completion(1, said("y", "z", q=[0.5, 1])),
    ]
    path = hand_made(tmp_path, [example("e", "x"), example("f", "x")], lines, exclusive=True)
    price = Price(1, 2.5, "EUR")
    written = write_scores(RunDirectory(path), ScoringOptions(price=price)).shape
    found = read_shape(RunDirectory(path))
    assert found.levels.keys() == written.levels.keys() == {"text", SET}
    assert found.levels["text"].tolist() == written.levels["text"].tolist() == [0.25, 0.5, 1]
    assert found.levels[SET].tolist() == [0.75, 1]
    assert (found.k, found.sets, found.members, found.exclusive) == (2, 1, 1, True)
    assert found.price == price
    assert (found.weighted, found.reference, found.truth, found.overlap) == (
        False,
        None,
        False,
        False,
    )


def test_the_shape_of_a_run_without_scores_is_refused_with_advice(tmp_path: Path) -> None:
    path = hand_made(tmp_path, [example("e", "x")], [completion(0, said("x", "y"))])
    with pytest.raises(UserError, match="has not been scored: score it with 'marl-eval score"):
        read_shape(RunDirectory(path))
    (path / "scores.parquet").write_bytes(b"no parquet")
    with pytest.raises(UserError, match="scores that this version cannot read: score it with"):
        read_shape(RunDirectory(path))


def test_too_many_confidences_are_taken_to_a_grid(tmp_path: Path) -> None:
    count = 4097
    examples = [example(f"e{row}", "x") for row in range(count)]
    lines = [completion(row, said("x", q=[row / count])) for row in range(count)]
    path = hand_made(tmp_path / "most", examples[:-1], lines[:-1], k=1)
    levels = write_scores(RunDirectory(path), ScoringOptions()).shape.levels["text"]
    np.testing.assert_array_equal(levels, np.arange(count - 1) / count)
    path = hand_made(tmp_path / "one more", examples, lines, k=1)
    levels = write_scores(RunDirectory(path), ScoringOptions()).shape.levels["text"]
    np.testing.assert_array_equal(levels, np.arange(1025) / 1024)


def test_a_score_that_fails_leaves_the_old_scores_and_no_litter(tmp_path: Path) -> None:
    path = hand_made(tmp_path, [example("e", "x")], [completion(0, said("x", "y"))])
    score(path, resamples=0)
    before = (path / "scores.parquet").read_bytes()
    line = completions_file(path).read_bytes()
    completions_file(path).write_bytes(line.replace(b'"text":"', b'"text":', 1))
    with pytest.raises(UserError, match="is damaged near byte 0"):
        score(path, resamples=0)
    assert (path / "scores.parquet").read_bytes() == before
    assert [file.name for file in path.iterdir() if "scores" in file.name] == ["scores.parquet"]
