"""The sinks on granian: the contract's rows, and what threads and another HTTP server change.

Everywhere else they run on gunicorn, as in production.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from sinks.contract.rows.row import Row
from sinks.contract.rows.tables import rows_for
from tests import gunicorn_conf
from tests.lone_sink import PATHS, Client, event, event_revision, reason
from tests.processes import (
    GRANIAN_IN_FLIGHT,
    ROOT,
    Running,
    clean_env,
    granian,
    granian_command,
)
from tests.served import CASES, SUBJECTS, Served, Subject, findings_of, served
from tests.stopping import NOT_TAKEN, is_refused, wait_until
from tests.upstream import Behave, Received, Reply, Upstream, answer, predictor

SCORE = "sinks.score_sink:create_app()"
WAIT_SECONDS = 15.0
CLIENTS = 16
EVENTS = 400


def _differences() -> Iterator[tuple[tuple[str, str], str]]:
    # A header's value with a byte above 0x7F arrives empty. Such bytes are not legal, senders
    # have to percent-encode; their events are refused, and so are not lost, but dead letters.
    for row in ("subject_raw_utf8", "subject_raw_latin1"):
        for role in ("score-sink", "egress-sink", "http-shim"):
            yield (role, row), "good_event_refused"
    # What came of a broken chunked body arrives as if it were all. Half a JSON object is none, so
    # only the sink that keeps whatever comes can take it for a letter.
    for row in (
        "chunks_no_number",
        "chunks_negative",
        "chunks_cut_off",
        "request_length_and_chunks",
    ):
        yield ("deadletter-sink", row), "bad_event_accepted"


# By role and row: the one finding where granian does not let a sink keep it.
DIFFERENCES: Mapping[tuple[str, str], str] = dict(_differences())


@pytest.fixture(scope="module")
def sinks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """All sinks on granian."""
    with served(granian, tmp_path_factory.mktemp("granian")) as running:
        yield running


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Keeps what a test has opened until it ends."""
    with ExitStack() as opened:
        yield opened


def after(barrier: threading.Barrier, behave: Behave) -> Behave:
    """The same behaviour once all parties are there; if they do not come, no answer."""

    def waits(received: Received, sock: socket.socket) -> bool | None:
        try:
            barrier.wait(WAIT_SECONDS)
        except threading.BrokenBarrierError:
            return False
        return behave(received, sock)

    return waits


def send(port: int, number: int, name: str = "score") -> Reply:
    """Send one event on a connection of its own and return the answer."""
    with Client(port) as client:
        return client.send(PATHS[name], *event(name, number))


@contextmanager
def idle_connection(port: int) -> Iterator[IO[bytes]]:
    """A connection that has had one answer; what is left to read ends when the server closes it."""
    with socket.create_connection(("127.0.0.1", port), WAIT_SECONDS) as sock:
        with sock.makefile("rb") as file:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert file.readline() == b"HTTP/1.1 200 OK\r\n"
            yield file


@pytest.mark.parametrize(("subject", "row"), CASES)
def test_row_is_satisfied_but_where_granian_is_known_to_differ(
    sinks: dict[str, Served], subject: Subject, row: Row
) -> None:
    """The rows that hold on gunicorn hold here; each difference is in the table, and real."""
    expected = DIFFERENCES.get((subject.role, row.name))

    findings = findings_of(sinks[subject.sink], subject, row)

    assert [each.rule for each in findings] == ([expected] if expected else []), findings


def test_differences_are_about_rows_that_there_are() -> None:
    """No line of the table has outlived its row."""
    put = {(each.role, row.name) for each in SUBJECTS for row in rows_for(each.role, each.model)}

    assert put >= DIFFERENCES.keys()


def lines_of_sink(log: str) -> list[dict[str, Any]]:
    """What is left of a log without granian's own lines, `[INFO] Shutting down granian`."""
    return [json.loads(line) for line in log.splitlines() if not re.match(r"\[[A-Z]+\] ", line)]


def test_log_is_one_json_object_a_line(sinks: dict[str, Served]) -> None:
    """No file says how the sinks log: each line comes once, with the fields of what is refused."""
    log = sinks["score-sink"].running

    with Client(log.port) as client:
        client.send(PATHS["score"], {"ce-id": "known-again"}, b"")
    lines = lines_of_sink(log.log)

    assert {line["logger"] for line in lines} == {"sinks"}
    assert [line["sink"] for line in lines if line["message"] == "starting"] == ["score-sink"]
    assert [line["reason"] for line in lines if line.get("ce_id") == "known-again"] == [
        "malformed_event"
    ]


