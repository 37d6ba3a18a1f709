"""Servers as child processes on loopback ports, started together and ended together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_KEPT: Final = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")


class DidNotStart(RuntimeError):
    """A server ended, or did not answer in time; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """What to start.

    command:  `{fd}` is replaced by the number of the inherited listening socket.
    ready:    path that answers 2xx once the server serves.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    ready: str = "/healthz"


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers at `url`; `log` is all that it has written so far."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """Return a small environment: the variables given, and few of this process's own."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **env}


def gunicorn(app: str, *args: str) -> list[str]:
    """Return the command that serves `app` as in production, but on an inherited socket."""
    config = ["-c", str(ROOT / "gunicorn.conf.py"), "-b", "fd://{fd}", "--graceful-timeout", "5"]
    return [sys.executable, "-m", "gunicorn", *config, *args, app]


def listen(port: int = 0) -> socket.socket:
    """Return a listening loopback socket that a child can inherit; port 0 is any free one.

    raises: OSError if the port is taken.
    """
    sock = socket.create_server(("127.0.0.1", port), backlog=2048)
    sock.set_inheritable(True)
    return sock


@contextmanager
def serving(server: Server, sock: socket.socket, logs: Path) -> Iterator[Running]:
    """Run a server on the socket until the block ends.

    raises: DidNotStart.
    """
    with launched(server, sock, logs) as running:
        wait_ready(server, running)
        yield running


@contextmanager
def launched(server: Server, sock: socket.socket, logs: Path) -> Iterator[Running]:
    """The same without waiting until it answers, so that several can start side by side."""
    port = sock.getsockname()[1]
    logs.mkdir(parents=True, exist_ok=True)
    log_path = logs / f"{server.name}-{port}.log"
    with sock, log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own commands
            [part.replace("{fd}", str(sock.fileno())) for part in server.command],
            cwd=ROOT,
            env=clean_env(server.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[sock.fileno()],
        )
    try:
        yield Running(f"http://127.0.0.1:{port}", port, process, log_path)
    finally:
        stop(process)


@contextmanager
def all_serving(
    servers: Sequence[Server], sockets: Mapping[str, socket.socket], logs: Path
) -> Iterator[dict[str, Running]]:
    """Run all servers until the block ends; they start side by side.

    raises: DidNotStart.
    """
    with ExitStack() as stack:
        running = {
            server.name: stack.enter_context(launched(server, sockets[server.name], logs))
            for server in servers
        }
        try:
            for server in servers:
                wait_ready(server, running[server.name])
            yield running
        finally:
            for each in running.values():
                each.process.terminate()  # all at once; the stack waits for one after the other


def wait_ready(server: Server, running: Running) -> None:
    """Return once the server answers at its `ready` path. raises: DidNotStart."""
    limit = time.monotonic() + START_SECONDS
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy to loopback
    while time.monotonic() < limit and running.process.poll() is None:
        try:
            with direct.open(running.url + server.ready, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    end = "\n".join(running.log.splitlines()[-15:])
    raise DidNotStart(f"{server.name} did not start; the end of {running.log_path}:\n{end}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started: politely, then for certain."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
