"""The CloudEvents envelope: every attribute of what comes in and of what is answered."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from sinks import inputs
from sinks.attributes import is_sendable
from sinks.cloudevent import Event, Mode, decode, encode
from sinks.envelope import (
    ID_NAMESPACE,
    event_type,
    made_id,
    page_change_event,
    reply_event,
    trace_of,
    with_trace,
)
from tests.factories import (
    DATA,
    PAGE_CHANGE_TYPE,
    PREDICTION_TYPE,
    SCORE_TYPE,
    TAGS_TYPE,
    page_change,
    prediction_classification,
    revision_create,
    revision_score,
    weighted_tags,
)

READERS = inputs.load_readers()
BASE = "https://schema.example.org/primary"
DT = "2026-09-23T10:00:00Z"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PREDICTED = "mediawiki/page/prediction_classification_change"
OTHER_PARENT = "00-11111111111111111111111111111111-2222222222222222-00"


def typed(document: dict[str, Any], mode: Mode = "binary") -> Event:
    """The event that the intake makes of a document."""
    return page_change_event(inputs.parse(document, READERS), document, BASE, mode)


def reply(
    cause: Event,
    document: dict[str, Any] | None = None,
    model: str = "drafttopic",
    output_type: str = SCORE_TYPE,
) -> Event:
    """The event that a model answers to a cause with page-change data."""
    change = inputs.parse(cause.data, READERS)
    return reply_event(cause, change, model, output_type, document or revision_score(), BASE)


def cause(**attributes: str) -> Event:
    """A page change as any sender may have wrapped it."""
    known = {"id": "event-1", "source": "/mediawiki/enwiki", "type": PAGE_CHANGE_TYPE}
    return Event({**known, **attributes}, page_change())


def uuid5_of(*parts: object) -> str:
    """The UUIDv5 of a compact JSON array, made by the standard library alone."""
    text = json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
    return str(uuid.uuid5(ID_NAMESPACE, text))


@pytest.mark.parametrize(
    ("title", "major", "expected"),
    [
        ("mediawiki/page/change", 1, "org.wikimedia.mediawiki.page.change.v1"),
        ("mediawiki/revision/create", 2, "org.wikimedia.mediawiki.revision.create.v2"),
        ("mediawiki/revision/score", 3, "org.wikimedia.mediawiki.revision.score.v3"),
        (
            "mediawiki/page/prediction_classification_change",
            1,
            "org.wikimedia.mediawiki.page.prediction_classification_change.v1",
        ),
        (
            "mediawiki/cirrussearch/page_weighted_tags_change",
            1,
            "org.wikimedia.mediawiki.cirrussearch.page_weighted_tags_change.v1",
        ),
    ],
)
def test_event_type_schema_title_and_major_make_the_type(
    title: str, major: int, expected: str
) -> None:
    """The type follows from the schema, by one mechanical rule."""
    seen = event_type(title, major)

    assert seen == expected


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_page_change_event_edit_has_exactly_the_documented_attributes(mode: Mode) -> None:
    """A page change gets exactly these attributes; its data is the document, unchanged."""
    document = page_change()

    event = typed(document, mode)

    assert event.attributes == {
        "id": "b0a9f5b2-6a1f-4b43-9a63-1f0b3b3c7d11",
        "source": "/mediawiki/enwiki",
        "type": "org.wikimedia.mediawiki.page.change.v1",
        "time": DT,
        "subject": "enwiki/123/1300200300",
        "datacontenttype": "application/json",
        "dataschema": f"{BASE}/mediawiki/page/change/1.2.0",
        "partitionkey": "enwiki:123",
        "stream": "mediawiki.page_change.v1",
        "wikiid": "enwiki",
        "wikidomain": "en.wikipedia.org",
        "pagechangekind": "edit",
        "namespaceid": "0",
        "isredirect": "false",
    }
    assert event.data is document
    assert event.mode == mode


def test_page_change_event_revision_create_has_no_kind() -> None:
    """A revision-create has no kind, and here no domain, so both attributes are absent."""
    event = typed(revision_create(page_is_redirect=True, page_namespace=-1))

    assert event.attributes == {
        "id": "create-1",
        "source": "/mediawiki/enwiki",
        "type": "org.wikimedia.mediawiki.revision.create.v2",
        "time": DT,
        "subject": "enwiki/123/1300200300",
        "datacontenttype": "application/json",
        "dataschema": f"{BASE}/mediawiki/revision/create/2.0.0",
        "partitionkey": "enwiki:123",
        "stream": "mediawiki.revision-create",
        "wikiid": "enwiki",
        "namespaceid": "-1",
        "isredirect": "true",
    }


def test_page_change_event_optional_members_absent_leave_attributes_out() -> None:
    """What the document does not say, no attribute says."""
    document = page_change(meta={"domain": None}, page={"namespace_id": None, "is_redirect": None})

    event = typed(document)

    assert not {"wikidomain", "namespaceid", "isredirect"} & set(event.attributes)


def test_page_change_event_newer_minor_version_is_in_dataschema_only() -> None:
    """The type says the major version, the dataschema the exact one."""
    event = typed(page_change(**{"$schema": "/mediawiki/page/change/1.12.0"}))

    assert event.type == PAGE_CHANGE_TYPE
    assert event.get("dataschema") == f"{BASE}/mediawiki/page/change/1.12.0"


def test_page_change_event_time_is_written_in_utc() -> None:
    """The time is written in UTC, however it came."""
    event = typed(page_change(dt="2026-09-23t12:00:00.000000001+02:00"))

    assert event.get("time") == "2026-09-23T10:00:00.000000001Z"


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("en.wikipedia.org", "en.wikipedia.org"),
        ("be-tarask.wikipedia.org", "be-tarask.wikipedia.org"),
        ("localhost", "localhost"),
        ("a" * 63 + ".org", "a" * 63 + ".org"),
        (".".join(["a" * 61] * 4), ".".join(["a" * 61] * 4)),
        ("a" * 64 + ".org", None),
        (".".join(["a" * 63] * 4), None),
        ("en..wikipedia.org", None),
        (".wikipedia.org", None),
        ("wikipedia.org.", None),
        ("-en.wikipedia.org", None),
        ("en-.wikipedia.org", None),
        ("en_x.wikipedia.org", None),
        ("en wikipedia.org", None),
        ("en.wikipedia.org\n", None),
        ("en.wikipedia.org:443", None),
        ("user@en.wikipedia.org", None),
        ("en%2ewikipedia.org", None),
        ("../etc/passwd", None),
        ("\u0661.wikipedia.org", None),
        ("caf\u00e9.wikipedia.org", None),
        ("a" * 10_000, None),
        ("a." * 5_000 + "a", None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_page_change_event_domain_only_as_dns_name(domain: str, expected: str | None) -> None:
    """A domain that is no DNS name stays out of the attributes; the event is not refused."""
    event = typed(page_change(meta={"domain": domain}))

    assert event.get("wikidomain") == expected
    assert event.data["meta"]["domain"] == domain


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("edit", "edit"),
        ("some_newer_kind", "some_newer_kind"),
        ("a b", None),
        ("a%b", None),
        ('a"b', None),
        ("caf\u00e9", None),
        ("a\n", None),
        ("k" * 10_000, None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_page_change_event_kind_only_if_sendable(kind: str, expected: str | None) -> None:
    """A kind that would have to be encoded stays out of the attributes."""
    event = typed(page_change(page_change_kind=kind))

    assert event.get("pagechangekind") == expected


def test_page_change_event_meta_id_absent_makes_uuid5_of_the_change() -> None:
    """Without `meta.id` the id is made from what makes the change: the same for a redelivery."""
    document = page_change(meta={"id": None})
    expected = uuid5_of("mediawiki.page_change.v1", "enwiki", 1300200300, DT, "edit")

    ids = [typed(document).id, typed({**document, "newer": 1}).id]

    assert ids == [expected, expected]


def test_page_change_event_revision_create_meta_id_absent_makes_uuid5_with_null_kind() -> None:
    """A revision-create has no kind: `null` stands in the array that its id is made from."""
    document = revision_create(meta={"id": None})

    event = typed(document)

    assert event.id == uuid5_of("mediawiki.revision-create", "enwiki", 1300200300, DT, None)


def test_page_change_event_meta_id_absent_times_of_one_instant_make_one_id() -> None:
    """The id is made from the instant, not from how it was written."""
    documents = [page_change(meta={"id": None}, dt=dt) for dt in (DT, "2026-09-23t12:00:00+02:00")]

    ids = {typed(document).id for document in documents}

    assert len(ids) == 1


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"meta": {"id": None, "stream": "other"}}, id="stream"),
        pytest.param({"meta": {"id": None}, "wiki_id": "frwiki"}, id="wiki"),
        pytest.param({"meta": {"id": None}, "revision": {"rev_id": 1}}, id="revision"),
        pytest.param({"meta": {"id": None}, "dt": "2026-09-23T10:00:00.1Z"}, id="time"),
        pytest.param({"meta": {"id": None}, "page_change_kind": "move"}, id="kind"),
    ],
)
def test_page_change_event_meta_id_absent_other_change_makes_other_id(over: dict[str, Any]) -> None:
    """Changes that differ in anything that makes a change have different ids."""
    ids = {typed(page_change(meta={"id": None})).id, typed(page_change(**over)).id}

    assert len(ids) == 2


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_reply_event_score_has_exactly_the_documented_attributes(mode: Mode) -> None:
    """A prediction gets exactly these attributes, and the content mode of its cause."""
    asked = Event(cause().attributes, page_change(), mode)
    document = revision_score()

    event = reply(asked, document)

    assert event.attributes == {
        "id": "5b3c1d2e-7f60-5a11-9c8d-001122334455",
        "source": "/models/drafttopic",
        "type": SCORE_TYPE,
        "time": DT,
        "subject": "enwiki/123/1300200300",
        "datacontenttype": "application/json",
        "dataschema": f"{BASE}/mediawiki/revision/score/3.0.0",
        "partitionkey": "enwiki:123",
        "stream": "mediawiki.revision_score_drafttopic",
        "model": "drafttopic",
        "wikiid": "enwiki",
        "causationid": "event-1",
    }
    assert event.data is document
    assert event.mode == mode


@pytest.mark.parametrize(
    ("model", "output_type", "document", "expected"),
    [
        pytest.param(
            "article-country",
            PREDICTION_TYPE,
            prediction_classification(),
            {
                "id": "8d0f2a14-94be-5c1b-8a37-44a1c0de9b02",
                "source": "/models/article-country",
                "type": "org.wikimedia.mediawiki.page.prediction_classification_change.v1",
                "dataschema": f"{BASE}/mediawiki/page/prediction_classification_change/1.3.0",
                "stream": "mediawiki.article_country_prediction_change.v1",
                "model": "article-country",
            },
            id="prediction",
        ),
        pytest.param(
            "article-country-tags",
            TAGS_TYPE,
            weighted_tags(),
            {
                "id": "f1a6c7d3-20b4-5e2f-b6a9-7c1d5e8f9a01",
                "source": "/models/article-country-tags",
                "type": "org.wikimedia.mediawiki.cirrussearch.page_weighted_tags_change.v1",
                "dataschema": f"{BASE}/mediawiki/cirrussearch/page_weighted_tags_change/1.0.0",
                "stream": "mediawiki.cirrussearch.page_weighted_tags_change.v1",
                "model": "article-country-tags",
            },
            id="tags",
        ),
    ],
)
def test_reply_event_other_outputs_have_exactly_the_documented_attributes(
    model: str, output_type: str, document: dict[str, Any], expected: dict[str, str]
) -> None:
    """A reply of any kind has the same attributes, made of its own document and of the change."""
    event = reply(cause(), document, model, output_type)

    assert event.attributes == {
        **expected,
        "time": DT,
        "subject": "enwiki/123/1300200300",
        "datacontenttype": "application/json",
        "partitionkey": "enwiki:123",
        "wikiid": "enwiki",
        "causationid": "event-1",
    }
    assert event.data is document


def test_reply_event_to_a_prediction_is_about_the_same_revision() -> None:
    """What is made of a prediction has its subject, though the document names no revision."""
    asked = Event({**cause().attributes, "type": PREDICTION_TYPE}, prediction_classification())
    change = inputs.parse(asked.data, inputs.load_readers((PREDICTED,)))

    event = reply_event(asked, change, "article-country-tags", TAGS_TYPE, weighted_tags(), BASE)

    assert event.get("subject") == "enwiki/123/1300200300"
    assert event.get("causationid") == "event-1"


def test_reply_event_time_is_that_of_the_output_document() -> None:
    """The time is the output document's, not the cause's."""
    asked = cause(time="2031-01-01T00:00:00Z")

    event = reply(asked, revision_score(dt="2026-09-23T11:00:00Z"))

    assert event.get("time") == "2026-09-23T11:00:00Z"


def test_reply_event_knative_attributes_of_cause_are_not_copied() -> None:
    """Nothing of the cause's envelope goes on but its id and its trace."""
    asked = cause(
        knativearrivaltime=DT,
        knativeerrorcode="500",
        knativebrokerttl="254",
        wikidomain="x",
        x1="y",
    )

    event = reply(asked)

    assert event.attributes == reply(cause()).attributes


