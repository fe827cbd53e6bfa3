"""The leaderboard in LaTeX: tables with the rules of ``booktabs``, everything from elsewhere escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from marl_eval.reports.table.board import MARK, Cell, Line, Section
from marl_eval.reports.table.text import ends, rests_on

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    '"': r"\textquotedbl{}",
    MARK: r"\textdagger{}",
}
_ANY = re.compile("|".join([*map(re.escape, _SPECIAL), "-(?=-)"]))
_WAYS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "neither": ""}
_HEAD = r"""% \usepackage{booktabs,textcomp} \usepackage[T1]{fontenc}
\providecommand{\withinterval}[2]{\begin{tabular}{@{}c@{}}#1\\{\scriptsize #2}\end{tabular}}
"""


def to_latex(sections: Sequence[Section]) -> str:
    """Write a table for each section, its notes in the caption."""
    return _HEAD + "".join(map(_section, sections))


def escape(text: str) -> str:
    """Write text so that LaTeX sets it as it is: no sign of it is a command, nor joins another."""
    return _ANY.sub(lambda match: _SPECIAL.get(match.group(), "{-}"), text)


def _section(section: Section) -> str:
    left = {"run", "model", "strategy"}
    columns = "".join("l" if heading in left else "r" for heading in section.headings)
    names = [_heading(name, better) for name, better in section.better.items()]
    listed = ", ".join([*section.headings, *section.better])
    lines = [
        f"% columns: {escape(listed)}",
        r"\begin{table*}",
        r"\centering\small\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape(' '.join([f'{section.title}.', *section.notes]))}}}",
        rf"\begin{{tabular}}{{@{{}}{columns}{'c' * len(names)}@{{}}}}",
        r"\toprule",
        _row([*map(escape, section.headings), *names]),
        r"\midrule",
        *map(_line, section.lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def _heading(name: str, better: str) -> str:
    """Write a metric's name in lines that break after ``_``, so that its column is narrow."""
    parts = escape(name).replace(r"\_", "\\_\\\\{}")
    told = f"{parts} {_WAYS[better]}".rstrip()
    return rf"\begin{{tabular}}[b]{{@{{}}c@{{}}}}{told}\end{{tabular}}"


def _line(line: Line) -> str:
    return _row([*map(escape, line.labels), *map(_cell, line.cells)])


def _row(cells: Sequence[str]) -> str:
    # A bracket after the end of a row would be read as its argument.
    return f"{{}}{' & '.join(cells)} \\\\"


def _cell(cell: Cell) -> str:
    from marl_eval.show import number

    if cell.metric is None or cell.metric.value is None:
        return "-"
    value = escape(number(cell.metric.value))
    told = rf"\textbf{{{value}}}" if cell.best else value
    interval, share = ends(cell.metric), rests_on(cell.metric)
    below = [f"[{interval}]"] if interval else []
    below += [f"({share})"] if share else []
    return rf"\withinterval{{{told}}}{{{escape(' '.join(below))}}}" if below else told
