"""Reading the guides in ``docs``, and doing what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

DOCS = Path(__file__).resolve().parents[1] / "docs"


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    content: str


def blocks(page: Path) -> list[Block]:
    """Give all blocks of a page in order, those within lists and those without a language too."""
    return [
        Block(token.info.strip(), token.content)
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8"))
        if token.type in ("fence", "code_block")
    ]


def shell(commands: str, folder: Path, **variables: str) -> str:
    """Run commands in a folder, with the ``marl-eval`` that is under test; give what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        # Several tests run at once, and threads of each would wait for those of the others.
        env={"OMP_NUM_THREADS": "1", **os.environ, "PATH": path, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def not_printed(text: str, printed: str) -> list[str]:
    """Give the lines of a block of text that are not among those that were printed; spaces count as one.

    In a block, … stands for what differs from machine to machine.
    """
    lines = _lines(printed)
    return [
        line
        for line in _lines(text)
        if line not in lines
        and not any(re.fullmatch(".+".join(map(re.escape, line.split("…"))), one) for one in lines)
    ]


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]
