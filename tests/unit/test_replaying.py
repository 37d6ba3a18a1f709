"""Which letters are meant, and to which Trigger one is replayed: compared, never called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sinks.destination import destined, named
from sinks.errors import InvalidEvent, SinkError
from sinks.filters import Filter
from sinks.letter import Letter, letter_of
from sinks.letter_document import whole
from sinks.letter_selection import (
    KeptLetter,
    Selection,
    conditions,
    moment,
    parsed,
    selection,
)
from sinks.replay_run import until_at_most
from sinks.replaying import would_replay
from sinks.triggers import Trigger
from tests.factories import binary, page_change, structured
from tests.letters import as_kept

NOW = datetime(2026, 9, 23, 10, 0, tzinfo=UTC)
SUBSCRIBER = "http://score-sink.events:8081/models/drafttopic?x=1"


def trigger(name: str, subscriber: str, takes: bool = True) -> Trigger:
    """A Trigger that takes everything, or nothing."""
    return Trigger(name, "default", Filter("all", lambda _event: takes), subscriber)


TRIGGERS = (
    trigger("drafttopic", SUBSCRIBER),
    trigger("egress", "https://egress-sink"),
)


def letter(destination: str, **attributes: str) -> Letter:
    """The letter of a page change that failed at a destination."""
    headers, body = binary(page_change(), **attributes)
    lowered = {name.lower(): value for name, value in headers.items()}
    return letter_of(lowered | {"ce-knativeerrordest": destination}, body)


def kept(of: Letter) -> KeptLetter:
    """The same on disk."""
    return as_kept(of, 7)


def reason(call: Any) -> str:
    """The reason of the error that a call raises."""
    with pytest.raises(SinkError) as raised:
        call()
    return raised.value.reason


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        pytest.param(SUBSCRIBER, "drafttopic", id="the-same"),
        pytest.param(SUBSCRIBER.replace("http", "HTTP", 1), "drafttopic", id="scheme-in-capitals"),
        pytest.param(SUBSCRIBER.replace("score", "SCORE"), "drafttopic", id="host-in-capitals"),
        pytest.param("https://egress-sink/", "egress", id="slash-for-an-empty-path"),
        pytest.param("https://egress-sink:443", "egress", id="default-port"),
    ],
)
def test_destined_to_the_same_address_is_that_trigger(destination: str, name: str) -> None:
    """An address can be written in more than one way."""
    assert destined(letter(destination), TRIGGERS, None)[1].name == name


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "score-sink.events:8081/models/drafttopic?x=1",
        "//score-sink.events:8081/models/drafttopic?x=1",
        "https://score-sink.events:8081/models/drafttopic?x=1",
        "http://score-sink.events/models/drafttopic?x=1",
        "http://score-sink.events:8081/models/drafttopic",
        "http://score-sink.events:8081/models/drafttopic/?x=1",
        "http://score-sink.events:8081/models/Drafttopic?x=1",
        "http://score-sink.events:8081/models/drafttopic?x=1#x",
        "http://score-sink.events:8081/models/./drafttopic?x=1",
        "http://a:b@score-sink.events:8081/models/drafttopic?x=1",
        "http://score-sink.events:8081@169.254.169.254/models/drafttopic?x=1",
        "http://score-sink.events:99999/models/drafttopic?x=1",
        "http://[score-sink.events:8081/models/drafttopic?x=1",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "http:///models/drafttopic",
        "https://egress-sink//",
    ],
)
def test_destined_to_another_address_is_refused(destination: str) -> None:
    """Nearly the same is not the same."""
    assert reason(lambda: destined(letter(destination), TRIGGERS, None)) == "unknown_destination"


def test_destined_of_several_triggers_is_the_first_that_takes_the_event() -> None:
    """The subscriber is the same, so one delivery is enough."""
    some = (trigger("a", SUBSCRIBER, takes=False), *TRIGGERS, trigger("z", SUBSCRIBER))

    assert destined(letter(SUBSCRIBER), some, None)[1].name == "drafttopic"


def test_destined_by_name_needs_no_destination() -> None:
    """A malformed reply leaves a letter that does not say where it failed."""
    assert destined(letter(""), TRIGGERS, "egress")[1].name == "egress"


def test_named_of_no_trigger_tells_which_there_are() -> None:
    """A misspelt name would look like a letter that cannot be replayed."""
    with pytest.raises(InvalidEvent, match="drafttopic, egress") as raised:
        named(TRIGGERS, "drafttopics")

    assert raised.value.reason == "unknown_trigger"


def test_destined_event_has_its_id_and_source_but_nothing_of_knative() -> None:
    """What failed is delivered as it was."""
    of = letter(SUBSCRIBER, knativearrivaltime="x", knativeerrorcode="503", wikiid="enwiki")

    event = destined(of, TRIGGERS, None)[0]

    assert (event.id, event.source, event.get("wikiid")) == (
        "event-1",
        "/mediawiki/enwiki",
        "enwiki",
    )
    assert [name for name in event.attributes if name.startswith("knative")] == []
    assert event.data == page_change()


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(letter_of({"content-type": "text/html"}, b"<h1>"), id="no-event"),
        pytest.param(letter_of({}, b""), id="nothing"),
        pytest.param(letter(SUBSCRIBER, type=""), id="no-type"),
        pytest.param(letter(SUBSCRIBER, subject="%C3%A9"), id="not-to-be-sent-on"),
    ],
)
def test_destined_of_what_can_never_be_sent_is_malformed(of: Letter) -> None:
    """Even where somebody names a Trigger for it."""
    assert reason(lambda: destined(of, TRIGGERS, "egress")) == "malformed_event"


def test_would_replay_to_a_trigger_that_takes_it_no_more_says_so() -> None:
    """Filters can change while a letter lies."""
    told = would_replay(kept(letter(SUBSCRIBER)), [trigger("old", SUBSCRIBER, takes=False)])

    assert (told.outcome, told.reason) == ("ignored", "no_trigger")
    assert "old" in told.detail


def test_would_replay_to_an_unknown_destination_names_those_there_are_within_bounds() -> None:
    """There may be hundreds, and the text goes into an answer of bounded size."""
    many = [trigger(f"t{n}", f"http://t{n}/{'x' * 60}") for n in range(50)]

    told = would_replay(kept(letter("http://elsewhere/")), many)

    assert (told.outcome, told.reason) == ("deferred", "unknown_destination")
    assert "http://t0/" in told.detail
    assert len(told.detail) <= 420


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-09-23T09:00:00Z", NOW - timedelta(hours=1)),
        ("2026-09-23T11:30:00.5+02:00", NOW - timedelta(minutes=29, seconds=59, milliseconds=500)),
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
    ],
)
def test_moment_of_a_time_or_an_age_is_meant(text: str, meant: datetime) -> None:
    """People at night think in hours, scripts in times."""
    assert moment(text, NOW) == meant


@pytest.mark.parametrize(
    "text", ["", "2", "2 h", "-2h", "2w", "yesterday", "2026-09-23", "999999d"]
)
def test_moment_of_anything_else_is_refused(text: str) -> None:
    """Half understood, it would select other letters than meant."""
    with pytest.raises(ValueError, match="RFC 3339|before year 1"):
        moment(text, NOW)


def test_selection_of_all_parameters_asks_for_all() -> None:
    """Each name of the API has its condition."""
    query = [
        ("number", "1"),
        ("number", "3"),
        ("since", "2h"),
        ("until", "1h"),
        ("row", "drafttopic"),
        ("wiki", "enwiki"),
        ("reason", "predictor_failed"),
        ("status", "503"),
        ("destination", SUBSCRIBER),
        ("pending", "true"),
    ]

    assert selection(parsed(query, conditions(NOW))) == Selection(
        numbers=frozenset({1, 3}),
        since=NOW - timedelta(hours=2),
        until=NOW - timedelta(hours=1),
        row="drafttopic",
        wiki_id="enwiki",
        reason="predictor_failed",
        status=503,
        destination=SUBSCRIBER,
        pending=True,
    )


@pytest.mark.parametrize(
    ("query", "named_in"),
    [
        ([("rows", "drafttopic")], "row, wiki"),
        ([("row", "")], "row is empty"),
        ([("row", "a"), ("row", "b")], "row is given twice"),
        ([("number", "0")], "number"),
        ([("number", "1e3")], "number"),
        ([("status", "50")], "status"),
        ([("status", "\u0665\u0660\u0663")], "status"),
        ([("pending", "yes")], "pending"),
        ([("since", "soon")], "since"),
        ([("wiki", "a\0b")], "wiki"),
        ([("destination", "x" * 3000)], "destination"),
    ],
)
def test_parsed_of_a_wrong_parameter_names_it(query: list[tuple[str, str]], named_in: str) -> None:
    """A condition that is lost would select, and drop, more than was meant."""
    with pytest.raises(InvalidEvent, match=named_in) as raised:
        parsed(query, conditions(NOW))

    assert raised.value.reason == "invalid_query"


@pytest.mark.parametrize("asked", [None, NOW - timedelta(hours=1), NOW + timedelta(hours=1)])
def test_until_at_most_never_selects_what_arrives_later(asked: datetime | None) -> None:
    """What a replay makes fail would be replayed by the same run, again and again."""
    until = until_at_most(Selection(until=asked), NOW).until

    assert until == min(asked or NOW, NOW)


@pytest.mark.parametrize(
    ("headers", "body", "member"),
    [
        (*structured(page_change()), "body"),
        ({}, b"\xff", "body_base64"),
        ({}, b"[" * 300 + b"]" * 300, "body_base64"),
    ],
    ids=["json", "bytes", "too-deep-to-be-written"],
)
def test_whole_letter_has_its_body_in_one_form(
    headers: dict[str, str], body: bytes, member: str
) -> None:
    """JSON is readable as it is, anything else survives as base64."""
    told = whole(kept(letter_of(headers, body)))

    assert told.keys() & {"body", "body_base64"} == {member}
