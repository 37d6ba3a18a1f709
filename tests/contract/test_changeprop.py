"""changeprop's own call at the real shim: what it sends today gets the event published, or an
answer that it takes as it is meant."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.changeprop import PRODUCTION, REQUEST_ID, event, wrapped
from tests.factories import (
    article_country_answer,
    drafttopic_answer,
    revise_tone_answer,
)
from tests.standalone import Standalone, predicting, standalone
from tests.upstream import Behave, Received, Reply, answer, call

DRAFTTOPIC: Final = PRODUCTION["drafttopic"]
COUNTRY: Final = PRODUCTION["article-country"]
ENWIKI: Final = "enwiki-drafttopic"
PATH: Final = f"/v1/models/{ENWIKI}:predict"
ANSWERS: Final = {
    ENWIKI: drafttopic_answer(),
    "article-country": article_country_answer(("Kenya", 0.75)),
    "revise-tone-task-generator": revise_tone_answer(0.75),
}
UNKNOWN: Final = answer(
    400, {"error": "The MW API does not have any info related to the rev-id: 1300200300"}
)


def just_now() -> dict[str, Any]:
    """One of a revision that replicas may not know yet."""
    return event(dt=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """Shim, score- and egress-sink with all Triggers; little time, so that it can be used up."""
    directory = tmp_path_factory.mktemp("changeprop")
    with standalone(directory, EVENT_DEADLINE_SECONDS="3", MAX_BODY_BYTES="65536") as running:
        yield running


@pytest.fixture
def sinks(whole: Standalone) -> Standalone:
    """The same, whose predictors answer and whose counterparts have got nothing yet."""
    whole.script(predicting(ANSWERS))
    return whole


def post(
    sinks: Standalone,
    body: bytes,
    headers: Mapping[str, str] = {},
    path: str = PATH,
    method: str = "POST",
) -> Reply:
    """A call that is not quite the rule's."""
    sent = {**DRAFTTOPIC.headers(event()), **headers}
    return call(sinks.shim.port, path, sent, body, method=method, timeout=20)


def reasons(reply: Reply) -> list[tuple[Any, Any, Any]]:
    return [(each["trigger"], each["outcome"], each["reason"]) for each in reply.json()["outcomes"]]


# What is published.


def test_call_of_a_rule_is_published_and_200(sinks: Standalone) -> None:
    """The request as changeprop makes it: Host, headers and all."""
    reply = DRAFTTOPIC.send(sinks.shim.port, event())

    assert reply.status == 200
    assert reasons(reply) == [("drafttopic", "replied", None), ("egress", "relayed", None)]
    assert sinks.asked == [ENWIKI]
    (published,) = sinks.published
    assert published["meta"]["stream"] == "mediawiki.revision_score_drafttopic"
    assert published["meta"]["request_id"] == REQUEST_ID
    assert published["scores"].keys() == {"drafttopic"}


def test_call_of_a_rule_is_answered_in_json_with_the_ids(sinks: Standalone) -> None:
    """Whoever reads changeprop's log finds the event."""
    reply = DRAFTTOPIC.send(sinks.shim.port, event())

    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json()["ce_id"] == event()["meta"]["id"]
    assert reply.json()["outcomes"][-1]["ce_id"] == sinks.published[0]["meta"]["id"]


def test_call_passes_the_request_id_on(sinks: Standalone) -> None:
    """One trace from the edit to EventGate; what else changeprop sends goes no further."""
    DRAFTTOPIC.send(sinks.shim.port, event())

    for received in (*sinks.predictor.received, *sinks.eventgate.received):
        assert received.headers["x-request-id"] == REQUEST_ID
        assert "x-triggered-by" not in received.headers
        assert "changepropagation" not in received.headers["user-agent"].lower()


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/json;charset=UTF-8"]
)
def test_call_with_a_charset_is_200(sinks: Standalone, content_type: str) -> None:
    """HTTP clients add it unasked."""
    assert post(sinks, wrapped(event()), {"content-type": content_type}).status == 200
    assert len(sinks.published) == 1


def test_call_with_ce_headers_is_a_call_all_the_same(sinks: Standalone) -> None:
    """Whatever a mesh adds: it is neither a CloudEvent, nor half of one and so an error."""
    reply = post(sinks, wrapped(event()), {"ce-id": "other", "ce-specversion": "0.3"})

    assert (reply.status, reply.json()["ce_id"]) == (200, event()["meta"]["id"])


