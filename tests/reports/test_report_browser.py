from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marl_eval.reports.page import build
from marl_eval.run import score
from tests.reports.browser import DESKTOP, PHONE, Tab, launched, opened, until
from tests.runs import (
    RESAMPLES,
    change_completions,
    completion,
    example,
    hand_made,
    read_scores,
    run,
    said,
    with_things_wrong,
)

FEW = {"examples": 40}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    paths = [
        run(folder / "oracle", task_args=FEW).path,
        run(folder / "spoiled", task_args=FEW).path,
        run(folder / "other", task="qasim", task_args={"examples": 5}).path,
    ]
    change_completions(paths[1], with_things_wrong)
    score(paths[1], resamples=RESAMPLES)
    return paths


@pytest.fixture(scope="module")
def pages(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same report as one file, and with its examples in a folder, eight at a time."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "DRAWINGS", {"recall": build.DRAWINGS["recall"]})
        build.write_page(runs, folder / "one.html", resamples=RESAMPLES)
        patch.setattr(build, "SINGLE_FILE", 1000)
        patch.setattr(build, "CHUNK", 8)
        patch.setattr("marl_eval.reports.page.texts.CHUNK", 8)
        build.write_page(runs, folder / "with a folder#.html", resamples=RESAMPLES)
    return {"one file": folder / "one.html", "folder": folder / "with a folder#.html"}


@pytest.fixture
def page(pages: dict[str, Path]) -> Path:
    return pages["folder"]


@pytest.fixture(params=["one file", "folder"])
def either(request: pytest.FixtureRequest, pages: dict[str, Path]) -> Path:
    return pages[request.param]


def listed(tab: Tab) -> int:
    return int(tab.page.locator("#count").inner_text().split()[0])


def wait_for_count(tab: Tab, count: int) -> None:
    until(lambda: listed(tab) == count)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_every_part_is_there_and_nothing_is_wider_than_the_window(
    chromium: Any, page: Path, size: tuple[int, int]
) -> None:
    with opened(chromium, page, size=size) as tab:
        tab.settled()
        assert tab.texts("section > h1") == [
            "Summary", "Leaderboard", "Figures", "Comparison", "Examples",
        ]  # fmt: skip
        assert tab.page.evaluate("document.documentElement.scrollWidth") == size[0]
        for picture in tab.page.locator("figure img").all():
            assert picture.evaluate("image => image.naturalWidth") > 100
        # The list and the example stand side by side, or one below the other.
        boxes = [tab.page.locator(part).bounding_box() for part in ("#list", "#example")]
        beside = boxes[1]["x"] > boxes[0]["x"]
        assert beside == (size == DESKTOP)


def test_a_click_on_a_heading_sorts_by_the_exact_values(chromium: Any, page: Path) -> None:
    with opened(chromium, page) as tab:
        heading = tab.page.locator("#board-0 thead th", has_text="recall")
        names = "#board-0 tbody th.name"
        for wanted in ("ascending", "descending"):
            heading.locator("button").click()
            assert heading.get_attribute("aria-sort") == wanted
            values = [
                float(cell.get_attribute("data-value"))
                for cell in tab.page.locator("#board-0 [data-metric=recall]").all()
            ]
            assert values == sorted(values, reverse=wanted == "descending")
            assert len(set(values)) == 2
        assert tab.texts(names)[0].startswith("oracle")


def test_the_leaderboard_can_be_filtered(chromium: Any, page: Path) -> None:
    with opened(chromium, page) as tab:
        tab.page.locator("input[data-table=board-0]").fill("SPOIL")
        assert tab.page.locator("#board-0 tbody tr:visible").count() == 1
        assert tab.texts("#board-0 tbody tr:visible th")[0].startswith("spoiled")


def expected_flags(path: Path) -> dict[str, set[str]]:
    """Work out from the scores which examples each filter of a run with one set must list."""
    found: dict[str, set[str]] = {
        name: set() for name in ("wrong", "repeats", "malformed", "sure", "failed")
    }
    for name, rows in read_scores(path).groupby("example"):
        if rows["failed"].any():
            found["failed"].add(name)
            whole = False
        else:
            whole = True
        if whole and not (rows["gold"] >= 0).any():
            found["wrong"].add(name)
        if whole and rows["same_as"].dropna().duplicated().any():
            found["repeats"].add(name)
        if (rows["strict"] == False).any():  # noqa: E712
            found["malformed"].add(name)
        if whole and ((rows["gold"] == -1) & (rows["confidence"] >= 0.5)).any():
            found["sure"].add(name)
    return found


def test_a_filter_lists_the_examples_that_it_names(
    chromium: Any, page: Path, runs: list[Path]
) -> None:
    with opened(chromium, page, "#run=spoiled") as tab:
        tab.settled()
        tab.page.locator("#level").fill("0.5")
        tab.page.locator("#level").blur()
        for name, expected in expected_flags(runs[1]).items():
            assert 0 < len(expected) < 40, name
            tab.page.locator(f"#filter-{name}").check()
            assert listed(tab) == len(expected), name
            assert tab.page.locator(f"#count-{name}").inner_text() == str(len(expected))
            assert set(tab.texts("#rows .id")) <= expected
            tab.page.locator(f"#filter-{name}").uncheck()
        assert listed(tab) == 40


def test_an_answer_as_confident_as_the_level_is_over_confident(
    chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The number of 32 bits nearest to 0.9 is less than that of 64.
    monkeypatch.setattr(build, "DRAWINGS", {})
    path = hand_made(
        tmp_path / "run",
        [example(name, "cat") for name in ("at", "below")],
        [completion(0, said("cow", q=[0.9])), completion(1, said("cow", q=[0.899]))],
        k=1,
        confidence=True,
    )
    score(path, resamples=RESAMPLES)
    build.write_page([path], tmp_path / "page.html", resamples=RESAMPLES)
    with opened(chromium, tmp_path / "page.html", "#sure=0.9") as tab:
        tab.settled()
        assert tab.texts("#rows .id") == ["at"]


def test_examples_covered_by_one_run_and_not_by_another_are_listed(
    chromium: Any, page: Path, runs: list[Path]
) -> None:
    def covered(path: Path) -> dict[str, set[int]]:
        scores = read_scores(path)
        whole = scores[~scores.groupby("example")["failed"].transform("any")]
        return {
            name: {int(gold) for gold in rows["gold"] if gold >= 0}
            for name, rows in whole.groupby("example")
        }

    one, other = covered(runs[0]), covered(runs[1])
    expected = {name for name in one if name in other and one[name] - other[name]}
    assert 0 < len(expected) < 40
    with opened(chromium, page) as tab:
        tab.settled()
        tab.page.locator("#covered").select_option("oracle")
        tab.page.locator("#uncovered").select_option("spoiled")
        assert listed(tab) == len(expected)
        assert set(tab.texts("#rows .id")) <= expected


def test_a_search_finds_ids_at_once_and_texts_after(chromium: Any, either: Path) -> None:
    with opened(chromium, either) as tab:
        tab.settled()
        tab.page.locator("#list").focus()
        tab.press("/")
        assert tab.page.evaluate("document.activeElement.id") == "query"
        tab.page.keyboard.type("DDXSIM-0-3", delay=5)
        wait_for_count(tab, 11)
        tab.page.locator("#query").fill("I do not know.")
        tab.press("Enter")
        until(lambda: tab.text("#search-state") == "in all texts")
        found = listed(tab)
        assert 0 < found < 40
        tab.press("Escape", "Home")
        until(lambda: "I do not know." in tab.text("#example"))
        tab.page.locator("#clear").click()
        wait_for_count(tab, 40)


def test_a_link_opens_its_example(chromium: Any, either: Path) -> None:
    with opened(chromium, either, "#run=spoiled&example=ddxsim-0-17") as tab:
        tab.settled()
        assert tab.shown() == "ddxsim-0-17"
        assert tab.page.locator("#run").input_value() == "1"
        assert tab.page.locator("#example").is_visible()
        assert tab.page.evaluate("scrollY") > 500
        href = tab.page.locator("#example .bar a").get_attribute("href")
        assert href == "#run=spoiled&example=ddxsim-0-17"
    with opened(chromium, either, "#group=1&example=qasim-0-3") as tab:
        tab.settled()
        assert tab.shown() == "qasim-0-3"


def test_the_address_follows_what_is_looked_at(chromium: Any, page: Path) -> None:
    with opened(chromium, page) as tab:
        tab.settled()
        tab.page.locator("#filter-malformed").check()
        tab.page.locator("#sort").select_option("tokens")
        tab.press("Escape", "End")
        shown, address = tab.shown_after_load(), tab.page.evaluate("location.hash")
    with opened(chromium, page, address) as tab:
        tab.settled()
        assert tab.shown() == shown
        assert tab.page.locator("#filter-malformed").is_checked()
        assert tab.page.locator("#sort").input_value() == "tokens"


def test_a_link_to_an_example_that_is_not_there_says_so(chromium: Any, page: Path) -> None:
    with opened(chromium, page, "#example=nobody") as tab:
        until(lambda: "nobody" in tab.text("#search-state"))


def test_the_keyboard_goes_through_the_examples(chromium: Any, page: Path) -> None:
    with opened(chromium, page) as tab:
        tab.settled()
        tab.page.locator("#example-title").wait_for()
        expected = ["ddxsim-0-1", "ddxsim-0-2", "ddxsim-0-1", "ddxsim-0-2", "ddxsim-0-39"]
        for key, name in zip(("j", "j", "k", "j", "End"), expected, strict=True):
            if key == "End":
                tab.page.locator("#list").focus()
            tab.press(key)
            assert tab.shown_after_load() == name
        row = tab.page.locator("#rows [aria-selected=true]")
        assert row.count() == 1
        assert row.get_attribute("id") == tab.page.locator("#list").get_attribute(
            "aria-activedescendant"
        )
        tab.press("Enter")
        assert tab.page.evaluate("document.activeElement.id") == "example"


def test_all_controls_can_be_reached_with_the_tab_key_and_have_a_name(
    chromium: Any, page: Path
) -> None:
    with opened(chromium, page) as tab:
        tab.settled()
        controls = tab.page.locator("main :is(button, input, select, a[href], summary):visible")
        handles = controls.element_handles()
        assert len(handles) > 30
        for handle in handles:
            assert handle.evaluate("element => element.tabIndex") == 0
            assert handle.evaluate(
                "e => Boolean(e.innerText || e.labels?.length || e.getAttribute('aria-label'))"
            )
        tab.press("Tab")
        assert tab.page.evaluate("document.activeElement.className") == "skip"
        outline = tab.page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px"


def test_the_answers_are_marked_where_they_stand(
    chromium: Any, page: Path, runs: list[Path]
) -> None:
    with opened(chromium, page, "#example=ddxsim-0-2") as tab:
        tab.settled()
        scores = read_scores(runs[0]).query("example == 'ddxsim-0-2'")
        own = "#example .run >> nth=0 >> "
        assert tab.texts(f"{own}.completion mark") == scores["answer"].tolist()
        styles = [mark.get_attribute("class") for mark in tab.page.locator(f"{own}mark").all()]
        assert styles == ["right" if gold >= 0 else "wrong" for gold in scores["gold"]]
        shown = [
            float(cell.get_attribute("data-confidence"))
            for cell in tab.page.locator(f"{own}[data-confidence]").all()
        ]
        assert shown == scores["confidence"].tolist()


def test_shared_wording_is_highlighted_in_the_generations_of_a_run(
    chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "DRAWINGS", {})
    texts = [
        f"<think>{thought}</think>{said('x')}"
        for thought in ("A red fox, it runs far", "Then a red Fox it sleeps", "nothing in common")
    ]
    path = hand_made(
        tmp_path / "run",
        [example("e", "x")],
        [completion(0, text, sample=sample) for sample, text in enumerate(texts)],
        k=3, members=3, reasoning=True, confidence=False,
    )  # fmt: skip
    score(path, resamples=2)
    build.write_page([path], tmp_path / "page.html", resamples=2)
    with opened(chromium, tmp_path / "page.html") as tab:
        tab.settled()
        assert tab.texts(".shared") == []
        tab.page.locator("#overlap").check()
        tab.page.wait_for_selector(".shared")
        # "a red fox", "red fox it"
        assert tab.texts(".shared") == ["A red fox, it", "a red Fox it"]


def test_a_printed_page_has_the_open_example_and_no_controls(chromium: Any, page: Path) -> None:
    with opened(chromium, page) as tab:
        tab.settled()
        tab.page.emulate_media(media="print")

        def visible(part: str) -> bool:
            return bool(tab.page.locator(part).first.is_visible())

        printed = ["#summary", "#board-0", "figure", ".versus table", "#example .completion"]
        assert [part for part in printed if not visible(part)] == []
        assert [part for part in (".top", "#filters", "#list", ".tools") if visible(part)] == []
        # The width of a sheet of paper.
        tab.page.set_viewport_size({"width": 720, "height": 1000})
        assert tab.page.evaluate("document.documentElement.scrollWidth") == 720


CONTRAST = """
() => {
  const linear = (value) => value <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
  const light = (value) => linear(value / 255);
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const shine = ([r, g, b]) => .2126 * light(r) + .7152 * light(g) + .0722 * light(b);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(element).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest("script, style, select")) continue;
    const text = shine(numbers(getComputedStyle(element).color)), paper = shine(ground(element));
    const ratio = (Math.max(text, paper) + .05) / (Math.min(text, paper) + .05);
    if (ratio < 4.5) poor.add(`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`);
  }
  return [...poor];
}
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_wcag_asks_for(
    chromium: Any, pages: dict[str, Path], scheme: str
) -> None:
    link = "#run=spoiled&example=ddxsim-0-7"
    with opened(chromium, pages["one file"], link, color_scheme=scheme) as tab:
        tab.settled()
        tab.page.locator("#filter-malformed").check()
        assert tab.page.evaluate(CONTRAST) == []


def test_a_page_without_its_folder_says_what_is_missing(
    chromium: Any, pages: dict[str, Path], tmp_path: Path
) -> None:
    alone = tmp_path / "alone.html"
    alone.write_bytes(pages["folder"].read_bytes())
    context = chromium.new_context()
    tab = context.new_page()
    tab.goto(alone.as_uri())
    until(lambda: "must stay beside this page" in tab.locator("#example").inner_text())
    assert build.folder_of(pages["folder"]).name in tab.locator("#example").inner_text()
    context.close()
