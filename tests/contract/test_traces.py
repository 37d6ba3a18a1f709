"""Traces of real sinks, as a collector gets them: who is whose parent, and what upstreams hear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.collector import Collector, Span, collector
from tests.factories import (
    PAGE_CHANGE_TYPE,
    SCORE_TYPE,
    binary,
    page_change,
    revision_score,
    structured,
)
from tests.lone_sink import lone_sink
from tests.standalone import Standalone, standalone
from tests.upstream import Reply, Upstream, answer, call, predictor

TRACE, OTHER_TRACE = "1" * 32, "2" * 32
FIRST, SECOND = "a" * 16, "b" * 16
PARENT = f"00-{TRACE}-{FIRST}-01"
LATER = f"00-{TRACE}-{SECOND}-01"
OTHER = f"00-{OTHER_TRACE}-{SECOND}-01"
UNSAMPLED = f"00-{TRACE}-{FIRST}-00"
STATE = "vendor=1,other=2"
# shim, score, predictor, egress, EventGate: a span for each delivery and for each call.
SPANS = 7
PATH = "/models/drafttopic"
SCORING = "score-sink /models/<name>"


@dataclass
class Traced:
    """The standalone deployment, and who collects its traces."""

    sinks: Standalone
    collector: Collector
    sent: int = 0

    def send(self, headers: Mapping[str, str], mode: str = "plain") -> list[Span]:
        """Send a change of its own through all of it, and return its spans."""
        self.sent += 1
        event_id = f"change-{self.sent}"
        document = page_change(meta={"id": event_id})
        made: tuple[dict[str, str], bytes]
        if mode == "structured":
            extensions = {name[3:]: text for name, text in headers.items() if name[:3] == "ce-"}
            made = structured(document, **extensions)
            headers = {name: text for name, text in headers.items() if name[:3] != "ce-"}
        else:
            made = binary(document, type=PAGE_CHANGE_TYPE)
            if mode == "plain":
                made = {"Content-Type": "application/json"}, made[1]
        before = {span.id for span in self.collector.spans}
        reply = call(
            self.sinks.shim.port, "/events?trigger=drafttopic", {**made[0], **headers}, made[1]
        )
        assert reply.status in (200, 202), reply.body
        return self.collector.wait(lambda span: span.id not in before, SPANS)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with (
        collector() as seen,
        standalone(tmp_path_factory.mktemp("logs"), OTEL_EXPORTER_OTLP_ENDPOINT=seen.url) as sinks,
    ):
        sinks.script(predictor)
        yield Traced(sinks, seen)


def one(spans: list[Span], service: str, name: str) -> Span:
    """The only span of a service with this name."""
    found = [span for span in spans if (span.service, span.name) == (service, name)]
    assert len(found) == 1, spans
    return found[0]


def is_chained(spans: list[Span]) -> Span:
    """Return the shim's span once it is certain that all others hang below it as they have to."""
    shim = one(spans, "http-shim", "http-shim /events")
    calls = {span.id: span for span in spans if span.name == "subscriber"}
    score = one(spans, "score-sink", SCORING)
    egress = one(spans, "egress-sink", "egress-sink /")
    asked = one(spans, "score-sink", "predictor")
    published = one(spans, "egress-sink", "eventgate")
    assert len(spans) == SPANS
    assert {span.trace for span in spans} == {shim.trace}
    assert {span.parent for span in calls.values()} == {shim.id}
    assert {score.parent, egress.parent} == set(calls)
    assert (asked.parent, published.parent) == (score.id, egress.id)
    kinds = {span.id: span.kind for span in spans}
    assert [kinds[each.id] for each in (shim, score, egress)] == ["SERVER"] * 3
    assert {kinds[each.id] for each in (asked, published, *calls.values())} == {"CLIENT"}
    return shim


@pytest.mark.parametrize(
    ("headers", "mode", "parent", "links"),
    [
        pytest.param({"traceparent": PARENT}, "plain", (TRACE, FIRST), (), id="header"),
        pytest.param({"traceparent": PARENT}, "binary", (TRACE, FIRST), (), id="header-of-event"),
        pytest.param({"ce-traceparent": PARENT}, "binary", (TRACE, FIRST), (), id="extension"),
        pytest.param({"ce-traceparent": PARENT}, "structured", (TRACE, FIRST), (), id="structured"),
        pytest.param(
            {"ce-traceparent": PARENT, "traceparent": LATER},
            "binary",
            (TRACE, SECOND),
            (),
            id="both-of-one-trace",
        ),
        pytest.param(
            {"ce-traceparent": PARENT, "traceparent": OTHER},
            "binary",
            (TRACE, FIRST),
            (OTHER_TRACE,),
            id="both-of-other-traces",
        ),
        pytest.param(
            {"ce-traceparent": PARENT, "traceparent": "00-nonsense"},
            "binary",
            (TRACE, FIRST),
            (),
            id="malformed-header",
        ),
        pytest.param(
            {"ce-traceparent": "nonsense", "traceparent": OTHER},
            "binary",
            None,
            (OTHER_TRACE,),
            id="malformed-extension",
        ),
        pytest.param({}, "plain", None, (), id="none"),
        pytest.param({"traceparent": f"00-{'0' * 32}-{FIRST}-01"}, "plain", None, (), id="zero"),
    ],
)
def test_pipeline_is_one_trace_below_the_parent_that_came_in(
    traced: Traced,
    headers: dict[str, str],
    mode: str,
    parent: tuple[str, str] | None,
    links: tuple[str, ...],
) -> None:
    """The event's own trace counts, the HTTP hop is the parent where it is of that trace, and
    another trace is linked; without any, one begins."""
    spans = traced.send(headers, mode)

    shim = is_chained(spans)
    assert shim.links == links
    if parent is None:
        assert shim.parent == ""
    else:
        assert (shim.trace, shim.parent) == parent


