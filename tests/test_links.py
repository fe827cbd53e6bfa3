"""Every link of the README and of the pages leads to a file, and to a heading that it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.test_docs import PAGES, name


def inline(page: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        yield from token.children or ()


def links(page: Path) -> list[str]:
    found = [token.attrs.get("href", token.attrs.get("src")) for token in inline(page)]
    return [str(link) for link in found if link is not None]


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings, as GitHub and the site make them."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    headings = [
        "".join(part.content for part in tokens[place + 1].children or ())
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"(https?|mailto):", link):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else page.parent / path
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(target), link


def test_links_and_anchors_are_found() -> None:
    docs = [page for page in PAGES if page.parent.name == "docs"]
    assert sum(len(links(page)) for page in docs) > 20
    (metrics,) = (page for page in docs if page.name == "metrics.md")
    assert {"multi_brier", "calibration"} <= anchors(metrics)
