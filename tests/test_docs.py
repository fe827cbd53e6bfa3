"""The guides do what they say, no block of shell goes untried, and the made pages are as made."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from typer.main import get_command

from marl_eval.catalogue import catalogue
from marl_eval.catalogue import to_markdown as page_of_metrics
from marl_eval.cli import app
from marl_eval.task_cards import to_markdown as page_of_tasks
from tests.pages import DOCS, blocks, not_printed, shell

ROOT = DOCS.parent
README = ROOT / "README.md"
PAGES = [README, *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]

ELSEWHERE = {
    "README.md": ".ci/run",
    "docs/add-a-task.md": "tests/test_add_a_task.py",
    "docs/adding-a-backend.md": "tests/test_backend_plugin.py",
    "docs/adding-a-metric.md": "tests/test_metric_plugin.py",
    "docs/engines.md": "tests/backends/test_openai_guide.py",
    "docs/lm-eval.md": "tests/test_lm_eval_tasks.py",
    "docs/running.md": "tests/test_running_guide.py",
}
"""Pages that install a package, or need a model or a server, and what follows them."""

SHELLS = {"bash", "console", "sh", "shell", "shell-session", "zsh"}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WITH_SHELL = [page for page in PAGES if any(block.language == "bash" for block in blocks(page))]
GUIDES = [page for page in WITH_SHELL if name(page) not in ELSEWHERE]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_command_of_a_guide_runs_and_prints_what_the_guide_shows(
    page: Path, tmp_path: Path
) -> None:
    printed = ""
    for language, content in blocks(page):
        if language == "bash":
            printed = shell(content, tmp_path)
        elif language == "text":
            assert not_printed(content, printed) == []


def test_a_page_that_is_not_followed_here_is_followed_by_the_file_that_is_named() -> None:
    assert set(ELSEWHERE) <= {name(page) for page in WITH_SHELL}
    for page, follower in ELSEWHERE.items():
        assert Path(page).name in (ROOT / follower).read_text(encoding="utf-8"), page


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_command_stands_in_a_block_that_is_not_tried(page: Path) -> None:
    for language, content in blocks(page):
        assert language, "a block does not say what it is"
        assert language not in SHELLS - {"bash"}
        if language == "text":
            assert not re.search(r"^\$?\s*(marl-eval|pip|nox|python) ", content, re.MULTILINE)


def test_the_readme_gives_two_commands_which_ci_finds_by_their_markers() -> None:
    text = README.read_text(encoding="utf-8")
    assert [language for language, _ in blocks(README)] == ["bash", "bash"]
    for marker in ("quick start", "tests"):
        assert f"<!-- {marker} -->\n```bash\n" in text
        assert f"readme {marker}" in (ROOT / ".ci" / "run").read_text().replace("'", "")


def test_the_page_of_metrics_is_made_of_the_installed_ones() -> None:
    assert (DOCS / "metrics.md").read_text(encoding="utf-8") == page_of_metrics(catalogue())


def test_the_page_of_tasks_is_made_of_the_installed_ones() -> None:
    assert (DOCS / "tasks.md").read_text(encoding="utf-8") == page_of_tasks()


COMMANDS = [
    (page, token.content)
    for page in PAGES
    for block in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))
    for token in block.children or ()
    if token.type == "code_inline" and token.content.startswith("marl-eval ")
]


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=lambda value: str(value)[-50:])
def test_a_command_in_a_sentence_is_one_that_there_is_with_its_options(
    page: Path, command: str
) -> None:
    _, name, *words = shlex.split(command)
    group = get_command(app)
    context = group.make_context("marl-eval", [], resilient_parsing=True)
    found = group.get_command(context, name)  # type: ignore[attr-defined]
    assert found is not None, f"there is no command {name!r}"
    known = {
        opt for parameter in found.params for opt in (*parameter.opts, *parameter.secondary_opts)
    }
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in {*known, "--help"}, word
