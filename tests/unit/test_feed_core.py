"""What a feed decides without a network: what an answer wants, how long to wait, what to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sinks.feed.account import Account, Ended, lag_of
from sinks.feed.backoff import asked_seconds, delay_seconds
from sinks.feed.delivering import Delivered
from sinks.feed.item import Change, Unreadable, change_in, is_wanted
from sinks.feed.report import Troubles
from sinks.feed.shim_answer import Again, Done, Mistake, judged

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
DEFERRED = "repeat with ?trigger=NAME for each deferred one; 1 of 2 Triggers deferred: a (b)"


def error(reason: str, detail: str = "why") -> bytes:
    return json.dumps({"reason": reason, "detail": detail, "ce_id": "1"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        *[pytest.param(s, error("invalid_event"), Done, id=str(s)) for s in (400, 413, 415, 422)],
        pytest.param(413, b"<html>", Done, id="413 of a proxy"),
        *[pytest.param(s, b"<html>", Mistake, id=f"{s} of another") for s in (200, 201, 400, 422)],
        *[pytest.param(status, b"", Again, id=str(status)) for status in (408, 409, 429)],
        *[pytest.param(status, b"<html>", Again, id=str(status)) for status in (500, 502, 503)],
        *[pytest.param(status, b"", Mistake, id=str(status)) for status in (301, 401, 404, 410)],
        pytest.param(422, error("unknown_trigger"), Mistake, id="unknown_trigger"),
        pytest.param(503, b'{"reason": [], "detail": 7}', Again, id="odd_json"),
        pytest.param(503, error("deliveries_deferred", "x"), Again, id="no_names"),
        pytest.param(
            503, error("deliveries_deferred", 5000 * "9" + " rejected"), Again, id="no_number"
        ),
    ],
)
def test_judged_answer_ends_repeats_or_stops(status: int, body: bytes, kind: type) -> None:
    """Whatever comes, it is one of three."""
    assert isinstance(judged(status, {}, body), kind)


@pytest.mark.parametrize("status", [200, 202])
def test_judged_success_of_the_shim_is_the_end(status: int) -> None:
    """The shim says what has become of each event; whoever does not is not the shim."""
    headers = {"sinks-outcome": "ignored", "sinks-reason": "canary"}

    assert judged(status, headers, b"") == Done("ignored", "canary", "", kept=True)


def test_judged_deferral_names_the_triggers_to_repeat() -> None:
    """With what the shim asks for, and how many are done with it for bad."""
    detail = f"{DEFERRED}; 1 of 2 Triggers rejected: c (d)"
    body = error("deliveries_deferred", detail)

    verdict = judged(503, {"retry-after": "7"}, body)

    assert isinstance(verdict, Again)
    assert (verdict.triggers, verdict.rejected, verdict.retry_after) == (("a",), 1, "7")


def test_judged_deferral_is_told_without_the_advice_that_a_feed_follows() -> None:
    """Nobody who feeds has to name Triggers."""
    verdict = judged(503, {}, error("deliveries_deferred", DEFERRED))

    assert isinstance(verdict, Again)
    assert (
        verdict.detail
        == "the shim answers 503: deliveries_deferred: 1 of 2 Triggers deferred: a (b)"
    )


def test_judged_names_in_another_error_are_not_believed() -> None:
    """Only the shim's own deferral says who is to be asked again."""
    verdict = judged(503, {}, error("overloaded", DEFERRED))

    assert isinstance(verdict, Again)
    assert verdict.triggers == ()


def test_judged_says_what_the_shim_said_on_one_line() -> None:
    """An error page does not flood, or paint, a terminal."""
    verdict = judged(502, {}, b"\x1b[2J<html>\n" + b"x" * 10_000)

    assert isinstance(verdict, Again)
    assert len(verdict.detail) < 400
    assert verdict.detail.isprintable()


