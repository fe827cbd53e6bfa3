"""A real browser that opens a page from disk, and notes whatever the page should not do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DESKTOP, PHONE = (1280, 800), (390, 844)
_QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass
class Tab:
    """A page that is open, with what it asked for and complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.locator(selector).all_inner_texts()
        return found

    def settled(self) -> None:
        """Wait until the list of examples and one of them are shown."""
        self.page.wait_for_selector("#example[data-example]")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def shown_after_load(self) -> str:
        """Give the id of the example that is chosen, once it is shown."""
        chosen = self.page.locator("#rows [aria-selected=true] .id").inner_text()
        until(lambda: self.shown() == chosen)
        return chosen

    def shown(self) -> str:
        """Give the id of the example that is shown."""
        return str(self.page.locator("#example").get_attribute("data-example"))


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something to hold; the page's policy forbids the browser's own way of waiting."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


@contextmanager
def launched() -> Iterator[Any]:
    """Start Chromium; skip the test where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium on this machine: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Any,
    where: Path | str,
    hash_: str = "",
    *,
    size: tuple[int, int] = DESKTOP,
    **more: Any,
) -> Iterator[Tab]:
    """Open a page; at the end nothing may have gone to a network, failed or opened a dialog."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, reduced_motion="reduce", **more)
    tab = Tab(context.new_page())
    page = tab.page
    page.set_default_timeout(10_000)
    page.on("request", lambda request: tab.requests.append(request.url))
    page.on("console", lambda message: tab.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: tab.complaints.append(str(error)))

    def refuse(dialog: Any) -> None:
        tab.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", refuse)
    url = where.resolve().as_uri() if isinstance(where, Path) else where
    page.goto(url + hash_)
    try:
        yield tab
    finally:
        context.close()
    allowed = ("file:", "data:") if isinstance(where, Path) else (where, "data:")
    assert [url for url in tab.requests if not url.startswith(allowed)] == []
    assert tab.complaints == []
