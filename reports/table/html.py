"""The leaderboard as one HTML page: a table for each section, no script and no network."""

from __future__ import annotations

from collections.abc import Sequence

from marl_eval.reports.table.board import ARROWS, Cell, Section
from marl_eval.reports.table.text import ends, one_line, rests_on

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Leaderboard</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 1.5rem; }
section { margin-bottom: 2.5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; vertical-align: top; }
th { border-bottom: 2px solid #444; }
td { border-bottom: 1px solid #ddd; }
.text { text-align: left; }
td small { display: block; color: #555; }
tr.ceiling td, tr.floor td { background: #f3f3f3; font-style: italic; }
li { max-width: 60rem; }
</style>
</head>
<body>
<h1>Leaderboard</h1>
{% for section in sections %}
<section>
<div class="wide" tabindex="0">
<table>
<caption>{{ section.title }}</caption>
<thead>
<tr>
{%- for heading in section.headings %}
<th scope="col"{% if heading in left %} class="text"{% endif %}>{{ heading }}</th>
{%- endfor %}
{%- for name, better in section.better.items() %}
<th scope="col" data-metric="{{ one_line(name) }}"
{%- if better != "neither" %} title="{{ better }} is better"{% endif %}>
{{- one_line(name) }} {{ arrows[better] }}</th>
{%- endfor %}
</tr>
</thead>
<tbody>
{%- for line in section.lines %}
<tr class="{{ line.row.role }}" data-run="{{ one_line(line.row.run) }}"
 data-identity="{{ line.row.identity }}">
{%- for label in line.labels %}
<td{% if section.headings[loop.index0] in left %} class="text"{% endif %}>{{ label }}</td>
{%- endfor %}
{%- for cell in line.cells %}
<td{{ attributes(cell)|xmlattr }}>
{%- if cell.best %}<b>{{ value(cell) }}</b>{% else %}{{ value(cell) }}{% endif %}
{%- if under(cell) %}<small>{{ under(cell) }}</small>{% endif %}</td>
{%- endfor %}
</tr>
{%- endfor %}
</tbody>
</table>
</div>
<ul>
{%- for note in section.notes %}
<li>{{ note }}</li>
{%- endfor %}
</ul>
</section>
{% endfor %}
</body>
</html>
"""


def to_html(sections: Sequence[Section]) -> str:
    """Write a page with a table for each section, its notes under it.

    A metric's cell tells its full value, and the ends of its interval, as ``data-value``,
    ``data-low`` and ``data-high``, which are empty where there is none.
    """
    from jinja2 import Environment, StrictUndefined

    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    text: str = page.render(
        sections=sections,
        left={"rank", "run", "model", "strategy"},
        arrows=ARROWS,
        one_line=one_line,
        attributes=_attributes,
        value=_value,
        under=_under,
    )
    return text


def _attributes(cell: Cell) -> dict[str, str]:
    metric = cell.metric
    numbers = {name: None if metric is None else getattr(metric, name) for name in _NUMBERS}
    told = {f"data-{name}": "" if own is None else repr(own) for name, own in numbers.items()}
    return {"data-metric": one_line(cell.name), **told}


_NUMBERS = ("value", "low", "high")


def _value(cell: Cell) -> str:
    from marl_eval.show import number

    return number(None if cell.metric is None else cell.metric.value)


def _under(cell: Cell) -> str:
    if cell.metric is None or cell.metric.value is None:
        return ""
    interval, share = ends(cell.metric), rests_on(cell.metric)
    return " ".join([*([f"[{interval}]"] if interval else []), *([f"({share})"] if share else [])])
