"""Hostile input: whatever comes in, each app answers one of a few things, and harms nobody else.

The apps run in this process behind gunicorn's own request parser; upstreams answer over loopback.
What once broke an app, or stands for a class, is kept in `tests/data/hostile/<app>/`.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import re
import runpy
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from cloudevents.http import from_http
from flask import Flask
from gunicorn.config import Config
from gunicorn.http import RequestParser, wsgi
from gunicorn.http.errors import ConfigurationProblem, ParseException
from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from sinks import cloudevent, deployed, egress_sink, http_shim, log, score_sink
from sinks.egress_settings import EgressSettings
from sinks.models import MODELS
from sinks.publishing import load_outputs
from sinks.score_settings import ScoreSettings
from sinks.shim_settings import ShimSettings
from tests import hostile
from tests.factories import DATA, SCORE_TYPE, binary, revision_score
from tests.hostile import PATHS, TAPE_BYTES
from tests.hostile_values import MAX_BODY_BYTES
from tests.processes import ROOT
from tests.upstream import Received, Upstream, answer, predictor

# How many generated requests each app answers, and which ones: the same seed makes the same again.
REQUESTS = int(os.environ.get("SINKS_HOSTILE_REQUESTS", "2000"))
SEED = int(os.environ.get("SINKS_HOSTILE_SEED", "0"))
QUARTERS = 4
TAPES = 10  # requests in one of hypothesis's examples
# Of the whole run, and between its first and its last quarter. The shim delivers in five threads at
# once, whose memory the C library gives back late: its last large requests show for long.
PEAK_MIB = {"score": 60, "egress": 60, "shim": 120}
GROWTH_MIB = {"score": 8, "egress": 8, "shim": 40}
GROWTH_OBJECTS = 5000  # what Python itself has in use, between the same quarters
# What each app may answer besides 404 and 405, and has to have answered in a run.
EXPECTED = {
    "score": {200, 202, 400, 413, 415, 422},
    "egress": {202, 400, 413, 415, 422},
    "shim": {200, 202, 400, 401, 413, 415, 422},
}
SENT = {"host", "user-agent", "accept-encoding", "content-type", "content-length"}
TRACE = {"traceparent", "tracestate"}
OUTPUTS = load_outputs()
ROW_PATHS = [f"/models/{name}" for name in MODELS]
SERVICES = deployed.load("production")
CLIENT, SERVER = ("127.0.0.1", 40000), ("127.0.0.1", 8080)
CASES = sorted((DATA / "hostile").glob("*/*.http"))
SCRATCH = ROOT / ".cache" / "hostile"
set_hypothesis_home_dir(SCRATCH / "hypothesis")


# --- an app in this process ---------------------------------------------------------------------


def server_config() -> Config:
    """gunicorn's settings as in production, for its request parser."""
    config = Config()
    try:
        for name, value in runpy.run_path(str(ROOT / "gunicorn.conf.py")).items():
            if name in config.settings:
                config.set(name, value)
    finally:
        gc.enable()  # production's settings turn it off while a server starts
    return config


CONFIG = server_config()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as the app gave it; header names in lower case, none of them twice."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Lines(logging.Filter):
    """Keeps a logger's lines as they would be written, and lets none of them through."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._formatter = log.JsonFormatter()

    def filter(self, record: logging.LogRecord) -> bool:
        self.lines.append(self._formatter.format(record))
        return False


class Client:
    """A client's socket, for the one thing that gunicorn writes before the answer."""

    def send(self, data: bytes) -> None:
        assert data == b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass
class App:
    """An app, its upstream, its log, and how often it has answered what."""

    name: str
    wsgi: Flask
    upstream: Upstream
    log: Lines
    statuses: Counter[int | str] = field(default_factory=Counter)

    def send(self, raw: bytes) -> Answer | None:
        """Return the answer, or None if the server refuses the request.

        Then `upstream.received` and `log.lines` are what came of this request alone.
        """
        self.upstream.received.clear()
        self.log.lines.clear()
        pieces = [raw[at : at + 65536] for at in range(0, len(raw), 65536)]
        try:
            request = next(RequestParser(CONFIG, pieces, CLIENT))
            CONFIG.pre_request(SimpleNamespace(wsgi=self.wsgi), request)
            response, environ = wsgi.create(request, Client(), CLIENT, SERVER, CONFIG)
        except ConfigurationProblem:
            raise  # the only one that gunicorn answers with a 500
        except ParseException:
            return None
        given: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            given.append((status, headers))
            return response.start_response(status, headers)  # refuses what cannot be sent

        parts = self.wsgi(environ, start_response)
        body = b"".join(parts)
        if hasattr(parts, "close"):  # Flask's own answers have it
            parts.close()
        ((status, headers),) = given
        named = {name.lower(): value for name, value in headers}
        assert len(named) == len(headers)
        return Answer(int(status[:3]), named, body)

    def check(self, raw: bytes) -> int | str:
        """Send a request, judge all that comes of it; return the status, or `refused`."""
        try:
            answered = self.send(raw)
            status: int | str = "refused"
            if answered is not None:
                status = answered.status
                judge(self, raw.partition(b" ")[0], answered)
        except Exception as error:
            SCRATCH.mkdir(parents=True, exist_ok=True)
            kept = SCRATCH / f"{self.name}.http"
            kept.write_bytes(raw)
            where = f"tests/data/hostile/{self.name}/<status>-<what>.http"
            raise AssertionError(
                f"{error!r:.2000}\n{kept} is the request; mend what it broke, and keep it as"
                f" {where}:\n{raw!r:.2000}"
            ) from error
        self.statuses[status] += 1
        return status


# --- what has to be true of every answer --------------------------------------------------------


def judge(app: App, method: bytes, answered: Answer) -> None:
    """Status first, then headers, then body; then what the log and the upstream have got."""
    status, received = answered.status, app.upstream.received
    assert status in EXPECTED[app.name] | {404, 405}, answered
    for name, value in answered.headers.items():
        assert re.fullmatch(r"[a-z0-9-]+", name), name
        assert re.fullmatch(r"[\x20-\x7e]*", value), (name, value)
    assert answered.headers["content-length"] == str(len(answered.body)) or method == b"HEAD"
    judge_log(status, app.log.lines)
    if status >= 400:
        judge_error(answered, method)
        assert received == []
        return
    assert method == b"POST"
    judge_success(app.name, answered, len(received))
    for each in received:
        judge_call(app.name, each)


def judge_error(answered: Answer, method: bytes) -> None:
    """One line of JSON that cannot hurt a dispatcher."""
    assert answered.headers["content-type"] == "application/json"
    assert not [name for name in answered.headers if name.startswith("ce-")]
    if method == b"HEAD":
        assert answered.body == b""
        return
    assert len(answered.body) <= 768
    assert answered.body.isascii()
    assert b"\n" not in answered.body
    assert set(orjson.loads(answered.body)) == {"reason", "detail", "ce_id"}


def judge_success(app: str, answered: Answer, calls: int) -> None:
    """202 and empty, or 200 and what the app is for; nobody is called for what is ignored."""
    outcome = answered.headers["sinks-outcome"]
    assert outcome in ("replied", "relayed", "ignored")
    assert (calls == 0) == (outcome == "ignored")
    assert calls <= 1 or app == "shim"
    if answered.status == 202:
        assert not [name for name in answered.headers if name.startswith(("ce-", "content-t"))]
        assert answered.body == b""
    elif app == "shim":
        assert answered.headers["content-type"] == "application/json"
        document = orjson.loads(answered.body)
        assert set(document) == {"ce_id", "outcomes"}
        for each in document["outcomes"]:
            assert set(each) == {"trigger", "outcome", "reason", "stream", "ce_id"}
        # Each Trigger's subscriber is called, and then the egress with its reply.
        assert calls == sum(each["outcome"] != "ignored" for each in document["outcomes"])
    else:
        assert outcome == "replied"
        judge_event(answered.headers, answered.body)


def judge_event(headers: Mapping[str, str], body: bytes) -> None:
    """Exactly one score event, for the SDK and for ourselves."""
    event = cloudevent.decode(headers, body)
    in_sdk = from_http(dict(headers), body)
    assert in_sdk["specversion"] == "1.0"
    assert in_sdk["id"] == event.id == event.data["meta"]["id"]
    assert in_sdk["source"] == event.source == "/models/drafttopic"
    assert in_sdk["type"] == event.type == SCORE_TYPE
    assert in_sdk.get_data() == event.data
    OUTPUTS["/mediawiki/revision/score/3.0.0"].validate(event.data)


