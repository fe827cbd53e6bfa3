"""The guides do what they say, and the page of metrics is that of the installed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from marl_eval.catalogue import catalogue, to_markdown
from tests.pages import DOCS, blocks, shell

ELSEWHERE = {
    DOCS / f"{name}.md" for name in ("adding-a-metric", "add-a-task", "lm-eval", "engines")
}
"""These pages install a package, or need a model or a server; ``test_metric_plugin.py``,
``test_add_a_task.py``, ``test_lm_eval_tasks.py`` and ``backends/test_openai.py`` follow them."""

GUIDES = [
    page
    for page in sorted(DOCS.glob("*.md"))
    if page not in ELSEWHERE and any(block.language == "bash" for block in blocks(page))
]


def test_there_are_guides() -> None:
    assert {"comparing.md", "importing.md"} <= {page.name for page in GUIDES}


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_command_of_a_guide_runs_and_prints_what_the_guide_shows(
    page: Path, tmp_path: Path
) -> None:
    printed: set[str] = set()
    for language, content in blocks(page):
        if language == "bash":
            output = shell(content, tmp_path)
            printed = squeezed(output)
        elif language == "text":
            assert squeezed(content) <= printed


def squeezed(text: str) -> set[str]:
    return {" ".join(line.split()) for line in text.splitlines()}


def test_the_page_of_metrics_is_made_of_the_installed_ones() -> None:
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == to_markdown(catalogue())