@pytest.mark.parametrize(
    "ce_id",
    [
        "a b",
        "caf\u00e9",
        'a"b',
        "a%b",
        "i" * 129,
        "i" * 10_000,
        "\u0661",
    ],
    ids=lambda value: repr(value)[:16],
)
def test_reply_event_unsafe_cause_id_is_left_out(ce_id: str) -> None:
    """An id that would have to be encoded is not repeated; the reply can still be sent."""
    event = reply(cause(id=ce_id))

    assert "causationid" not in event.attributes
    assert all(is_sendable(name, value) for name, value in event.attributes.items())


@pytest.mark.parametrize(
    "ce_id",
    ["partition:0/offset:718204366", "eqiad.mediawiki.page_change.v1-0-7182", "i" * 128],
    ids=lambda value: value[:16],
)
def test_reply_event_kafka_id_of_cause_is_carried(ce_id: str) -> None:
    """Ids as Kafka sources make them are carried as they are."""
    event = reply(cause(id=ce_id))

    assert event.get("causationid") == ce_id


def test_made_id_is_uuid5_of_compact_json() -> None:
    """Whoever has the namespace can make the id again."""
    seen = made_id("/mediawiki/enwiki", "caf\u00e9 \n", "drafttopic", SCORE_TYPE)

    assert seen == uuid5_of("/mediawiki/enwiki", "caf\u00e9 \n", "drafttopic", SCORE_TYPE)
    assert uuid.UUID(seen).version == 5


