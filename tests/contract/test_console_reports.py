"""What the standalone shim tells a console, and that no console is ever in a delivery's way."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sinks import reporting
from sinks.envelope import ROUTED_TYPE
from sinks.local.processes import Running
from tests.factories import page_change
from tests.lone_sink import Client, metrics
from tests.processes import gunicorn
from tests.stopping import wait_until
from tests.upstream import Behave, Received, Reply, Upstream, answer, call, predictor

JSON = {"Content-Type": "application/json"}
EVENTS = 50


def hang(_received: Received, _sock: socket.socket) -> bool:
    """Say nothing for longer than anybody waits."""
    time.sleep(30)
    return False


@contextmanager
def shim(directory: Path, subscriber: Behave, console: str) -> Iterator[Running]:
    """A routing shim before one subscriber for all Triggers."""
    with Upstream(subscriber) as upstream:
        env = {
            "ALLOW_ANONYMOUS": "true",
            "SERVICE_URLS": f"*={upstream.url}",
            "CONSOLE_URL": console,
        }
        with gunicorn("sinks.http_shim:create_app()", env, directory) as running:
            yield running


def send(port: int, event_id: str = "change-1") -> Reply:
    body = json.dumps(page_change(meta={"id": event_id})).encode()
    return call(port, "/events?trigger=drafttopic", JSON, body)


def dropped(running: Running) -> float:
    return metrics(running).get('sinks_console_dropped_total{sink="http-shim"}', 0.0)


def test_shim_tells_each_delivery_with_what_came_back(tmp_path: Path) -> None:
    """One report for one routed event: the event, and each delivery with its row and outcome."""
    with Upstream(answer(202)) as console:
        with shim(
            tmp_path, answer(422, {"reason": "unknown_row", "detail": "no"}), console.url
        ) as s:
            status = send(s.port).status
            wait_until(lambda: len(console.received) == 1, "the console is told", 10)

    told = console.received[0].json()
    (delivery,) = told["data"]["deliveries"]
    assert status == 422
    assert (told["type"], told["source"]) == (ROUTED_TYPE, "/http-shim")
    assert told["data"]["event"]["attributes"]["id"] == "change-1"
    assert told["data"]["event"]["data"]["page"]["page_title"] == "Example"
    assert (delivery["trigger"], delivery["row"]) == ("drafttopic", "drafttopic")
    assert (delivery["outcome"], delivery["reason"]) == ("rejected", "unknown_row")


@pytest.mark.parametrize(
    "console",
    [hang, answer(500), answer(302, b"", {"Location": "/"}), None],
    ids=["hangs", "fails", "redirects", "dead"],
)
def test_delivery_is_as_quick_beside_any_console(tmp_path: Path, console: Behave | None) -> None:
    """No event waits for its report to be given up, and what the console has not got is counted."""
    with Upstream(console or hang) as upstream:
        url = upstream.url if console else "http://127.0.0.1:9/"
        with shim(tmp_path, answer(202), url) as running:
            begun = time.monotonic()
            with Client(running.port) as client:
                body = json.dumps(page_change()).encode()
                statuses = {
                    client.send("/events?trigger=drafttopic", JSON, body).status
                    for _ in range(EVENTS)
                }
            seconds = time.monotonic() - begun
            wait_until(lambda: dropped(running) >= 1, "a lost report is counted", 10)
            lines = [line for line in running.log.splitlines() if "console lost" in line]

    assert statuses == {200}
    assert seconds < EVENTS * reporting.POST_SECONDS / 5
    assert len(lines) == 1


def test_report_that_the_console_finds_too_large_is_counted_and_no_loss_of_it(
    tmp_path: Path,
) -> None:
    """The next one is taken, so nobody has to look for a console that is away."""
    told = iter((answer(413), answer(202)))
    with (
        Upstream(lambda *of: next(told)(*of)) as console,
        shim(tmp_path, answer(202), console.url) as running,
    ):
        assert [send(running.port).status for _ in range(2)] == [200, 200]
        wait_until(lambda: len(console.received) == 2, "the second report has come", 10)
        wait_until(lambda: dropped(running) == 1, "the first report is counted", 10)

        assert not re.search("console (lost|found)", running.log)


def test_reports_over_their_bytes_are_dropped_and_counted(tmp_path: Path) -> None:
    """What waits for a hanging console is bounded, whatever the size of the events."""
    with Upstream(hang) as console, shim(tmp_path, answer(202), console.url) as running:
        with Client(running.port) as client:
            body = json.dumps(page_change(padding="x" * 3_000_000)).encode()
            for _ in range(12):
                assert client.send("/events?trigger=drafttopic", JSON, body).status == 200

        assert dropped(running) >= 5


def test_shim_with_a_hanging_console_stops_as_quickly(tmp_path: Path) -> None:
    """Nobody waits for reports at the end of the process."""
    with Upstream(hang) as console, shim(tmp_path, answer(202), console.url) as running:
        assert send(running.port).status == 200
        wait_until(lambda: bool(console.received), "the console is told", 10)

        begun = time.monotonic()
        running.process.terminate()
        status = running.process.wait(20)

    assert status == 0
    assert time.monotonic() - begun < 8  # the console would hang for 30


def test_without_the_setting_nothing_is_made(tmp_path: Path) -> None:
    """Nobody is called, and nobody waits to call."""
    with shim(tmp_path, answer(202), "") as running:
        assert send(running.port).status == 200
        shown = call(running.port, "/metrics", method="GET", body=None).body

    assert b'upstream="subscriber"' in shown
    assert b'upstream="console"' not in shown


def test_pipeline_shows_what_a_row_replied_and_what_became_of_it(tmp_path: Path) -> None:
    """Shim, score, egress and console as they are deployed: one line, relayed."""
    with gunicorn("sinks.console:create_app()", {}, tmp_path) as console:
        with pipeline(tmp_path, f"{console.url}/") as running:
            assert send(running.port).status == 200
            wait_until(lambda: b"drafttopic: relayed" in page(console), "it is shown", 10)
            opened = call(console.port, "/events/1", None, None, method="GET").body

    assert b"mediawiki.revision_score_drafttopic" in opened
    assert b"at Trigger egress" in opened
    assert b"&#34;probability&#34;" in opened


def page(console: Running) -> bytes:
    return call(console.port, "/", None, None, method="GET").body


@contextmanager
def pipeline(directory: Path, console: str) -> Iterator[Running]:
    with Upstream(predictor) as scores, Upstream(answer(201)) as eventgate:
        score_env: Mapping[str, Any] = {"PREDICTOR_URL": scores.url}
        egress_env = {"EVENTGATE_URLS": f"{eventgate.url}/v1/events"}
        with (
            gunicorn("sinks.score_sink:create_app()", score_env, directory) as score,
            gunicorn("sinks.egress_sink:create_app()", egress_env, directory) as egress,
        ):
            env = {
                "ALLOW_ANONYMOUS": "true",
                "SERVICE_URLS": f"score-sink={score.url},egress-sink={egress.url}",
                "CONSOLE_URL": console,
            }
            with gunicorn("sinks.http_shim:create_app()", env, directory) as running:
                yield running
