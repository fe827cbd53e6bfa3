from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from marl_eval import evaluate, score
from marl_eval.comparison.differences import Comparison, Difference, _difference, compare
from marl_eval.comparison.verdict import verdict
from marl_eval.errors import UserError
from marl_eval.lines import json_line
from marl_eval.results import Results, read_results
from marl_eval.score_table import BLOCK
from marl_eval.stats import Resampling, holm

Array = NDArray[np.float64]
Make = Callable[..., Path]

EXAMPLES = 80
WORLD = {"conditions": 6, "findings": 8, "max_causes": 2}
FEW, MANY = 60, 10_000


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make a run by name of a reference and settings; the same one is made once."""
    made: dict[str, Path] = {}

    def run(reference: str, *, examples: int = EXAMPLES, world: int = 0, **values: Any) -> Path:
        name = f"{reference}-{examples}-{world}-{values}"
        if name not in made:
            made[name] = tmp_path_factory.mktemp(reference) / "run"
            evaluate(
                model=f"reference:{reference}",
                task="ddxsim",
                task_args={**WORLD, "examples": examples, "seed": world},
                resamples=0,
                out=made[name],
                **values,
            )
        return made[name]

    return run


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to))


def edit(file: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    """Rewrite a file of JSON lines."""
    records = [json.loads(line) for line in file.read_bytes().splitlines()]
    file.write_bytes(b"".join(json_line(record) for record in change(records)))


def fail(run: Path, *rows: int) -> Path:
    """Make it so that the requests of these examples failed."""
    kept: list[Any] = []

    def split(lines: list[Any]) -> list[Any]:
        kept.extend(line for line in lines if line["example"] in rows)
        return [line for line in lines if line["example"] not in rows]

    edit(run / "completions/part-0.jsonl", split)
    named = ("id", "example", "sample", "stage")
    failures = [{**{name: line[name] for name in named}, "reason": "gone"} for line in kept]
    edit(run / "errors.jsonl", lambda before: [*before, *failures])
    score(run, resamples=0)
    return run


def of_each_example(run: Path) -> pd.DataFrame:
    """Work out some metrics example by example, from the rows of the score table."""
    rows = pd.read_parquet(run / "scores.parquet")
    groups = rows.groupby("example", sort=False)
    right = rows.gold >= 0
    named = rows[right].groupby("example").gold.nunique()
    named = named.reindex(rows.example.unique(), fill_value=0)
    loss = ((rows.confidence - right) ** 2).groupby(rows.example, sort=False)
    return pd.DataFrame(
        {
            "correct_answers": named,
            "recall": named / groups.gold_size.first(),
            "pass@1": right[rows["rank"] == 0].groupby(rows.example, sort=False).sum(),
            "multi_brier": loss.mean(),
        }
    ).astype(np.float64)


def known(value: float | None) -> float:
    assert value is not None
    return value


def implied_t(p: float | None, examples: int) -> float:
    """Give the size of Student's t that has this two-sided p-value."""
    return float(stats.t.isf(known(p) / 2, examples - 1))


def test_a_run_does_not_differ_from_itself(make: Make, tmp_path: Path) -> None:
    run = make("random", n=2)
    found = compare(run, copied(run, tmp_path / "same"), resamples=FEW)
    assert found.examples == EXAMPLES
    assert (found.failed, found.only_first, found.only_second) == (0, 0, 0)
    told = {name: one for name, one in found.metrics.items() if one.first is not None}
    assert len(told) > 60
    for name, one in told.items():
        assert one.first == one.second, name
        assert (one.difference, one.low, one.high) == (0, 0, 0), name
        assert (one.p, one.p_holm) == (1, 1), name


