"""The same values stand in ``results.json`` and in everything that is made of it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from marl_eval.gate.check import check
from marl_eval.gate.outputs import as_junit
from marl_eval.gate.rules import parse_rules
from marl_eval.results import MetricResult, Results, read_results
from marl_eval.show import number
from tests.conftest import Cli
from tests.runs import run

MODELS = ("oracle", "prior", "random")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of three models on the same examples, of two sets each."""
    folder = tmp_path_factory.mktemp("runs")
    return {name: run(folder / name, model=f"reference:{name}", n=2).path for name in MODELS}


@pytest.fixture(scope="module")
def results(runs: dict[str, Path]) -> dict[str, Results]:
    return {name: read_results(path) for name, path in runs.items()}


class Values(HTMLParser):
    """What a page tells of a metric: the run (of the cell or else of its row), name, full and shown."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, tuple[str, str, str], str]] = []
        self._row = ""
        self._open: tuple[str, str, tuple[str, str, str]] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "tr":
            self._row = known.get("data-run", "")
        if "data-metric" in known and "data-value" in known:
            numbers = tuple(known[f"data-{name}"] for name in ("value", "low", "high"))
            who = known.get("data-run", self._row)
            self._open, self._text = (who, known["data-metric"], numbers), ""  # type: ignore[assignment]

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._text += data
            if data.strip():
                self.found.append((*self._open, self._text.strip()))
                self._open = None


def values_of(page: Path) -> Iterator[tuple[str, str, tuple[str, str, str], str]]:
    parser = Values()
    parser.feed(page.read_text(encoding="utf-8"))
    assert parser.found
    yield from parser.found


def full(one: MetricResult) -> tuple[str, str, str]:
    value, low, high = ("" if end is None else repr(end) for end in (one.value, one.low, one.high))
    return value, low, high


def test_the_csv_holds_every_value_and_interval_in_full(
    cli: Cli, runs: dict[str, Path], results: dict[str, Results], tmp_path: Path
) -> None:
    assert cli("leaderboard", *runs.values(), "--csv", tmp_path / "l.csv")[0] == 0
    with (tmp_path / "l.csv").open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(MODELS)
    for name, own in results.items():
        for metric, one in own.metrics.items():
            told = tuple(rows[name][f"{metric}{end}"] for end in ("", "_low", "_high"))
            assert told == full(one), metric


def test_the_report_holds_every_value_and_interval_in_full_and_shows_it_rounded(
    cli: Cli, runs: dict[str, Path], results: dict[str, Results], tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    assert cli("report", *runs.values(), "--html", page)[0] == 0
    seen: dict[str, set[str]] = {name: set() for name in MODELS}
    for who, metric, numbers, shown in values_of(page):
        one = results[who].metrics[metric]
        assert numbers == full(one), (who, metric)
        assert shown == number(one.value), (who, metric)
        seen[who].add(metric)
    points = {name for name, one in results["oracle"].metrics.items() if one.curve is not None}
    for who, names in seen.items():
        assert set(results[who].metrics) - names <= points


def test_the_html_table_holds_its_values_in_full_and_shows_them_rounded(
    cli: Cli, runs: dict[str, Path], results: dict[str, Results], tmp_path: Path
) -> None:
    for name, path in runs.items():
        page = tmp_path / f"{name}.html"
        assert cli("leaderboard", path, "--html", page)[0] == 0
        for _, metric, numbers, shown in values_of(page):
            one = results[name].metrics[metric]
            assert (numbers, shown) == (full(one), number(one.value)), metric


def test_the_markdown_shows_the_values_and_intervals_rounded(
    cli: Cli, runs: dict[str, Path], results: dict[str, Results], tmp_path: Path
) -> None:
    page = tmp_path / "l.md"
    assert cli("leaderboard", *runs.values(), "--markdown", page)[0] == 0
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    heading = [cell.strip() for cell in lines[0].split("|")]
    metrics = {
        place: match[1]
        for place, cell in enumerate(heading)
        if (match := re.match(r"`(\w[\w@.]*)`", cell))
    }
    assert "recall" in metrics.values()
    for line in lines[2:]:
        cells = [cell.strip().replace("**", "") for cell in line.split("|")]
        (name,) = [model for model in MODELS if f"reference:{model}" in cells]
        for place, metric in metrics.items():
            one = results[name].metrics[metric]
            ends = "" if one.low is None else f" [{number(one.low)}, {number(one.high)}]"
            assert cells[place].startswith(f"{number(one.value)}{ends}"), metric


def test_junit_holds_the_value_of_a_rule_and_its_distance_from_the_limit_in_full(
    runs: dict[str, Path], results: dict[str, Results]
) -> None:
    for name, path in runs.items():
        rules = parse_rules("recall >= 0", "rules")
        root = ElementTree.fromstring(as_junit(check(path, rules, resamples=50)))
        told = {p.get("name"): float(p.get("value", "")) for p in root.iter("property")}
        one = results[name].metrics["recall"]
        assert (told["value"], told["low"], told["high"]) == pytest.approx(
            (one.value, one.low, one.high), rel=1e-12
        )
        assert told["examples"] == one.n


def test_the_terminal_shows_the_values_and_intervals_rounded(
    cli: Cli, runs: dict[str, Path], results: dict[str, Results]
) -> None:
    for name, path in runs.items():
        _, out, _ = cli("show", path)
        lines = {line.split()[0]: line for line in out.splitlines() if line.split()}
        for metric, one in results[name].metrics.items():
            if one.curve is None and one.low is not None:
                ends = f"[{number(one.low)}, {number(one.high)}]"
                assert re.search(
                    rf"^{re.escape(metric)}\s+{re.escape(number(one.value))}\s+{re.escape(ends)}",
                    lines[metric],
                ), metric
