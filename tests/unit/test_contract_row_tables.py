"""The rows of the contract kit as data: complete, bounded, repeatable, and harmless to others."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from sinks import cloudevent, deployed, inputs, wikis
from sinks.contract.probe.good_event import model_of
from sinks.contract.probe.run import InvalidSample, probe
from sinks.contract.probe.target import Target
from sinks.contract.rows.row import Role, Row
from sinks.contract.rows.sample import (
    Sample,
    attributes_of,
    edited,
    envelope,
    members,
    post,
)
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
from sinks.event_samples import document
from sinks.model_row import Conditions, unwanted
from sinks.models import MODELS
from sinks.publishing import load_outputs
from tests.factories import prediction_classification, revision_score, weighted_tags

ROLES: tuple[Role, ...] = get_args(Role)
_DOMAIN = r'"domain": "([^"]*)"'
MAX_ACTS, MAX_BYTES, MAX_CONNECTIONS, MAX_SECONDS = 120, 8 * 2**20, 20, 5.0
# A URL's own query has to survive the rows that add one.
SAMPLES = {role: probe(Target("127.0.0.1", 1, "sink", query="x=1"), role).sample for role in ROLES}
TAGS = "article-country-tags"
OF_PREDICTIONS = probe(Target("127.0.0.1", 1, "sink"), "score-sink", TAGS).sample


def script(row: Row, role: Role) -> Script:
    """What a row does; one that is not for changes of pages starts from a prediction."""
    changes = "drafttopic" in row.models
    return row.make(SAMPLES[role] if changes or role != "score-sink" else of_its_models(row))


def of_its_models(row: Row) -> Sample:
    """The good event of the first model that the row is for."""
    return probe(Target("127.0.0.1", 1, "sink"), "score-sink", min(row.models)).sample


# --- the good event -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_sample_for_an_expected_row_is_a_change_that_the_row_scores(name: str) -> None:
    """A probe that expects a row's prediction starts from what the row takes, on a wiki of its."""
    row = MODELS[name]
    sample = probe(Target("127.0.0.1", 1, "sink"), "score-sink", name).sample
    change = inputs.parse(sample.data, inputs.load_readers(row.wanted.titles))
    known = wikis.load()
    conditions = Conditions(deployed.load("production"), known, 0, datetime.now(UTC))

    assert unwanted(row, change, conditions) is None
    assert change.meta.domain == known[change.wiki_id].domain
    assert change.meta.uri == f"https://{change.meta.domain}/wiki/{change.page.page_title}"


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("drafttopic", "/mediawiki/enwiki"),
        ("reverted", "/mediawiki/bnwiki"),
        ("itemtopic", "/mediawiki/wikidatawiki"),
        ("revertrisk-wikidata", "/mediawiki/wikidatawiki"),
        ("revise-tone-task-generator", "/mediawiki/enwiki"),
        (TAGS, "/models/article-country"),
    ],
)
def test_sample_for_an_expected_row_comes_from_where_such_events_come(
    name: str, source: str
) -> None:
    """English Wikipedia where the row scores that; tags are made of another row's prediction."""
    sample = probe(Target("127.0.0.1", 1, "sink"), "score-sink", name).sample

    assert sample.attributes["source"] == source
    assert sample.target == f"/models/{name}"


@pytest.mark.parametrize("name", ["revision_score", "prediction_classification", "weighted_tags"])
def test_document_of_the_kit_is_one_that_egress_publishes(name: str) -> None:
    """Each kind of output comes with the kit, as its schema allows it."""
    data = document(name)

    load_outputs()[data["$schema"]].validate(data)


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (revision_score(), "/models/drafttopic"),
        (prediction_classification(), "/models/article-country"),
        (
            prediction_classification(predicted_classification={"model_name": "damaging"}),
            "/models/damaging",
        ),
        (prediction_classification(predicted_classification=None), "/models/outlink-topic-model"),
        (weighted_tags(), "/models/article-country-tags"),
    ],
    ids=["score", "prediction", "model", "no_model", "tags"],
)
def test_bare_document_travels_with_the_source_of_who_makes_it(
    data: dict[str, Any], source: str
) -> None:
    """Whose it is says the document; where it does not, a row that makes such documents."""
    assert attributes_of(data)["source"] == source