@pytest.mark.parametrize(
    ("one", "other", "examples"),
    [
        pytest.param(("random", {}), ("random", {"seed": 1}), EXAMPLES, id="draws of one system"),
        pytest.param(("prior", {}), ("oracle", {}), EXAMPLES, id="two systems"),
        pytest.param(("prior", {}), ("oracle", {}), BLOCK + 60, id="two blocks of examples"),
    ],
)
def test_the_p_value_of_a_mean_is_that_of_the_paired_t_test(
    make: Make, one: tuple[str, Any], other: tuple[str, Any], examples: int
) -> None:
    first, second = (make(name, examples=examples, **more) for name, more in (one, other))
    before, after = of_each_example(first), of_each_example(second)
    names = list(before.columns)
    resamples = MANY if examples == EXAMPLES else 2000
    found = compare(first, second, metrics=names, resamples=resamples)
    for name in names:
        theirs = stats.ttest_rel(after[name], before[name])
        ours = found.metrics[name]
        assert ours.first == pytest.approx(before[name].mean())
        assert ours.difference == pytest.approx(after[name].mean() - before[name].mean())
        # The resampled deviation of R resamples is off by a share of 1 / sqrt(2 R) or so.
        assert implied_t(ours.p, examples) == pytest.approx(
            abs(theirs.statistic), rel=5 / math.sqrt(2 * resamples)
        )


def test_the_interval_of_a_mean_is_that_of_scipys_paired_bootstrap(make: Make) -> None:
    first, second = make("prior"), make("oracle")
    before, after = of_each_example(first), of_each_example(second)
    found = compare(first, second, metrics=list(before.columns), resamples=MANY)
    for name in before.columns:
        change = (after[name] - before[name]).to_numpy()
        theirs = stats.bootstrap(
            (change,), np.mean, n_resamples=MANY, method="percentile", batch=2000, rng=1
        ).confidence_interval
        ours = found.metrics[name]
        # Standard error of a quantile of R normal draws, of ours and of theirs.
        spread = change.std() / math.sqrt(len(change))
        error = spread * math.sqrt(2 * 0.025 * 0.975 / MANY) / stats.norm.pdf(1.96)
        # Values are multiples of 1 / (2 n), between which a quantile may fall on either side.
        step = 1 / (2 * len(change))
        assert abs(known(ours.low) - theirs.low) < 5 * error + step, name
        assert abs(known(ours.high) - theirs.high) < 5 * error + step, name


def test_the_other_way_round_every_difference_is_the_opposite(make: Make) -> None:
    first, second = make("random"), make("oracle")
    there = compare(first, second, resamples=FEW).metrics
    back = compare(second, first, resamples=FEW).metrics
    assert there.keys() == back.keys()
    for name, one in there.items():
        other = back[name]
        assert (one.p, one.p_holm, one.detectable) == pytest.approx(
            (other.p, other.p_holm, other.detectable), nan_ok=True
        ), name
        if one.difference is not None:
            mirrored = [-known(end) for end in (other.difference, other.high, other.low)]
            assert [one.difference, one.low, one.high] == pytest.approx(mirrored, abs=1e-12), name
        if one.ratio is not None:
            assert one.ratio * known(other.ratio) == pytest.approx(1), name


def test_holms_correction_by_hand() -> None:
    # 4 * 0.01 = 0.04; 3 * 0.02 = 0.06; 2 * 0.022 = 0.044, not below 0.06; 1 * 0.9.
    np.testing.assert_allclose(holm(np.array([0.02, 0.9, 0.01, 0.022])), [0.06, 0.9, 0.04, 0.06])
    np.testing.assert_allclose(holm(np.array([0.4, 0.6])), [0.8, 0.8])
    np.testing.assert_allclose(holm(np.array([0.7, 0.8])), [1, 1])
    assert holm(np.array([])).shape == (0,)


def rejected(p: list[float], level: float) -> list[bool]:
    """Step down through the p-values, the smallest first, and stop at the first that is too large."""
    found = [False] * len(p)
    for done, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        if p[place] > level / (len(p) - done):
            break
        found[place] = True
    return found


@given(p=st.lists(st.integers(0, 1000).map(lambda n: n / 1000), max_size=12))
def test_holms_correction_rejects_what_stepping_down_does(p: list[float]) -> None:
    corrected = holm(np.array(p, dtype=np.float64))
    assert (corrected >= p).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()
    for level in (0.00123, 0.01234, 0.05012, 0.23456, 0.78901):
        assert (corrected <= level).tolist() == rejected(p, level)