def test_made_id_parts_that_join_alike_make_different_ids() -> None:
    """The parts are told apart, whatever characters they have."""
    parts = [("a", "b,c"), ("a,b", "c"), ('a","b', "c"), ("ab", "c"), ("a", "bc"), ("a", "b", "c")]

    ids = {made_id(*each) for each in parts}

    assert len(ids) == len(parts)


def test_made_id_number_and_text_make_different_ids() -> None:
    """A number is not its text, and nothing is not an empty text."""
    ids = {made_id(1), made_id("1"), made_id(None), made_id("null"), made_id(""), made_id()}

    assert len(ids) == 6


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"traceparent": PARENT}, {"traceparent": PARENT}, id="parent"),
        pytest.param(
            {"traceparent": PARENT, "tracestate": "a=1,b@c=2", "other": "x"},
            {"traceparent": PARENT, "tracestate": "a=1,b@c=2"},
            id="parent-and-state",
        ),
        pytest.param({"tracestate": "a=1"}, {}, id="state-alone"),
        pytest.param(
            {"traceparent": PARENT, "tracestate": ""}, {"traceparent": PARENT}, id="empty-state"
        ),
        pytest.param(
            {"traceparent": PARENT, "tracestate": "a=caf\u00e9"},
            {"traceparent": PARENT},
            id="non-ascii-state",
        ),
        pytest.param(
            {"traceparent": PARENT, "tracestate": "a=1\n"},
            {"traceparent": PARENT},
            id="newline-in-state",
        ),
        pytest.param(
            {"traceparent": PARENT, "tracestate": "a=" + "1" * 511},
            {"traceparent": PARENT},
            id="long-state",
        ),
        pytest.param(
            {"traceparent": PARENT, "tracestate": "nonsense"},
            {"traceparent": PARENT},
            id="state-without-value",
        ),
        pytest.param({"traceparent": PARENT.upper()}, {}, id="upper-case"),
        pytest.param({"traceparent": f"{PARENT}\n"}, {}, id="trailing-newline"),
        pytest.param({"traceparent": f"{PARENT}-00"}, {}, id="more-fields"),
        pytest.param({"traceparent": f"ff{PARENT[2:]}"}, {}, id="version-ff"),
        pytest.param({"traceparent": f"00-{'0' * 32}-{'1' * 16}-01"}, {}, id="zero-trace"),
        pytest.param({"traceparent": f"00-{'1' * 32}-{'0' * 16}-01"}, {}, id="zero-span"),
        pytest.param({"traceparent": f"00-{'1' * 31}\u0661-{'1' * 16}-01"}, {}, id="unicode-digit"),
        pytest.param({"traceparent": "1" * 10_000}, {}, id="ten-kilobytes"),
        pytest.param({"traceparent": ""}, {}, id="empty"),
    ],
)
def test_trace_of_only_well_formed_trace_is_kept(
    headers: dict[str, str], expected: dict[str, str]
) -> None:
    """A trace context that is not well-formed is left out: it is a courtesy."""
    seen = trace_of(headers)

    assert seen == expected


