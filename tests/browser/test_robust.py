"""The page against hostile titles, a flood, small screens, and a server that goes away."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sinks.local.processes import Running, Server, gunicorn, listen, serving
from tests import processes
from tests.browser.conftest import Windows
from tests.browser.scenes import deliver, deliver_reply

APP = "sinks.console:create_app()"
MOST = 200
FLOOD = 10_000
TITLES = {
    "arabic": "وادي النخلتين (محمية) 2",
    "hebrew": "תל אביב-יפו (1909)",
    "chinese": "香港中央圖書館",
    "japanese": "琵琶湖疏水記念館",
    "korean": "한강대교북단",
    "marathi": "मुंबई उपनगर",
    "combining": "Z̵̧͓a̴͝lg̷o",
    "override": "abc\u202egpj.exe",
    "long": "A" * 255,
}


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    env = {"CONSOLE_EVENTS": str(MOST)}
    with processes.gunicorn(APP, env, tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.mark.parametrize(
    "title",
    [
        "<script>document.title='pwned'</script>",
        '"><img src=x onerror="document.title=\'pwned\'">',
        "</bdi></summary></details></li><svg onload=document.title='pwned'>",
        "'; document.title='pwned'; //",
        "{{ 7*7 }}${7*7}<%= 7*7 %>",
        "&lt;b&gt;&#60;script&#62;",
        "x\ndata: y\n\nevent: reset\n\n",
    ],
    ids=["script", "image", "markup", "quote", "template", "entities", "feed"],
)
def test_hostile_title_is_text(windows: Windows, console: Running, title: str) -> None:
    """Shown live, after a reload and opened, a title is what it says and does nothing."""
    expected = re.sub(r"\s+", " ", title).strip().replace("_", " ")
    with windows.open(console.url) as page:
        deliver(console, title)
        shown = page.locator(".line .title").first
        expect(shown).to_have_text(expected)
        page.reload()
        expect(shown).to_have_text(expected)
        page.locator(".line summary").first.click()
        expect(page.get_by_label("page change").locator("pre")).to_contain_text("page_title")

        assert page.title() == "Event sinks"
        assert page.locator("main img, main svg, main script").count() == 0


@pytest.mark.parametrize("name", TITLES)
def test_title_of_any_script_stays_in_its_place(
    windows: Windows, console: Running, name: str
) -> None:
    """A title is whole, and whatever its direction it disturbs nothing beside it."""
    with windows.open(console.url) as page:
        deliver(console, TITLES[name])
        first = page.locator(".line").first
        expect(first.locator(".title")).to_have_text(TITLES[name])

        boxes = [first.locator(each).bounding_box() for each in (".kind", ".title", ".revision")]
        assert all(boxes)
        edges = [(box["x"], box["x"] + box["width"]) for box in boxes if box]
        assert edges[0][1] <= edges[1][0] < edges[1][1] <= edges[2][0]
        direction = first.locator(".title").evaluate("each => getComputedStyle(each).direction")
        assert direction == ("rtl" if name in ("arabic", "hebrew") else "ltr")
        assert _overflow(page) == 0


def test_lines_stay_newest_first_when_an_older_one_changes(
    windows: Windows, console: Running
) -> None:
    """What was missed comes in the order of its last change, and is put where it belongs."""
    with windows.open(console.url) as page:
        page.get_by_role("button", name="Pause").click()
        older, _ = deliver(console, "Older", "Newer")
        deliver_reply(console, older)
        page.get_by_role("button", name="Go on").click()

        titles = page.locator(".line .title")
        expect(titles.filter(has_text="Older")).to_be_visible()
        assert titles.all_inner_texts()[:2] == ["Newer", "Older"]


def test_hidden_page_keeps_no_connection(windows: Windows, console: Running) -> None:
    """A browser has six connections for all its tabs: those that nobody sees leave them to others,
    and have missed nothing when they are seen again."""
    with windows.open(console.url) as page:
        page.evaluate(HIDDEN, True)
        deliver(console, "Sent while hidden")
        page.evaluate("fetch('/').then((answer) => answer.text())")
        assert page.get_by_text("Sent while hidden").count() == 0

        page.evaluate(HIDDEN, False)
        expect(page.get_by_text("Sent while hidden")).to_be_visible()


HIDDEN = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_flood_leaves_the_page_small_and_answering(windows: Windows, console: Running) -> None:
    """Ten thousand page changes: the page holds as many lines as before, and still reacts."""
    with windows.open(console.url) as page:
        measure = page.context.new_cdp_session(page)
        deliver(console, *(f"Before {number}" for number in range(MOST)))
        expect(page.locator(".line .title").first).to_have_text(f"Before {MOST - 1}")
        before = _measured(measure)

        deliver(console, *(f"Flood {number}" for number in range(FLOOD)))

        expect(page.locator(".line .title").first).to_have_text(f"Flood {FLOOD - 1}")
        after = _measured(measure)
        assert page.locator(".line").count() == MOST
        assert after["Nodes"] < before["Nodes"] * 1.2
        assert after["JSHeapUsedSize"] < before["JSHeapUsedSize"] + 5 * 2**20
        page.locator(".line summary").first.click()
        expect(page.get_by_label("page change").locator("pre")).to_contain_text("Flood 9999")


def _measured(session: Any) -> dict[str, float]:
    session.send("Performance.enable")
    session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in metrics}


def _overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    wide: int = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(0, wide)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 768, 1280, 2000])
def test_page_of_any_width_needs_no_scrolling_sideways(
    windows: Windows, console: Running, width: int, scheme: str
) -> None:
    """Closed and opened, with words that do not break by themselves."""
    deliver(console, "W" * 255, *TITLES.values())
    size = {"width": width, "height": 700}
    with windows.open(console.url, viewport=size, color_scheme=scheme) as page:
        closed = _overflow(page)
        page.locator(".line summary").first.click()
        expect(page.get_by_label("page change").locator("pre")).to_be_visible()

        assert (closed, _overflow(page)) == (0, 0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(
    windows: Windows, console: Running, scheme: str
) -> None:
    """Every colour of text has the contrast of 4.5 that WCAG AA asks, in both schemes."""
    deliver(console, "Contrast")
    with windows.open(console.url, color_scheme=scheme) as page:
        found = page.evaluate(CONTRAST)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert {name: value for name, value in found.items() if value < 4.5} == {}
    light = sum(map(int, re.findall(r"\d+", background)[:3])) > 3 * 128
    assert light == (scheme == "light")


CONTRAST = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (text) => {
    const [r, g, b] = numbers(text).map((each) => each / 255)
      .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const node of document.querySelectorAll("body *")) {
    if (![...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim())) continue;
    if (!node.checkVisibility()) continue;
    const both = [getComputedStyle(node).color, behind(node)].map(luminance);
    const [a, b] = both.sort((x, y) => y - x);
    found[`${node.tagName}.${node.className}`] = (a + 0.05) / (b + 0.05);
  }
  return found;
}"""


def test_page_comes_back_after_the_server_was_restarted(windows: Windows, tmp_path: Path) -> None:
    """The page says that nobody answers, connects again by itself, and forgets what was lost."""
    windows.expected = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_CONNECTION_RESET")
    server = Server("console", gunicorn(APP), {})
    sock = listen()
    port = sock.getsockname()[1]
    with serving(server, sock, tmp_path) as first:
        page_context = windows.open(first.url)
        page = page_context.__enter__()
        deliver(first, "Before the restart")
        expect(page.get_by_text("Before the restart")).to_be_visible()
        first.process.send_signal(signal.SIGTERM)
        first.process.wait(20)
    expect(page.locator("#state")).to_have_text("not connected, trying again")

    with serving(server, listen(port), tmp_path) as second:
        expect(page.locator("#state[data-kind=live]")).to_be_visible()
        deliver(second, "After the restart")
        expect(page.get_by_text("After the restart")).to_be_visible()
        expect(page.get_by_text("Before the restart")).to_have_count(0)
        page_context.__exit__(None, None, None)