def test_every_defined_metric_takes_part_in_the_correction(make: Make) -> None:
    found = compare(make("random"), make("random", seed=1), resamples=FEW).metrics
    told = {name: one for name, one in found.items() if one.p is not None}
    assert 40 < len(told) < len(found)
    largest, left = 0.0, len(told)
    for name in sorted(told, key=lambda name: told[name].p or 0):
        largest = max(largest, min(1, left * (told[name].p or 0)))
        left -= 1
        assert told[name].p_holm == pytest.approx(largest), name
    assert all(one.p_holm is None for one in found.values() if one.p is None)


def test_runs_on_different_examples_are_refused_with_their_names(make: Make) -> None:
    whole, part = make("oracle"), make("prior", limit=EXAMPLES - 5)
    ids = set(of_each_example(whole).index) - set(of_each_example(part).index)
    assert len(ids) == 5
    for first, second, number in ((whole, part, 1), (part, whole, 2)):
        with pytest.raises(UserError) as refused:
            compare(first, second)
        message = str(refused.value)
        assert f"5 are only in {whole}" in message, number
        assert sum(repr(name) in message for name in ids) == 3, number
        assert "--common" in message
        assert f"{EXAMPLES - 5} examples they share" in message


def test_common_examples_are_compared_and_the_others_counted(make: Make) -> None:
    whole, part = make("oracle"), make("prior", limit=EXAMPLES - 5)
    found = compare(whole, part, common=True, metrics=["recall"], resamples=FEW)
    assert (found.examples, found.only_first, found.only_second) == (EXAMPLES - 5, 5, 0)
    shared = of_each_example(part).index
    assert found.metrics["recall"].first == pytest.approx(
        of_each_example(whole).recall[shared].mean()
    )
    assert found.metrics["recall"].second == pytest.approx(of_each_example(part).recall.mean())
    back = compare(part, whole, common=True, metrics=["recall"], resamples=FEW)
    assert (back.examples, back.only_first, back.only_second) == (EXAMPLES - 5, 0, 5)


@pytest.mark.parametrize("common", [False, True])
def test_runs_without_a_common_example_are_refused(make: Make, common: bool) -> None:
    with pytest.raises(UserError, match="no example in common"):
        compare(make("oracle"), make("oracle", world=1), common=common)


@pytest.mark.parametrize("part", ["question", "gold"])
def test_an_example_that_changed_under_its_id_is_another_one(
    make: Make, tmp_path: Path, part: str
) -> None:
    first, second = make("oracle"), copied(make("prior"), tmp_path / "changed")

    def change(examples: list[Any]) -> list[Any]:
        examples[7][part] = "What now?" if part == "question" else [{"answer": "Nothing"}]
        return examples

    edit(second / "examples.jsonl", change)
    with pytest.raises(UserError, match=r"1 differ in question or gold .*'ddxsim-0-7'"):
        compare(first, second)
    found = compare(first, second, common=True, metrics=["recall"], resamples=FEW)
    assert (found.examples, found.only_first, found.only_second) == (EXAMPLES - 1, 1, 1)
    kept = of_each_example(first).recall.drop("ddxsim-0-7")
    assert found.metrics["recall"].first == pytest.approx(kept.mean())


def test_metadata_of_an_example_may_differ(make: Make, tmp_path: Path) -> None:
    first, second = make("oracle"), copied(make("prior"), tmp_path / "annotated")
    edit(second / "examples.jsonl", lambda examples: [{**e, "meta": {"x": 1}} for e in examples])
    assert compare(first, second, metrics=["recall"], resamples=FEW).examples == EXAMPLES


def test_an_example_that_failed_in_one_run_is_left_out_of_both(make: Make, tmp_path: Path) -> None:
    clean = make("oracle"), make("prior")
    lost = [2, 5, 70]
    first = fail(copied(clean[0], tmp_path / "a"), 2, 5)
    second = fail(copied(clean[1], tmp_path / "b"), 5, 70)
    found = compare(first, second, resamples=FEW)
    assert (found.examples, found.failed) == (EXAMPLES - 3, 3)
    assert (found.only_first, found.only_second) == (0, 0)
    for name in ("recall", "pass@1", "multi_brier"):
        before, after = (
            of_each_example(run)[name].drop([f"ddxsim-0-{row}" for row in lost]) for run in clean
        )
        assert found.metrics[name].first == pytest.approx(before.mean())
        assert found.metrics[name].second == pytest.approx(after.mean())
        expected = stats.ttest_rel(after, before)
        assert (expected.pvalue < 0.05) == (known(found.metrics[name].p) < 0.05)
    assert found.metrics["error_rate"].first == found.metrics["error_rate"].second == 0


