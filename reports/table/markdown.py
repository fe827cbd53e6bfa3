"""The leaderboard in Markdown, as GitHub and others render it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from marl_eval.reports.table.board import ARROWS, Cell, Line, Section
from marl_eval.reports.table.text import ends, rests_on

_NOT_PLAIN = re.compile(r"[^0-9A-Za-z,.:;()%+\u2020-]|\.[A-Za-z]")


def to_markdown(sections: Sequence[Section]) -> str:
    """Write a table for each section, its notes under it."""
    return "\n".join(line for section in sections for line in _section(section))


def _section(section: Section) -> list[str]:
    names = [f"{code(name)} {ARROWS[better]}".rstrip() for name, better in section.better.items()]
    headings = [*section.headings, *names]
    left = {"rank", "run", "model", "strategy"}
    rule = [":---" if heading in left else "---:" for heading in headings]
    return [
        f"### {_plain(section.title)}",
        "",
        _row(headings),
        _row(rule),
        *(_line(line) for line in section.lines),
        "",
        *(f"- {_plain(note)}" for note in section.notes),
        "",
    ]


def _line(line: Line) -> str:
    return _row([*map(_plain, line.labels), *map(_cell, line.cells)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    from marl_eval.show import number

    if cell.metric is None or cell.metric.value is None:
        return "-"
    value = number(cell.metric.value)
    told = [f"**{value}**" if cell.best else value]
    interval, share = ends(cell.metric), rests_on(cell.metric)
    told += [f"[{interval}]"] if interval else []
    told += [f"({share})"] if share else []
    return " ".join(told)


def _plain(text: str) -> str:
    """Write text so that nothing in it is markup: each word that may be as code."""
    return " ".join(map(_word, text.split(" ")))


def _word(word: str) -> str:
    bare = word.rstrip(".,:;")
    return code(bare) + word[len(bare) :] if _NOT_PLAIN.search(bare) else word


def code(text: str) -> str:
    """Write text as inline code, in which nothing is markup, for a cell of a table.

    A pipe needs a backslash even there; one that follows a backslash of the text is written as its
    visible code, as renderers differ in what they make of the two.
    """
    if not text.strip():
        return text
    text = text.replace("\\|", "\\\\x7c").replace("|", "\\|")
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"
