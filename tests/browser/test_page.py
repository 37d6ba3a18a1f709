"""The page in a browser, with the whole pipeline behind it: what somebody on call does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from sinks.local.processes import Running
from tests.browser.conftest import TOKEN, Windows
from tests.browser.scenes import (
    JSON,
    deliver,
    deliver_reply,
    edit,
    sample,
    send,
    send_rejected,
    send_samples,
)
from tests.upstream import call

Pipeline = dict[str, Running]


@pytest.fixture
def page(windows: Windows, pipeline: Pipeline) -> Iterator[Page]:
    with windows.open(pipeline["console"].url) as opened:
        yield opened


def line(page: Page, title: str) -> Locator:
    """The newest line with this title."""
    return page.locator(".line", has=page.get_by_text(title, exact=True)).first


def opened(page: Page, title: str) -> Locator:
    """The same, once it has been clicked."""
    found = line(page, title)
    found.locator("summary").first.click()
    return found


def test_live_line_appears_without_reload(page: Page, pipeline: Pipeline) -> None:
    """A page change that is sent now is on top of the list, with what each row made of it."""
    document = edit("Appears_by_itself")
    page.evaluate("window.same = true")

    send(pipeline["http-shim"], document)

    expect(line(page, "Appears by itself")).to_be_visible()
    expect(page.locator(".line").first).to_contain_text("Appears by itself")
    mark = line(page, "Appears by itself").get_by_label("drafttopic relayed")
    expect(mark).to_have_text("✓")
    assert page.evaluate("window.same") is True


@pytest.mark.parametrize("how", ["mouse", "enter", "space"])
def test_line_opens_and_shows_both_documents_side_by_side(
    page: Page, pipeline: Pipeline, how: str
) -> None:
    """The page change stands on the left, and what a row replied to it on the right of it."""
    document = edit(f"Opened_by_{how}")
    send(pipeline["http-shim"], document, "drafttopic")
    summary = line(page, f"Opened by {how}").locator("summary").first
    expect(summary).to_be_visible()

    if how == "mouse":
        summary.click()
    else:
        page.keyboard.press("j")
        expect(summary).to_be_focused()
        page.keyboard.press(how.capitalize())

    left, right = page.get_by_label("page change"), page.get_by_label("replies")
    expect(left.locator("pre")).to_contain_text(f'"page_title": "Opened_by_{how}"')
    expect(right.locator("pre").first).to_contain_text('"probability"')
    expect(right).to_contain_text("at Trigger egress")
    here, there = left.bounding_box(), right.bounding_box()
    assert here and there
    assert here["x"] + here["width"] <= there["x"]
    assert abs(here["y"] - there["y"]) < 2


def test_opened_line_says_why_a_row_has_no_mark(page: Page, pipeline: Pipeline) -> None:
    """Who waits for a score reads which condition the change does not meet."""
    document = edit("Not_for_all")
    send(pipeline["http-shim"], document, "drafttopic")
    shown = opened(page, "Not for all")

    shown.get_by_text("Rows without a mark").click()

    listed = shown.get_by_label("replies").get_by_role("listitem")
    expect(listed.filter(has_text="reverted")).to_contain_text("does not score it")
    expect(listed.filter(has_text="articlequality")).to_contain_text("should have a mark")
    expect(listed.filter(has_text="revertrisk-wikidata")).to_contain_text("wikiid is enwiki")


def test_rows_that_come_to_an_open_line_stay_closed(page: Page, pipeline: Pipeline) -> None:
    """What somebody reads is not moved by what he has not opened."""
    (cause,) = deliver(pipeline["console"], "Opened_early")
    shown = opened(page, "Opened early")
    expect(shown.get_by_text("Rows without a mark")).to_be_visible()

    for model in ("damaging", "drafttopic"):
        deliver_reply(pipeline["console"], cause, model)

    expect(shown.get_by_label("replies")).to_contain_text("2 rows")
    is_open = shown.locator(".reply").evaluate_all("all => all.map(each => each.open)")
    assert is_open == [True, True, False]


def test_open_line_stays_open_and_focused_when_it_changes(page: Page, pipeline: Pipeline) -> None:
    """What comes later for the same page change is put into the line that somebody reads."""
    document = edit("Changes_while_open")
    send(pipeline["http-shim"], document, "drafttopic")
    shown = opened(page, "Changes while open")
    expect(shown.get_by_label("replies")).to_contain_text("1 row")

    body = json.dumps(document).encode()
    shim = pipeline["http-shim"]
    assert call(shim.port, "/events?trigger=damaging", JSON, body).status == 200

    expect(shown.get_by_label("replies")).to_contain_text("2 rows")
    expect(shown.locator("summary").first).to_be_focused()


def test_filters_by_row_wiki_and_outcome(page: Page, pipeline: Pipeline) -> None:
    """Each filter leaves what fits, also of what comes later."""
    send_samples(pipeline["http-shim"])
    page.reload()

    page.locator("[name=wiki]").fill("arwiki")
    page.locator("[name=wiki]").press("Enter")
    expect(page.locator(".line .wiki").first).to_have_text("arwiki")
    assert set(page.locator(".line .wiki").all_inner_texts()) == {"arwiki"}

    page.locator("[name=wiki]").fill("")
    page.locator("[name=row]").select_option("reverted")
    page.locator("[name=outcome]").select_option("relayed")
    page.get_by_role("button", name="Filter").click()
    page.wait_for_url(re.compile(r"\?row=reverted&outcome=relayed$"))
    expect(page.locator("#state[data-kind=live]")).to_be_visible()
    marked = page.locator(".line", has=page.get_by_label("reverted relayed", exact=True))
    assert 0 < page.locator(".line").count() == marked.count()

    send(pipeline["http-shim"], sample("page_change_edit"))  # reverted ignores English
    later = sample("page_change_edit_wiktionary")
    later["page"]["page_title"] = "Fits_the_filter"
    send(pipeline["http-shim"], later)
    expect(page.locator(".line").first).to_contain_text("Fits the filter")
    assert page.locator(".line").count() == marked.count()


def test_filter_is_chosen_by_keyboard(page: Page, pipeline: Pipeline) -> None:
    """Arrow keys pass options that are not meant: only the button takes the page elsewhere."""
    document = edit("Sent_while_choosing")
    page.evaluate("window.same = true")

    page.locator("[name=outcome]").focus()
    page.keyboard.press("ArrowDown")
    send(pipeline["http-shim"], document, "drafttopic")
    expect(line(page, "Sent while choosing")).to_be_visible()

    assert page.evaluate("window.same") is True
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"\?outcome=relayed$"))


def test_dead_letter_is_shown_and_replayed_with_a_token(
    page: Page, windows: Windows, pipeline: Pipeline
) -> None:
    """With the token of a client a letter is there with its reason, and replays; the token is
    neither in an address nor kept beyond the tab."""
    windows.expected = ("status of 401",)
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    send_rejected(pipeline["http-shim"])
    failed = line(page, "Cannot be scored")
    expect(failed.locator(".failure")).to_have_text("drafttopic: unscorable_revision")

    page.get_by_role("button", name="Look").click()
    expect(page.locator("#letters-state")).to_contain_text("unauthenticated")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_label("Token").press("Enter")
    letter = page.locator(".letter").first
    expect(letter).to_contain_text("unscorable_revision")
    expect(letter).to_contain_text("drafttopic")
    expect(letter).to_contain_text("enwiki")
    letter.get_by_role("button", name="replay").click()

    expect(letter.locator(".outcome")).to_contain_text("rejected")
    assert not [each for each in addresses if TOKEN in each]
    assert page.evaluate("localStorage.length") == 0
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("sessionStorage.token") == TOKEN


def test_page_works_without_javascript(windows: Windows, pipeline: Pipeline) -> None:
    """Without scripts there are lines, documents and filters, and a word on what needs them."""
    send(pipeline["http-shim"], sample("page_change_edit"), "drafttopic")
    with windows.open(pipeline["console"].url, java_script_enabled=False) as page:
        expect(page.get_by_text("This part needs JavaScript")).to_be_visible()
        page.locator(".line summary").first.click()
        page.locator(".opened a").first.click()

        expect(page.get_by_label("page change").locator("pre")).to_contain_text('"$schema"')
        expect(page.get_by_label("replies").locator("pre").first).to_be_visible()


def test_pause_holds_lines_back_and_goes_on(page: Page, pipeline: Pipeline) -> None:
    """While somebody reads nothing moves; afterwards nothing is missing."""
    document = edit("Sent_while_paused")
    page.get_by_role("button", name="Pause").click()

    send(pipeline["http-shim"], document, "drafttopic")
    expect(page.locator("#state")).to_have_text("paused")
    assert line(page, "Sent while paused").count() == 0
    page.get_by_role("button", name="Go on").click()

    expect(line(page, "Sent while paused")).to_be_visible()