def test_call_reaches_the_one_row_although_others_take_such_events(sinks: Standalone) -> None:
    """changeprop calls once for each rule, so that others would be published many times."""
    COUNTRY.send(sinks.shim.port, event())
    PRODUCTION["revise-tone-task-generator"].send(sinks.shim.port, event())

    assert sinks.asked == ["article-country", "revise-tone-task-generator"]


def test_call_lets_replies_go_to_all_triggers(sinks: Standalone) -> None:
    """article-country's event is published, and makes tags that are published too."""
    reply = COUNTRY.send(sinks.shim.port, event())

    assert sorted(reasons(reply)) == [
        ("article-country", "replied", None),
        ("article-country-tags", "replied", None),
        ("egress", "relayed", None),
        ("egress", "relayed", None),
    ]
    schemas = {each["$schema"].split("/")[-2] for each in sinks.published}
    assert schemas == {"prediction_classification_change", "page_weighted_tags_change"}


@pytest.mark.parametrize("rule", [DRAFTTOPIC, COUNTRY], ids=lambda rule: rule.model)
def test_call_repeated_by_changeprop_publishes_the_same_events(
    sinks: Standalone, rule: Any
) -> None:
    """On a 503 it sends the original event again, with a longer x-triggered-by."""
    sinks.script(answer(503))
    assert rule.send(sinks.shim.port, event()).status == 503
    assert sinks.published == []

    sinks.script(predicting(ANSWERS))
    first, second = (rule.send(sinks.shim.port, event(), repeated) for repeated in (1, 2))

    assert (first.status, second.status) == (200, 200)
    ids = [each["ce_id"] for each in first.json()["outcomes"]]
    assert sorted(ids) == sorted(each["ce_id"] for each in second.json()["outcomes"])
    by_id = {each["meta"]["id"]: each for each in sinks.published}
    assert all(by_id[each["meta"]["id"]] == each for each in sinks.published)
    assert len(by_id) == (2 if rule is COUNTRY else 1)


def test_call_after_eventgate_failed_once_publishes_the_event_that_it_refused(
    sinks: Standalone,
) -> None:
    """What EventGate has not taken is not acknowledged."""
    sinks.script(accept=answer(503))
    assert DRAFTTOPIC.send(sinks.shim.port, event()).status == 503
    (refused,) = {each["meta"]["id"] for each in sinks.published}

    sinks.script()
    assert DRAFTTOPIC.send(sinks.shim.port, event(), 1).status == 200
    assert [each["meta"]["id"] for each in sinks.published] == [refused]


# What is ignored.


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param(event(meta={"domain": "canary"}), "canary", id="canary"),
        pytest.param(
            event(wiki_id="examplewiki", meta={"domain": "canary"}), "canary", id="canary elsewhere"
        ),
        pytest.param(
            event(meta={"stream": "mediawiki.page_change.private.v1"}),
            "private_stream",
            id="private",
        ),
        pytest.param(event(page_change_kind="delete"), "no_trigger", id="kind"),
        pytest.param(
            event(revision={"is_content_visible": False}), "hidden_content", id="hidden content"
        ),
    ],
)
def test_call_about_what_no_model_may_score_is_200_without_a_call(
    sinks: Standalone, document: dict[str, Any], reason: str
) -> None:
    """A canary is one whatever else it says."""
    reply = post(sinks, wrapped(document))

    assert reply.status == 200
    assert [each["reason"] for each in reply.json()["outcomes"]] == [reason]
    assert (sinks.asked, sinks.published) == ([], [])


# Statuses: only 400, 413 and 422 are final, and 401, 403; all else is 503.


def hangs(_received: Received, sock: socket.socket) -> bool:
    sock.settimeout(20)
    sock.recv(1)  # until the other side gives up
    return False


def closes(_received: Received, _sock: socket.socket) -> bool:
    return False


PREDICTORS: Final[Mapping[str, tuple[Behave, int]]] = {
    **{
        f"status {status}": (answer(status, {"error": "x"}), 503)
        for status in (301, 401, 403, 404, 408, 429, 500, 502, 503, 504)
    },
    "route missing": (answer(404, "no such host"), 503),
    "no json": (answer(200, "<html>", {"Content-Type": "text/html"}), 503),
    "other shape": (answer(200, {"predictions": []}), 503),
    "closed": (closes, 503),
    "hangs": (hangs, 503),
    "generic error": (answer(400, {"error": "Generic error while extracting features"}), 503),
    "unknown, old": (UNKNOWN, 422),
    "unscorable": (answer(422, {"detail": "parent_revision_missing"}), 422),
    "hidden": (answer(400, {"error": "Missing resource for rev-id 1"}), 422),
    "too large for it": (answer(413, {"error": "x"}), 422),
}