@pytest.mark.parametrize("mode", ["plain", "binary"])
def test_upstreams_get_the_context_of_the_call_and_the_state(traced: Traced, mode: str) -> None:
    """Predictor and EventGate hear of the span of their own call, and the tracestate as it came."""
    traced.sinks.script(predictor)

    spans = traced.send({"traceparent": PARENT, "tracestate": STATE}, mode)

    for service, name, upstream in (
        ("score-sink", "predictor", traced.sinks.predictor),
        ("egress-sink", "eventgate", traced.sinks.eventgate),
    ):
        span, (received,) = one(spans, service, name), upstream.received
        assert received.headers["traceparent"][:52] == f"00-{TRACE}-{span.id}"
        assert received.headers["tracestate"] == STATE


def test_spans_say_what_was_delivered_and_what_became_of_it(traced: Traced) -> None:
    """The attributes are those of CloudEvents and HTTP, and what log lines and metrics say."""
    traced.sinks.script(predictor)

    spans = traced.send({"ce-traceparent": PARENT}, "binary")

    score = one(spans, "score-sink", SCORING).attributes
    about = {name: score[name] for name in score if name.startswith(("cloudevents", "sinks"))}
    assert about == {
        "cloudevents.event_id": f"change-{traced.sent}",
        "cloudevents.event_source": "/mediawiki/enwiki",
        "cloudevents.event_type": PAGE_CHANGE_TYPE,
        "sinks.outcome": "replied",
        "sinks.model": "drafttopic",
        "sinks.wiki_id": "enwiki",
    }
    assert score["http.response.status_code"] == 200
    predicted = one(spans, "score-sink", "predictor").attributes
    assert predicted["url.full"].endswith("/v1/models/enwiki-drafttopic:predict")
    assert not any(span.error for span in spans)
    published = one(spans, "egress-sink", "egress-sink /")
    assert published.attributes["sinks.outcome"] == "relayed"


def test_deliveries_at_the_same_time_are_below_the_event_that_they_are_of(traced: Traced) -> None:
    """The shim delivers to many Triggers in threads: each knows whose delivery it is."""
    traced.sinks.script(answer(500))
    body = binary(page_change(meta={"id": "many"}))[1]
    headers = [
        {"Content-Type": "application/json", "traceparent": f"00-{f'{n:032x}'}-{FIRST}-01"}
        for n in range(100, 104)
    ]

    with ThreadPoolExecutor(len(headers)) as pool:
        list(pool.map(lambda each: call(traced.sinks.shim.port, "/events", each, body), headers))

    shims = traced.collector.wait(
        lambda span: span.trace[:24] == "0" * 24 and span.parent == FIRST, len(headers)
    )
    assert len({span.trace for span in shims}) == len(headers)
    events = traced.collector.spans
    for shim in shims:
        calls = [span.id for span in events if (span.name, span.parent) == ("subscriber", shim.id)]
        assert len(calls) > 5
        served = traced.collector.wait(lambda span, calls=calls: span.parent in calls, len(calls))
        assert {(span.trace, span.service) for span in served} == {(shim.trace, "score-sink")}


def test_unsampled_trace_is_carried_on_and_not_collected(traced: Traced) -> None:
    """Whoever began the trace has decided; upstreams hear the same."""
    traced.sinks.script(predictor)
    call(
        traced.sinks.shim.port,
        "/events?trigger=drafttopic",
        {"Content-Type": "application/json", "traceparent": UNSAMPLED},
        binary(page_change(meta={"id": "unsampled"}))[1],
    )

    spans = traced.send({"traceparent": OTHER})

    assert {span.trace for span in spans} == {OTHER_TRACE}
    heard = traced.sinks.predictor.received[0].headers["traceparent"]
    assert heard.startswith(f"00-{TRACE}-") and heard.endswith("-00")


@contextmanager
def lone(name: str, upstream: Upstream, logs: Path, **env: str) -> Iterator[tuple[int, Collector]]:
    """One sink before an upstream, traced: its port, and what is collected."""
    with (
        collector() as seen,
        lone_sink(name, upstream, logs, {"OTEL_EXPORTER_OTLP_ENDPOINT": seen.url, **env}) as sink,
    ):
        yield sink.port, seen


