"""The claims: what their intervals are over, and what is said of them."""

from __future__ import annotations

import re
from math import nan, sqrt
from pathlib import Path

import pytest

from marl_eval.reproduction.claims import as_json, as_markdown, examine_claims, verdict
from marl_eval.reproduction.recipe import Claim, Comparison, Contrast, Recipe
from marl_eval.reproduction.stages import Place
from marl_eval.run import evaluate, score

CLAIM = Claim(
    claim="An oracle knows more",
    tests=[
        Contrast(metric="recall", first="random", second="oracle", second_is="higher"),
        Contrast(metric="recall", first="random", second="oracle", second_is="lower"),
        Contrast(metric="recall", first="random", second="again", second_is="higher"),
        Contrast(metric="recall", first="random", second="absent", second_is="higher"),
    ],
)
ELSEWHERE = Claim(claim="On another task", tests=CLAIM.tests, tasks=["qasim"])


def places(folder: Path, seeds: int) -> list[Place]:
    recipe = Recipe(
        task="ddxsim",
        wording="{question}",
        comparison=Comparison(models={}, runs={}, claims=[CLAIM]),
        warm_up={},
        train={},
        run={},
    )
    made = []
    for seed in range(seeds):
        place = Place(recipe, folder / f"seed-{seed}", seed, 1)
        for name, model in (("random", "random"), ("again", "random"), ("oracle", "oracle")):
            evaluate(
                model=f"reference:{model}",
                task="ddxsim",
                limit=40,
                resamples=0,
                seed=seed if name == "random" else seed + 50,
                out=place.run_folder(name),
            )
        made.append(place)
    return made


@pytest.mark.parametrize(
    ("low", "high", "side", "told"),
    [
        (0.1, 0.2, "higher", "holds"),
        (0.1, 0.2, "lower", "does not hold"),
        (-0.2, -0.1, "lower", "holds"),
        (-0.2, -0.1, "higher", "does not hold"),
        (-0.1, 0.2, "higher", "not shown"),
        (0.0, 0.2, "higher", "not shown"),
        (nan, nan, "higher", "not shown"),
    ],
)
def test_a_claim_holds_where_the_whole_interval_is_on_its_side(
    low: float, high: float, side: str, told: str
) -> None:
    assert verdict(low, high, side) == told


def test_one_training_has_an_interval_over_examples(tmp_path: Path) -> None:
    found = examine_claims([CLAIM, ELSEWHERE], places(tmp_path, 1))
    assert [one.verdict for one in found] == ["holds", "does not hold", "not shown", "not shown"]
    assert found[0].over == "examples of one training"
    assert found[3].reason == "these runs were not made"
    assert found[0].low < found[0].difference < found[0].high


def test_several_trainings_have_a_student_interval_of_their_differences(tmp_path: Path) -> None:
    one, *_ = examine_claims([CLAIM], places(tmp_path, 3))
    assert one.over == "3 trainings"
    a, b, c = one.differences
    mean = (a + b + c) / 3
    deviation = sqrt(((a - mean) ** 2 + (b - mean) ** 2 + (c - mean) ** 2) / 2)
    # t(0.975) with 2 degrees of freedom
    assert one.high - one.difference == pytest.approx(4.302653 * deviation / sqrt(3), rel=1e-6)
    assert one.difference == pytest.approx(mean)


def test_the_tables_have_a_row_for_each_contrast_and_no_nan(tmp_path: Path) -> None:
    found = examine_claims([CLAIM], places(tmp_path, 1))
    rows = list(as_markdown(found))
    assert len(rows) == 2 + 4
    assert "**not shown** (these runs were not made)" in rows[-1]
    assert as_json(found)[-1]["difference"] is None


def test_the_table_tells_the_difference_of_each_training(tmp_path: Path) -> None:
    found = examine_claims([CLAIM], places(tmp_path, 2))
    row = list(as_markdown(found))[2]
    one, other = found[0].differences
    assert f"| 2 trainings: {one:.3g}, {other:.3g} |" in row


def test_nothing_is_shown_by_a_metric_that_leaves_out_most_answers(tmp_path: Path) -> None:
    (place,) = places(tmp_path, 1)
    claim = Claim(
        claim="Confidences are better",
        tests=[Contrast(metric="ece", first="random", second="oracle", second_is="higher")],
    )
    (whole,) = examine_claims([claim], [place])
    assert (whole.verdict, whole.reason) == ("holds", "")
    silent = place.run_folder("random") / "completions/part-0.jsonl"
    lines = silent.read_text().splitlines(keepends=True)
    cut = [re.sub("<confidence[23]>.*?</confidence[23]>", "", line) for line in lines]
    silent.write_text("".join(cut))
    score(place.run_folder("random"), resamples=0)
    (part,) = examine_claims([claim], [place])
    assert (part.verdict, part.reason) == ("not shown", "one rests on 33.3% of its answers")