def test_runs_that_failed_wherever_the_other_did_not_cannot_be_compared(
    make: Make, tmp_path: Path
) -> None:
    half = EXAMPLES // 2
    first = fail(copied(make("oracle"), tmp_path / "a"), *range(half))
    second = fail(copied(make("prior"), tmp_path / "b"), *range(half, EXAMPLES))
    with pytest.raises(UserError, match="No example is left"):
        compare(first, second)


def test_the_order_of_the_second_runs_examples_does_not_matter(make: Make, tmp_path: Path) -> None:
    examples = BLOCK + 60
    first, second = make("prior", examples=examples), make("oracle", examples=examples)
    shuffled = copied(second, tmp_path / "shuffled")
    order = np.random.default_rng(0).permutation(examples).tolist()
    place = {row: new for new, row in enumerate(order)}
    edit(shuffled / "examples.jsonl", lambda lines: [lines[row] for row in order])
    edit(
        shuffled / "completions/part-0.jsonl",
        lambda lines: [{**line, "example": place[line["example"]]} for line in lines],
    )
    score(shuffled, resamples=0)
    names = ["recall", "ece", "auroc", "set_auroc", "aurc", "conformal_size@0.8", "correct_error"]
    straight = compare(first, second, metrics=names, resamples=FEW).metrics
    mixed = compare(first, shuffled, metrics=names, resamples=FEW).metrics
    for name in names:
        assert mixed[name].model_dump() == pytest.approx(straight[name].model_dump()), name


def curve(run: Path, generations: int, each: int) -> tuple[list[float], list[float]]:
    """Give tokens and recall at each number of generations, of ``each`` answers."""
    results = read_results(run).metrics
    tokens = known(results["tokens_per_example"].value)
    recall = [known(results[f"recall@{each * s}"].value) for s in range(1, generations + 1)]
    return [tokens * s / generations for s in range(generations + 1)], [0, *recall]


def test_what_runs_give_at_equal_recall_or_cost_is_read_off_both_curves(make: Make) -> None:
    first, second = make("random", n=4), make("oracle", strategy="best-of-k")
    (tokens_a, recall_a), (tokens_b, recall_b) = curve(first, 4, 3), curve(second, 3, 1)
    found = compare(first, second, resamples=FEW).metrics
    level = min(recall_a[-1], recall_b[-1])
    expected = np.interp(level, recall_a, tokens_a), np.interp(level, recall_b, tokens_b)
    one = found["tokens_at_equal_recall"]
    assert (one.first, one.second) == pytest.approx(expected)
    assert one.ratio == pytest.approx(expected[1] / expected[0])
    budget = min(tokens_a[-1], tokens_b[-1])
    expected = np.interp(budget, tokens_a, recall_a), np.interp(budget, tokens_b, recall_b)
    one = found["recall_at_equal_tokens"]
    assert (one.first, one.second) == pytest.approx(expected)
    grid = np.linspace(0, budget, 200_001)
    means = [
        np.trapezoid(np.interp(grid, *points), grid) / budget
        for points in ((tokens_a, recall_a), (tokens_b, recall_b))
    ]
    one = found["recall_area_at_equal_tokens"]
    assert (one.first, one.second) == pytest.approx(means, abs=1e-6)


def test_tokens_count_up_to_where_a_recall_is_first_reached(make: Make) -> None:
    single, twice = make("oracle"), make("oracle", n=2)
    found = compare(single, twice, resamples=FEW).metrics
    # The second set of an oracle repeats the first, so it costs and finds nothing.
    assert found["tokens_per_example"].ratio == 2
    assert found["tokens_at_equal_recall"].ratio == 1


