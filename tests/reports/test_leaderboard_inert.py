"""Names and values from elsewhere are shown in every form, and never run, rendered or misread."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from marl_eval.reports.table.board import make_board
from marl_eval.reports.table.csv_text import cell, plain, row_cells, to_csv
from marl_eval.reports.table.html import to_html
from marl_eval.reports.table.latex import escape, to_latex
from marl_eval.reports.table.markdown import code, to_markdown
from marl_eval.reports.table.rows import Row
from marl_eval.reports.table.text import one_line
from tests.reports.boards import HOSTILE, result, row

TEXTS = st.text(max_size=30) | st.sampled_from(HOSTILE)
RUNS = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def hostile_rows(names: list[str] = HOSTILE) -> list[Row]:
    metrics = {"recall": result((0.5, 0.4, 0.6)), "=evil|<b>": result((-0.5, -0.6, -0.4))}
    return [
        row(name, metrics, identity=str(number), strategy=name, complete=False)
        for number, name in enumerate(names)
    ]


@given(TEXTS)
def test_a_line_holds_nothing_that_controls_breaks_or_turns_text(text: str) -> None:
    assert not UNSEEN.search(one_line(text))
    one_line(text).encode("utf-8")


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
@example([("\ud800", "=1"), ("'", "''=1")])
def test_the_csv_module_and_pandas_read_the_texts_that_were_written(
    pairs: list[tuple[str, str]],
) -> None:
    written = to_csv([{"a": cell(one), "=b": cell(other)} for one, other in pairs])
    by_module = list(csv.reader(io.StringIO(written, newline="")))[1:]
    table = pd.read_csv(
        io.StringIO(written), dtype=str, keep_default_na=False, skip_blank_lines=False
    )
    by_pandas = table.to_numpy().tolist()
    wanted = [[one_line(one), one_line(other)] for one, other in pairs]
    assert [[plain(own) for own in line] for line in by_module] == wanted
    assert [[plain(own) for own in line] for line in by_pandas] == wanted


@given(TEXTS)
def test_no_cell_of_text_begins_like_a_formula(text: str) -> None:
    assert not RUNS.match(cell(text))


@given(st.floats(allow_nan=False) | st.integers() | st.booleans())
def test_a_number_is_written_in_full_and_as_a_number(value: float) -> None:
    if isinstance(value, bool):
        assert cell(value) == str(value)
    else:
        assert type(value)(cell(value)) == value


def test_a_heading_is_escaped_like_a_cell() -> None:
    written = to_csv([row_cells(own) for own in hostile_rows()])
    header, *lines = csv.reader(io.StringIO(written, newline=""))
    assert "'=evil|<b>" in header
    assert not any(RUNS.match(name) for name in header)
    place = header.index("'=evil|<b>")
    assert {line[place] for line in lines} == {"-0.5"}
    assert [plain(line[header.index("model")]) for line in lines] == list(map(one_line, HOSTILE))


class Page(HTMLParser):
    """Reads which tags and attributes a page has, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._inside = self._inside or tag == "td"
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cells[-1] += data


def test_the_page_has_no_tag_or_attribute_but_its_own_and_shows_every_name() -> None:
    benign = Page(to_html(make_board(hostile_rows(["plain", "other"]))))
    page = to_html(make_board(hostile_rows()))
    found = Page(page)
    assert found.tags == benign.tags
    assert found.attributes == benign.attributes
    assert "script" not in found.tags
    assert not UNSEEN.search(page.replace("\n", ""))
    for name in HOSTILE:
        assert f"{one_line(name)} †" in found.cells, name


def test_markdown_renders_every_name_as_text_in_one_cell() -> None:
    markdown = to_markdown(make_board(hostile_rows(), ["recall"]))
    assert not UNSEEN.search(markdown.replace("\n", ""))
    parser = MarkdownIt("commonmark").enable("table")
    found = Page(parser.render(markdown))
    tags = {"h3", "table", "thead", "tbody", "tr", "th", "td", "code", "ul", "li", "strong"}
    assert found.tags == tags
    # Our own, at the values, which all tie.
    assert markdown.count("**0.5**") == parser.render(markdown).count("<strong>") == len(HOSTILE)
    assert len(found.cells) == 7 * len(HOSTILE)
    assert parser.render(markdown).count("<tr>") == 1 + len(HOSTILE)


@given(TEXTS)
@example("a\\|b")
@example("`")
@example("a`b``c")
def test_inline_code_is_its_text_whatever_it_holds(text: str) -> None:
    line = one_line(text)
    cell = f"| h | i |\n| --- | --- |\n| {code(line)} | x |"
    found = Page(MarkdownIt("commonmark").enable("table").render(cell))
    assert found.tags <= {"table", "thead", "tbody", "tr", "th", "td", "code"}
    assert len(found.cells) == 2
    squeezed = " ".join(line.replace("\\|", "\\\\x7c").split())
    assert " ".join(found.cells[0].split()) == squeezed


COMMANDS = {
    "textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<",
    "textgreater": ">", "textbar": "|", "textasciigrave": "`", "textquotesingle": "'",
    "textquotedbl": '"', "textdagger": "†",
}  # fmt: skip
TOKEN = re.compile(r"\\([a-z]+)\{\}|\\([#$%&_{}])|(\{-\})|([^\\#$%&_{}~^<>|`'\"†])")


def set_in_latex(source: str) -> str:
    """Give what LaTeX would set, reading nothing but plain signs and the commands for one sign."""
    place, shown = 0, ""
    while place < len(source):
        match = TOKEN.match(source, place)
        assert match is not None, source[place:]
        command, sign, dash, other = match.groups()
        shown += COMMANDS[command] if command else sign or other or ("-" if dash else "")
        place = match.end()
    return shown


@given(TEXTS)
def test_latex_sets_every_sign_as_it_is(text: str) -> None:
    line = one_line(text)
    assert set_in_latex(escape(line)) == line
    assert "--" not in escape(line)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_table_in_latex_has_a_row_a_line_whatever_the_name(name: str) -> None:
    source = to_latex(make_board(hostile_rows([name, "b"]), ["recall"]))
    assert not UNSEEN.search(source.replace("\n", ""))
    body = source.partition("\\midrule\n")[2].partition("\\bottomrule")[0].splitlines()
    assert len(body) == 2
    for line in body:
        # Six labels and a metric, in which nothing but the columns' own sign is an ampersand.
        assert len(re.findall(r"(?<!\\)&", line)) == 6
        assert line.endswith(r" \\")
    assert rf"{escape(one_line(name))} \textdagger{{}} &" in source
