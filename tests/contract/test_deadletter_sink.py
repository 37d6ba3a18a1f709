"""deadletter-sink in a process of its own: anything in, and 202 only for what is on disk."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

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
THREADS = 16
HALF_HEADS = 3  # gunicorn waits 2 s for each of them to close, one after the other


@contextmanager
def sink(database_url: str, directory: Path, **env: str) -> Iterator[Running]:
    with gunicorn(APP, {**ENV, "DATABASE_URL": database_url, **env}, directory) as running:
        yield running


def kept(database_url: str) -> list[KeptLetter]:
    with opened(database_url) as letters:
        return letters.find(ALL, limit=1000)


def named(name: str) -> dict[str, str]:
    return {"ce-specversion": "1.0", "ce-id": name, "ce-source": "/s", "ce-type": "t"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """One sink, and its database, for tests that look at what they have sent only."""
    directory = tmp_path_factory.mktemp("sink")
    database_url = f"sqlite:///{directory}/letters.sqlite"
    with sink(database_url, directory) as running:
        yield running, database_url


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
        metrics = call(running.port, "/metrics", method="GET").body.decode()

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


@pytest.mark.parametrize(
    ("app", "worker"), [(APP, "gthread"), ("sinks.score_sink:create_app()", "gevent")]
)
def test_command_decides_the_worker(app: str, worker: str) -> None:
    """A disk blocks greenlets; upstreams do not."""
    env = clean_env(
        {**ENV, "DATABASE_URL": "sqlite:////dev/shm/unused", "PREDICTOR_URL": "http://x"}
    )  # noqa: S108
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--print-config", app]
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True
    )

    found = [line.split()[-1] for line in done.stdout.splitlines() if "worker_class" in line]
    assert found == [worker]


def test_dripping_senders_cannot_hold_all_threads(shared: tuple[Running, str]) -> None:
    """A body that does not end is given up, so the next letter is kept; repeating it is right."""
    running, _ = shared
    head = b"POST / HTTP/1.1\r\nHost: x\r\nEvent-Timeout-Ms: 1500\r\nContent-Length: 1000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", running.port), 10) for _ in range(THREADS)]
    answers: list[bytes] = []
    try:
        for sock in slow:
            sock.sendall(head + b"x")
        limit = time.monotonic() + 15
        for sock in slow:
            sock.settimeout(0.1)
            answers.append(b"")
            while not answers[-1] and time.monotonic() < limit:
                with suppress(TimeoutError):
                    answers[-1] = sock.recv(4096)
                for other in slow:
                    with suppress(OSError):
                        other.send(b"x")
        assert call(running.port, "/", named("good"), b"").status == 202
    finally:
        for sock in slow:
            sock.close()

    assert [answer.split()[1] for answer in answers] == [b"503"] * THREADS


def test_silent_senders_cannot_hold_all_threads(shared: tuple[Running, str]) -> None:
    """Half a head or half a body is given up after 10 s of silence."""
    running, _ = shared
    head = b"POST / HTTP/1.1\r\nHost: x\r\nce-"
    body = b"id: 1\r\nContent-Length: 1000\r\n\r\nx"
    silent = [socket.create_connection(("127.0.0.1", running.port), 30) for _ in range(THREADS)]
    try:
        for number, sock in enumerate(silent):
            sock.sendall(head + body * (number >= HALF_HEADS))
        assert call(running.port, "/", named("good"), b"", timeout=30).status == 202
        answers = [sock.recv(4096)[9:12] for sock in silent]
    finally:
        for sock in silent:
            sock.close()

    assert answers == [b""] * HALF_HEADS + [b"503"] * (THREADS - HALF_HEADS)
