"""Text from a model or the data is shown and never run, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marl_eval.reports.page import build
from marl_eval.run import score
from marl_eval.store import RUN, RunDirectory, dump_json
from marl_eval.types import Gold
from tests.conftest import Cli
from tests.reports.browser import PHONE, launched, opened, until
from tests.runs import completion, example, hand_made, said

SCRIPT = "<script>window.pwned = 1; alert(1)</script>"
PAYLOADS = [
    SCRIPT,
    '<img src=x onerror="window.pwned = 2; alert(2)">',
    "</script><script>window.pwned = 3</script>",
    "<!--<script>window.pwned = 4</script>",
    "</textarea></title></style></template><svg onload=window.pwned=5>",
    "\"'><iframe srcdoc='<script>parent.pwned = 6</script>'></iframe>",
    "{{ 7 * 7 }}{% raw %} ${window.pwned = 8} `;window.pwned = 8;//",
    "javascript:window.pwned=9",
    "\u2028window.pwned = 10\u2029",
    "right \u202e left \u2066 isolated \u202d over \u200f mark \u061c",
    "escape \x1b[31m red \x07 bell \x9b C1 \r return",
    '=HYPERLINK("http://example.com")',
    "]]>--><math><mtext></form><form><mglyph><style></math><img src onerror=window.pwned=11>",
    "link: <a href='javascript:window.pwned=12' autofocus onfocus=window.pwned=12>x</a>",
    "<base href='http://example.com/'><meta http-equiv=refresh content='0;url=http://example.com'>",
    "<link rel=stylesheet href=http://example.com/x.css><style>*{display:none}</style>",
    "a\ud83d\ude00b".encode("utf-16", "surrogatepass").decode("utf-16"),
]
CONTROLS = "\x1b[31m \x07 \x9b \u202e"
HUGE = "five megabytes of text " * (5_000_000 // 23)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


def hostile_run(path: Path) -> Path:
    """Make a run whose every text is hostile: ids, questions, gold answers, completions, settings."""
    examples = [
        example(f"{number}{text}", Gold(text, (f"alias {text}",)), Gold("plain"), truth=text)
        for number, text in enumerate(PAYLOADS)
    ]
    completions = [
        completion(row, f"<think>{text}</think>\n{said(text, 'plain', q=[0.9, 0.1])}{text}")
        for row, text in enumerate(PAYLOADS)
    ]
    examples.append(example("huge", "plain"))
    text = f"<think>{HUGE}</think>\n{said('plain', 'other', q=[0.9, 0.1])}"
    completions.append(completion(len(PAYLOADS), text))
    hand_made(path, examples, completions, k=2, reasoning=True)
    run = RunDirectory(path)
    record = run.read_run()
    record["settings"]["model"] = record["settings"]["strategy"] = SCRIPT
    record["prompt"]["messages"] = [
        {"role": f"user{CONTROLS}", "content": f"{SCRIPT} {{question}}"}
    ]
    (path / RUN).write_bytes(dump_json(record))
    score(path, resamples=20)
    return path


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    runs = [
        hostile_run(folder / "<img src=x onerror=window.pwned=20>"),
        hostile_run(folder / "turned \u202e and \x1b[31m red"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "DRAWINGS", {"recall": build.DRAWINGS["recall"]})
        build.write_page(runs, folder / "folder.html", resamples=20)
        patch.setattr(build, "SINGLE_FILE", 1 << 30)
        build.write_page(runs, folder / "one.html", resamples=20)
    assert build.folder_of(folder / "folder.html").exists()
    return {"one file": folder / "one.html", "folder": folder / "folder.html"}


def test_the_payloads_run_in_a_page_that_does_not_escape_them(chromium: Any) -> None:
    page = chromium.new_page()
    for payload in (PAYLOADS[1], PAYLOADS[2], PAYLOADS[4]):
        page.set_content(f"<p>{payload}</p>")
        until(lambda: page.evaluate("typeof window.pwned") == "number")
        page.goto("about:blank")
    page.close()


def visible(text: str) -> str:
    """Write a text as it must be shown, worked out apart from the code under test."""
    told = {"\u202e": "\\x202e", "\u2066": "\\x2066", "\u202d": "\\x202d", "\u200f": "\\x200f"}
    told |= {"\u061c": "\\x61c", "\x1b": "\\x1b", "\x07": "\\x07", "\x9b": "\\x9b", "\r": "\\x0d"}
    return "".join(told.get(character, character) for character in text)


@pytest.mark.parametrize("kind", ["one file", "folder"])
def test_hostile_text_is_shown_as_it_is_and_never_run(
    chromium: Any, pages: dict[str, Path], kind: str
) -> None:
    with opened(chromium, pages[kind]) as tab:
        tab.settled()
        tab.page.locator("#list").focus()
        for number, text in enumerate(PAYLOADS):
            tab.shown_after_load()
            assert tab.shown() == visible(f"{number}{text}")
            shown = tab.page.locator("#example .completion").first.evaluate("e => e.textContent")
            assert visible(text) in shown
            gold = tab.page.locator("#example .gold").evaluate("e => e.textContent")
            assert visible(text) in gold
            assert tab.page.locator("#example details").first.evaluate("e => (e.open = true)")
            tab.press("ArrowDown")
        inside = tab.page.locator("#example, #list, .card, table")
        assert (
            inside.locator("script, img, iframe, svg, style, link, base, meta, form").count() == 0
        )
        assert tab.page.evaluate("typeof window.pwned") == "undefined"
        assert tab.page.evaluate("location.href").startswith("file:")


def test_five_megabytes_in_one_completion_are_shown_with_their_middle_behind_a_button(
    chromium: Any, pages: dict[str, Path]
) -> None:
    with opened(chromium, pages["folder"], "#example=huge", size=PHONE) as tab:
        tab.settled()
        completion_ = tab.page.locator("#example .completion").first
        assert completion_.locator("mark").all_inner_texts() == ["plain", "other"]
        assert len(completion_.evaluate("e => e.textContent")) < 20_000
        assert tab.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        completion_.locator("button").click()
        assert len(completion_.evaluate("e => e.textContent")) > len(HUGE)


def test_the_file_holds_no_text_that_a_browser_or_a_terminal_would_act_on(
    pages: dict[str, Path],
) -> None:
    files = [pages["one file"], pages["folder"]]
    files += build.folder_of(pages["folder"]).glob("*.js")
    assert len(files) > 3
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert "<script>window" not in text
        assert "<img src=x" not in text
        for mark in (
            "\u061c",
            "\u202e",
            "\u2066",
            "\x1b",
            "\x07",
            "\x9b",
            "\u2028",
            "\u2029",
            "\r",
        ):
            assert mark not in text, f"{file.name}: {mark!r}"


def test_broken_utf8_in_a_run_is_told_in_a_sentence(cli: Cli, tmp_path: Path) -> None:
    path = hand_made(tmp_path / "run", [example("e", "x")], [completion(0, said("x", "y"))])
    score(path, resamples=2)
    file = RunDirectory(path).completions
    file.write_bytes(file.read_bytes().replace(b"x</answer1>", b"\xff</answer1>"))
    code, _, err = cli("report", path)
    assert code == 2
    assert "damaged" in err
    assert "Traceback" not in err
    assert not (tmp_path / "report.html").exists()
