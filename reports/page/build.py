"""Building the page: one HTML file, with its examples inside or, if they are many, in a folder beside.

A page from disk may not fetch files, but it may load scripts; so the texts of a large page are scripts
that do nothing but hand over their data, a chunk of examples each, loaded when one of them is looked at.
"""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from marl_eval.answers import DEVIATIONS
from marl_eval.errors import UserError, storage_error
from marl_eval.inert import inert
from marl_eval.reports.drawings import DRAWINGS
from marl_eval.reports.drawings.saving import as_svg
from marl_eval.reports.page import tables
from marl_eval.reports.page.flags import flags, gold_sizes, words
from marl_eval.reports.page.groups import Group, Member, make_groups
from marl_eval.reports.page.texts import CHUNK, COLUMNS, chunks
from marl_eval.scoring.stage import read_shape
from marl_eval.show import number
from marl_eval.stats import DEFAULT_RESAMPLES
from marl_eval.store import SCORES, RunDirectory, write_whole

SINGLE_FILE = 8 << 20
"""Most bytes of examples that are put into the page itself."""

_TEMPLATES = Path(__file__).parent / "templates"
_SCRIPTS = ["data.js", "tables.js", "filters.js", "search.js", "list.js", "example.js", "main.js"]
_MARK = "marl-eval-report"


@dataclass(frozen=True, slots=True)
class Live:
    """That a page is served while its runs go on: the page asks for newer ``version``s."""

    version: int
    so_far: Mapping[Path, tuple[int, int]]


def write_page(
    runs: Sequence[Path],
    out: Path,
    *,
    resamples: int = DEFAULT_RESAMPLES,
    live: Live | None = None,
) -> None:
    """Write the page of scored runs to ``out``; its folder, if it needs one, is ``folder_of(out)``.

    ``resamples`` are those behind the intervals of comparisons.

    Raises:
        UserError: if one is not a scored run or a file of it is damaged, or the folder holds something
            else.
        StorageError: if it cannot be written.
    """
    groups = make_groups(runs, {} if live is None else live.so_far)
    folder = folder_of(out)
    if folder.exists() and not (folder / _MARK).exists():
        raise UserError(
            f"{folder} is where the examples of {out.name} would go, and holds something else: "
            f"choose another name with --html, or move it."
        )
    temporary = folder.with_name(f".{folder.name}.new")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        inside = _write_data(groups, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        if inside is None:
            temporary.rename(folder)
        page = _page(groups, inside, None if inside else folder.name, resamples, live)
    except OSError as error:
        raise storage_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    write_whole(out, page)


def folder_of(out: Path) -> Path:
    """Give the folder beside a page that holds its examples if they are many."""
    return out.with_name(f"{out.stem}_files")


def _write_data(groups: Sequence[Group], folder: Path) -> dict[str, bytes] | None:
    """Give the examples as JSON by name, if they are few; else write them to a folder, as scripts."""
    inside: dict[str, bytes] = {}
    size = 0
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in _data(groups):
        inside[name] = content
        size += len(content)
        if size > SINGLE_FILE:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _MARK).touch()
            for name_, content_ in inside.items():
                script = b"receive(" + orjson.dumps(name_) + b"," + content_ + b");"
                (folder / f"{name_}.js").write_bytes(script)
            inside = {}
    return inside if size <= SINGLE_FILE else None


def _data(groups: Sequence[Group]) -> Iterator[tuple[str, bytes]]:
    """Give name and JSON of what each group's list is made of, and of each chunk of its examples."""
    for place, group in enumerate(groups):
        scores = [pq.read_table(m.path / SCORES, columns=COLUMNS) for m in group.members]
        width = words(scores)
        index = {
            "ids": [inert(name) for name in group.ids],
            "heads": group.heads,
            "golds": _base64(gold_sizes(group.members[0], scores[0]).tobytes()),
            "width": width,
            "runs": [
                flags(member, own, width).encode()
                for member, own in zip(group.members, scores, strict=True)
            ],
        }
        yield f"index-{place}", to_json(index)
        for number_, chunk in enumerate(chunks(group, scores)):
            yield f"chunk-{place}-{number_}", to_json(chunk)