def test_delay_grows_to_a_minute_and_varies() -> None:
    """1 s, 2 s, 4 s ... 60 s, by chance down to half of it."""
    longest = [delay_seconds(failures, 0.0) for failures in (1, 2, 3, 6, 7, 10_000)]

    assert longest == [1, 2, 4, 32, 60, 60]
    assert delay_seconds(3, 1.0) == 2
    assert delay_seconds(1, 0.0, first=300) == 300


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param(None, 0, id="nothing"),
        pytest.param("120", 120, id="seconds"),
        pytest.param("99999999", 3600, id="an_hour_at_most"),
        pytest.param("Mon, 23 Nov 2026 10:00:30 GMT", 30, id="date"),
        pytest.param("Mon, 23 Nov 2026 09:00:00 GMT", 0, id="past"),
        pytest.param("soon", 0, id="rubbish"),
        pytest.param("-1", 0, id="negative"),
        pytest.param("Mon, 23 Nov 2026 10:00:30", 0, id="no_zone"),
        pytest.param("Mon, 23 Nov 2026 10:00:30 +" + 18 * "9", 0, id="no_such_zone"),
    ],
)
def test_retry_after_is_honoured(text: str | None, seconds: float) -> None:
    """As HTTP writes it: seconds, or a date."""
    assert asked_seconds(text, NOW) == seconds


@pytest.mark.parametrize(
    ("document", "change"),
    [
        pytest.param(
            {
                "meta": {"id": "i", "dt": "x"},
                "wiki_id": "dewiki",
                "dt": "2026-11-23T11:00:00+01:00",
            },
            Change("i", "dewiki", "2026-11-23T10:00:00Z"),
            id="page_change",
        ),
        pytest.param(
            {"meta": {"id": "i", "dt": "2026-11-23T10:00:00Z"}, "database": "dewiki"},
            Change("i", "dewiki", "2026-11-23T10:00:00Z"),
            id="revision_create",
        ),
        pytest.param({}, Change("", "", ""), id="empty"),
        pytest.param({"meta": 1, "wiki_id": [], "dt": 5}, Change("", "", ""), id="odd"),
    ],
)
def test_change_is_what_a_document_says_of_itself(document: Any, change: Change) -> None:
    """All else is the shim's to judge, so odd documents go there too."""
    assert change_in(json.dumps(document).encode()) == change


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b"1", b"{"])
def test_change_in_no_document_is_unreadable(text: bytes) -> None:
    """These have nothing to send."""
    with pytest.raises(Unreadable):
        change_in(text)


def test_wanted_without_wikis_is_every_change() -> None:
    """A filter that nobody has set filters nothing."""
    change = Change("i", "dewiki", "")

    assert is_wanted(change, ())
    assert is_wanted(change, {"dewiki", "enwiki"})
    assert not is_wanted(change, {"enwiki"})


def ended(outcome: str, kept: bool = True) -> Ended:
    done = Done(outcome, "", "", kept)
    return Ended(
        None, "", Change("", "", "2026-11-23T09:59:00Z"), outcome, "", "", Delivered(done, 1, 0)
    )


def test_account_tells_counts_rate_and_lag() -> None:
    """Rejected is what nobody has kept; a dead letter is acknowledged."""
    now = 100.0
    account = Account(lambda: now)
    account.sent = 5
    for each in (ended("relayed"), ended("ignored"), ended("rejected"), ended("rejected", False)):
        account.add(each)
    account.defer()

    counts = "5 sent, 3 acknowledged (1 ignored), 1 rejected, 1 deferred"
    assert account.line(NOW) == f"{counts}, 0.3/s, lag 60 s"
    now = 111.0
    assert account.line(NOW) == f"{counts}, 0.0/s, lag 60 s"


@pytest.mark.parametrize(
    ("dt", "lag"),
    [
        pytest.param("2026-11-23T09:59:59.5Z", "0 s", id="seconds"),
        pytest.param("2026-11-23T09:45:00Z", "15 min", id="minutes"),
        pytest.param("2026-11-23T05:00:00Z", "5 h", id="hours"),
        pytest.param("2026-11-13T10:00:00Z", "10 d", id="days"),
    ],
)
def test_lag_is_said_as_people_do(dt: str, lag: str) -> None:
    """Nobody wants to divide by 86,400."""
    assert lag_of(dt, NOW) == lag


def test_troubles_of_one_kind_are_told_once_a_minute() -> None:
    """Numbers do not make another kind, and many kinds are one."""
    troubles = Troubles()

    told = [troubles.is_told(f"again in {n}.5 s", float(n)) for n in (0, 1, 59, 60, 61)]
    kinds = [troubles.is_told("x" * n, 62.0) for n in range(1, 1000)]

    assert told == [True, False, False, True, False]
    assert sum(kinds) < 50
    assert troubles.hidden.total() == 3 + kinds.count(False)
