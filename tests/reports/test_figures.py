"""What is drawn are the numbers of the runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve

from marl_eval.reports.figures import curve, distinct_answers, reliability, smooth
from marl_eval.results import read_results
from marl_eval.run import evaluate
from tests.conftest import Cli


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, strategy in (("multi", "multi"), ("pooled", "best-of-k")):
        evaluate(
            model="reference:random", task="ddxsim", strategy=strategy, k=3, n=4, limit=60,
            resamples=50, out=folder / name,
        )  # fmt: skip
    return [folder / "multi", folder / "pooled"]


def test_every_figure_is_written_as_svg_and_png(runs: list[Path], cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("figures", *runs, "--out", tmp_path / "drawn")
    assert code == 0
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    drawn = ("recall", "distinct", "reliability")
    assert names == {f"{name}.{kind}" for name in drawn for kind in ("svg", "png")}
    assert "recall, distinct, reliability" in err
    for name in drawn:
        text = (tmp_path / "drawn" / f"{name}.svg").read_text()
        assert "multi" in text or "<path" in text


def test_the_same_runs_give_the_same_file(runs: list[Path], cli: Cli, tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        cli("figures", *runs, "--out", tmp_path / name)
        files.append((tmp_path / name / "recall.svg").read_bytes())
    assert files[0] == files[1]


def test_a_curve_has_the_values_and_intervals_of_the_results(runs: list[Path]) -> None:
    told = json.loads((runs[0] / "results.json").read_text())["metrics"]
    points = curve(read_results(runs[0]), "recall")
    assert [at for at, *_ in points] == [3, 6, 9, 12]
    for at, value, low, high in points:
        metric = told[f"recall@{at:g}"]
        assert (value, low, high) == (metric["value"], metric["low"], metric["high"])


def test_distinct_answers_have_the_mean_of_the_metric(runs: list[Path]) -> None:
    for run in runs:
        counts = distinct_answers(run)
        told = read_results(run).metrics["distinct_answers_of_all"].value
        assert counts.mean() == pytest.approx(told)
        assert len(counts) == 60


def test_reliability_is_that_of_scikit_learn(runs: list[Path]) -> None:
    mean, accuracy, low, high, count = reliability(runs[0])
    table = pd.read_parquet(runs[0] / "scores.parquet").dropna(subset=["confidence"])
    right, stated = calibration_curve(table["gold"] >= 0, table["confidence"], n_bins=10)
    full = count > 0
    assert np.allclose(accuracy[full], right)
    assert np.allclose(mean[full], stated)
    assert count.sum() == len(table)
    assert ((low <= accuracy) & (accuracy <= high))[full].all()
    assert np.isnan(accuracy[~full]).all()


@pytest.mark.parametrize("count", [1, 4, 10, 11, 30])
def test_a_smoothed_curve_is_as_long_and_keeps_a_constant(count: int) -> None:
    assert np.allclose(smooth([0.3] * count), [0.3] * count)
    rising = smooth(list(range(count)))
    assert len(rising) == count
    assert rising[count // 2] == pytest.approx(np.mean(rising), abs=1)


def test_runs_without_confidences_have_no_reliability(tmp_path: Path) -> None:
    evaluate(
        model="reference:random", task="ddxsim", strategy="single", confidence=False, limit=5,
        resamples=0, out=tmp_path / "run",
    )  # fmt: skip
    assert reliability(tmp_path / "run") is None
    assert distinct_answers(tmp_path / "run") is None