def test_reply_event_trace_of_cause_is_carried_over() -> None:
    """The trace in which the cause arose is the reply's too."""
    event = reply(cause(traceparent=PARENT, tracestate="a=1"))

    assert (event.get("traceparent"), event.get("tracestate")) == (PARENT, "a=1")


def test_reply_event_malformed_trace_of_cause_is_left_out() -> None:
    """A malformed trace of the cause does not reach the wire again."""
    event = reply(cause(traceparent="caf\u00e9", tracestate="a=1"))

    assert not {"traceparent", "tracestate"} & set(event.attributes)


@pytest.mark.parametrize(
    ("attributes", "headers", "expected"),
    [
        pytest.param({}, {"traceparent": PARENT}, PARENT, id="header-only"),
        pytest.param({"traceparent": PARENT}, {}, PARENT, id="extension-only"),
        pytest.param(
            {"traceparent": PARENT}, {"traceparent": OTHER_PARENT}, PARENT, id="extension-wins"
        ),
        pytest.param({}, {"traceparent": "nonsense"}, None, id="malformed-header"),
        pytest.param({}, {}, None, id="neither"),
    ],
)
def test_with_trace_header_counts_only_without_extension(
    attributes: dict[str, str], headers: dict[str, str], expected: str | None
) -> None:
    """The trace of the HTTP hop is taken only where the event has none of its own."""
    event = cause(**attributes)

    seen = with_trace(event, headers)

    assert seen.get("traceparent") == expected
    assert (seen.data, seen.mode, seen.id) == (event.data, event.mode, event.id)


