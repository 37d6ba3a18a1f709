"""Our real sinks and three implementations that are not ours: their events in, our replies out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.factories import SCORE_TYPE
from tests.interop.exchange import Line, Mode, canonical, canonical_json, message, parts
from tests.interop.generated import SEED, Generator, Sample
from tests.interop.parties import Pair, Party, both
from tests.processes import Running, gunicorn
from tests.upstream import Reply, Upstream, answer, call, predictor

COUNT = 500  # events, each in both modes: 1,000 messages from each party
SCORED = {"edit", "create"}


@pytest.fixture(scope="module")
def score_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """score-sink as in production, before a predictor that scores whatever is asked for."""
    with Upstream(predictor) as upstream:
        env = {"PREDICTOR_URL": upstream.url}
        logs = tmp_path_factory.mktemp("score-sink")
        with gunicorn("sinks.score_sink:create_app()", env, logs) as running:
            yield running


@pytest.fixture(scope="module")
def eventgate() -> Iterator[Upstream]:
    """An EventGate that takes everything."""
    with Upstream(answer(201)) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def egress_sink(eventgate: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """egress-sink as in production."""
    # Each document comes in both content modes, and each of them has to arrive.
    env = {"EVENTGATE_URLS": f"{eventgate.url}/v1/events", "RELAYED_MEMORY_EVENTS": "0"}
    logs = tmp_path_factory.mktemp("egress-sink")
    with gunicorn("sinks.egress_sink:create_app()", env, logs) as running:
        yield running


def deliver(running: Running, path: str, line: Line) -> Reply:
    """POST a message as its bytes are."""
    headers, body = parts(line)
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    return call(running.port, path, raw, body)


def sendable(samples: list[Sample]) -> list[Pair]:
    """Return the samples in both modes, but those that SDK 1 cannot write."""
    return both([sample for sample in samples if "extensions" not in sample.attributes])


def read_plainly(reply: Reply, mode: Mode) -> Line:
    """Return the event of a reply, read without any implementation: ours need no decoding."""
    if mode == "structured":
        members = json.loads(reply.body)
        assert members.pop("specversion") == "1.0"
        return canonical({"data": {"json": members.pop("data")}, "attributes": members})
    names = {name.lower(): value for name, value in reply.headers.items()}
    assert names.pop("ce-specversion") == "1.0"
    attributes = {name[3:]: value for name, value in names.items() if name.startswith("ce-")}
    attributes["datacontenttype"] = names["content-type"]
    return canonical({"attributes": attributes, "data": {"json": json.loads(reply.body)}})


def test_page_changes_they_write_are_scored_and_our_replies_read_equal(
    party: Party, score_sink: Running
) -> None:
    """Whoever sends a page change gets 200 and the score as an event, or 202 and nothing."""
    pairs = sendable(Generator(SEED + 2, free=True).page_changes(COUNT))
    messages = party.write([sample.line(mode) for sample, mode in pairs])

    replies = [deliver(score_sink, "/models/drafttopic", line) for line in messages]

    documents = [(sample.data or {})["json"] for sample, _ in pairs]
    scored = [
        document["page_change_kind"] in SCORED and document["wiki_id"] == "enwiki"
        for document in documents
    ]
    assert [reply.status for reply in replies] == [200 if each else 202 for each in scored]
    assert all(reply.body == b"" for reply in replies if reply.status == 202)
    answered = [
        (reply, mode, document)
        for reply, (_, mode), document in zip(replies, pairs, documents, strict=True)
        if reply.status == 200
    ]
    assert len(answered) > COUNT / 3
    events = party.read([message(dict(reply.headers), reply.body) for reply, _, _ in answered])
    for (reply, mode, document), event in zip(answered, events, strict=True):
        plain = read_plainly(reply, mode)
        assert canonical(event) == plain
        assert plain["attributes"]["type"] == SCORE_TYPE
        assert json.loads(plain["data"]["json"])["rev_id"] == document["revision"]["rev_id"]


def test_scores_they_write_are_relayed_as_they_are(
    party: Party, egress_sink: Running, eventgate: Upstream
) -> None:
    """Whoever sends a score gets 202, and EventGate gets the same document."""
    pairs = sendable(Generator(SEED + 3, free=True).revision_scores(COUNT))
    messages = party.write([sample.line(mode) for sample, mode in pairs])
    eventgate.received.clear()

    statuses = [deliver(egress_sink, "/", line).status for line in messages]

    assert set(statuses) == {202}
    sent = [canonical_json((sample.data or {})["json"]) for sample, _ in pairs]
    assert [canonical_json(received.json()) for received in eventgate.received] == sent
