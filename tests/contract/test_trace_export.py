"""What a collector does is no event's business: dead, slow or wrong, events go through and a stop
is prompt. And without one nothing of it is loaded."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import get_args

import pytest

from sinks.local.processes import ROOT, clean_env
from sinks.telemetry import SpanFate
from tests.certificates import self_signed
from tests.collector import TAKEN, collector, hang
from tests.lone_sink import PATHS, Client, event, lone_sink, metrics
from tests.processes import Running
from tests.stopping import wait_until
from tests.upstream import Behave, Received, Upstream, answer, call, predictor

DEAD = "http://127.0.0.1:9"
# So many that several batches of 128 spans still wait when the process stops.
EVENTS = 400
CLIENTS = 4
# A queue of 2048 spans that wait, and what the C library does not give back.
GROWTH_KIB = 24 * 1024
# Less than a batch is waited for, which an event would wait for too.
EVENT_SECONDS = 1.8
# The server's own stop and one such wait, on a busy machine; a wait for each batch is more.
STOP_SECONDS = 4.8
WARNING = "the collector does not take traces"
APPS = ("http_shim", "score_sink", "egress_sink", "deadletter_sink", "console")


def slow(received: Received, sock: socket.socket) -> bool | None:
    """Take a batch later than a sink waits."""
    time.sleep(2.5)
    return TAKEN(received, sock)


BEHAVIOURS: dict[str, Behave | None] = {
    "dead": None,
    "hanging": hang,
    "slow": slow,
    "500": answer(500),
    "429": answer(429, b"", {"Retry-After": "3600"}),
    "redirecting": answer(307, b"", {"Location": DEAD}),
}


def send_all(port: int, count: int = EVENTS) -> list[float]:
    """Send so many events, several at a time; return the seconds of each."""

    def some(first: int) -> list[float]:
        taken = []
        with Client(port) as client:
            for number in range(first, count, CLIENTS):
                begun = time.monotonic()
                assert client.send(PATHS["score"], *event("score", number)).status == 200
                taken.append(time.monotonic() - begun)
        return taken

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [seconds for part in pool.map(some, range(CLIENTS)) for seconds in part]


@contextmanager
def failing(logs: Path, behave: Behave | None) -> Iterator[Running]:
    """A score-sink whose collector behaves like this, or is not there, until the block ends."""
    with (
        Upstream(predictor) as upstream,
        collector(behave) if behave else nullcontext() as seen,
        lone_sink(
            "score", upstream, logs, {"OTEL_EXPORTER_OTLP_ENDPOINT": seen.url if seen else DEAD}
        ) as sink,
    ):
        yield sink


def rss_kib(sink: Running) -> int:
    """Resident memory of the worker, the only child of gunicorn's own process."""
    pid = sink.process.pid
    child = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0]
    status = Path(f"/proc/{child}/status").read_text(encoding="ascii")
    match = re.search(r"VmRSS:\s+(\d+)", status)
    assert match is not None
    return int(match[1])


def spans_of(sink: Running) -> dict[str, float]:
    """Spans by fate, as the metrics have them."""
    seen = metrics(sink)
    fates = get_args(SpanFate)
    return {fate: seen[f'sinks_spans_total{{fate="{fate}",sink="score-sink"}}'] for fate in fates}


@pytest.mark.parametrize("behave", BEHAVIOURS.values(), ids=BEHAVIOURS)
def test_collector_that_fails_delays_no_event_and_no_stop(
    tmp_path: Path, behave: Behave | None
) -> None:
    """Every event is answered at once, one line says what is wrong, SIGTERM ends the process."""
    with failing(tmp_path, behave) as sink:
        taken = send_all(sink.port)
        wait_until(lambda: WARNING in sink.log, "the collector is complained of", 10)
        begun = time.monotonic()
        sink.process.send_signal(signal.SIGTERM)
        sink.process.wait(15)
        stopped = time.monotonic() - begun

    assert max(taken) < EVENT_SECONDS
    assert stopped < STOP_SECONDS
    assert sink.log.count(WARNING) == 1
    assert "Traceback" not in sink.log and "traceback" not in sink.log


