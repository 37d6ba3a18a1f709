"""changeprop's call: which names it can call, what its body is, which statuses it understands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, Response

from sinks import deployed
from sinks.changeprop import (
    Called,
    answer_elsewhere,
    callable_names,
    called,
    check_wiki,
    receive_event,
    status_for,
)
from sinks.errors import (
    InvalidEvent,
    MalformedEvent,
    NoSuchPath,
    SinkError,
    UnsupportedMediaType,
)
from sinks.models import ROWS
from tests.changeprop import PRODUCTION, STAGING
from tests.factories import page_change, structured

JSON = {"content-type": "application/json"}
NAMES = {environment: deployed.load(environment) for environment in ("production", "staging")}


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("model", PRODUCTION)
def test_callable_names_have_every_rule_of_production(model: str) -> None:
    """What changeprop calls today can be called here."""
    rule = PRODUCTION[model]
    names = callable_names(ROWS, NAMES["production"])

    wiki_id = "enwiki" if rule.per_wiki else None
    assert names[rule.isvc({"wiki_id": "enwiki"})] == Called(model, wiki_id)


@pytest.mark.parametrize("model", STAGING)
def test_callable_names_have_every_rule_of_staging(model: str) -> None:
    """What changeprop calls in staging can be called there."""
    rule = STAGING[model]

    assert callable_names(ROWS, NAMES["staging"])[rule.isvc({"wiki_id": "enwiki"})].row == model


def test_callable_names_have_every_deployed_isvc_with_its_wiki() -> None:
    """A name is read once, here: `<wiki>-<model>`."""
    names = callable_names(ROWS, NAMES["production"])

    assert NAMES["production"].keys() <= names.keys()
    assert names["wikidatawiki-itemquality"] == Called("itemquality", "wikidatawiki")
    assert all(isvc == f"{names[isvc].wiki_id}-{names[isvc].row}" for isvc in NAMES["production"])


def test_callable_names_have_no_row_that_asks_nobody() -> None:
    """There is no InferenceService behind article-country-tags."""
    assert "article-country-tags" not in callable_names(ROWS, NAMES["production"])


def test_callable_names_have_only_what_is_deployed_in_the_environment() -> None:
    """An InferenceService that only production has cannot be called in staging."""
    assert "frwiki-damaging" in callable_names(ROWS, NAMES["production"])
    assert "frwiki-damaging" not in callable_names(ROWS, NAMES["staging"])


def test_called_known_name_returns_what_it_stands_for() -> None:
    """The segment is `<isvc>:predict`."""
    call = Called("drafttopic", "enwiki")

    assert called("enwiki-drafttopic:predict", {"enwiki-drafttopic": call}) is call


@pytest.mark.parametrize(
    "segment", ["enwiki-drafttopic", "enwiki-drafttopic:explain", "enwiki-drafttopic:predict/", ":"]
)
def test_called_with_another_verb_is_no_such_path(segment: str) -> None:
    """A mistake in the deployment is no fault of the event."""
    with pytest.raises(NoSuchPath) as caught:
        called(segment, {"enwiki-drafttopic": Called("drafttopic", "enwiki")})

    assert caught.value.reason == "no_such_path"


@pytest.mark.parametrize(
    "segment", ["frwiki-drafttopic:predict", "drafttopic:predict", ":predict", "x:predict:predict"]
)
def test_called_with_an_unknown_name_is_invalid(segment: str) -> None:
    """A name is taken whole."""
    with pytest.raises(InvalidEvent) as caught:
        called(segment, {"enwiki-drafttopic": Called("drafttopic", "enwiki")})

    assert caught.value.reason == "unknown_isvc"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"],
)
def test_receive_event_returns_the_event_of_the_body(content_type: str) -> None:
    """The event as it came, with its own id."""
    event = page_change()

    incoming = receive_event({"content-type": content_type}, body({"event": event}))

    assert incoming.document == event
    assert incoming.id == event["meta"]["id"]
    assert incoming.mode is None


def test_receive_event_with_ce_headers_is_a_call_all_the_same() -> None:
    """Whatever a mesh adds: a call is no CloudEvent, and neither is half of one an error."""
    headers = {**JSON, "ce-id": "other", "ce-specversion": "7"}

    assert receive_event(headers, body({"event": page_change()})).document == page_change()


def test_receive_event_of_a_structured_cloudevent_has_no_event() -> None:
    """Its type does not make it a call: data is not unwrapped."""
    headers, raw = structured({"event": page_change()})

    with pytest.raises(InvalidEvent) as caught:
        receive_event({name.lower(): value for name, value in headers.items()}, raw)

    assert caught.value.reason == "no_event"


@pytest.mark.parametrize("document", [{}, {"rev_id": 1}, {"Event": {}}, {"instances": []}])
def test_receive_event_without_event_says_whom_to_call(document: Any) -> None:
    """People who want a score call the predictor."""
    with pytest.raises(InvalidEvent) as caught:
        receive_event(JSON, body(document))

    assert caught.value.reason == "no_event"
    assert "call the predictor itself" in caught.value.detail


@pytest.mark.parametrize(
    "raw",
    [
        *(body({"event": value}) for value in (None, [], [{}], "x", 1, True)),
        *(body(value) for value in (None, [], "event", 1)),
        b"",
        b"{",
        b"event",
        b"\xff",
    ],
)
def test_receive_event_of_no_object_is_malformed(raw: bytes) -> None:
    """Neither the body nor the event may be anything but an object."""
    with pytest.raises(MalformedEvent) as caught:
        receive_event(JSON, raw)

    assert caught.value.status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/x-www-form-urlencoded"},
    ],
)
def test_receive_event_of_another_type_is_refused(headers: dict[str, str]) -> None:
    """What is not JSON is not read."""
    with pytest.raises(UnsupportedMediaType):
        receive_event(headers, body({"event": page_change()}))


@pytest.mark.parametrize("wiki_id", ["enwiki", "frwiki"])
def test_check_wiki_lets_a_service_of_all_wikis_pass(wiki_id: str) -> None:
    """Most InferenceServices answer for many."""
    check_wiki(Called("article-country", None), wiki_id)


def test_check_wiki_of_the_same_wiki_passes_and_of_another_does_not() -> None:
    """A score of another wiki's revision would be published."""
    call = Called("drafttopic", "enwiki")
    check_wiki(call, "enwiki")

    with pytest.raises(SinkError) as caught:
        check_wiki(call, "simplewiki")

    assert (caught.value.status, caught.value.reason) == (422, "wiki_mismatch")


STATUSES = {
    **{status: status for status in (200, 202, 400, 401, 403, 413, 422, 503)},
    **{status: 422 for status in (405, 415)},
    **{status: 503 for status in (404, 408, 409, 429, 500, 501, 502, 504)},
}


@pytest.mark.parametrize(("status", "meant"), STATUSES.items())
def test_status_for_changeprop_is_one_that_it_takes_as_it_is_meant(status: int, meant: int) -> None:
    """It repeats 502 and 503 alone."""
    assert status_for(status) == meant


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/models", 503),
        ("/v1/models/", 503),
        ("/v1/models/a/b:predict", 503),
        ("/v1/modelsx", 404),
        ("/events/x", 404),
    ],
)
def test_answer_elsewhere_is_meant_for_changeprop_below_its_paths(path: str, meant: int) -> None:
    """changeprop does not even log a 404."""
    with Flask("x").test_request_context(path):
        assert answer_elsewhere(Response(status=404)).status_code == meant