def test_reply_carries_the_events_own_trace_on(tmp_path: Path) -> None:
    """Another hop makes the same event: its extension names where the trace began."""
    with Upstream(predictor) as upstream, lone("score", upstream, tmp_path) as (port, _):
        headers, body = binary(page_change(), traceparent=PARENT, tracestate=STATE)
        replies = [
            call(port, PATH, {**headers, "traceparent": hop}, body) for hop in (LATER, OTHER)
        ]

    carried = [(each.headers["ce-traceparent"], each.headers["ce-tracestate"]) for each in replies]
    assert carried == [(PARENT, STATE)] * 2


@pytest.mark.parametrize(
    ("status", "body", "reason", "trace"),
    [
        pytest.param(500, page_change(), "predictor_failed", True, id="deferred"),
        pytest.param(422, page_change(), "unscorable_revision", True, id="rejected"),
        pytest.param(200, {"no": "change"}, "unsupported_schema", False, id="not-asked"),
        pytest.param(200, [], "malformed_data", False, id="malformed"),
    ],
)
def test_spans_of_failures_are_errors_with_their_reason(
    tmp_path: Path, status: int, body: Any, reason: str, trace: bool
) -> None:
    """What is rejected or deferred is found as an error, and so is the call that made it one."""
    with Upstream(answer(status)) as upstream, lone("score", upstream, tmp_path) as (port, seen):
        headers, raw = binary(body)
        call(port, PATH, {**headers, "traceparent": PARENT}, raw)
        spans = seen.wait(lambda _: True, 1 + trace)

    served = one(spans, "score-sink", SCORING)
    assert (served.error, served.attributes["sinks.reason"]) == (True, reason)
    assert (served.trace, served.parent) == (TRACE, FIRST)
    assert [span.error for span in spans if span.name == "predictor"] == [True] * trace


def test_undecodable_event_is_in_the_trace_that_its_headers_name(tmp_path: Path) -> None:
    """An event that is none is looked for by the same trace."""
    with Upstream(predictor) as upstream, lone("score", upstream, tmp_path) as (port, seen):
        headers, body = binary(page_change(), specversion="9.9", traceparent=PARENT)
        call(port, PATH, headers, body)
        (span,) = seen.wait(lambda _: True, 1)

    assert (span.trace, span.parent, span.error) == (TRACE, FIRST, True)


@pytest.mark.parametrize(
    ("ratio", "collected"), [("0", 0), ("1", 40), ("0.5", None)], ids=["none", "all", "half"]
)
def test_ratio_decides_on_traces_that_begin_here_alone(
    tmp_path: Path, ratio: str, collected: int | None
) -> None:
    """What came sampled is collected whatever the ratio is."""
    with (
        Upstream(answer(201)) as upstream,
        lone("egress", upstream, tmp_path, OTEL_TRACES_SAMPLER_ARG=ratio) as (port, seen),
    ):
        for number in range(40):
            document = revision_score(meta={"id": f"score-{number}"})
            call(port, "/", *binary(document, id=f"score-{number}", type=SCORE_TYPE))
        headers, body = binary(revision_score(), id="last", type=SCORE_TYPE)
        call(port, "/", {**headers, "traceparent": PARENT}, body)
        seen.wait(lambda span: span.trace == TRACE, 2)
        begun = [span for span in seen.spans if span.kind == "SERVER" and span.trace != TRACE]

    assert len(begun) == collected if collected is not None else 5 <= len(begun) <= 35


def test_broker_gets_the_call_as_header_and_the_trace_as_extension(tmp_path: Path) -> None:
    """A Broker without traces of its own carries the extension on, one with them the header."""
    with Upstream(answer(202)) as broker, lone("shim", broker, tmp_path, K_SINK=broker.url) as seen:
        port, spans = seen
        body = binary(page_change())[1]
        call(port, "/events", {"Content-Type": "application/json"}, body)
        got = spans.wait(lambda _: True, 2)
        (received,) = broker.received

    shim, posted = one(got, "http-shim", "http-shim /events"), one(got, "http-shim", "broker")
    assert posted.parent == shim.id
    assert received.headers["traceparent"][:52] == f"00-{shim.trace}-{posted.id}"
    assert received.headers["ce-traceparent"][:52] == f"00-{shim.trace}-{shim.id}"


def test_call_of_the_dead_letter_sink_is_part_of_the_trace(tmp_path: Path) -> None:
    """What is kept as a dead letter is found by the trace that it failed in."""
    with (
        Upstream(answer(202)) as letters,
        Upstream(answer(422)) as subscriber,
        lone("shim", subscriber, tmp_path, DEADLETTER_URL=letters.url) as (port, seen),
    ):
        headers = {"Content-Type": "application/json", "traceparent": PARENT}
        body = binary(page_change())[1]
        replied: Reply = call(port, "/events?trigger=drafttopic", headers, body)
        spans = seen.wait(lambda _: True, 3)
        (letter,) = letters.received

    shim, kept = (
        one(spans, "http-shim", "http-shim /events"),
        one(spans, "http-shim", "deadletter-sink"),
    )
    assert (replied.status, shim.error, kept.parent) == (200, True, shim.id)
    assert letter.headers["traceparent"][:52] == f"00-{TRACE}-{kept.id}"
    assert letter.headers["ce-traceparent"] == PARENT