def to_json(value: Any) -> bytes:
    """Write JSON that may stand in a script or in HTML: nothing in it can end either."""
    text = orjson.dumps(value).replace(b"<", b"\\u003c")
    return text.replace("\u2028".encode(), b"\\u2028").replace("\u2029".encode(), b"\\u2029")


def _page(
    groups: Sequence[Group],
    inside: dict[str, bytes] | None,
    folder: str | None,
    resamples: int,
    live: Live | None,
) -> bytes:
    about = {
        "folder": folder,
        "chunk": CHUNK,
        "version": None if live is None else live.version,
        "deviations": DEVIATIONS,
        "groups": [_group(group) for group in groups],
    }
    data = {"about": to_json(about), **(inside or {})}
    css = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    script = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    script = f'"use strict";\n{script}'
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    # What stands in the page as it is: our own files, JSON that cannot end its element, and base64.
    text: str = environment.get_template("page.html").render(
        policy=Markup(_policy(css, script, folder is not None, live is not None)),
        css=Markup(css),
        script=Markup(script),
        data={name: Markup(content.decode()) for name, content in data.items()},
        groups=groups,
        golds=[_mean_golds(group) for group in groups],
        figures=[_figures(group) for group in groups],
        comparisons=[tables.comparisons(group, resamples) for group in groups],
        equal_terms=tables.EQUAL_TERMS,
        explanations=tables.explanations(tables.names_of(groups)),
        live=live,
        number=number,
        tables=tables,
    )
    return text.encode("utf-8")


def _finalize(value: Any) -> Any:
    """Make every text that is put into the page inert; escaping it comes after."""
    return inert(value) if type(value) is str else value


def _group(group: Group) -> dict[str, Any]:
    return {"count": len(group.ids), "runs": [_run(member) for member in group.members]}


def _run(member: Member) -> dict[str, Any]:
    """Tell what the page has to know of a run to show its examples."""
    shape = read_shape(RunDirectory(member.path))
    return {
        "name": member.name,
        "trouble": tables.trouble(member),
        "form": member.record["format"].get("form", "short"),
        "k": shape.k,
        "sets": shape.sets,
        "members": shape.members,
        "graded": shape.graded,
        "confident": shape.stated is not None,
        "strict": member.results.parsing == "strict",
        "messages": [
            [inert(message["role"]), inert(message["content"])]
            for message in member.record["prompt"]["messages"]
        ],
    }


def _mean_golds(group: Group) -> float | None:
    """Give the mean number of gold answers of an example; None where nothing is right or wrong."""
    member = group.members[0]
    if not group.ids or not any(read_shape(RunDirectory(m.path)).graded for m in group.members):
        return None
    scores = pq.read_table(member.path / SCORES, columns=["gold_size"])
    return float(gold_sizes(member, scores).mean())


def _figures(group: Group) -> list[tuple[str, str, Markup]]:
    """Draw what there is to draw of a group: title, caption, and the picture in base64.

    A picture in an ``img`` keeps its styles to itself, and nothing in it is run.
    """
    paths = [member.path for member in group.members]
    drawn = []
    for drawing in DRAWINGS.values():
        svg = as_svg(drawing, paths)
        if svg is not None:
            drawn.append((drawing.title, drawing.caption, Markup(_base64(svg.encode("utf-8")))))
    return drawn


def _policy(css: str, script: str, folder: bool, live: bool) -> str:
    """Say what the page may load: its own style and script, pictures inside it, and its folder.

    Nothing comes from a network; of a page that is served, the server is asked for newer results.
    """
    sources = f"'sha256-{_hash(script)}'"
    if folder:
        # From disk, browsers differ in whether 'self' includes the files beside a page.
        sources += " 'self' file:"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {sources}",
            f"style-src 'sha256-{_hash(css)}'",
            "img-src data:",
            "connect-src 'self'" if live else "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types chunks" if folder else "trusted-types 'none'",
        ]
    )


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