def test_the_same_difference_in_every_example_has_the_p_value_of_the_sign_test(make: Make) -> None:
    first, second = make("oracle"), make("oracle", n=2)
    one = compare(first, second, metrics=["tokens_per_example"], resamples=FEW).metrics
    found = one["tokens_per_example"]
    assert found.first is not None
    assert found.difference == found.low == found.high == found.first
    assert found.p == pytest.approx(2 * 0.5**EXAMPLES, abs=0)
    assert found.detectable is None
    assert (found.ratio, found.ratio_low, found.ratio_high) == (2, 2, 2)


def test_only_the_metrics_named_are_compared_and_corrected_for(make: Make) -> None:
    first, second = make("random"), make("random", seed=1)
    whole = compare(first, second, resamples=FEW).metrics
    found = compare(first, second, metrics=["f1", "recall"], resamples=FEW).metrics
    assert list(found) == ["f1", "recall"]
    for name, one in found.items():
        alone, among = one.model_dump(), whole[name].model_dump()
        assert alone.pop("p_holm") < among.pop("p_holm")
        assert alone == pytest.approx(among)


def test_a_metric_that_one_run_lacks_is_not_compared(make: Make) -> None:
    silent, stating = make("oracle", confidence=False), make("oracle")
    assert "ece" not in compare(silent, stating, resamples=FEW).metrics
    with pytest.raises(UserError, match="no metric that both runs have named 'ece'"):
        compare(silent, stating, metrics=["ece"])
    with pytest.raises(UserError, match="did you mean 'recall'"):
        compare(silent, stating, metrics=["recal"])


def test_what_is_undefined_in_one_run_says_so_and_has_no_p_value(make: Make) -> None:
    found = compare(make("random"), make("oracle"), resamples=FEW).metrics
    one = found["conformal_size@0.8"]
    assert one.first is None
    assert one.second is not None
    assert one.reason == "undefined in one of the runs"
    assert (one.difference, one.low, one.high, one.p, one.p_holm) == (None,) * 5


def test_a_run_that_was_not_scored_is_refused(make: Make, tmp_path: Path) -> None:
    run = make("oracle")
    unscored = copied(run, tmp_path / "unscored")
    (unscored / "scores.parquet").unlink()
    for pair in ((run, unscored), (unscored, run)):
        with pytest.raises(UserError, match=f"marl-eval score {unscored}"):
            compare(*pair)


def test_what_is_not_a_run_is_refused(make: Make, tmp_path: Path) -> None:
    for pair in ((make("oracle"), tmp_path), (tmp_path, make("oracle"))):
        with pytest.raises(UserError, match="is not a run directory"):
            compare(*pair)


def test_a_comparison_survives_json(make: Make) -> None:
    found = compare(make("random"), make("oracle"), resamples=FEW)
    again = Comparison.model_validate_json(found.model_dump_json())
    assert again == found
    assert json.loads(found.model_dump_json())["schema_version"] == found.schema_version
    schema = Comparison.model_json_schema()["$defs"]["Difference"]["properties"]
    assert all("description" in entry for entry in schema.values())


def test_the_values_compared_are_those_of_results_json(make: Make) -> None:
    first, second = make("random", n=4), make("oracle", n=2)
    results: list[Results] = [read_results(first), read_results(second)]
    found = compare(first, second, resamples=FEW).metrics
    shared = results[0].metrics.keys() & results[1].metrics.keys()
    assert shared == found.keys() - {
        "tokens_at_equal_recall",
        "recall_at_equal_tokens",
        "recall_area_at_equal_tokens",
    }
    for name in shared:
        values = [one.metrics[name].value for one in results]
        ours = found[name].first, found[name].second
        assert ours == pytest.approx(values, nan_ok=True), name


def test_a_real_gain_is_told_with_its_size(make: Make) -> None:
    found = compare(make("random"), make("oracle"), resamples=FEW)
    one = found.metrics["correct_answers"]
    sentence = verdict(found, "A", "B")
    assert sentence.startswith(
        f"B covers {one.difference:.3g} more right answers a set [{one.low:+.3g}, {one.high:+.3g}]"
    )
    assert sentence.endswith(f"(against A, {EXAMPLES} questions).")


