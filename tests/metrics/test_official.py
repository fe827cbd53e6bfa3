"""The released evaluators' numbers: their parts by hand and against others, whole on their own data."""

from __future__ import annotations

import json
import math
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, brier_score_loss, roc_curve

from marl_eval.answers import AnswerFormat, parse
from marl_eval.errors import UserError
from marl_eval.importing.runs import import_runs
from marl_eval.metrics.official import (
    Official,
    auroc,
    brier,
    ece,
    official,
    pass_at,
    rank,
    set_brier,
)
from marl_eval.metrics.official_reading import (
    confidence_in,
    last_tag,
    numbered_tags,
    read_one,
    read_several,
)
from marl_eval.strategies import Strategy
from tests.conftest import SHARED
from tests.imports import completions, import_rows

Values = dict[str, float]

CONFIDENCES = st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.6, 0.7, 0.85, 0.9, 1.0]) | st.floats(0, 1)
PAIRS = st.lists(st.tuples(st.integers(0, 1), CONFIDENCES), min_size=1, max_size=60)
NAMES = ["answer", "answer0", "answer1", "answer2", "answer02", "answer10", "confidence", "think"]
PIECES = [f"<{slash}{name}>" for slash in ("", "/") for name in NAMES] + ["0.5", "85%", "x", "\n"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def columns(pairs: list[tuple[int, float]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    right, confidence = np.array(pairs, dtype=np.float64).T
    return right, confidence


def values(result: Official) -> Values:
    return {figure.name: figure.value for figure in result.figures}


@given(PAIRS)
def test_brier_is_scikit_learns(pairs: list[tuple[int, float]]) -> None:
    right, confidence = columns(pairs)
    assert brier(right, confidence) == pytest.approx(
        brier_score_loss(right, confidence, labels=[0, 1]), abs=1e-12
    )


@given(PAIRS)
def test_auroc_is_the_area_by_trapezoids_and_undefined_for_one_class(
    pairs: list[tuple[int, float]],
) -> None:
    right, confidence = columns(pairs)
    if right.min() == right.max():
        assert math.isnan(auroc(right, confidence))
        return
    false_rate, true_rate, _ = roc_curve(right, confidence, drop_intermediate=False)
    assert auroc(right, confidence) == pytest.approx(auc(false_rate, true_rate), abs=1e-12)


@given(PAIRS)
def test_ece_weighs_the_gaps_of_ten_bins(pairs: list[tuple[int, float]]) -> None:
    edges = np.linspace(0, 1, 11).tolist()
    bins: dict[int, list[tuple[int, float]]] = {}
    for y, q in pairs:
        bins.setdefault(min(sum(q >= edge for edge in edges), 10), []).append((y, q))
    gaps = [abs(sum(q for _, q in own) - sum(y for y, _ in own)) for own in bins.values()]
    assert ece(*columns(pairs)) == pytest.approx(sum(gaps) / len(pairs), abs=1e-12)


def test_an_edge_belongs_to_the_bin_above_except_three_and_1_is_in_the_last() -> None:
    # Two answers, one right, one wrong, whose gaps cancel if and only if they share a bin.
    def apart(low: float, high: float) -> bool:
        return ece(np.array([1.0, 0.0]), np.array([low, high])) > abs(low + high - 1) / 2 + 1e-9

    for edge in (0.1, 0.2, 0.4, 0.5, 0.8, 0.9):
        assert apart(edge - 0.01, edge)
        assert not apart(edge, edge + 0.01)
    for edge in (0.3, 0.6, 0.7):
        assert not apart(edge - 0.01, edge)
        assert apart(edge, edge + 0.01)
    assert not apart(0.95, 1.0)


def test_no_answer_at_all_gives_an_ece_of_0_and_no_auroc() -> None:
    nothing = np.empty(0)
    assert ece(nothing, nothing) == 0
    assert math.isnan(auroc(nothing, nothing))


@pytest.mark.parametrize(("samples", "drawn"), [(1, 1), (4, 1), (4, 2), (4, 4), (6, 3)])
def test_pass_at_k_is_the_mean_over_all_choices_of_k_samples(samples: int, drawn: int) -> None:
    found = np.arange(samples + 1)
    expected = np.mean(
        [
            np.mean([any(i < c for i in chosen) for chosen in combinations(range(samples), drawn)])
            for c in found
        ]
    )
    assert pass_at(found, of=samples, drawn=drawn) == pytest.approx(expected, abs=1e-12)


def test_answers_rank_by_confidence_ties_by_place_and_missing_ones_last() -> None:
    assert rank([0.2, None, 0.9, 0.9, 0.0]) == [2, 3, 0, 4, 1]


def test_set_brier_is_a_sum_and_takes_a_missing_confidence_for_0() -> None:
    assert set_brier([1, 0, 1], [0.8, 0.4, None]) == pytest.approx(0.04 + 0.16 + 1)
    assert set_brier([], []) == 0


@given(TEXTS)
def test_the_last_tag_is_the_last_match_of_a_pattern(text: str) -> None:
    for name in ("answer", "confidence"):
        found = re.findall(rf"(?s)<{name}>(.*?)</{name}>", text)
        assert last_tag(text, name) == (found[-1] if found else "")


@given(TEXTS)
def test_numbered_tags_are_the_matches_of_a_pattern_the_last_of_each_number(text: str) -> None:
    found = {int(n): inside for n, inside in re.findall(r"(?s)<answer(\d+)>(.*?)</answer\1>", text)}
    found.pop(0, None)
    assert numbered_tags(text, "answer") == found


def test_a_text_of_very_many_tags_is_read() -> None:
    for unit in ("<answer1>", "<answer1></answer2>", "<confidence>", "<answer1></answer1>"):
        read_one(unit * 100_000)
        read_several(unit * 100_000)
    many = "".join(f"<answer{number}>" for number in range(100_000))
    assert read_several(many).answers == ()
    assert read_several("<answer999999999>x</answer999999999>").answers == ()


@pytest.mark.parametrize(
    ("content", "one", "several"),
    [
        ("0.8", 0.8, 0.8),
        (" 85 ", 0.85, 0.85),
        ("100", 1.0, 1.0),
        ("1", 1.0, 1.0),
        ("85%", 0.85, 0.85),
        ("about 0.3 or 0.4", 0.3, 0.3),
        ("very high", None, None),
        ("", None, None),
        ("-0.5", None, None),
        ("-0.5 or so", None, None),
        ("150", None, None),
        ("nan", None, None),
        ("inf", None, None),
        # Out of range as a whole: with numbered tags, its first number counts instead.
        ("1e3", None, 1.0),
    ],
)
def test_a_confidence_is_a_share_or_a_percentage_or_the_first_number(
    content: str, one: float | None, several: float | None
) -> None:
    assert confidence_in(content) == one
    assert confidence_in(content, insist=True) == several


def test_tags_inside_the_reasoning_count() -> None:
    text = "<think>Or <answer>Rome</answer>? <confidence>0.9</confidence>"
    reading = read_one(text)
    assert (reading.answers, reading.stated, reading.readable) == (("Rome",), 0.9, True)
    assert reading.length == len(text)


def test_a_number_without_an_answer_is_an_empty_answer() -> None:
    reading = read_several("<answer3>c</answer3><confidence1>0.5</confidence1><answer1>a</answer1>")
    assert reading.answers == ("a", "", "c")
    assert reading.confidences == (0.5, None, None)


def one(answer: str, confidence: str) -> str:
    return f"<think>So.</think><answer>{answer}</answer><confidence>{confidence}</confidence>"


def test_a_run_of_one_answer_is_judged_by_its_texts(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "gold": "Paris", "text": [one("paris.", "80"), one("Lyon", "0.6")]},
        {"id": 2, "gold": "Rome", "text": [one("Oslo", "sure"), "<answer>Rome</answer>"]},
    ]
    found = official(import_rows(tmp_path, rows))
    assert (found.several, found.examples, found.generations) == (False, 2, 4)
    # Confidences 0.8, 0.6, 0, 0; right, wrong, wrong, right.
    expected = {
        "pass@1": 0.5,
        "pass@2": 1.0,
        "accuracy": 0.5,
        "brier_score": (0.04 + 0.36 + 0 + 1) / 4,
        "ece": (0.2 + 0.6 + 1) / 4,
        "auroc": (1 + 1 + 0 + 0.5) / 4,
        "completion length": sum(len(text) for row in rows for text in row["text"]) / 4,
        "confidence level": 0.35,
        "confidence format adherence": 0.5,
    }
    assert values(found) == pytest.approx(expected)


def test_recorded_grades_and_confidences_go_before_the_text(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "gold": "Paris", "text": one("Lyon", "1"), "grade": 1, "confidence": 0.25},
        {"id": 2, "gold": "Rome", "text": one("Rome", "1"), "grade": 0, "confidence": 0.75},
        {"id": 3, "gold": "Bern", "text": one("Bern", "1")},
    ]
    found = values(official(import_rows(tmp_path, rows)))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["brier_score"] == pytest.approx((0.75**2 + 0.75**2 + 0) / 3)
    assert found["confidence format adherence"] == 1


def test_a_confidence_recorded_as_missing_leaves_the_numbers_undefined(tmp_path: Path) -> None:
    rows = [
        {"id": i, "gold": "x", "text": one(answer, "1"), "confidence": [stated]}
        for i, (answer, stated) in enumerate([("x", 0.5), ("y", None)])
    ]
    found = values(official(import_rows(tmp_path, rows)))
    assert math.isnan(found["brier_score"])
    assert math.isnan(found["auroc"])
    assert found["accuracy"] == 0.5


def test_a_single_recorded_confidence_stands_for_all_samples(tmp_path: Path) -> None:
    row = {
        "problem": "What?",
        "answer": "x",
        "A-output_0": "<answer>x</answer>",
        "A-output_1": "<answer>y</answer>",
        "A-evals": [1, 0],
        "A-confidence_levels": [0.75],
    }
    found = values(official(import_rows(tmp_path, [row])))
    assert found["confidence level"] == 0.75
    assert found["brier_score"] == pytest.approx((0.25**2 + 0.75**2) / 2)


def several(*pairs: tuple[str, str]) -> str:
    return "<think>So.</think>" + "".join(
        f"<answer{i}>{answer}</answer{i}><confidence{i}>{confidence}</confidence{i}>"
        for i, (answer, confidence) in enumerate(pairs, start=1)
    )


def test_a_run_of_several_answers_is_judged_by_its_first_generations(tmp_path: Path) -> None:
    first = several(("Oslo", "0.1"), ("Paris", "0.5"), ("Lyon", "30"))
    second = several(("Rome", "0.2"), ("Bern", "0.9"), ("Rome", "x"))
    rows = [
        {"id": 1, "gold": ["Paris", "Lyon"], "text": [first, several(("Paris", "1"))]},
        {"id": 2, "gold": ["Rome"], "text": [second, "no tags"]},
    ]
    found = values(official(import_rows(tmp_path, rows, k=3)))
    assert found["pass@1"] == found["accuracy"] == 0.5
    assert found["pass@2"] == found["pass@3"] == 1
    sets = [0.1**2 + 0.5**2 + 0.7**2, 0.8**2 + 0.9**2 + 1]
    assert found["set_brier"] == pytest.approx(sum(sets) / 2)
    # All seven answers of all generations, five of them right, each with a confidence of 0.
    assert found["ece"] == pytest.approx(5 / 7)
    assert found["auroc"] == 0.5
    assert found["confidence level"] == found["confidence format adherence"] == 0


def test_without_confidences_answers_rank_by_position_and_have_no_set_brier(tmp_path: Path) -> None:
    text = "<answer1>Oslo</answer1><answer2>Paris</answer2>"
    found = values(official(import_rows(tmp_path, [{"id": 1, "gold": "Paris", "text": text}])))
    assert (found["pass@1"], found["pass@2"]) == (0, 1)
    assert "set_brier" not in found


def test_recorded_grades_of_several_answers_go_before_the_text(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "gold": "x", "text": several(("x", "0.9"), ("y", "0.1")), "grades": [0, 1]},
        {"id": 2, "gold": "x", "text": several(("x", "0.9"), ("y", "0.1")), "grades": [None, 1]},
    ]
    found = values(official(import_rows(tmp_path, rows)))
    assert found["pass@1"] == 0.5
    assert found["ece"] == pytest.approx(3 / 4)


