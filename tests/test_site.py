"""The site: what is wrong with a page stops the build, and the pages that there are build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import DOCS

pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install 'marl-eval[docs]'")

GOOD = (
    "# Pages\n\n```{toctree}\nother\n```\n\n[there](other.md#a-part), [here](#below)\n\n## Below\n"
)
OTHER = "# Other\n\n## A part\n"


def build(source: Path, target: Path) -> tuple[int, str]:
    """Build as ``nox -s docs`` does; give the exit code and what was said."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, str(source), str(target)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def pages(folder: Path, **contents: str) -> Path:
    shutil.copy(DOCS / "conf.py", folder)
    for name, content in contents.items():
        (folder / f"{name}.md").write_text(content, encoding="utf-8")
    return folder


def test_the_site_builds_and_names_no_other_place_to_fetch_from(tmp_path: Path) -> None:
    code, said = build(DOCS, tmp_path)
    assert (code, said) == (0, "")
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        for fetching in (
            'src="http',
            '<link rel="stylesheet" type="text/css" href="http',
            "@import",
        ):
            assert fetching not in text, page


def test_a_broken_page_link_anchor_or_picture_is_told_and_stops_the_build(tmp_path: Path) -> None:
    broken = {
        "[x](nowhere.md)": "nowhere.md",
        "[x](other.md#no-such-part)": "no-such-part",
        "[x](#no-such-heading)": "no-such-heading",
        "![x](no-picture.svg)": "no-picture.svg",
    }
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    assert build(pages(source, index=GOOD, other=OTHER), target) == (0, "")
    text = GOOD.replace("other\n```", "other\nno-page\n```") + "\n" + "\n\n".join(broken)
    code, said = build(pages(source, index=text, other=OTHER, orphan="# Nobody's\n"), target)
    assert code == 1
    for wrong in (*broken.values(), "no-page", "orphan.md"):
        assert wrong in said, wrong