def test_a_real_loss_is_told_as_one(make: Make) -> None:
    found = compare(make("oracle"), make("random", n=2), resamples=FEW)
    sentence = verdict(found, "A", "B")
    lost = -known(found.metrics["correct_answers"].difference)
    assert lost > 0
    assert f"B covers {lost:.3g} fewer right answers a set [-" in sentence
    assert "with 100% more tokens a question" in sentence
    back = verdict(compare(make("random", n=2), make("oracle"), resamples=FEW), "A", "B")
    assert "with 50% fewer tokens a question" in back


def test_a_difference_that_chance_would_explain_is_not_called_one(make: Make) -> None:
    found = compare(make("random"), make("random", seed=1), resamples=FEW)
    one = found.metrics["correct_answers"]
    assert known(one.p) > 0.05
    sentence = verdict(found, "A", "B")
    assert "covers" not in sentence
    assert f"a difference of {one.detectable:.2g} would be seen in four of five" in sentence
    assert "no other number of tokens that could be told" in sentence


def spending(run: Path, to: Path, more: int) -> Path:
    """Give a copy whose generations take between 0 and 60 tokens more, and then ``more``."""
    rng = np.random.default_rng(6 + more)
    copy = copied(run, to)
    edit(
        copy / "completions/part-0.jsonl",
        lambda lines: [
            {**line, "completion_tokens": line["completion_tokens"] + int(rng.integers(60)) + more}
            for line in lines
        ],
    )
    score(copy, resamples=0)
    return copy


def test_a_difference_in_tokens_is_told_only_if_it_is_real(make: Make, tmp_path: Path) -> None:
    runs = [spending(make("oracle"), tmp_path / str(more), more) for more in (0, 1, 50)]
    by_chance = compare(runs[0], runs[1], resamples=FEW)
    one = by_chance.metrics["tokens_per_example"]
    assert one.difference != 0
    assert 0.05 < known(one.p) < 0.99
    assert "with no other number of tokens that could be told" in verdict(by_chance, "A", "B")
    real = compare(runs[0], runs[2], resamples=FEW)
    share = known(real.metrics["tokens_per_example"].ratio) - 1
    assert f"with {share:.0%} more tokens a question" in verdict(real, "A", "B")


def test_where_right_answers_were_not_compared_the_metrics_that_differ_are_counted(
    make: Make,
) -> None:
    found = compare(make("random"), make("oracle"), metrics=["f1", "answered"], resamples=FEW)
    sentence = verdict(found, "A", "B")
    assert sentence == f"1 of 2 metrics differ by more than chance ({EXAMPLES} questions)."


def simulated(
    rng: np.random.Generator, examples: int, trials: int, gain: float
) -> list[Difference]:
    """Compare pairs of systems whose examples differ by a normal variable of mean ``gain``."""
    change = rng.normal(gain, 1, size=(examples, trials))
    draws = Resampling(examples, 400).between(0, examples)
    means = np.vstack([np.ones(examples), draws]) @ change / examples
    none = np.zeros(len(means))
    return [_difference(none, own, "higher", examples) for own in means.T]


@pytest.mark.parametrize("examples", [10, 60])
def test_the_detectable_difference_is_found_in_four_of_five_trials(examples: int) -> None:
    trials = 800
    freedom = examples - 1
    reach = stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)
    gain = reach / math.sqrt(examples)
    told = simulated(np.random.default_rng(4), examples, trials, gain)
    # The deviation is known here; in each trial it is estimated, about right on average.
    promised = np.array([one.detectable for one in told], dtype=np.float64)
    assert math.sqrt(np.mean(promised**2)) == pytest.approx(gain, rel=0.02)
    seen = sum(known(one.p) <= 0.05 for one in told)
    exact = stats.nct.sf(stats.t.ppf(0.975, freedom), freedom, reach)
    assert exact == pytest.approx(0.8, abs=0.01)
    fewest, most = stats.binom.interval(0.999, trials, exact)
    assert fewest <= seen <= most