@pytest.mark.parametrize(
    ("role", "url", "row", "model"),
    [
        ("score-sink", "/", None, "drafttopic"),
        ("score-sink", "/models/revertrisk-wikidata", None, "revertrisk-wikidata"),
        ("score-sink", "/models/damaging?a=b", None, "damaging"),
        ("score-sink", "http://127.0.0.1:8081/models/damaging", None, "damaging"),
        ("score-sink", "/models/damaging", "goodfaith", "goodfaith"),
        ("score-sink", "/models/nope", None, "drafttopic"),
        ("score-sink", "/proxy/models/damaging", None, "drafttopic"),
        ("any-processor", "/models/damaging", None, "drafttopic"),
        ("any-processor", "/", "damaging", "damaging"),
        ("egress-sink", "/models/damaging", None, "drafttopic"),
    ],
)
def test_model_of_a_probe_is_the_expected_one_or_that_of_the_url(
    role: Role, url: str, row: str | None, model: str
) -> None:
    """The path of a score-sink names its row; what other paths mean nobody knows."""
    assert model_of(role, url, row) == model


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

    assert rows == tuple(row for row in ROWS if role in row.roles and "drafttopic" in row.models)
    assert len(rows) > (50 if role == "deadletter-sink" else 80)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("drafttopic", {"prediction_for_a_page_change", "ignored_wiki"}),
        (
            "article-country",
            {
                *("prediction_for_a_page_change", "ignored_unsupported_wiki"),
                *("ignored_talk_page", "ignored_redirect"),
            },
        ),
        (
            TAGS,
            {
                *("page_change_for_a_prediction", "ignored_unsupported_wiki"),
                *("ignored_talk_page", "ignored_redirect", "ignored_other_model"),
            },
        ),
    ],
)
def test_rows_for_a_model_are_those_of_its_conditions(name: str, more: set[str]) -> None:
    """What one model ignores another one scores, so a few rows are for some models only."""
    every = {row.name for row in rows_for("score-sink") if row.models == frozenset(MODELS)}

    own = {row.name for row in rows_for("score-sink", name)} - every

    assert own == {f"{row}_{mode}" for row in more for mode in ("binary", "structured")}


def test_rows_are_each_for_some_model() -> None:
    """A row that is for none, or for one that is gone, would never be put to anybody."""
    assert [row.name for row in ROWS if not row.models or row.models - set(MODELS)] == []
    assert [row.name for row in ROWS if len(row.models) < len(MODELS) and len(row.roles) > 1] == []


@pytest.mark.parametrize("role", ROLES)
def test_rows_scripts_are_the_same_each_time(role: Role) -> None:
    """A probe can be repeated, and no row changes what the next one starts from."""
    sample = SAMPLES[role]
    before = copy.deepcopy(sample)

    different = [row.name for row in rows_for(role) if row.make(sample) != row.make(sample)]

    assert different == []
    assert sample == before


def test_rows_scripts_that_start_from_a_prediction_are_the_same_each_time() -> None:
    """The rows of what feeds on another row's event are as repeatable as the others."""
    before = copy.deepcopy(OF_PREDICTIONS)
    rows = rows_for("score-sink", TAGS)

    assert [row.name for row in rows if row.make(before) != row.make(OF_PREDICTIONS)] == []
    assert before == OF_PREDICTIONS


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


@pytest.mark.parametrize(
    ("stream", "sent"),
    [
        (
            "mediawiki.revision_score_damaging",
            {
                "mediawiki.article_country_prediction_change.v1",
                "mediawiki.cirrussearch.page_weighted_tags_change.v1",
            },
        ),
        (
            "mediawiki.revision-score-test",
            {"mediawiki.page_prediction_change.rc0", "mediawiki.page_weighted_tags_change.rc0"},
        ),
    ],
    ids=["production", "test"],
)
def test_rows_for_egress_stay_in_the_set_of_streams_of_its_good_event(
    stream: str, sent: set[str]
) -> None:
    """An egress that publishes to one set has to refuse the other."""
    data = revision_score(meta={"stream": stream, "domain": "canary"})
    made = probe(Target("127.0.0.1", 1, "sink"), "egress-sink", event=own(data=data))
    acts = [row.make(made.sample) for row in made.rows if "_relayed_" in row.name]

    texts = [text for act in acts for text in documents(act)]

    assert {each for text in texts for each in re.findall(r'"stream": "([^"]*)"', text)} == sent
    assert len(texts) == 6


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


def test_own_event_for_a_row_that_reads_predictions_has_to_be_one() -> None:
    """A page change has no model whose name a row could change."""
    target = Target("127.0.0.1", 1, "sink")

    with pytest.raises(InvalidSample, match="predicted_classification"):
        probe(target, "score-sink", TAGS, event=own(data=dict(SAMPLES["score-sink"].data)))

    assert probe(target, "score-sink", TAGS, event=own(data=dict(OF_PREDICTIONS.data))).requests


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
