"""Metrics of answered events, and the trace in log lines, as sinks in processes show them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.factories import (
    SCORE_TYPE,
    binary,
    page_change,
    prediction_classification,
    revision_score,
    structured,
)
from tests.lone_sink import GOOD, PATHS, lone_sink, metrics
from tests.processes import Running
from tests.upstream import Behave, Upstream, answer, call

TRACE = "1" * 32
PARENT = f"00-{TRACE}-{'a' * 16}-01"
OTHER = f"00-{'2' * 32}-{'a' * 16}-01"
PAGE_CHANGES, REVISIONS = "mediawiki.page_change.v1", "mediawiki.revision-create"
COUNTRY = "mediawiki.article_country_prediction_change.v1"
SINKS = {"score": "score-sink", "egress": "egress-sink", "shim": "http-shim"}


@contextmanager
def sink(name: str, logs: Path, behave: Behave | None = None, **env: str) -> Iterator[Running]:
    """One sink before an upstream that takes everything, or behaves otherwise."""
    with (
        Upstream(behave or GOOD[name]) as upstream,
        lone_sink(name, upstream, logs, env) as running,
    ):
        yield running


def message(name: str, seconds_ago: float, number: int = 0) -> tuple[dict[str, str], bytes]:
    """A good event for this sink about what happened so long ago."""
    dt = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")
    if name == "egress":
        document = revision_score(dt=dt, meta={"id": f"score-{number}"})
        return binary(document, id=f"score-{number}", type=SCORE_TYPE)
    return binary(page_change(dt=dt, meta={"id": f"change-{number}"}), id=f"change-{number}")


@pytest.mark.parametrize("name", SINKS)
def test_lag_is_what_passed_since_the_change(tmp_path: Path, name: str) -> None:
    """From the `dt` of the document to the answer; a clock that is ahead makes no negative one."""
    with sink(name, tmp_path) as running:
        for number, ago in enumerate((90.0, 7200.0, -3600.0)):
            assert call(running.port, PATHS[name], *message(name, ago, number)).status in (200, 202)
        seen = metrics(running)

    bucket = f'sinks_event_lag_seconds_bucket{{le="%s",sink="{SINKS[name]}"}}'
    counts = {le: seen[bucket % le] for le in ("1.0", "60.0", "120.0", "3600.0", "10800.0")}
    assert counts == {"1.0": 1, "60.0": 1, "120.0": 2, "3600.0": 2, "10800.0": 3}
    total = seen[f'sinks_event_lag_seconds_sum{{sink="{SINKS[name]}"}}']
    assert total == pytest.approx(7290, abs=30)


@pytest.mark.parametrize(
    ("name", "behave", "over", "status"),
    [
        pytest.param("score", None, {"page_change_kind": "delete"}, 202, id="ignored"),
        pytest.param("score", answer(500), {}, 503, id="deferred"),
        pytest.param("score", answer(422), {}, 422, id="rejected"),
        pytest.param("shim", answer(503), {}, 503, id="shim-deferred"),
    ],
)
def test_lag_is_not_that_of_what_was_neither_replied_nor_relayed(
    tmp_path: Path, name: str, behave: Behave | None, over: dict[str, Any], status: int
) -> None:
    """An event that comes again would count twice, and what nobody wants not at all."""
    with sink(name, tmp_path, behave) as running:
        headers, body = binary(page_change(**over))
        assert call(running.port, PATHS[name], headers, body).status == status
        seen = metrics(running)

    assert seen[f'sinks_event_lag_seconds_count{{sink="{SINKS[name]}"}}'] == 0


def test_redelivered_event_has_no_lag_of_its_own(tmp_path: Path) -> None:
    """What was published before is late for whoever sends it again, and for nobody else."""
    sent = message("egress", 90)
    with sink("egress", tmp_path) as running:
        for _ in range(3):
            call(running.port, "/", *sent)
        seen = metrics(running)

    assert seen['sinks_already_relayed_total{sink="egress-sink"}'] == 2
    assert seen['sinks_event_lag_seconds_count{sink="egress-sink"}'] == 1


def test_time_that_cannot_be_read_has_no_lag_and_is_relayed(tmp_path: Path) -> None:
    """A leap second is a good `dt`, which no clock here knows."""
    document = revision_score(dt="2016-12-31T23:59:60Z")
    with sink("egress", tmp_path) as running:
        reply = call(running.port, "/", *binary(document, type=SCORE_TYPE))
        seen = metrics(running)

    assert reply.status == 202
    assert seen['sinks_event_lag_seconds_count{sink="egress-sink"}'] == 0


def test_deadline_left_is_what_is_left_at_the_answer(tmp_path: Path) -> None:
    """Of the caller's deadline too; nothing where it is used up; not of an ignored event."""
    headers, body = message("score", 1)
    with sink("score", tmp_path) as running:
        for more in ({}, {"Event-Timeout-Ms": "29000"}, {"Event-Timeout-Ms": "0"}):
            call(running.port, PATHS["score"], {**headers, **more}, body)
        call(running.port, PATHS["score"], *binary(page_change(page_change_kind="delete")))
        seen = metrics(running)

    bucket = 'sinks_deadline_left_seconds_bucket{le="%s",sink="score-sink"}'
    counts = {le: seen[bucket % le] for le in ("0.0", "20.0", "30.0", "45.0", "60.0", "+Inf")}
    assert counts == {"0.0": 1, "20.0": 1, "30.0": 2, "45.0": 2, "60.0": 3, "+Inf": 3}


