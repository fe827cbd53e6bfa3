"""The leaderboard: who is ranked before whom, and what people and programs are told."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from marl_eval.errors import UserError
from marl_eval.reports.table.board import make_board
from marl_eval.reports.table.html import to_html
from marl_eval.reports.table.latex import to_latex
from marl_eval.reports.table.markdown import to_markdown
from marl_eval.reports.table.ranks import headline, ranks
from marl_eval.reports.table.rows import Row, make_rows
from marl_eval.results import read_results
from tests.conftest import Cli
from tests.reports.boards import result, row
from tests.runs import change_completions, run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("oracle", "random", "prior"):
        run(folder / name, model=f"reference:{name}", n=2)
    return {path.name: path for path in folder.iterdir()}


def as_model(path: Path, name: str) -> Path:
    """Make a run that says it is of a model: the references are the only quick backends."""
    record = json.loads((path / "run.json").read_bytes())
    record["model"] = {"backend": "hf", "files": {"model": name}}
    record["settings"]["model"] = name
    (path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A good model and a bad one on the same examples."""
    folder = tmp_path_factory.mktemp("models")
    made = []
    for name, behind in (("bad", "random"), ("good", "oracle")):
        run(folder / name, model=f"reference:{behind}")
        made.append(as_model(folder / name, name))
    return made


def test_a_row_is_behind_those_whose_interval_lies_wholly_above_it() -> None:
    # a and b overlap, b and c overlap, a lies wholly above c; d lies below all.
    ends = [(0.9, 0.8, 1.0), (0.8, 0.7, 0.85), (0.7, 0.6, 0.75), (0.1, 0.0, 0.2)]
    assert ranks([result(own) for own in ends]) == [1, 1, 2, 4]


def test_where_less_is_better_the_lower_interval_is_ahead() -> None:
    ends = [(0.9, 0.8, 1.0), (0.1, 0.0, 0.2), (0.15, 0.1, 0.25)]
    assert ranks([result(own, "lower") for own in ends]) == [3, 1, 1]


def test_intervals_that_touch_tie() -> None:
    assert ranks([result((0.5, 0.4, 0.6)), result((0.7, 0.6, 0.8))]) == [1, 1]


def test_a_value_without_an_interval_has_no_rank_and_puts_none_back() -> None:
    rows = [result((0.9, None, None)), result((0.5, 0.4, 0.6)), None, result((None, None, None))]
    assert ranks(rows) == [None, 1, None, None]


def test_the_headline_is_recall_where_there_is_one_and_else_how_many_answers_differ() -> None:
    one = result((1.0, 1.0, 1.0))
    assert headline([{"recall": one, "distinct_answers": one}]) == "recall"
    assert headline([{"distinct_answers": one}]) == "distinct_answers"
    assert headline([{"recall": result((None, None, None)), "distinct_answers": one}]) == (
        "distinct_answers"
    )
    assert headline([{"ece": one}]) is None


def test_models_are_ranked_among_models_and_references_are_not(
    runs: dict[str, Path], models: list[Path]
) -> None:
    rows = make_rows([*models, runs["oracle"], runs["random"], runs["prior"]])
    assert [one.role for one in rows] == ["model", "model", "ceiling", "floor", "floor"]
    assert [one.rank for one in rows] == [2, 1, None, None, None]
    assert [one.ranked_by for one in rows] == ["recall", "recall", None, None, None]
    bad, good = (read_results(path).metrics["recall"] for path in models)
    assert good.low is not None
    assert bad.high is not None
    assert good.low > bad.high


def test_a_run_given_twice_puts_others_back_once(models: list[Path]) -> None:
    bad, good = models
    assert [one.rank for one in make_rows([good, bad, good])] == [1, 2, 1]


def test_rows_of_other_examples_are_ranked_apart(models: list[Path], tmp_path: Path) -> None:
    other = run(tmp_path / "other", model="reference:random", limit=40).path
    rows = make_rows([*models, as_model(other, "other")])
    assert [one.rank for one in rows] == [2, 1, 1]
    assert [len(section.lines) for section in make_board(rows)] == [2, 1]


