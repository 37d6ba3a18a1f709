"""Draws the page for README: `python -m tests.browser.pictures`, from the sample page changes.

They go through all parts of `make up`; one more is refused, so that there is a failure to be seen.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from sinks.local.parts import free_sockets, servers
from sinks.local.processes import ROOT, all_serving
from tests.browser.conftest import CHROMIUM, FLAGS, Windows
from tests.browser.scenes import send_rejected, send_samples

DOCS: Final = ROOT / "docs"
_SIZE: Final = {"width": 1200, "height": 720}


def main() -> None:
    """Write both pictures."""
    sockets = free_sockets()
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        directory = Path(made)
        parts = servers(sockets, directory / "eventgate")
        with all_serving(parts, sockets, directory) as running:
            send_samples(running["http-shim"])
            send_rejected(running["http-shim"])
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
            _draw(browser, running["console"].url)
            browser.close()


def _draw(browser: Browser, url: str) -> None:
    windows = Windows(browser)
    with windows.open(url, viewport=_SIZE, color_scheme="light") as page:
        page.get_by_text("Cannot be scored").wait_for()
        page.screenshot(path=DOCS / "console-light.png")
    with windows.open(url, viewport=_SIZE, color_scheme="dark") as page:
        wanted = page.locator(".line", has=page.get_by_text("Lake Marnow Lighthouse", exact=True))
        wanted.locator("summary").first.click()
        page.get_by_label("replies").locator("pre").first.wait_for()
        wanted.evaluate("each => scrollTo(0, each.offsetTop - 60)")
        page.screenshot(path=DOCS / "console-open-dark.png")


if __name__ == "__main__":
    main()
