from __future__ import annotations

import re
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from marl_eval.comparison.differences import EQUAL_TERMS, compare
from marl_eval.reports.page import build
from marl_eval.results import read_results
from marl_eval.run import score
from tests.conftest import Cli
from tests.runs import (
    RESAMPLES,
    change_completions,
    completion,
    example,
    hand_made,
    run,
    said,
    with_things_wrong,
)


class Reader(HTMLParser):
    """Collects the elements of a page, each with its attributes and the section that it is in."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, str, dict[str, str]]] = []
        self.texts: dict[str, str] = defaultdict(str)
        self._section = ""
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "section":
            self._section = values["id"]
        self.elements.append((self._section, tag, values))

    def handle_data(self, data: str) -> None:
        self.texts[self._section] += data

    def having(self, attribute: str) -> list[dict[str, str]]:
        return [values for _, _, values in self.elements if attribute in values]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs of the same examples, one of them with things wrong; and one of others."""
    folder = tmp_path_factory.mktemp("runs")
    few = {"examples": 12}
    made = {
        "oracle": run(folder / "oracle", task_args=few),
        "random": run(folder / "random", model="reference:random", task_args=few),
        "spoiled": run(folder / "spoiled", n=2, task_args=few),
        "elsewhere": run(folder / "elsewhere", task="qasim", task_args={"examples": 9}),
    }
    paths = {name: one.path for name, one in made.items()}
    change_completions(paths["spoiled"], with_things_wrong)
    score(paths["spoiled"], resamples=RESAMPLES)
    return paths


