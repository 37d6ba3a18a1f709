"""The rows of the contract kit as data: complete, bounded, repeatable, and harmless to others."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sinks import cloudevent, deployed, inputs
from sinks.contract.probe.run import InvalidSample, probe
from sinks.contract.probe.target import Target
from sinks.contract.rows.row import Role, Row
from sinks.contract.rows.sample import Sample, edited, envelope, members, post
from sinks.contract.rows.script import (
    AwaitInterim,
    EndSending,
    Hear,
    Pause,
    Script,
    Send,
    header,
)
from sinks.contract.rows.tables import ROWS, rows_for
from sinks.models import MODELS, Conditions, unwanted

ROLES: tuple[Role, ...] = ("score-sink", "egress-sink", "http-shim", "any-processor")
_DOMAIN = r'"domain": "([^"]*)"'
MAX_ACTS, MAX_BYTES, MAX_CONNECTIONS, MAX_SECONDS = 120, 8 * 2**20, 20, 5.0
# A URL's own query has to survive the rows that add one.
SAMPLES = {role: probe(Target("127.0.0.1", 1, "sink", query="x=1"), role).sample for role in ROLES}


def script(row: Row, role: Role) -> Script:
    return row.make(SAMPLES[role])


@pytest.mark.parametrize("name", MODELS)
def test_sample_for_an_expected_row_is_a_change_that_the_row_scores(name: str) -> None:
    """A probe that expects a row's prediction starts from an edit on one of the row's wikis."""
    sample = probe(Target("127.0.0.1", 1, "sink"), "score-sink", name).sample
    change = inputs.parse(sample.data, inputs.load_readers())
    conditions = Conditions(deployed.load("production"), 0, datetime.now(UTC))

    assert unwanted(MODELS[name], change, conditions) is None
    assert sample.attributes["source"] == f"/mediawiki/{change.wiki_id}"


# --- the tables ---------------------------------------------------------------------------------


def test_rows_names_are_unique_slugs() -> None:
    """A name is what reports, JUnit and our tests know a row by."""
    names = Counter(row.name for row in ROWS)

    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if not re.fullmatch(r"[a-z0-9]+([_-][a-z0-9]+)*", name)] == []


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row_says_who_demands_it_why_and_what_to_do(row: Row) -> None:
    """A finding without these three would be an order without a reason."""
    texts = (row.clause, row.why, row.fix)

    assert [text for text in texts if len(text) < 7 or not text.isprintable()] == []
    assert row.roles and row.roles <= set(ROLES)
    assert row.expected


@pytest.mark.parametrize("role", ROLES)
def test_rows_for_a_role_are_its_rows_in_order(role: Role) -> None:
    """What a role is asked does not depend on anything but the tables."""
    rows = rows_for(role)

    assert rows == tuple(row for row in ROWS if role in row.roles)
    assert len(rows) > 80


@pytest.mark.parametrize("role", ROLES)
def test_rows_scripts_are_the_same_each_time(role: Role) -> None:
    """A probe can be repeated, and no row changes what the next one starts from."""
    sample = SAMPLES[role]
    before = copy.deepcopy(sample)

    different = [row.name for row in rows_for(role) if row.make(sample) != row.make(sample)]

    assert different == []
    assert sample == before


@pytest.mark.parametrize("role", ROLES)
def test_rows_scripts_are_bounded(role: Role) -> None:
    """Nobody has to wait for a row, or is flooded by it."""
    for row in rows_for(role):
        acts = script(row, role)
        waits = [act.seconds for act in acts if isinstance(act, Pause | AwaitInterim)]
        connections = {act.connection for act in acts if not isinstance(act, Pause)}

        assert len(acts) <= MAX_ACTS, row.name
        assert sum(len(act.data) for act in acts if isinstance(act, Send)) <= MAX_BYTES, row.name
        assert all(0 < wait <= MAX_SECONDS for wait in waits), row.name
        assert sum(waits) <= MAX_SECONDS, row.name
        assert connections <= set(range(MAX_CONNECTIONS)), row.name


@pytest.mark.parametrize("role", ROLES)
def test_rows_expect_one_answer_for_each_that_they_hear(role: Role) -> None:
    """An answer that nobody judges, or one that never comes, would be a row about nothing."""
    for row in rows_for(role):
        acts = script(row, role)
        hears = [(at, act.connection) for at, act in enumerate(acts) if isinstance(act, Hear)]
        sends = [(at, act.connection) for at, act in enumerate(acts) if isinstance(act, Send)]

        assert len(hears) == len(row.expected) == row.requests(SAMPLES[role]), row.name
        for at, connection in hears:
            assert any(sent < at and to == connection for sent, to in sends), row.name


@pytest.mark.parametrize("role", ROLES)
def test_probe_states_how_many_requests_it_makes(role: Role) -> None:
    """Whoever probes knows before what is going to be sent."""
    made = probe(Target("127.0.0.1", 1, "sink"), role)

    assert made.requests == 1 + sum(len(row.expected) for row in rows_for(role))
    assert made.requests <= 300


# --- what is sent -------------------------------------------------------------------------------


def documents(acts: Script) -> Iterator[str]:
    """Everything that is sent, once as it is and once with base64 undone."""
    for act in acts:
        if isinstance(act, Send):
            text = act.data.decode("latin-1")
            yield text
            for encoded in re.findall(r'"data_base64": "([A-Za-z0-9+/=]+)"', text):
                yield base64.b64decode(encoded).decode()


@pytest.mark.parametrize("role", ["egress-sink", "http-shim"])
def test_rows_for_a_sink_that_passes_on_send_only_canaries(role: Role) -> None:
    """Whatever such a sink takes, no consumer takes for a real change or a real score."""
    passed_on = [row for row in rows_for(role) if not row.leaves_no_trace]
    said = {row.name: list(documents(script(row, role))) for row in passed_on}
    domains = {name: set(re.findall(_DOMAIN, "".join(texts))) for name, texts in said.items()}

    assert {name: found for name, found in domains.items() if found - {"canary"}} == {}
    # Chunks of one byte hide the word, but are those of the same event.
    assert [name for name, found in domains.items() if not found] == ["body_chunked"]


def split(raw: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of one request with a Content-Length."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert int(headers["content-length"]) == len(body)
    return headers, body


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_good_event_is_the_event_that_was_meant(role: Role, mode: str) -> None:
    """What the SDK writes is what our own decoder, which shares nothing with it, reads."""
    sample = SAMPLES[role]

    event = cloudevent.decode(*split(sample.request(mode).raw()))

    assert event.attributes == {**sample.attributes, "datacontenttype": "application/json"}
    assert event.data == sample.data
    assert event.mode == mode


def own(**over: Any) -> dict[str, Any]:
    """An event of the user's own, with what is not in every event."""
    event = {"id": "1", "source": "/s", "type": "com.example.t", "data": {"a": "é"}}
    return {**event, **over}