@pytest.mark.parametrize("name", PREDICTORS)
def test_call_whose_predictor_fails_is_503_but_for_what_is_final(
    sinks: Standalone, name: str
) -> None:
    """changeprop repeats 502 and 503 alone: 500, 504, 429 and 404 would lose the event."""
    behave, status = PREDICTORS[name]
    sinks.script(behave)

    reply = DRAFTTOPIC.send(sinks.shim.port, event())

    assert reply.status == status
    assert reply.json()["reason"] in ("deliveries_deferred", "deliveries_rejected")
    assert len(reply.body) <= 768
    assert sinks.published == []


def test_call_about_a_young_revision_that_is_unknown_is_503(sinks: Standalone) -> None:
    """Replication lags; the old one is in the table above."""
    sinks.script(UNKNOWN)

    assert DRAFTTOPIC.send(sinks.shim.port, just_now()).status == 503


@pytest.mark.parametrize(("status", "meant"), [(500, 503), (503, 503), (400, 422), (207, 503)])
def test_call_whose_eventgate_fails_is_503_but_for_what_is_final(
    sinks: Standalone, status: int, meant: int
) -> None:
    """The same behind the other sink."""
    refusal = {"invalid": [{"status": "invalid", "context": {"errors": []}}], "error": []}
    sinks.script(accept=answer(status, refusal))

    assert DRAFTTOPIC.send(sinks.shim.port, event()).status == meant


def test_call_whose_time_is_used_up_is_503(sinks: Standalone) -> None:
    """A 504 would not be repeated."""
    reply = post(sinks, wrapped(event()), {"Event-Timeout-Ms": "0"})

    assert (reply.status, reply.json()["reason"]) == (503, "deadline")


LARGE: Final = b" " * 65537
BAD_CALLS: Final[Mapping[str, tuple[bytes, Mapping[str, str], str, int, str]]] = {
    "not json": (b"{", {}, PATH, 400, "malformed_data"),
    "array": (b"[]", {}, PATH, 400, "malformed_data"),
    "empty": (b"", {}, PATH, 400, "malformed_data"),
    "event is text": (wrapped("x"), {}, PATH, 400, "malformed_data"),
    "event is null": (wrapped(None), {}, PATH, 400, "malformed_data"),
    "event is array": (wrapped([event()]), {}, PATH, 400, "malformed_data"),
    "no event": (b'{"rev_id": 1}', {}, PATH, 422, "no_event"),
    "bare event": (json.dumps(event()).encode(), {}, PATH, 422, "no_event"),
    "too large": (LARGE, {}, PATH, 413, "body_too_large"),
    "text": (wrapped(event()), {"content-type": "text/plain"}, PATH, 422, "unsupported_media_type"),
    "other schema": (
        wrapped(event(**{"$schema": "/x/1.0.0"})),
        {},
        PATH,
        422,
        "unsupported_schema",
    ),
    "invalid": (wrapped(event(page=None)), {}, PATH, 422, "invalid_document"),
    "other wiki": (wrapped(event(wiki_id="simplewiki")), {}, PATH, 422, "wiki_mismatch"),
    **{
        f"unknown {isvc}": (wrapped(event()), {}, f"/v1/models/{isvc}:predict", 422, "unknown_isvc")
        for isvc in ("no-such", "drafttopic", "frwiki-drafttopic", "article-country-tags", "")
    },
    **{
        f"path {path}": (wrapped(event()), {}, path, 503, "no_such_path")
        for path in (
            f"/v1/models/{ENWIKI}",
            f"/v1/models/{ENWIKI}:explain",
            f"{PATH}/",
            f"/v1/models/{ENWIKI}/x:predict",
            "/v1/models",
            "/v1/models/",
        )
    },
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_call_has_a_status_that_changeprop_takes_as_it_is_meant(
    sinks: Standalone, name: str
) -> None:
    """A mistake in the event is final; one in the deployment is not."""
    body, headers, path, status, reason = BAD_CALLS[name]

    reply = post(sinks, body, headers, path)

    assert (reply.status, reply.json()["reason"]) == (status, reason)
    assert len(reply.body) <= 768
    assert (sinks.asked, sinks.published) == ([], [])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_call_by_another_method_is_422(sinks: Standalone, method: str) -> None:
    """Calls are POSTed; 405 is none of the statuses that are meant for changeprop."""
    reply = post(sinks, b"", method=method)

    assert (reply.status, reply.json()["reason"]) == (422, "method_not_allowed")


def test_wrong_path_that_is_not_changeprops_stays_404(sinks: Standalone) -> None:
    """Knative repeats a 404."""
    assert post(sinks, b"{}", path="/v1/model").status == 404
