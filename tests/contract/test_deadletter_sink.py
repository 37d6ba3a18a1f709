"""deadletter-sink in a process of its own: anything in, and 202 only for what is on disk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from sinks.letter import letter_of
from sinks.letters import KeptLetter
from sinks.local import processes
from sinks.local.processes import Server, serving
from tests.letters import ALL, opened
from tests.postgresql import PASSWORD
from tests.processes import ROOT, Running, clean_env, gunicorn, listening_socket
from tests.upstream import Reply, call

APP = "sinks.deadletter_sink:create_app()"
ENV = {"ALLOW_ANONYMOUS": "true", "SERVICE_URLS": "*=http://127.0.0.1:9"}


@contextmanager
def sink(database_url: str, directory: Path, **env: str) -> Iterator[Running]:
    with gunicorn(APP, {**ENV, "DATABASE_URL": database_url, **env}, directory) as running:
        yield running


def kept(database_url: str) -> list[KeptLetter]:
    with opened(database_url) as letters:
        return letters.find(ALL, limit=1000)


def metrics_of(running: Running) -> str:
    return call(running.port, "/metrics", method="GET").body.decode()


def named(name: str) -> dict[str, str]:
    return {"ce-specversion": "1.0", "ce-id": name, "ce-source": "/s", "ce-type": "t"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """One sink, and its database, for tests that look at what they have sent only."""
    directory = tmp_path_factory.mktemp("sink")
    database_url = f"sqlite:///{directory}/letters.sqlite"
    with sink(database_url, directory) as running:
        yield running, database_url


def test_what_comes_to_discard_is_counted_and_not_kept(tmp_path: Path) -> None:
    """Who only watches, and has missed an event, leaves no letter behind."""
    database_url = f"sqlite:///{tmp_path}/letters.sqlite"
    with sink(database_url, tmp_path) as running:
        reply = call(running.port, "/discard", {**named("1"), **JSON}, b'{"a": 1}')
        metrics = metrics_of(running)

    assert (reply.status, reply.body) == (202, b"")
    assert kept(database_url) == []
    assert 'sinks_letters_dropped_total{cause="discarded",sink="deadletter-sink"} 1.0' in metrics


# --- anything in ------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
ANYTHING: dict[str, tuple[dict[str, str], bytes]] = {
    "binary event": ({**named("1"), **JSON}, b'{"a": 1}'),
    "structured event": (STRUCTURED, b'{"specversion":"1.0","id":"2","source":"/s","type":"t"}'),
    "batch": ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
    "empty": ({}, b""),
    "no event": (JSON, b'{"a": 1}'),
    "broken JSON": ({**named("3"), **JSON}, b'{"a": '),
    "no JSON": ({"content-type": "image/png; x=\xff"}, b"\x00\x89\xff" * 1000),
    "deep JSON": (STRUCTURED, b"[" * 100_000),
    "NUL in attributes": (STRUCTURED, b'{"specversion":"1.0","id":"\\u0000","source":"\\u0000"}'),
    "lone surrogate": (STRUCTURED, b'{"specversion":"1.0","id":"\\ud800"}'),
    "odd header names": ({"ce-A.b!": "1", "ce-": "2", "ce-id": "4"}, b"x"),
    "odd header values": ({"ce-id": "caf\xe9%00\xff", "ce-source": "%%%"}, b"x"),
    "broken error data": ({"ce-knativeerrordata": "!", "ce-knativeerrorcode": "x"}, b"y"),
    "many long headers": ({f"ce-x{number}": "y" * 8000 for number in range(90)}, b"x"),
    "larger than other sinks take": ({**named("6")}, bytes(5 * 2**20)),
}  # fmt: skip


@pytest.mark.parametrize("name", ANYTHING)
def test_anything_is_kept_as_it_came(shared: tuple[Running, str], name: str) -> None:
    """Nobody is behind this sink: what it refused would be lost."""
    running, database_url = shared
    headers, body = ANYTHING[name]
    sent = {name: value.encode("latin-1") for name, value in headers.items()}

    reply = call(running.port, "/", sent, body, timeout=30)

    assert (reply.status, reply.body, reply.headers["Sinks-Outcome"]) == (202, b"", "relayed")
    came = letter_of({name.lower(): value for name, value in headers.items()}, body)
    assert came in [each.letter for each in kept(database_url)]


def test_chunked_letter_is_kept_as_it_came(shared: tuple[Running, str]) -> None:
    """Kafka's dispatcher does not always say how long a body is."""
    running, database_url = shared
    head = b"POST / HTTP/1.1\r\nHost: x\r\nce-id: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", running.port), 10) as sock:
        sock.sendall(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        status = sock.recv(4096).split()[1]

    assert status == b"202"
    assert [each.letter.body for each in kept(database_url) if each.letter.id == "chunked"] == [
        b"abc"
    ]


def test_letter_sent_twice_is_counted(shared: tuple[Running, str]) -> None:
    """A sender that got no answer repeats, and makes no second letter."""
    running, database_url = shared
    for _ in range(2):
        call(running.port, "/", named("twice"), b"")

    assert [each.count for each in kept(database_url) if each.letter.id == "twice"] == [2]


def test_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    """What is set is believed; unset, the limit is far above that of the other sinks."""
    with sink(f"sqlite:///{tmp_path}/x.sqlite", tmp_path, MAX_BODY_BYTES="2000") as running:
        assert call(running.port, "/", named("1"), bytes(2000)).status == 202
        assert call(running.port, "/", named("1"), bytes(2001)).status == 413


def test_letters_over_the_size_are_counted_in_the_metrics(tmp_path: Path) -> None:
    """Somebody can be told that letters are being lost."""
    database_url = f"sqlite:///{tmp_path}/x.sqlite"
    with sink(database_url, tmp_path, DEADLETTERS_MAX_BYTES=str(2**20)) as running:
        for name in "abc":
            call(running.port, "/", named(name), bytes(600_000))
        metrics = metrics_of(running)

    assert [each.letter.id for each in kept(database_url)] == ["c"]
    assert 'sinks_letters_dropped_total{cause="size",sink="deadletter-sink"} 2.0' in metrics


# --- on disk ----------------------------------------------------------------------------------


def test_letter_is_there_after_a_kill_right_after_the_answer(
    database_url: str, tmp_path: Path
) -> None:
    """202 is a promise, whatever happens to the process next."""
    with sink(database_url, tmp_path) as running:
        worker = int(_children(running.process.pid).split()[0])
        sent = [str(number) for number in range(20)]
        for name in sent:
            last = call(running.port, "/", named(name), os.urandom(5000))
        os.kill(worker, signal.SIGKILL)
        running.process.kill()

        assert last.status == 202
    assert [each.letter.id for each in kept(database_url)] == sent


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()


@contextmanager
def sink_on_small_disk(disk: Path, logs: Path) -> Iterator[tuple[Running, Path]]:
    """Run a sink that has its database on a disk of 4 MiB; yields where this process sees that."""
    mount = f'mount -t tmpfs -o size=4m tmpfs {disk} && exec "$@"'
    private = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    env = {**ENV, "DATABASE_URL": f"sqlite:///{disk}/letters.sqlite"}
    server = Server("small-disk", [*private, *processes.gunicorn(APP)], env)
    with serving(server, listening_socket(), logs) as running:
        yield running, Path(f"/proc/{running.process.pid}/root{disk}")


def fill(path: Path) -> None:
    """Write until the disk has no byte left."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass


def test_full_disk_is_503_and_loses_nothing(tmp_path: Path) -> None:
    """The sender is told to come again, and once there is room the same process takes it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    statuses: dict[str, int] = {}

    def send(name: str) -> Reply:
        reply = call(running.port, "/", named(name), bytes(100_000), timeout=30)
        statuses[name] = reply.status
        return reply

    with sink_on_small_disk(disk, tmp_path) as (running, seen):
        send("before")
        fill(seen / "fill")
        refused = next(
            reply for number in range(100) if (reply := send(f"full-{number}")).status != 202
        )
        assert (refused.status, refused.json()["reason"]) == (503, "storage_failed")
        assert "disk" in running.log
        assert '"level": "ERROR"' in running.log
        ready = call(running.port, "/readyz", method="GET").status
        (seen / "fill").unlink()
        send("after")
        for name in ("letters.sqlite", "letters.sqlite-wal"):
            shutil.copy(seen / name, tmp_path)

    found = kept(f"sqlite:///{tmp_path}/letters.sqlite")
    assert ready == 200
    assert statuses["after"] == 202
    assert [each.letter.id for each in found] == [
        name for name, status in statuses.items() if status == 202
    ]
    assert {each.letter.body for each in found} == {bytes(100_000)}


# --- the server -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("database_url", "why"),
    [
        ("postgresql://me:{PASSWORD}@127.0.0.1:9/x", "refused"),
        ("sqlite:////proc/nowhere/letters.sqlite", "directory"),
        ("sqlite:///:memory:", "sqlite:///PATH"),
        ("mysql://me:{PASSWORD}@h/x", "sqlite:///PATH"),
    ],
)
def test_unusable_database_ends_the_start(tmp_path: Path, database_url: str, why: str) -> None:
    """gunicorn gives up at once, and the log says what is wrong, but not the password."""
    env = {**ENV, "DATABASE_URL": database_url.format(PASSWORD=PASSWORD)}
    with closing(listening_socket()) as sock:
        command = [part.format(fd=sock.fileno()) for part in processes.gunicorn(APP)]
        done = subprocess.run(  # noqa: S603
            command,
            cwd=ROOT,
            env=clean_env(env),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            pass_fds=[sock.fileno()],
        )

    assert (done.returncode, done.stdout) == (4, "")
    assert "cannot start" in done.stderr
    assert "DATABASE_URL" in done.stderr
    assert why in done.stderr
    assert PASSWORD not in done.stderr