def test_pooled_generations_of_one_answer_are_its_samples(tmp_path: Path) -> None:
    rows = [{"id": 1, "gold": "x", "text": [one("x", "1"), one("y", "1"), one("y", "1")]}]
    found = values(official(import_rows(tmp_path, rows, strategy=Strategy.BEST_OF_K)))
    assert found["pass@1"] == pytest.approx(1 / 3)
    assert found["pass@2"] == pytest.approx(2 / 3)
    assert found["pass@3"] == 1


def test_a_run_with_a_missing_generation_has_no_such_numbers(tmp_path: Path) -> None:
    run = import_rows(tmp_path, [{"id": "a", "gold": "x", "text": [one("x", "1"), None]}])
    with pytest.raises(UserError, match="lacks a generation of example 'a'"):
        official(run)


def test_what_a_follow_up_brought_stands_after_the_text(tmp_path: Path) -> None:
    run = import_rows(tmp_path, [{"id": "a", "gold": "x", "text": "<think>x or y?"}])
    file = run / "completions" / "part-0.jsonl"
    line = file.read_text()
    follow_up = line.replace('"stage":0', '"stage":1').replace(
        "<think>x or y?", "<answer>x</answer>"
    )
    file.write_text(line + follow_up)
    found = values(official(run))
    assert found["accuracy"] == 1
    assert found["completion length"] == len("<think>x or y?<answer>x</answer>")