@pytest.mark.parametrize(
    ("level", "said"), [("DEBUG", ["starting", "replied"]), ("WARNING", list[str]())]
)
def test_log_level_says_which_lines_come(
    stack: ExitStack, tmp_path: Path, level: str, said: list[str]
) -> None:
    """LOG_LEVEL counts here too."""
    upstream = stack.enter_context(Upstream(predictor))
    env = {"PREDICTOR_URL": upstream.url, "LOG_LEVEL": level}
    sink = stack.enter_context(granian(SCORE, env, tmp_path))

    reply = send(sink.port, 1)

    assert reply.status == 200
    assert [line["message"] for line in lines_of_sink(sink.log)] == said


def test_documented_command_is_the_one_that_runs_here() -> None:
    """What the page recommends is tested, and waits for as long as gunicorn does at its end."""
    page = (ROOT / "docs" / "granian.md").read_text(encoding="utf-8").replace("\\\n", " ")
    (documented,) = re.findall(r"^MAX_IN_FLIGHT=.*", page, re.MULTILINE)
    words = shlex.split(documented.replace("--host 0.0.0.0", "--host 127.0.0.1"))

    command = granian_command(SCORE, 8080, program=["granian"])

    assert words == [f"MAX_IN_FLIGHT={GRANIAN_IN_FLIGHT}", *command]
    longest = str(gunicorn_conf.served({})["graceful_timeout"])
    assert command[command.index("--workers-kill-timeout") + 1] == longest


def test_deliveries_wait_side_by_side(tmp_path: Path) -> None:
    """As many as may be in flight are at the predictor at one time, and then at EventGate."""
    count = GRANIAN_IN_FLIGHT
    scoring = after(threading.Barrier(count), predictor)
    taking = after(threading.Barrier(count), answer(201))

    with served(granian, tmp_path, scoring, taking) as chain, ThreadPoolExecutor(count) as pool:
        port = chain["http-shim"].running.port
        replies = list(pool.map(lambda number: send(port, number, "shim"), range(count)))
        published = [each.json()["rev_id"] for each in chain["egress-sink"].upstreams[0].received]

    assert [reply.status for reply in replies] == [202] * count
    assert sorted(published) == [event_revision(number) for number in range(count)]


def test_more_than_may_be_in_flight_are_told_at_once(stack: ExitStack, tmp_path: Path) -> None:
    """Threads are left over for the surplus, which is to come again, and for the probes."""
    barrier = threading.Barrier(GRANIAN_IN_FLIGHT + 1)
    upstream = stack.enter_context(Upstream(after(barrier, predictor)))
    sink = stack.enter_context(granian(SCORE, {"PREDICTOR_URL": upstream.url}, tmp_path))
    pool = stack.enter_context(ThreadPoolExecutor(GRANIAN_IN_FLIGHT + 20))

    offered = [pool.submit(send, sink.port, each) for each in range(GRANIAN_IN_FLIGHT + 20)]
    early = as_completed(offered, WAIT_SECONDS)
    refused = [next(early).result() for _ in range(20)]
    with Client(sink.port) as probe:
        ready = probe.get("/readyz")
    barrier.wait(WAIT_SECONDS)
    answered = [each.result() for each in early]

    assert {(reply.status, reason(reply)) for reply in refused} == {(503, "overloaded")}
    assert ready.status == 200
    assert [reply.status for reply in answered] == [200] * GRANIAN_IN_FLIGHT


def test_half_a_body_takes_one_place_until_its_sender_hangs_up(
    stack: ExitStack, tmp_path: Path
) -> None:
    """Nobody ends a body that does not come; the others are told to come again meanwhile."""
    upstream = stack.enter_context(Upstream(predictor))
    sink = stack.enter_context(granian(SCORE, {"PREDICTOR_URL": upstream.url}, tmp_path))
    half = f"POST {PATHS['score']} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{{".encode()

    held = [
        stack.enter_context(socket.create_connection(("127.0.0.1", sink.port)))
        for _ in range(GRANIAN_IN_FLIGHT)
    ]
    for each in held:
        each.sendall(half)
    with Client(sink.port) as probe:
        taken = f'sinks_in_flight{{sink="score-sink"}} {GRANIAN_IN_FLIGHT}.0'.encode()
        wait_until(
            lambda: taken in probe.get("/metrics").body, "all places are taken", WAIT_SECONDS
        )
        ready = probe.get("/readyz")
    refused = send(sink.port, 1)
    for each in held:
        each.close()

    assert (reason(refused), ready.status) == ("overloaded", 200)
    wait_until(lambda: send(sink.port, 1).status == 200, "the places are free again", WAIT_SECONDS)