def canaries(running: Running) -> dict[str, float]:
    """Stream -> canaries."""
    found = {}
    for name, value in metrics(running).items():
        if match := re.fullmatch(r'sinks_canaries_total\{sink="[a-z-]+",stream="(.*)"\}', name):
            found[match[1]] = value
    return found


@pytest.mark.parametrize(
    ("name", "streams"),
    [
        ("shim", {PAGE_CHANGES, REVISIONS, "(others)"}),
        ("score", {PAGE_CHANGES, REVISIONS, COUNTRY, "(others)"}),
        ("egress", set[str]()),
    ],
    ids=["shim", "score", "egress"],
)
def test_canaries_of_input_streams_are_shown_from_the_start(
    tmp_path: Path, name: str, streams: set[str]
) -> None:
    """A stream whose canaries never came stands at 0, where a sink sees any."""
    with sink(name, tmp_path) as running:
        assert canaries(running) == dict.fromkeys(streams, 0)


@pytest.mark.parametrize("name", ["shim", "score"])
def test_canaries_are_counted_by_a_bounded_set_of_streams(tmp_path: Path, name: str) -> None:
    """Whatever stands in `meta.stream`, only what rows read is a label."""
    strange: list[Any] = ["unheard.of", None, 7, ["x"], {"a": 1}, "(others)", 'x"\n', "é" * 1000]
    with sink(name, tmp_path) as running:
        for stream in [PAGE_CHANGES, PAGE_CHANGES, REVISIONS, *strange]:
            document = page_change(meta={"domain": "canary"})
            document["meta"]["stream"] = stream
            assert call(running.port, PATHS[name], *binary(document)).status == 202
        call(running.port, PATHS[name], *message(name, 1))
        found = canaries(running)

    found.pop(COUNTRY, None)
    assert found == {PAGE_CHANGES: 2, REVISIONS: 1, "(others)": len(strange)}


def test_canaries_of_a_prediction_that_a_row_reads_have_their_stream(tmp_path: Path) -> None:
    """article-country-tags reads another row's stream, in test by its test name."""
    document = prediction_classification(meta={"domain": "canary", "stream": COUNTRY})
    with sink("score", tmp_path) as running:
        assert call(running.port, "/models/article-country-tags", *binary(document)).status == 202
        found = canaries(running)

    assert found[COUNTRY] == 1


@pytest.mark.parametrize(
    ("headers", "mode", "trace"),
    [
        pytest.param({"traceparent": PARENT}, "binary", TRACE, id="header"),
        pytest.param({"ce-traceparent": PARENT}, "binary", TRACE, id="extension"),
        pytest.param({"ce-traceparent": PARENT}, "structured", TRACE, id="structured"),
        pytest.param(
            {"ce-traceparent": PARENT, "traceparent": OTHER}, "binary", TRACE, id="extension-first"
        ),
        pytest.param({"ce-traceparent": "0" * 55}, "binary", None, id="malformed"),
        pytest.param(
            {"ce-traceparent": "nonsense", "traceparent": OTHER}, "binary", None, id="no-header"
        ),
        pytest.param({"ce-traceparent": PARENT, "ce-id": ""}, "binary", TRACE, id="no-event"),
        pytest.param({}, "binary", None, id="none"),
    ],
)
def test_log_line_names_the_trace_of_its_event(
    tmp_path: Path, headers: Mapping[str, str], mode: str, trace: str | None
) -> None:
    """Only a well-formed one, with nobody collecting traces."""
    if mode == "structured":
        own, body = structured(page_change(), traceparent=PARENT)
        headers = {}
    else:
        own, body = binary(page_change())
    with sink("score", tmp_path, answer(500)) as running:
        assert call(running.port, PATHS["score"], {**own, **headers}, body).status >= 400
        (line,) = [json.loads(each) for each in running.log.splitlines() if '"outcome"' in each]

    assert line.get("trace_id") == trace


@pytest.mark.parametrize(
    "headers", [{"traceparent": PARENT}, {"ce-traceparent": PARENT}], ids=["header", "extension"]
)
def test_log_lines_of_the_shim_name_the_trace_of_each_delivery(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    """That of the event, and those of what failed at Triggers."""
    own, body = binary(page_change())
    with sink("shim", tmp_path, answer(503)) as running:
        assert call(running.port, PATHS["shim"], {**own, **headers}, body).status == 503
        lines = [json.loads(each) for each in running.log.splitlines() if '"outcome"' in each]

    assert [line["message"] for line in lines] == ["delivery failed", "deferred"]
    assert [line["trace_id"] for line in lines] == [TRACE, TRACE]