def own_sample(role: Role = "any-processor", **over: Any) -> Sample:
    return probe(Target("127.0.0.1", 1, "sink"), role, event=own(**over)).sample


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize(
    "value",
    ["a b", 'say "a"', "50%", "日本", "💩", "~"],
    ids=["space", "quotes", "percent", "japanese", "emoji", "tilde"],
)
def test_own_event_attribute_arrives_as_it_is(mode: str, value: str) -> None:
    """Attributes may have any text; a header's has to be percent-encoded."""
    request = own_sample(subject=value).request(mode)

    headers, body = split(request.raw())

    assert request.raw().partition(b"\r\n\r\n")[0].isascii()
    assert cloudevent.decode(headers, body).attributes["subject"] == value


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_own_event_without_a_time_is_sent_without_one(mode: str) -> None:
    """An invented time is another one at each redelivery."""
    sample = own_sample()

    raw = sample.request(mode).raw()

    assert raw == sample.request(mode).raw()
    assert b"time" not in raw.lower()


@pytest.mark.parametrize(
    ("role", "data", "lacking"),
    [
        ("score-sink", {"a": 1}, "'meta'"),
        ("score-sink", {"meta": {}, "rev_id": 1}, "'revision'"),
        ("score-sink", {"meta": {}, "revision": 1}, "'int' object is not a mapping"),
        ("egress-sink", {"meta": {}}, "'stream'"),
        ("http-shim", {}, "'meta'"),
    ],
    ids=["nothing", "revision_create", "number", "no_stream", "empty"],
)
def test_own_event_that_the_rows_cannot_change_is_refused(
    role: Role, data: Any, lacking: str
) -> None:
    """Who brings an event is told what it lacks, before anything is sent."""
    with pytest.raises(InvalidSample, match=rf"cannot be made of the event \({lacking}\)"):
        own_sample(role, data=data)


@pytest.mark.parametrize("role", ROLES)
def test_own_event_of_the_right_kind_makes_all_rows(role: Role) -> None:
    """All rows can be made from the least that is asked of an own event."""
    sample = own_sample(role, data={"meta": {"stream": "s"}, "revision": {}})

    assert all(row.make(sample) for row in rows_for(role))


# --- edits --------------------------------------------------------------------------------------


def test_edit_of_the_envelope_changes_nothing_else() -> None:
    """A row that is about one member is not also about another."""
    sample = SAMPLES["any-processor"]

    good = json.loads(sample.request("structured").body)
    changed = json.loads(edited(sample, "structured", members(subject=None)).body)
    without = json.loads(
        edited(sample, "structured", envelope(lambda envelope: envelope.pop("data"))).body
    )

    assert changed == {**good, "subject": None}
    assert without == {name: value for name, value in good.items() if name != "data"}


def test_edit_of_a_header_replaces_all_of_its_name() -> None:
    """Two values of one header would be a row of its own."""
    sample = SAMPLES["any-processor"]

    (send, hear) = post("binary", header("CE-Id", "2"), header("ce-time", None))(sample)

    assert isinstance(send, Send) and isinstance(hear, Hear)
    head = send.data.partition(b"\r\n\r\n")[0].lower()
    assert re.findall(rb"\nce-id: ([^\r]*)", head) == [b"2"]
    assert b"ce-time" not in head


def test_half_closed_connections_are_heard_to_the_end() -> None:
    """Who ends sending before he hears has said all; hearing first would wait for nothing."""
    wrong = [
        row.name
        for row in ROWS
        for role in row.roles
        for acts in [script(row, role)]
        for at, act in enumerate(acts)
        if isinstance(act, EndSending)
        and any(
            isinstance(later, Send) and later.connection == act.connection for later in acts[at:]
        )
    ]

    assert wrong == []