def test_sigterm_answers_all_in_flight_and_closes_idle_connections(
    stack: ExitStack, tmp_path: Path
) -> None:
    """Each delivery in work gets its good answer; nobody new is let in, so no probe succeeds."""
    barrier = threading.Barrier(GRANIAN_IN_FLIGHT + 1)
    upstream = stack.enter_context(Upstream(after(barrier, predictor)))
    sink = stack.enter_context(granian(SCORE, {"PREDICTOR_URL": upstream.url}, tmp_path))
    pool = stack.enter_context(ThreadPoolExecutor(GRANIAN_IN_FLIGHT))
    idle = stack.enter_context(idle_connection(sink.port))

    offered = [pool.submit(send, sink.port, number) for number in range(GRANIAN_IN_FLIGHT)]
    wait_until(
        lambda: len(upstream.received) == GRANIAN_IN_FLIGHT, "all are in flight", WAIT_SECONDS
    )
    sink.process.send_signal(signal.SIGTERM)
    wait_until(lambda: is_refused(sink.port), "nobody new is let in", WAIT_SECONDS)
    rest = idle.read()
    barrier.wait(WAIT_SECONDS)
    replies = [each.result(WAIT_SECONDS) for each in offered]
    status = sink.process.wait(WAIT_SECONDS)

    told = {(reply.status, reply.headers["Connection"]) for reply in replies}
    assert rest.endswith(b'{"status":"ok"}\n')
    assert (told, status) == ({(200, "close")}, 0)
    assert "Killing worker" not in sink.log


def offer(port: Callable[[], int], numbers: deque[int]) -> Counter[str]:
    """Send events on kept connections, each until it is answered; return how each try ended."""
    ended: Counter[str] = Counter()
    limit = time.monotonic() + 2 * WAIT_SECONDS
    while numbers and time.monotonic() < limit:
        try:
            with Client(port()) as client:
                while numbers:
                    reply = client.send(PATHS["score"], *event("score", numbers[0]))
                    ended[str(reply.status)] += 1
                    numbers.popleft()
        except (OSError, http.client.HTTPException) as error:
            ended[type(error).__name__] += 1
            time.sleep(0.02)
    return ended


def test_restart_under_load_leaves_no_event_unanswered(stack: ExitStack, tmp_path: Path) -> None:
    """What meets the end of the old process has no answer, never a wrong one, and is repeated."""
    upstream = stack.enter_context(Upstream(predictor))
    env = {"PREDICTOR_URL": upstream.url}
    pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
    running: list[Running] = []

    with granian(SCORE, env, tmp_path) as first:
        running.append(first)
        offered = [
            pool.submit(offer, lambda: running[-1].port, deque(range(each, EVENTS, CLIENTS)))
            for each in range(CLIENTS)
        ]
        wait_until(lambda: len(upstream.received) > EVENTS // 4, "events flow", WAIT_SECONDS)
        first.process.send_signal(signal.SIGTERM)
        status = first.process.wait(WAIT_SECONDS)
    with granian(SCORE, env, tmp_path) as second:
        running.append(second)
        ended = sum((each.result(3 * WAIT_SECONDS) for each in offered), Counter[str]())

    asked = {received.json()["rev_id"] for received in upstream.received}
    assert status == 0
    assert ended.pop("200") == EVENTS
    assert set() < ended.keys() <= NOT_TAKEN
    assert asked == {event_revision(number) for number in range(EVENTS)}


def test_lost_worker_ends_the_server(tmp_path: Path) -> None:
    """Whoever runs it, a kubelet for example, sees it fail and starts it anew."""
    with granian(SCORE, {"PREDICTOR_URL": "http://127.0.0.1:9"}, tmp_path) as sink:
        pid = sink.process.pid
        (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)

        assert sink.process.wait(WAIT_SECONDS) == 1


def test_wrong_settings_do_not_start() -> None:
    """The process ends and says what is wrong, as on gunicorn."""
    command = granian_command(SCORE, 0)

    ended = subprocess.run(  # noqa: S603  # our own command
        command,
        cwd=ROOT,
        env=clean_env({"PREDICTOR_URL": "nonsense"}),
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )

    assert ended.returncode == 1
    assert "PREDICTOR_URL='nonsense': has to be" in ended.stderr


def test_idle_connection_is_closed_when_a_head_would_be_late(tmp_path: Path) -> None:
    """One time-out counts for both, and granian allows a minute at most."""
    env = {"PREDICTOR_URL": "http://127.0.0.1:9"}
    with granian(SCORE, env, tmp_path, "--http1-header-read-timeout", "300") as sink:
        with idle_connection(sink.port) as idle:
            begun = time.monotonic()
            rest = idle.read()

    assert rest.endswith(b'{"status":"ok"}\n')
    assert time.monotonic() - begun < WAIT_SECONDS / 2
