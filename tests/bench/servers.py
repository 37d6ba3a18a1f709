"""Servers as child processes on CPUs of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sinks.local.processes import ROOT, clean_env
from tests.bench import process_tree
from tests.bench.figures import NotMeasured

_READY: Final = "/healthz"  # answered once it serves
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 5.0
_LOG_LINES: Final = 6
_LINE_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Server:
    """What to start."""

    name: str
    command: Sequence[str]
    port: int
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def serving(server: Server, cpus: set[int], logs: Path) -> Iterator[int]:
    """Run a server until the block ends; gives its process id once it answers.

    raises: NotMeasured with the end of its log.
    """
    with launched(server, cpus, logs) as process:
        _wait_ready(server, process, logs)
        yield process.pid


@contextmanager
def launched(server: Server, cpus: set[int], logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The same without waiting until it answers."""
    with _log(server, logs).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            server.command,
            cwd=ROOT,
            env=clean_env(server.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
    try:
        yield process
    finally:
        _stop(process)


def did_not_start(server: Server, logs: Path) -> NotMeasured:
    """Return the error, with what the server said last."""
    log = _log(server, logs)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    end = " | ".join(line[-_LINE_CHARS:] for line in lines[-_LOG_LINES:]) or "nothing"
    return NotMeasured(f"{server.name} did not start; {log.relative_to(ROOT)} ends with: {end}")


def _wait_ready(server: Server, process: subprocess.Popen[bytes], logs: Path) -> None:
    limit = time.monotonic() + _START_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy to loopback
    while time.monotonic() < limit and process.poll() is None:
        try:
            with direct.open(server.url + _READY, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise did_not_start(server, logs)


def _log(server: Server, logs: Path) -> Path:
    return logs / f"{server.name}.log"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End it politely, and after that it and its children for certain."""
    started = process_tree.pids(process.pid)
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in {process.pid, *started}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()