def test_another_metric_may_rank(models: list[Path]) -> None:
    rows = make_rows(models, by="multi_brier")
    assert {one.ranked_by for one in rows} == {"multi_brier"}
    told = [read_results(path).metrics["multi_brier"] for path in models]
    assert [one.rank for one in rows] == ranks(told)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("correct_bias", "neither more nor less of it is better"),
        ("recal", "did you mean 'recall'"),
    ],
)
def test_a_metric_that_cannot_rank_is_told(models: list[Path], name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_rows(models, by=name)


def test_two_systems_of_one_imported_file_are_two_rows(tmp_path: Path) -> None:
    identities = set()
    for name in ("one", "other"):
        path = run(tmp_path / name).path
        record = json.loads((path / "run.json").read_bytes())
        record["model"] = {"backend": "import", "file": "rows.jsonl", "sha256": "0"}
        record["settings"]["model"] = name
        (path / "run.json").write_text(json.dumps(record), encoding="utf-8")
        identities.add(make_rows([path])[0].identity)
    assert len(identities) == 2


def test_the_default_name_of_a_run_ends_in_the_first_digits_of_its_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = run(None).path  # type: ignore[arg-type]
    assert path.name.endswith(make_rows([path])[0].identity[:8])


class Tables(HTMLParser):
    """Reads the cells of a page's tables: their text, and what they tell of a metric."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.metrics: list[dict[str, str | None]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._inside = True
        if tag == "td" and "data-metric" in dict(attrs):
            self.metrics.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def rendered(markdown: str) -> Tables:
    return Tables(MarkdownIt("commonmark").enable("table").render(markdown))


def cells(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_the_csv_has_every_setting_fingerprint_and_metric_in_full(
    cli: Cli, runs: dict[str, Path], models: list[Path]
) -> None:
    code, _, err = cli("leaderboard", *models, runs["oracle"], "--csv", "board.csv")
    assert (code, err) == (0, "board.csv: 3 rows\n")
    rows = cells(Path("board.csv"))
    for path, own in zip([*models, runs["oracle"]], rows, strict=True):
        record = json.loads((path / "run.json").read_bytes())
        assert own["schema_version"] == "3"
        assert (own["run"], own["model"]) == (path.name, record["settings"]["model"])
        assert own["data_sha256"] == record["task"]["sha256"]
        assert own["prompt_sha256"] == record["prompt"]["sha256"]
        assert json.loads(own["task_args"]) == record["settings"]["task_args"]
        assert (own["k"], own["n"], own["examples"], own["errors"]) == (
            str(record["settings"]["k"]), str(record["settings"]["n"]), "50", "0",
        )  # fmt: skip
        for name, metric in read_results(path).metrics.items():
            for column, value in ((name, metric.value), (f"{name}_low", metric.low)):
                assert own[column] == ("" if value is None else repr(value))
    assert [own["rank"] for own in rows] == ["2", "1", ""]
    assert [own["role"] for own in rows] == ["model", "model", "ceiling"]
    assert len({own["model_sha256"] for own in rows}) == 3


def board_of(*rows: Row, **more: Any) -> Any:
    (section,) = make_board(rows, **more)
    return section


def test_ceilings_come_first_then_models_by_rank_then_floors() -> None:
    metrics = {"recall": result((0.5, 0.4, 0.6))}
    section = board_of(
        row("floor", metrics, role="floor"),
        row("second", metrics, rank=2),
        row("unranked", metrics),
        row("ceiling", metrics, role="ceiling"),
        row("first", metrics, rank=1),
        row("first and better", {"recall": result((0.55, 0.4, 0.7))}, rank=1),
    )
    assert [line.row.run for line in section.lines] == [
        "ceiling", "first and better", "first", "second", "unranked", "floor",
    ]  # fmt: skip
    assert [line.labels[0] for line in section.lines] == ["ceiling", "1", "1", "2", "-", "floor"]


def test_the_best_and_what_cannot_be_told_from_it_are_bold_and_references_never() -> None:
    section = board_of(
        row("a", {"recall": result((0.9, 0.8, 1.0))}),
        row("b", {"recall": result((0.85, 0.7, 0.9))}),
        row("c", {"recall": result((0.5, 0.4, 0.6))}),
        row("o", {"recall": result((1.0, 0.99, 1.0))}, role="ceiling"),
    )
    assert {line.row.run for line in section.lines if line.cells[0].best} == {"a", "b"}
    only = board_of(row("a", {"recall": result((0.9, 0.8, 1.0))}))
    assert not only.lines[0].cells[0].best


def test_recall_at_the_most_answers_that_all_models_gave_stands_beside_recall() -> None:
    def curve(*sizes: int) -> dict[str, Any]:
        points = {f"recall@{k}": result((0.5, 0.4, 0.6), curve=("recall", k)) for k in sizes}
        return {"recall": result((0.5, 0.4, 0.6)), **points}

    section = board_of(row("multi", curve(3, 6, 30)), row("pool", curve(1, 2, 3, 6), k=6))
    assert list(section.better) == ["recall", "recall@6"]
    same = board_of(row("one", curve(1, 2, 3)), row("other", curve(3, 6)))
    assert list(same.better) == ["recall"]
    assert any("differ in k" in note for note in section.notes)
    alone = board_of(row("multi", curve(3, 6)), row("once", {"recall": result((0.5, 0.4, 0.6))}))
    assert list(alone.better) == ["recall"]
    assert not any("differ in k" in note for note in alone.notes)


def test_runs_that_nothing_else_tells_apart_are_named() -> None:
    metrics = {"recall": result((0.5, 0.4, 0.6))}
    alike = board_of(row("a", metrics, model="m"), row("b", metrics, model="m"))
    assert alike.headings == ["rank", "run", "model", "strategy", "k", "n", "examples"]
    apart = board_of(row("a", metrics), row("b", metrics))
    assert "run" not in apart.headings


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 50 examples, of which two requests failed and one was never made."""
    from marl_eval import score
    from tests.runs import completions_file

    path = run(tmp_path_factory.mktemp("broken") / "broken").path
    change_completions(path, lambda line: None if line["example"] < 2 else line)
    file = completions_file(path)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    score(path, resamples=50)
    return as_model(path, "broken")


def test_a_run_with_errors_says_so_in_every_form(
    cli: Cli, broken: Path, models: list[Path]
) -> None:
    command = ["leaderboard", broken, models[1]]
    assert cli(*command, "--csv", "b.csv", "--markdown", "b.md", "--latex", "b.tex")[0] == 0
    assert cli(*command, "--html", "b.html")[0] == 0
    assert [own["errors"] for own in cells(Path("b.csv"))] == ["3", "0"]
    told = "ERRORS in broken: 3 of 50 requests failed or are missing"
    share = "6.0% of the sets"
    markdown, latex, html = (
        Path(f"b.{kind}").read_text(encoding="utf-8") for kind in ("md", "tex", "html")
    )
    assert f"- † {told}" in markdown
    assert share in markdown
    assert "`broken` †" in markdown or "broken †" in markdown
    assert rf"\textdagger{{}} {told}" in latex
    assert r"6.0\% of the sets" in latex
    assert r"broken \textdagger{} &" in latex
    assert f"<li>† {told}" in html
    assert "<td" in html
    assert any("broken †" in cell for own in Tables(html).rows for cell in own)
    assert "good †" not in html


def test_every_form_tells_the_same_values(
    cli: Cli, runs: dict[str, Path], models: list[Path]
) -> None:
    from marl_eval.show import number

    forms = ["--markdown", "b.md", "--latex", "b.tex", "--html", "b.html", "--csv", "b.csv"]
    assert cli("leaderboard", *models, runs["oracle"], "--metrics", "recall,ece", *forms)[0] == 0
    by_name = {own["model"]: own for own in cells(Path("b.csv"))}
    page = Tables(Path("b.html").read_text(encoding="utf-8"))
    markdown = rendered(Path("b.md").read_text(encoding="utf-8"))
    latex = Path("b.tex").read_text(encoding="utf-8")
    names = [own[1] for own in page.rows[1:]]
    assert names == ["reference:oracle", "good", "bad"]
    assert [own[1] for own in markdown.rows[1:]] == names
    for name, (recall, ece) in zip(
        names, zip(page.metrics[::2], page.metrics[1::2], strict=True), strict=True
    ):
        for cell, metric in ((recall, "recall"), (ece, "ece")):
            own = by_name[name]
            assert cell["data-metric"] == metric
            ends = [own[metric], own[f"{metric}_low"], own[f"{metric}_high"]]
            assert [cell["data-value"], cell["data-low"], cell["data-high"]] == ends
            value, low, high = (number(float(end)) for end in ends)
            place = 6 if metric == "recall" else 7
            shown = next(own for own in markdown.rows if own[1] == name)[place]
            assert shown.startswith(f"{value} [{low}, {high}]")
            assert f"{value}" in latex
            assert f"[{low}, {high}]" in latex


def test_a_value_that_rests_on_a_part_says_on_how_much() -> None:
    section = board_of(row("a", {"ece": result((0.1, 0.05, 0.2), "lower", share=0.932)}))
    assert "0.1 [0.05, 0.2] (93.2 %)" in to_markdown([section])
    assert r"\withinterval{0.1}{[0.05, 0.2] (93.2 \%)}" in to_latex([section])
    assert "<small>[0.05, 0.2] (93.2 %)</small>" in to_html([section])
    assert any(note.startswith("In round brackets") for note in section.notes)


def test_an_undefined_value_is_a_dash_and_never_a_number() -> None:
    section = board_of(
        row("a", {"recall": result((None, None, None))}),
        row("b", {"recall": result((0.5, 0.4, 0.6))}),
    )
    assert rendered(to_markdown([section])).rows[-1][-1] == "-"
    page = Tables(to_html([section]))
    assert (page.rows[-1][-1].strip(), page.metrics[-1]["data-value"]) == ("-", "")
    assert to_latex([section]).count("& - \\\\") == 1


def test_metrics_that_no_run_has_are_told(cli: Cli, models: list[Path]) -> None:
    code, _, err = cli("leaderboard", *models, "--metrics", "recal", "--html", "b.html")
    assert code == 2
    assert "did you mean 'recall'" in err
    assert not Path("b.html").exists()


def test_a_run_given_twice_is_one_row(cli: Cli, models: list[Path]) -> None:
    code, out, err = cli("leaderboard", models[0], models[0])
    assert code == 0
    assert len(list(csv.DictReader(io.StringIO(out)))) == 1
    assert "given more than once" in err


def test_a_metric_with_the_name_of_a_column_is_refused() -> None:
    from marl_eval.reports.table.csv_text import row_cells

    with pytest.raises(UserError, match="column 'rank'"):
        row_cells(row("a", {"rank": result((0.5, 0.4, 0.6))}))