def judge_call(app: str, received: Received) -> None:
    """Address, headers and body of a call are never what a hostile event would like."""
    headers, target = received.headers, received.target
    assert received.method == "POST"
    assert received.raw_head.isascii()
    if app == "score":
        name = target.removeprefix("/v1/models/").removesuffix(":predict")
        assert name.endswith("-drafttopic")
        assert target == f"/v1/models/{SERVICES[name].name}:predict"
        assert headers["host"] == f"{name}.{SERVICES[name].namespace}.example"
        assert set(headers) <= SENT | TRACE | {"x-request-id"}
        assert re.fullmatch(rb'\{"rev_id":[0-9]{1,19}\}', received.body)
    elif app == "egress":
        assert target == "/v1/events"
        assert set(headers) <= SENT | TRACE | {"x-request-id"}
        document = received.json()
        OUTPUTS[document["$schema"]].validate(document)
    else:
        kind = {name: headers[name] for name in headers if name.startswith(("ce-", "content-"))}
        event_type = judged_type(tuple(kind.items()), received.body)
        assert target in (["/"] if event_type == SCORE_TYPE else ROW_PATHS)
        own = {name for name in headers if not name.startswith("ce-")}
        assert own <= SENT | TRACE | {"prefer", "kn-namespace", "event-timeout-ms"}


@lru_cache(maxsize=2)
def judged_type(headers: tuple[tuple[str, str], ...], body: bytes) -> str:
    """Return the type of an event that is one for the SDK too; one request sends it to many."""
    event = cloudevent.decode(dict(headers), body)
    in_sdk = from_http(dict(headers), body)
    assert (in_sdk["id"], in_sdk["source"]) == (event.id, event.source)
    return event.type


def judge_log(status: int, lines: list[str]) -> None:
    """One bounded ASCII line for what was refused, one for each delivery that failed, or none."""
    written = [json.loads(line) for line in lines]
    for line in lines:
        assert line.isascii()
        assert "\n" not in line
        assert len(line) < 4000
    assert not [fields for fields in written if "traceback" in fields]
    last = "deferred" if status == 404 else "rejected"
    expected = [*["delivery failed"] * (len(lines) - 1), last] if status >= 400 else []
    assert [fields["message"] for fields in written] == expected


# --- apps and upstreams -------------------------------------------------------------------------


RELAYED = answer(202, b"", {"Sinks-Outcome": "relayed"})
SCORE_HEADERS, SCORE_BODY = binary(revision_score(), type=SCORE_TYPE, source="/models/drafttopic")
REPLIED = answer(200, SCORE_BODY, SCORE_HEADERS)


def subscribers(received: Received, sock: Any) -> bool | None:
    """What score-sink and egress-sink answer."""
    return (RELAYED if received.target == "/" else REPLIED)(received, sock)


@contextmanager
def listening() -> Iterator[Lines]:
    """Keep all log lines of the sinks."""
    lines = Lines()
    log.LOGGER.addFilter(lines)
    try:
        yield lines
    finally:
        log.LOGGER.removeFilter(lines)


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, App]]:
    """All three apps, before upstreams that take everything."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text("client=0123456789abcdef\n", encoding="utf-8")
    limit = {"MAX_BODY_BYTES": str(MAX_BODY_BYTES)}
    with listening() as lines:
        with (
            Upstream(predictor) as scores,
            Upstream(answer(201)) as eventgate,
            Upstream(subscribers) as sinks,
        ):
            hosts = {"PREDICTOR_URL": scores.url, "PREDICTOR_HOST": "{isvc}.{namespace}.example"}
            events = {
                "EVENTGATE_URLS": f"{eventgate.url}/v1/events",
                "RELAYED_MEMORY_EVENTS": "0",  # the same event comes again and again
            }
            routes = {"SERVICE_URLS": f"*={sinks.url}", "TRIGGERS_DIR": str(ROOT / "triggers")}
            callers = {"TOKENS_FILE": str(tokens), "ALLOW_ANONYMOUS": "true"}
            score = score_sink.create_app(ScoreSettings.from_env(limit | hosts))
            egress = egress_sink.create_app(EgressSettings.from_env(limit | events))
            shim = http_shim.create_app(ShimSettings.from_env(limit | routes | callers))
            made = {
                "score": App("score", score, scores, lines),
                "egress": App("egress", egress, eventgate, lines),
                "shim": App("shim", shim, sinks, lines),
            }
            yield made
        for name, each in made.items():  # finds its connection dead, and closes it
            answered = each.send(hostile.request_of(name, b"").raw)
            assert answered is not None
            assert answered.status == 503


@pytest.fixture(params=PATHS)
def app(request: pytest.FixtureRequest, apps: dict[str, App]) -> App:
    """One of the apps, with nothing counted yet."""
    apps[request.param].statuses.clear()
    return apps[request.param]


# --- generated requests -------------------------------------------------------------------------


def memory(line: str) -> float:
    """Return MiB of this process: VmRSS now, VmHWM at most since `forget_peak`."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.partition(f"{line}:")[2].split()[0]) / 1024