@pytest.mark.parametrize("behave", [None, hang], ids=["dead", "hanging"])
def test_collector_that_takes_nothing_costs_bounded_memory(
    tmp_path: Path, behave: Behave | None
) -> None:
    """What cannot be sent is dropped: thousands of events leave no more than the queue."""
    with failing(tmp_path, behave) as sink:
        send_all(sink.port, 1500)
        before = rss_kib(sink)
        send_all(sink.port, 3000)
        wait_until(lambda: spans_of(sink)["failed"] > 0, "a batch is given up", 10)
        spans = spans_of(sink)

        assert rss_kib(sink) - before < GROWTH_KIB
        assert (spans["ended"], spans["sent"]) == (2 * 4500, 0)
        if behave is not None:  # who waits for it has no place for most of them
            assert spans["ended"] - spans["failed"] > 2048
        assert len(sink.log.splitlines()) < 20


def test_spans_that_wait_are_sent_when_the_process_stops(tmp_path: Path) -> None:
    """The last events before a stop are in their traces too."""
    with Upstream(predictor) as upstream, collector() as seen:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": seen.url}
        with lone_sink("score", upstream, tmp_path, env) as sink:
            replies = [call(sink.port, PATHS["score"], *event("score", n)) for n in range(20)]
            sink.process.send_signal(signal.SIGTERM)
            sink.process.wait(15)

        assert [reply.status for reply in replies] == [200] * 20
        assert len(seen.spans) == 40


@pytest.mark.parametrize("trusted", [True, False], ids=["its-authority", "another"])
def test_collector_with_tls_is_trusted_by_ca_file(tmp_path: Path, trusted: bool) -> None:
    """CA_FILE counts for the collector as for every upstream, and nothing else does."""
    good, other = (self_signed(tmp_path / f"{name}.pem") for name in ("good", "other"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(good)
    with (
        Upstream(predictor) as upstream,
        collector(tls=tls) as seen,
        lone_sink(
            "score",
            upstream,
            tmp_path,
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"{seen.url}/",
                "CA_FILE": str(good if trusted else other),
            },
        ) as sink,
    ):
        send_all(sink.port, 4)
        if trusted:
            assert len(seen.wait(lambda _: True, 8)) == 8
            wait_until(lambda: spans_of(sink)["sent"] == 8, "the spans are counted", 10)
        else:
            wait_until(lambda: WARNING in sink.log, "the certificate is complained of", 10)
            assert seen.spans == []


def test_service_name_and_path_are_as_the_settings_say(tmp_path: Path) -> None:
    """A base URL with a path keeps it, and a sink can be called something else."""
    with Upstream(predictor) as upstream, Upstream(TAKEN) as behind:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{behind.url}/tenant/",
            "OTEL_SERVICE_NAME": "score-b",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-not=read",
            "OTEL_RESOURCE_ATTRIBUTES": "not=read",
            "OTEL_TRACES_SAMPLER": "always_off",
        }
        with lone_sink("score", upstream, tmp_path, env) as sink:
            send_all(sink.port, 4)
            wait_until(lambda: bool(behind.received), "spans have come", 10)

        received = behind.received[0]
        assert received.target == "/tenant/v1/traces"
        assert b"score-b" in received.body and b"read" not in received.body
        assert "x-not" not in received.headers and "content-encoding" not in received.headers


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize(
    ("env", "loaded"),
    [
        pytest.param({}, False, id="off"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": DEAD, "OTEL_SDK_DISABLED": "true"}, False, id="disabled"
        ),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": DEAD}, True, id="on"),
    ],
)
def test_opentelemetry_is_loaded_only_where_a_collector_is_named(
    tmp_path: Path, app: str, env: dict[str, str], loaded: bool
) -> None:
    """A sink without traces starts as fast, and as small, as if there were none."""
    known = {
        "PREDICTOR_URL": DEAD,
        "EVENTGATE_URLS": f"{DEAD}/v1/events",
        "SERVICE_URLS": f"*={DEAD}",
        "ALLOW_ANONYMOUS": "true",
        "DATABASE_URL": f"sqlite:///{tmp_path}/letters.sqlite",
    }
    program = (
        f"import sys; from sinks.{app} import create_app; create_app();"
        " print(sorted({name.split('.')[0] for name in sys.modules}))"
    )

    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=clean_env({**known, **env}),
        capture_output=True,
        text=True,
        check=True,
    )

    assert ("'opentelemetry'" in done.stdout) == loaded
    assert "'requests'" not in done.stdout
    assert ("'google'" in done.stdout) == loaded
