"""What is drawn are the numbers of the runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve

from marl_eval.comparison.differences import compare
from marl_eval.errors import UserError
from marl_eval.reports.drawings import DRAWINGS, PAPER, Drawing
from marl_eval.reports.drawings.curves import curve, over_answers
from marl_eval.reports.drawings.distinct import distinct_answers, shares
from marl_eval.reports.drawings.forest import SHOWN, compared
from marl_eval.reports.drawings.labels import labels
from marl_eval.reports.drawings.reliability import reliability
from marl_eval.reports.drawings.saving import as_svg
from marl_eval.reports.drawings.style import looks
from marl_eval.reports.drawings.tokens import Curve, frontier, token_curve
from marl_eval.reports.drawings.training import smooth, trained, widest
from marl_eval.results import read_results
from marl_eval.run import evaluate, score
from tests.conftest import Cli
from tests.runs import completion, example, failure, hand_made, said


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, strategy in (("multi", "multi"), ("pooled", "best-of-k")):
        evaluate(
            model="reference:random", task="ddxsim", strategy=strategy, k=3, n=4, limit=60,
            resamples=50, out=folder / name,
        )  # fmt: skip
    return [folder / "multi", folder / "pooled"]


@pytest.fixture(scope="module")
def without_confidences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one answer to a question, without a confidence."""
    return evaluate(
        model="reference:random", task="ddxsim", strategy="single", confidence=False, limit=5,
        resamples=0, out=tmp_path_factory.mktemp("plain") / "run",
    ).path  # fmt: skip


