"""A real Chromium before the real page, and the pipeline of `make up` behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sinks.local.parts import free_sockets, servers
from sinks.local.processes import Running, Server, all_serving

CHROMIUM = Path("/usr/bin/chromium-headless-shell")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
TOKEN = "a-token-of-the-browser"  # noqa: S105


# Milliseconds; what is beside it may have taken the processor.
_PATIENCE = 20_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; `make browser` installs it."""
    assert CHROMIUM.is_file(), f"{CHROMIUM} is missing: make browser installs it (Debian, root)"
    with sync_playwright() as playwright:
        expect.set_options(timeout=_PATIENCE)
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield started
        started.close()


@dataclass
class Windows:
    """Opens pages, and gathers whatever a browser complains of."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()

    @contextmanager
    def open(self, url: str, **options: Any) -> Iterator[Page]:
        """A page in a profile of its own, live unless it has no JavaScript."""
        context = self.browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "color_scheme": "light", **options}
        )
        page = context.new_page()
        page.set_default_timeout(_PATIENCE)
        page.on("console", lambda said: self.complain(said.text))
        page.on("pageerror", lambda error: self.complain(str(error)))
        page.on("dialog", lambda dialog: self.complain(f"dialog {dialog.message}"))
        try:
            page.goto(url)
            if options.get("java_script_enabled", True):
                page.wait_for_selector("#state[data-kind=live]")
            yield page
        finally:
            context.close()

    def complain(self, text: str) -> None:
        if not any(each in text for each in self.expected):
            self.complaints.append(text)


@pytest.fixture
def windows(browser: Browser) -> Iterator[Windows]:
    """At the end nothing may have been complained of: no error, and no violation of the policy."""
    made = Windows(browser)
    yield made
    assert made.complaints == []


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Running]]:
    """All of `make up`, but the dead letters are for who knows a token."""
    directory = tmp_path_factory.mktemp("up")
    tokens = directory / "tokens"
    tokens.write_text(f"somebody={TOKEN}\n")
    sockets = free_sockets()
    parts = servers(sockets, directory / "eventgate")
    with all_serving([_known(part, tokens) for part in parts], sockets, directory) as running:
        yield running


def _known(part: Server, tokens: Path) -> Server:
    if part.name != "deadletter-sink":
        return part
    return replace(part, env={**part.env, "ALLOW_ANONYMOUS": "false", "TOKENS_FILE": str(tokens)})