def is_healthy(running: Running) -> bool:
    """Whether a probe of Kubernetes would be content."""
    return call(running.port, "/healthz", method="GET", timeout=1).status == 200


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Have somebody else write, or change the table, until the block ends."""
    engine = create_engine(database_url)
    kind = engine.dialect.name
    lock = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "LOCK TABLE letters"}[kind]
    with engine.connect() as connection:
        connection.exec_driver_sql(lock)
        yield
        connection.rollback()
    engine.dispose()


def test_letter_that_waits_for_the_database_holds_up_nobody_else(
    database_url: str, tmp_path: Path
) -> None:
    """It is kept as soon as that is possible, and not before it is answered."""
    with sink(database_url, tmp_path) as running, ThreadPoolExecutor(1) as pool:
        with locked(database_url):
            waiting = pool.submit(call, running.port, "/", named("1"), b"", timeout=30)
            while 'sinks_in_flight{sink="deadletter-sink"} 1.0' not in metrics_of(running):
                assert not waiting.done()
            healthy = [is_healthy(running) for _ in range(20)]
            early = waiting.done()
        reply = waiting.result()

    assert (healthy, early, reply.status) == ([True] * 20, False, 202)
    assert [each.letter.id for each in kept(database_url)] == ["1"]


HALF_OPEN = {
    "nothing": b"",
    "half a head": b"POST / HTTP/1.1\r\nHost: x\r\nce-",
    "half a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx",
}


def test_half_open_connections_hold_up_no_letter_and_no_probe(
    shared: tuple[Running, str],
) -> None:
    """300 senders that say no more; what Kubernetes then killed would be the sink."""
    running, _ = shared
    with ExitStack() as stack:
        for said in HALF_OPEN.values():
            for _ in range(100):
                sock = socket.create_connection(("127.0.0.1", running.port), 10)
                stack.enter_context(sock).sendall(said)
        healthy = [is_healthy(running) for _ in range(3)]
        statuses = [call(running.port, "/", named("good"), b"", timeout=2).status for _ in "123"]

    assert (healthy, statuses) == ([True] * 3, [202] * 3)


def test_dripping_body_ends_with_its_deadline(shared: tuple[Running, str]) -> None:
    """It is given up, and repeating it is right."""
    running, _ = shared
    head = b"POST / HTTP/1.1\r\nHost: x\r\nEvent-Timeout-Ms: 1500\r\nContent-Length: 1000\r\n\r\n"
    answered = b""
    with socket.create_connection(("127.0.0.1", running.port), 10) as sock:
        sock.sendall(head)
        limit = time.monotonic() + 15
        sock.settimeout(0.1)
        while not answered and time.monotonic() < limit:
            sock.sendall(b"x")
            with suppress(TimeoutError):
                answered = sock.recv(4096)

    assert answered.split()[1] == b"503"