@pytest.fixture(scope="module")
def page(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Reader:
    out = tmp_path_factory.mktemp("page") / "report.html"
    build.write_page(list(runs.values()), out, resamples=RESAMPLES)
    return Reader(out)


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a small page."""
    monkeypatch.setattr(build, "DRAWINGS", {"recall": build.DRAWINGS["recall"]})


def number(text: str) -> float | None:
    return None if text in ("", "None") else float(text)


def test_the_page_has_every_number_of_every_run_as_it_is_in_the_results(
    page: Reader, runs: dict[str, Path]
) -> None:
    shown: dict[tuple[str, str], set[tuple[Any, ...]]] = defaultdict(set)
    for values in page.having("data-value"):
        found = [number(values[f"data-{part}"]) for part in ("value", "low", "high")]
        rests = (int(values["data-n"]), float(values["data-denominator"]))
        shown[values["data-run"], values["data-metric"]].add((*found, *rests))
    expected = {
        (name, metric): {(one.value, one.low, one.high, one.n, one.denominator)}
        for name, path in runs.items()
        for metric, one in read_results(path).metrics.items()
    }
    assert shown == expected


def test_the_page_has_the_differences_that_compare_gives(
    page: Reader, runs: dict[str, Path]
) -> None:
    found = compare(runs["oracle"], runs["random"], resamples=RESAMPLES)
    expected = {
        (name, one.difference, one.low, one.high)
        for name, one in found.metrics.items()
        if one.p is not None
    }
    shown = {
        (v["data-metric"], *(number(v[f"data-{part}"]) for part in ("difference", "low", "high")))
        for v in page.having("data-difference")
    }
    assert expected
    assert expected <= shown


def test_the_sets_behind_tokens_are_told_where_they_are_more_than_those_behind_answers(
    page: Reader, tmp_path: Path, one_figure: None
) -> None:
    assert "oracle makes 1 and spoiled 2 sets a question." in page.texts["summary"]
    assert "and random 1 sets" not in page.texts["summary"]
    path = run(tmp_path / "run", n=2, task_args={"examples": 5}).path
    build.write_page([path], tmp_path / "page.html", resamples=RESAMPLES)
    told = " ".join(Reader(tmp_path / "page.html").texts["summary"].split())
    assert "generated tokens a question, all of its 2 sets together" in told


def test_a_difference_that_cannot_be_told_has_its_own_reason(
    tmp_path: Path, one_figure: None
) -> None:
    paths = [
        run(tmp_path / str(seed), seed=seed, task_args={"examples": 1}).path for seed in (0, 1)
    ]
    build.write_page(paths, tmp_path / "page.html", resamples=RESAMPLES)
    told = Reader(tmp_path / "page.html").texts["comparison"]
    assert "No difference to tell (too few examples or resamples" in told


def test_the_kind_of_interval_is_told_of_every_run(tmp_path: Path, one_figure: None) -> None:
    kinds = ("BCa", "percentile")
    few = {"examples": 5}
    paths = [run(tmp_path / kind, interval=kind, task_args=few).path for kind in kinds]
    build.write_page(paths, tmp_path / "page.html", resamples=RESAMPLES)
    told = " ".join(Reader(tmp_path / "page.html").texts["summary"].split())
    first, second = (read_results(path).interval for path in paths)
    assert f"Numbers in brackets are {first} or {second} intervals" in told


def test_runs_on_other_examples_are_not_compared_and_the_page_says_so(page: Reader) -> None:
    assert "2 different sets of examples" in page.texts["summary"]
    assert "elsewhere is the only run on these examples" in page.texts["comparison"]
    assert "elsewhere against" not in page.texts["comparison"]


def test_a_run_with_errors_says_so_wherever_it_is_named(
    page: Reader, runs: dict[str, Path]
) -> None:
    errors = read_results(runs["spoiled"]).errors
    told = f"{errors.failed} failed of 24 requests"
    assert errors.failed > 0
    for section in ("summary", "leaderboard", "figures", "comparison"):
        assert told in page.texts[section], section
    # In the data that the examples are made of.
    assert f'"trouble":"{told}"' in page.texts["examples"]
    assert "ERRORS" in page.texts["summary"]


def answered(path: Path, right: int, *, k: int) -> Path:
    """Make a run that answers so many of six questions, with ``k`` answers in a set."""
    examples = [example(f"e{row}", "x") for row in range(6)]
    sets = [["x" if row < right else "w", "y", "z"][:k] for row in range(6)]
    lines = [completion(row, said(*own)) for row, own in enumerate(sets)]
    hand_made(path, examples, lines, k=k, confidence=False)
    score(path, resamples=RESAMPLES)
    return path


@pytest.mark.parametrize("k", [2, 3])
def test_the_summary_says_who_is_first_and_among_equal_ranks_the_better_value_stands_first(
    tmp_path: Path, one_figure: None, k: int
) -> None:
    runs = [answered(tmp_path / "less", 3, k=2), answered(tmp_path / "more", 4, k=k)]
    build.write_page(runs, tmp_path / "report.html", resamples=RESAMPLES)
    page = Reader(tmp_path / "report.html")
    board = [
        v["data-key"]
        for part, tag, v in page.elements
        if part == "leaderboard" and tag == "th" and "data-key" in v
    ]
    assert board == ["more", "less"]
    summary = " ".join(page.texts["summary"].split())
    assert re.search(
        r"First by recall: more with 0\.6667 \[.+?\] and less with 0\.5 \[.+?\], whose intervals",
        summary,
    )
    assert ("differ in size" in summary) == (k != 2)
    assert ("differ in k" in page.texts["leaderboard"]) == (k != 2)


def test_every_metric_is_explained(page: Reader, runs: dict[str, Path]) -> None:
    ids = {values["id"] for values in page.having("id")}
    targets = [values["popovertarget"] for values in page.having("popovertarget")]
    assert set(targets) <= ids
    names = {name for path in runs.values() for name in read_results(path).metrics}
    unexplained = {name for name in names if build.tables.about(name, None) is None}
    assert unexplained == set()


def test_nothing_in_the_page_leads_to_a_network(page: Reader) -> None:
    links = [
        value
        for _, _, values in page.elements
        for name, value in values.items()
        if name in ("src", "href", "srcset", "action", "poster", "data")
    ]
    assert links
    assert [
        link for link in links if not link.startswith(("#", "data:image/svg+xml;base64,"))
    ] == []
    [policy] = [v["content"] for v in page.having("content") if v.get("http-equiv")]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'none'" in policy
    assert not re.search(r"unsafe|https?:|\*", policy)


@pytest.mark.usefixtures("one_figure")
def test_the_same_runs_give_the_same_bytes(runs: dict[str, Path], tmp_path: Path) -> None:
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for out in pages:
        build.write_page([runs["oracle"], runs["random"]], out, resamples=RESAMPLES)
    assert pages[0].read_bytes() == pages[1].read_bytes()


@pytest.mark.usefixtures("one_figure")
def test_runs_of_the_same_name_are_told_apart(runs: dict[str, Path], tmp_path: Path) -> None:
    for name in ("here", "there"):
        run(tmp_path / name / "oracle", task_args={"examples": 12})
    paths = [tmp_path / "here" / "oracle", tmp_path / "there" / "oracle"]
    out = tmp_path / "report.html"
    build.write_page(paths, out, resamples=RESAMPLES)
    shown = {values["data-run"] for values in Reader(out).having("data-value")}
    assert shown == {"here/oracle", "there/oracle"}


@pytest.mark.usefixtures("one_figure")
def test_many_examples_go_into_a_folder_beside_the_page(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.html"
    monkeypatch.setattr(build, "SINGLE_FILE", 1000)
    build.write_page([runs["oracle"]], out, resamples=RESAMPLES)
    folder = tmp_path / "report_files"
    names = {file.name for file in folder.glob("*.js")}
    assert names == {"index-0.js", "chunk-0-0.js"}
    assert "data-chunk-0-0" not in out.read_text(encoding="utf-8")
    monkeypatch.setattr(build, "SINGLE_FILE", 8 << 20)
    build.write_page([runs["oracle"]], out, resamples=RESAMPLES)
    assert not folder.exists()
    assert "data-chunk-0-0" in out.read_text(encoding="utf-8")


def test_a_folder_that_is_not_of_a_report_is_left_alone(
    cli: Cli, runs: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "report_files").mkdir()
    (tmp_path / "report_files" / "mine.txt").write_text("mine")
    code, _, err = cli("report", runs["oracle"], "--html", tmp_path / "report.html")
    assert code == 2
    assert "report_files" in err
    assert (tmp_path / "report_files" / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "report.html").exists()


def test_a_run_that_is_not_scored_is_refused_with_the_command_that_scores_it(
    cli: Cli, tmp_path: Path
) -> None:
    path = run(tmp_path / "unscored", task_args={"examples": 3}).path
    (path / "results.json").unlink()
    code, _, err = cli("report", path)
    assert code == 2
    assert f"marl-eval score {path}" in err


@pytest.mark.usefixtures("one_figure")
def test_the_command_writes_the_page(cli: Cli, runs: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "new folder" / "own.html"
    code, out, err = cli("report", runs["elsewhere"], "--html", page)
    assert (code, out, err.strip()) == (0, "", str(page))
    assert "elsewhere" in Reader(page).texts["summary"]


def test_what_a_comparison_tells_besides_metrics_is_explained() -> None:
    assert list(build.tables.EQUAL_TERMS) == list(EQUAL_TERMS)