def forget_peak() -> None:
    """Give back what is free, and measure the most from here on.

    What other tests have left is frozen: the larger the heap, the more rarely all of it is searched
    for garbage, and garbage is what would be measured then.
    """
    gc.collect()
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def send_generated(app: App, count: int, with_seed: int) -> None:
    """Let the app answer this many generated requests."""
    tape = st.binary(min_size=TAPE_BYTES, max_size=TAPE_BYTES)

    @seed(with_seed)
    @settings(
        max_examples=-(-count * 21 // (20 * TAPES)),  # the server itself refuses a few
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
    )
    @given(st.lists(tape, min_size=TAPES, max_size=TAPES))
    def example(tapes: list[bytes]) -> None:
        for each in tapes:
            app.check(hostile.request_of(app.name, each).raw)

    example()


def test_generated_requests_are_answered_soundly_in_bounded_memory(app: App) -> None:
    """Thousands of requests get answers of every class; the last take no more room than the first.

    SINKS_HOSTILE_REQUESTS and SINKS_HOSTILE_SEED choose how many and which.
    """
    gc.unfreeze()
    forget_peak()
    begun = memory("VmRSS")
    after, peaks, objects = [], [], []
    for quarter in range(QUARTERS):
        send_generated(app, REQUESTS // QUARTERS, SEED * QUARTERS + quarter)
        peaks.append(memory("VmHWM"))
        forget_peak()
        after.append(memory("VmRSS"))
        objects.append(sys.getallocatedblocks())

    assert app.statuses.total() - app.statuses["refused"] >= REQUESTS
    enough = {status for status, times in app.statuses.items() if times >= REQUESTS // 200}
    assert enough >= EXPECTED[app.name]
    assert max(peaks) - begun < PEAK_MIB[app.name]
    assert after[-1] - after[0] < GROWTH_MIB[app.name]
    assert objects[-1] - objects[0] < GROWTH_OBJECTS


# --- one thing after another wrong --------------------------------------------------------------


def test_members_wrong_in_turn_are_answered_soundly(app: App) -> None:
    """Each member of a document, in the long run of each kind, absent and with wrong values."""
    for request in hostile.members_in_turn(app.name, thorough=REQUESTS > 2000):
        app.check(request.raw)

    assert app.statuses.total() > 2000
    assert set(app.statuses) >= EXPECTED[app.name] - {401, 413, 415}
    assert set(app.statuses) <= {200, 202, 400, 422}


def test_attributes_wrong_in_turn_are_answered_soundly(app: App) -> None:
    """Each attribute, absent and with each wrong value, in both modes."""
    for request in hostile.attributes_in_turn(app.name):
        app.check(request.raw)

    assert app.statuses.total() > 2000
    assert set(app.statuses) >= {200 if app.name == "score" else 202, 400}


def test_bodies_of_each_class_are_answered_soundly(app: App) -> None:
    """Cut off, nested, compressed, in other encodings, too large: each in each mode."""
    for request in hostile.bodies_in_turn(app.name):
        status = app.check(request.raw)
        assert (status == 413) == (len(request.body) > MAX_BODY_BYTES)

    assert app.statuses.total() > 500
    assert set(app.statuses) >= {200 if app.name == "score" else 202, 400, 413, 422}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_found_case_is_answered_as_its_name_says(case: Path, apps: dict[str, App]) -> None:
    """A raw request that broke an app, or stands for a class, gets the status in its name."""
    assert str(apps[case.parent.name].check(case.read_bytes())) == case.name.partition("-")[0]