HOSTILE: dict[str, dict[str, Any]] = {
    "longest-safe-texts": page_change(
        wiki_id="w" * 64, meta={"id": "i" * 128, "stream": "s" * 128, "domain": "a" * 63}
    ),
    "backslashes": page_change(meta={"id": "\\" * 128, "stream": "`~'<>|"}),
    "injection-in-texts": page_change(
        page_change_kind="edit\r\nX-A: 1",
        page={"page_title": "a\r\nX-A: 1"},
        meta={"domain": "a\r\nX-A: 1", "request_id": "a\r\nX-A: 1", "uri": "/\r\nX-A: 1"},
    ),
    "non-ascii-everywhere": page_change(
        page_change_kind="\u00e9",
        page={"page_title": "\U0001f600"},
        meta={"domain": "\u00e9", "request_id": "\u00e9", "uri": "/\u00e9"},
        performer={"user_text": "\u202e"},
    ),
    "huge-texts": page_change(
        page_change_kind="k" * 10_000,
        page={"page_title": "t" * 10_000},
        meta={"domain": "d" * 10_000, "request_id": "r" * 10_000, "uri": "u" * 10_000},
    ),
    "largest-numbers": page_change(
        page={"page_id": 2**53 - 1, "namespace_id": -(2**53) + 1}, revision={"rev_id": 2**53 - 1}
    ),
    "floats-for-integers": page_change(
        page={"page_id": 5.0, "namespace_id": 1e15}, revision={"rev_id": 7.0}
    ),
    "long-fraction": page_change(dt="2026-09-23T10:00:00." + "1" * 100 + "+02:00"),
    "largest-version": page_change(**{"$schema": "/mediawiki/page/change/1.9999.9999"}),
    "empty-kind": page_change(page_change_kind=""),
}
SAMPLES = {
    path.stem: json.loads(path.read_bytes()) for path in sorted((DATA / "events").glob("*.json"))
}


@pytest.mark.parametrize("mode", ["binary", "structured"])
@pytest.mark.parametrize("name", [*SAMPLES, *HOSTILE])
def test_page_change_event_any_input_can_be_sent_and_read(name: str, mode: Mode) -> None:
    """No attribute that we make needs encoding, whatever stands in the document."""
    document = {**SAMPLES, **HOSTILE}[name]

    event = typed(document, mode)

    assert all(is_sendable(key, value) for key, value in event.attributes.items())
    assert decode(*encode(event, mode)) == event


@pytest.mark.parametrize("name", [*SAMPLES, *HOSTILE])
def test_reply_event_any_input_can_be_sent_and_read(name: str) -> None:
    """The answer to any event that can be read can be sent, too."""
    asked = typed({**SAMPLES, **HOSTILE}[name])

    event = reply(asked)

    assert all(is_sendable(key, value) for key, value in event.attributes.items())
    assert decode(*encode(event, "binary")) == event


@pytest.mark.parametrize("path", sorted((DATA / "events").glob("*.json")), ids=lambda p: p.stem)
def test_page_change_event_redelivery_is_equal(path: Path) -> None:
    """The same document makes the same event, however often it comes."""
    events = [typed(json.loads(path.read_bytes())) for _ in range(2)]

    assert events[0] == events[1]