@pytest.fixture(scope="module")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that says it is of a shipped checkpoint; nothing of it is generated."""
    path = evaluate(
        model="reference:oracle", task="ddxsim", limit=5, resamples=0,
        out=tmp_path_factory.mktemp("trained") / "run",
    ).path  # fmt: skip
    record = json.loads((path / "run.json").read_bytes())
    record["settings"]["model"] = "tiny-rlcr-multi"
    record["model"] = {"backend": "hf"}
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return path


ABSENT = {"training"}
"""What runs of references cannot show."""


def test_every_figure_is_written_as_svg_and_png(runs: list[Path], cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("figures", *runs, "--out", tmp_path / "drawn")
    assert code == 0
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    drawn = [name for name in DRAWINGS if f"{name}.svg" in names]
    assert set(DRAWINGS) - set(drawn) <= ABSENT | {"conformal"}
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("svg", "png")}
    assert ", ".join(drawn) in err.splitlines()[0]
    for name in drawn:
        assert (tmp_path / "drawn" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        text = (tmp_path / "drawn" / f"{name}.svg").read_text()
        assert "<path" in text
        assert "<script" not in text


def test_what_is_not_drawn_is_told_with_what_it_needs(
    without_confidences: Path, cli: Cli, tmp_path: Path
) -> None:
    code, _, err = cli("figures", without_confidences, "--out", tmp_path / "drawn")
    assert code == 0
    told = dict(line.split(": not drawn, for it needs ") for line in err.splitlines()[1:])
    assert told["reliability"] == "a run with stated confidences"
    assert told["forest"] == "two runs of the same examples"
    assert set(told) == set(DRAWINGS) - {"recall", "tokens"}


def test_the_paper_has_its_five_figures(runs: list[Path], cli: Cli, tmp_path: Path) -> None:
    assert set(PAPER) == {"recall", "distinct", "reliability", "overlap", "training"}
    assert cli("figures", *runs, "--paper", "--out", tmp_path / "drawn")[0] == 0
    names = {path.stem for path in (tmp_path / "drawn").iterdir()}
    assert names == set(PAPER) - ABSENT


def test_only_what_was_named_is_drawn(runs: list[Path], cli: Cli, tmp_path: Path) -> None:
    assert cli("figures", *runs, "--only", "risk, recall", "--out", tmp_path / "drawn")[0] == 0
    assert {path.stem for path in (tmp_path / "drawn").iterdir()} == {"risk", "recall"}
    code, _, err = cli("figures", *runs, "--only", "recal", "--out", tmp_path / "other")
    assert code == 2
    assert "no figure 'recal'; did you mean 'recall'" in err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["recall", "reliability", "forest"])
def test_the_same_runs_give_the_same_file(runs: list[Path], name: str) -> None:
    assert as_svg(DRAWINGS[name], runs) == as_svg(DRAWINGS[name], runs)


def test_importing_the_drawings_imports_no_library_that_draws() -> None:
    code = (
        "import sys, marl_eval.reports.drawings.saving;"
        "print([m for m in ('matplotlib', 'pandas', 'pyarrow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_curve_has_the_values_and_intervals_of_the_results(runs: list[Path]) -> None:
    told = json.loads((runs[0] / "results.json").read_text())["metrics"]
    points = curve(read_results(runs[0]), "recall")
    assert [at for at, *_ in points] == [3, 6, 9, 12]
    for at, value, low, high in points:
        metric = told[f"recall@{at:g}"]
        assert (value, low, high) == (metric["value"], metric["low"], metric["high"])


def test_a_run_of_one_generation_is_a_point_of_the_curve_over_answers(
    without_confidences: Path,
) -> None:
    results = read_results(without_confidences)
    recall = results.metrics["recall"]
    (only,) = over_answers(results, "recall", "recall", 1)
    assert only == (1, recall.value, recall.value, recall.value)


def test_distinct_answers_have_the_mean_of_the_metric(runs: list[Path]) -> None:
    for run in runs:
        counts, most = distinct_answers(run)
        told = read_results(run).metrics["distinct_answers_of_all"].value
        assert counts.mean() == pytest.approx(told)
        assert (len(counts), most) == (60, 12)


def test_distinct_answers_leave_out_a_question_of_which_a_set_failed(tmp_path: Path) -> None:
    from marl_eval import score

    records = [
        completion(0, said("x", "y")),
        completion(0, said("x", "z"), sample=1),
        completion(1, said("x", "y")),
        failure(1, sample=1),
    ]
    path = hand_made(tmp_path / "run", [example("0", "x"), example("1", "x")], records, sets=2)
    score(path, resamples=0)
    counts, most = distinct_answers(path)
    assert (counts.tolist(), most) == ([3], 4)


def test_shares_have_the_interval_of_wilson() -> None:
    # Of ten questions two have one answer and eight have two.
    share, low, high = shares(np.array([1] * 2 + [2] * 8), 3)
    assert share.tolist() == [0, 0.2, 0.8, 0]
    # (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n) for z = 1.96, by hand.
    assert low == pytest.approx([0, 0.0567, 0.4902, 0], abs=5e-4)
    assert high == pytest.approx([0.2775, 0.5098, 0.9433, 0.2775], abs=5e-4)


def test_reliability_is_that_of_scikit_learn(runs: list[Path]) -> None:
    bins = reliability(runs[0])
    assert bins is not None
    table = pd.read_parquet(runs[0] / "scores.parquet").dropna(subset=["confidence"])
    right, stated = calibration_curve(table["gold"] >= 0, table["confidence"], n_bins=10)
    full = bins.number > 0
    assert np.allclose(bins.accuracy[full], right)
    assert np.allclose(bins.confidence[full], stated)
    assert bins.number.sum() == len(table)
    assert ((bins.low <= bins.accuracy) & (bins.accuracy <= bins.high))[full].all()
    assert np.isnan(bins.accuracy[~full]).all()


@pytest.mark.parametrize("metric", ["ece", "set_ece"])
def test_reliability_has_the_calibration_error_of_the_results(
    runs: list[Path], metric: str
) -> None:
    for run in runs:
        bins = reliability(run, metric)
        assert bins is not None
        share = bins.number / bins.number.sum()
        error = np.nansum(share * np.abs(bins.confidence - bins.accuracy))
        assert error == pytest.approx(read_results(run).metrics[metric].value)


def test_a_bin_that_is_all_right_has_an_interval(tmp_path: Path) -> None:
    from marl_eval import score

    records = [completion(row, said("x", "y", q=[0.95, 0.05])) for row in range(5)]
    path = hand_made(
        tmp_path / "run", [example(str(row), "x") for row in range(5)], records, confidence=True
    )
    score(path, resamples=0)
    bins = reliability(path)
    assert bins is not None
    # Clopper and Pearson: 0.025^(1/5) below 5 of 5, and as much above 0 of 5.
    assert (bins.low[9], bins.high[9]) == (pytest.approx(0.025 ** (1 / 5)), 1)
    assert (bins.low[0], bins.high[0]) == (0, pytest.approx(1 - 0.025 ** (1 / 5)))


def test_runs_without_confidences_have_no_reliability(without_confidences: Path) -> None:
    for name in ("reliability", "set_reliability", "risk", "conformal", "distinct"):
        assert as_svg(DRAWINGS[name], [without_confidences]) is None


def test_the_curve_of_tokens_has_the_recall_and_the_tokens_of_the_results(runs: list[Path]) -> None:
    for run in runs:
        own = token_curve(run)
        assert own is not None
        metrics = read_results(run).metrics
        assert own.tokens[-1] == pytest.approx(metrics["tokens_per_example"].value)
        told = [value for _, value, *_ in curve(read_results(run), "recall")]
        assert own.recall[1:] == pytest.approx(told)
        inside = np.interp(own.budget, own.tokens, own.recall)
        assert ((own.low <= inside) & (inside <= own.high)).all()


def made_curve(tokens: list[float], recall: list[float]) -> Curve:
    at, found, none = np.array([0, *tokens]), np.array([0, *recall]), np.zeros(0)
    return Curve(at, found, none, none, none)


def test_the_frontier_is_the_best_of_the_runs_at_each_cost() -> None:
    cheap, dear = made_curve([10, 20], [0.3, 0.5]), made_curve([15, 40], [0.6, 0.7])
    tokens, recall = frontier([cheap, dear])
    assert (tokens[0], tokens[-1]) == (10, 40)
    at = dict(zip(tokens.tolist(), recall.tolist(), strict=True))
    assert at[10] == pytest.approx(0.3)
    # Just before the dear run's first generation is done the cheap one is best, at 0.3 + 0.2 / 2.
    assert at[float(np.nextafter(15, 0))] == pytest.approx(0.4)
    assert (at[15], at[40]) == (pytest.approx(0.6), pytest.approx(0.7))
    assert at[20] == pytest.approx(0.62)
    assert (np.diff(recall) >= 0).all()


def test_the_frontier_goes_on_level_where_the_best_run_ends() -> None:
    tokens, recall = frontier([made_curve([10], [0.8]), made_curve([20, 30], [0.2, 0.4])])
    assert (tokens[-1], recall[-1]) == (30, pytest.approx(0.8))


def test_the_forest_has_the_differences_of_the_comparison(runs: list[Path]) -> None:
    found = compared(runs)
    whole = compare(*runs)
    for name, one in found[runs[1]].metrics.items():
        assert name in SHOWN
        own = whole.metrics[name]
        assert (one.difference, one.low, one.high) == (own.difference, own.low, own.high)


def test_a_run_of_other_examples_is_left_out_of_the_forest(
    runs: list[Path], without_confidences: Path
) -> None:
    assert list(compared([*runs, without_confidences])) == [runs[1]]
    assert as_svg(DRAWINGS["forest"], [runs[0], without_confidences]) is None


@pytest.mark.parametrize("count", [1, 4, 10, 11, 30])
def test_a_smoothed_curve_is_as_long_and_keeps_a_constant(count: int) -> None:
    assert np.allclose(smooth([0.3] * count), 0.3)
    rising = smooth(list(range(count)))
    assert len(rising.value) == count
    assert rising.value[count // 2] == pytest.approx(np.mean(rising.value), abs=1)


def test_a_smoothed_curve_has_the_t_interval_of_each_window() -> None:
    # The whole of three points is one window: mean 2, s = 1, t(0.975, 2) = 4.303.
    found = smooth([1, 2, 3])
    assert found.value[1] == pytest.approx(2)
    assert found.high[1] - 2 == pytest.approx(4.303 / 3**0.5, abs=1e-3)


def test_the_widest_interval_of_a_mean_is_that_of_wilson() -> None:
    down, up = widest([0.2, 0.0], 10)
    assert (0.2 - down[0], 0.2 + up[0]) == (
        pytest.approx(0.0567, abs=5e-4),
        pytest.approx(0.5098, abs=5e-4),
    )
    assert (down[1], up[1]) == (pytest.approx(0), pytest.approx(0.2775, abs=5e-4))


def test_a_run_finds_the_card_of_its_checkpoint_and_draws_it(trained_run: Path) -> None:
    (label,) = trained([trained_run])
    assert label == "rlcr-multi, K = 3"
    assert as_svg(DRAWINGS["training"], [trained_run]) is not None
    assert as_svg(PAPER["training"], [trained_run]) is not None


def test_a_checkpoint_that_is_another_one_now_is_not_drawn(
    trained_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(trained_run, path)
    record = json.loads((path / "run.json").read_bytes())
    record["model"]["files"] = {"marl_eval_card.json": "of another card"}
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert trained([path]) == {}
    assert as_svg(DRAWINGS["training"], [path]) is None


def named(folder: Path, name: str, **settings: object) -> Path:
    """Write a run.json that is enough to be called something."""
    path = folder / name
    path.mkdir(parents=True)
    told = {"model": "org/model", "strategy": "multi", "k": 3, "n": 1, "seed": 0, **settings}
    data = {"name": "ddxsim", "sha256": str(settings.get("data", "0" * 64))}
    record = {"settings": told, "model": {"backend": "hf"}, "task": data}
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return path


def test_short_and_unique_names_are_the_labels(tmp_path: Path) -> None:
    paths = [named(tmp_path, "a"), named(tmp_path, "b")]
    assert list(labels(paths).values()) == ["a", "b"]


def test_long_names_become_model_strategy_and_k_and_what_differs(tmp_path: Path) -> None:
    long = "ddxsim-model-multi-k3-0123456789"
    paths = [
        named(tmp_path / "1", long),
        named(tmp_path / "2", long, seed=1),
        named(tmp_path / "3", long, strategy="best-of-k", k=30),
    ]
    assert list(labels(paths).values()) == [
        "model, multi, k = 3, seed = 0", "model, multi, k = 3, seed = 1", "model, best-of-k, k = 30",
    ]  # fmt: skip


def test_runs_of_other_examples_say_of_which(tmp_path: Path) -> None:
    paths = [named(tmp_path, "a"), named(tmp_path, "b", data="1234567890")]
    assert list(labels(paths).values()) == [
        "a (ddxsim 00000000)", "b (ddxsim 12345678)",
    ]  # fmt: skip


def test_runs_that_nothing_tells_apart_are_numbered(tmp_path: Path) -> None:
    paths = [named(tmp_path / "1", "run"), named(tmp_path / "2", "run")]
    assert list(labels(paths).values()) == [
        "model, multi, k = 3, run (1)", "model, multi, k = 3, run (2)",
    ]  # fmt: skip


def test_no_two_of_many_runs_look_the_same(runs: list[Path], tmp_path: Path) -> None:
    paths = [named(tmp_path, f"run-{number}") for number in range(49)]
    for path in paths:
        shutil.copy(runs[0] / "results.json", path)
    seen = {(look.colour, str(look.dash), look.marker) for look in looks(paths).values()}
    assert len(seen) == 49


@pytest.mark.parametrize("name", ["$\\frac{1}{0}$", "_hidden", "\u202ex\x1b[1m", "字 😀"])
def test_a_name_is_drawn_as_text_whatever_it_is(
    runs: list[Path], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    shutil.copytree(runs[0], path)
    shown = next(iter(labels([path]).values()))
    assert "\u202e" not in shown
    assert "\x1b" not in shown
    text = as_svg(DRAWINGS["recall"], [path])
    assert text is not None
    assert "\u202e" not in text


def test_what_cannot_be_made_is_told(runs: list[Path], cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = cli("figures", *runs, "--out", tmp_path / "file")
    assert code == 1
    assert "cannot be written" in err


def test_a_drawing_of_one_run_is_a_drawing(runs: list[Path]) -> None:
    for name, drawing in DRAWINGS.items():
        assert isinstance(drawing, Drawing)
        if name not in ABSENT | {"forest", "conformal"}:
            assert as_svg(drawing, runs[:1]) is not None, name


def test_a_run_that_is_not_scored_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="marl-eval score"):
        as_svg(DRAWINGS["recall"], [hand_made(tmp_path / "run", [example("x", "a")], [])])


@pytest.mark.parametrize("name", ["recall", "tokens", "distinct", "reliability", "risk"])
def test_a_run_with_errors_says_so_in_every_figure(tmp_path: Path, name: str) -> None:
    rows = [completion(row, said("cat", "cow", q=[0.5, 0.25])) for row in range(3)]
    path = hand_made(
        tmp_path / "run",
        [example(str(row), "cat") for row in range(4)],
        [*rows, failure(3)],
        confidence=True,
    )
    score(path, resamples=50)
    svg = as_svg(DRAWINGS[name], [path])
    assert svg is not None
    assert "(3 of 4 requests answered)" in svg