def test_every_figure_says_how_it_differs_and_names_an_installed_metric(tmp_path: Path) -> None:
    import orjson

    from marl_eval.run import score

    texts = {
        "one": [one("x", "1"), one("y", "0")],
        "several": [several(("x", "1"), ("y", "0"))] * 2,
    }
    for kind, text in texts.items():
        (tmp_path / kind).mkdir()
        run = import_rows(tmp_path / kind, [{"id": 1, "gold": "x", "text": text}])
        score(run, resamples=0)
        ours = orjson.loads((run / "results.json").read_bytes())["metrics"]
        for figure in official(run).figures:
            assert figure.differs.endswith(".")
            assert figure.ours is None or figure.ours in ours or figure.name == "pass@3"


Recorded = dict[tuple[str, str], tuple[Path, Values]]


@pytest.fixture(scope="session")
def rlcr_outputs(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Every published set of recorded outputs, imported: by set and system, with its metrics."""
    folder = SHARED / "data" / "rlcr_outputs"
    published = sorted(folder.glob("*/metrics.json"))
    if not published:
        pytest.skip(f"the recorded outputs of RLCR are not at {folder}")
    found: Recorded = {}
    for file in published:
        runs = import_runs([file.parent], tmp_path_factory.mktemp("runs") / "of")
        systems = json.loads(file.read_bytes())
        for run, system in zip(runs, systems, strict=True):
            found[file.parent.name, system] = run.path, systems[system]
    return found


def test_every_published_number_comes_out_of_the_recorded_grades(rlcr_outputs: Recorded) -> None:
    for (_, system), (run, published) in rlcr_outputs.items():
        found = values(official(run))
        assert found == pytest.approx(published, abs=1e-9), system


def test_the_confidences_read_from_the_text_are_the_recorded_ones(rlcr_outputs: Recorded) -> None:
    stated = 0
    for run, published in rlcr_outputs.values():
        if published["confidence format adherence"] < 1:
            continue
        for line in completions(run):
            assert read_one(line["text"]).stated == line["recorded"]["confidences"][0]
            stated += 1
    assert stated > 0


def test_our_reader_reads_the_recorded_confidence_of_every_text_whose_tags_follow_its_reasoning(
    rlcr_outputs: Recorded,
) -> None:
    fmt = AnswerFormat(k=1)
    read = left_out = 0
    for run, published in rlcr_outputs.values():
        if published["confidence format adherence"] < 1:
            continue
        for line in completions(run):
            text = line["text"]
            after = text.rpartition("</think>")[2]
            tags = ("<answer>", "<confidence>")
            if "<think>" in after or any(text.count(tag) != 1 or tag not in after for tag in tags):
                left_out += 1
                continue
            assert parse(fmt, text).confidences[0] == line["recorded"]["confidences"][0]
            read += 1
    assert read > 5 * left_out
