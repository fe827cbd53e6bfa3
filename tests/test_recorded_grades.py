"""What an import recorded of its answers: grades, confidences, and how many were asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marl_eval import score
from marl_eval.results import Results
from marl_eval.types import Gold, Recorded
from tests.runs import completion, example, hand_made, read_scores, said

CONFIDENCES = {"grades": True, "confidences": True}


def rows(path: Path, *names: str) -> list[tuple[Any, ...]]:
    """Give some columns of the scores, None for null."""
    columns = read_scores(path)[[*names]].astype(object)
    found = columns.where(columns.notna(), None)
    return list(found.itertuples(index=False, name=None))


def scored(path: Path, **options: Any) -> Results:
    return score(path, resamples=0, **options).results


def value(results: Results, name: str) -> float | None:
    return results.metrics[name].value


def test_a_recorded_grade_goes_before_the_tasks_own(tmp_path: Path) -> None:
    line = completion(0, said("Paris", "Lyon"), recorded=Recorded(grades=(0, 1)))
    path = hand_made(tmp_path, [example("e", "Paris")], [line], confidence=False)
    results = scored(path)
    assert rows(path, "answer", "gold") == [("Paris", -1), ("Lyon", 0)]
    assert value(results, "recall") == 1
    assert value(results, "hit@1") == 0


def test_where_no_grade_was_recorded_the_task_grades(tmp_path: Path) -> None:
    recorded = Recorded(grades=(None, 1, None))
    line = completion(0, said("Paris", "Lyon", "Nice"), recorded=recorded)
    path = hand_made(tmp_path, [example("e", "Oslo", "Paris")], [line], k=3, confidence=False)
    scored(path)
    assert rows(path, "gold") == [(1,), (0,), (-1,)]


def test_a_right_answer_is_the_gold_answer_it_matches_and_else_the_first(tmp_path: Path) -> None:
    recorded = Recorded(grades=(1, 1, 1))
    line = completion(0, said("rome", "Oslo, Norway", "Paris"), recorded=recorded)
    gold = [Gold("Paris", weight=0.5), Gold("Rome", weight=0.25), Gold("Oslo", weight=0.25)]
    path = hand_made(tmp_path, [example("e", *gold)], [line], k=3, confidence=False)
    results = scored(path)
    assert rows(path, "gold", "gold_weight", "same_as") == [(1, 0.25, 0), (0, 0.5, 1), (0, 0.5, 1)]
    assert value(results, "recall") == pytest.approx(2 / 3)


def test_a_graded_answer_that_cannot_be_read_was_given_all_the_same(tmp_path: Path) -> None:
    examples = [example("e", "Paris", truth="Nice"), example("f", "Oslo", truth="Oslo")]
    lines = [
        completion(row, "No tags at all.", recorded=Recorded(grades=(1, 0, 0))) for row in (0, 1)
    ]
    path = hand_made(tmp_path, examples, lines, k=3, confidence=False)
    results = scored(path)
    assert rows(path, "answer", "gold") == [(None, 0), (None, -1), (None, -1)] * 2
    assert value(results, "answered") == 1
    assert value(results, "recall") == 1
    # Nothing tells that two of them are the same, or name what turned out to be the case.
    assert rows(path, "same_as", "truth") == [(0, False), (1, False), (2, False)] * 2


def test_a_grade_that_was_not_recorded_gives_no_answer(tmp_path: Path) -> None:
    line = completion(0, "No tags at all.", recorded=Recorded(grades=(1, None)))
    path = hand_made(tmp_path, [example("e", "Paris")], [line], confidence=False)
    assert value(scored(path), "answered") == 0.5
    assert rows(path, "gold", "same_as") == [(0, 0), (None, None)]


def test_recorded_confidences_go_before_those_of_the_text(tmp_path: Path) -> None:
    text = said("Paris", "Lyon", q=[0.9, 0.1])
    line = completion(0, text, recorded=Recorded(confidences=(0.25, 0.75)))
    path = hand_made(tmp_path, [example("e", "Paris")], [line], recorded=CONFIDENCES)
    results = scored(path)
    assert results.confidence == "recorded"
    assert rows(path, "confidence", "confidence_text", "rank") == [(0.25, 0.9, 1), (0.75, 0.1, 0)]
    assert value(results, "hit@1") == 0
    assert value(results, "multi_brier") == pytest.approx((0.75**2 + 0.75**2) / 2)
    assert value(results, "multi_brier_text") == pytest.approx((0.1**2 + 0.1**2) / 2)


def test_a_confidence_that_was_not_recorded_is_missing_whatever_the_text_says(
    tmp_path: Path,
) -> None:
    text = said("Paris", "Lyon", q=[0.9, 0.1])
    lines = [completion(0, text, recorded=Recorded(confidences=(None, 0.5))), completion(1, text)]
    examples = [example("e", "Paris"), example("f", "Paris")]
    path = hand_made(tmp_path, examples, lines, recorded=CONFIDENCES)
    results = scored(path)
    assert rows(path, "confidence", "confidence_text") == [
        *[(None, 0.9), (0.5, 0.1)],
        *[(None, 0.9), (None, 0.1)],
    ]
    # What is missing counts as the worst.
    assert value(results, "multi_brier") == pytest.approx((1 + 0.5**2 + 1 + 1) / 4)
    assert results.metrics["brier_answered"].share == 0.25


def test_recorded_confidences_need_no_confidences_in_the_format(tmp_path: Path) -> None:
    line = completion(0, said("Paris", "Lyon"), recorded=Recorded(confidences=(0.5, 0.25)))
    path = hand_made(
        tmp_path, [example("e", "Paris")], [line], recorded=CONFIDENCES, confidence=False
    )
    results = scored(path)
    assert results.confidence == "recorded"
    assert value(results, "multi_brier") == pytest.approx((0.5**2 + 0.25**2) / 2)
    assert rows(path, "confidence_text") == [(None,), (None,)]


def test_a_run_that_says_it_recorded_no_confidences_has_those_of_the_text(tmp_path: Path) -> None:
    text = said("Paris", "Lyon", q=[0.9, 0.1])
    line = completion(0, text, recorded=Recorded(grades=(1, 0)))
    recorded = {"grades": True, "confidences": False}
    path = hand_made(tmp_path, [example("e", "Paris")], [line], recorded=recorded)
    results = scored(path)
    assert results.confidence == "text"
    assert rows(path, "confidence", "confidence_text") == [(0.9, None), (0.1, None)]


UNEVEN = [
    example("one", "Paris", asked=1),
    example("two", "Paris", asked=2),
    example("all", "Oslo"),
]
ANSWERS = [
    said("Paris", q=[0.75]),
    said("Lyon", "Paris", q=[0.5, 0.25]),
    said("Rome", "Nice", "Bonn", q=[0.5, 0.25, 0.25]),
]


def test_an_example_that_was_asked_for_fewer_answers_lacks_none(tmp_path: Path) -> None:
    lines = [completion(row, text) for row, text in enumerate(ANSWERS)]
    path = hand_made(tmp_path, UNEVEN, lines, k=3)
    results = scored(path)
    assert results.complete
    assert results.deviations == {}
    assert value(results, "answered") == value(results, "format_ok") == 1
    assert value(results, "error_rate") == 0
    assert rows(path, "asked", "gold") == [
        *[(True, 0), (False, None), (False, None)],
        *[(True, -1), (True, 0), (False, None)],
        *[(True, -1)] * 3,
    ]
    assert value(results, "recall") == pytest.approx(2 / 3)
    assert value(results, "precision") == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert results.metrics["precision"].share == 1
    losses = [0.25**2, (0.5**2 + 0.75**2) / 2, (0.5**2 + 2 * 0.25**2) / 3]
    assert value(results, "multi_brier") == pytest.approx(sum(losses) / 3)
    assert results.metrics["brier_answered"].denominator == 6
    assert results.metrics["brier_answered"].share == 1
    # 1 - prod (1 - q), of as many as were asked for.
    joint = [0.75, 1 - 0.5 * 0.75, 1 - 0.5 * 0.75 * 0.75]
    held = [1, 1, 0]
    expected = sum((q - y) ** 2 for q, y in zip(joint, held, strict=True)) / 3
    assert value(results, "set_brier") == pytest.approx(expected)


def test_more_answers_than_were_asked_for_do_not_count(tmp_path: Path) -> None:
    lines = [completion(0, ANSWERS[1]), completion(1, ANSWERS[1]), completion(2, ANSWERS[2])]
    path = hand_made(tmp_path, UNEVEN, lines, k=3)
    results = scored(path)
    assert rows(path, "answer")[:3] == [("Lyon",), (None,), (None,)]
    assert results.deviations["extra-answer"] == 1
    assert value(results, "answered") == 1


def test_grades_of_more_answers_than_were_asked_for_do_not_count(tmp_path: Path) -> None:
    lines = [
        completion(0, ANSWERS[1], recorded=Recorded(grades=(0, 1, 1))),
        completion(1, ANSWERS[1], recorded=Recorded(grades=(0, 1, 1))),
        completion(2, ANSWERS[2], recorded=Recorded(grades=(0, 0, 0))),
    ]
    path = hand_made(tmp_path, UNEVEN, lines, k=3)
    results = scored(path)
    assert rows(path, "gold")[:6] == [(-1,), (None,), (None,), (-1,), (0,), (None,)]
    assert value(results, "recall") == pytest.approx(1 / 3)
    assert value(results, "answered") == 1


def test_fewer_members_of_a_pool_may_be_asked_for(tmp_path: Path) -> None:
    lines = [
        completion(row, said(answer, q=[0.5]), sample=sample)
        for row, own in enumerate([["Paris"], ["Lyon", "Paris"], ["Rome", "Nice", "Bonn"]])
        for sample, answer in enumerate(own)
    ]
    path = hand_made(tmp_path, UNEVEN, lines, k=3, members=3)
    results = scored(path)
    assert value(results, "error_rate") == 0
    assert value(results, "answered") == 1
    assert value(results, "recall") == pytest.approx(2 / 3)
    assert results.metrics["tokens_per_example"].n == 3
    assert results.complete


def test_more_members_of_a_pool_than_were_asked_for_do_not_count(tmp_path: Path) -> None:
    own = [example("one", "Paris", asked=1), example("all", "Paris")]
    lines = [
        completion(row, said(answer, q=[0.5]), sample=sample)
        for row in range(2)
        for sample, answer in enumerate(["Rome", "Paris", "Nice"])
    ]
    results = scored(hand_made(tmp_path, own, lines, k=3, members=3))
    assert value(results, "answered") == 1
    assert value(results, "recall") == 0.5
    assert results.metrics["precision"].share == 1
