"""Real sinks in processes of their own, on ports that the system picks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
START_SECONDS = 30


@dataclass(frozen=True)
class Running:
    """url: base URL; log: what it wrote to standard error so far."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")


def listening_socket() -> socket.socket:
    """Return a listening socket on a free loopback port; a child process can inherit it."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=2048)
    sock.set_inheritable(True)
    return sock


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """Return a small environment that no variable of the machine reaches."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **env}


@contextmanager
def gunicorn(
    app: str, env: Mapping[str, str], directory: Path, *args: str, ready: str = "/healthz"
) -> Iterator[Running]:
    """Run `app` (e.g. `sinks.score_sink:create_app()`) as in production until the block ends."""
    with listening_socket() as sock:
        port = sock.getsockname()[1]
        log_path = directory / f"gunicorn-{port}.log"
        command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py")]
        command += ["-b", f"fd://{sock.fileno()}", "--graceful-timeout", "5", *args, app]
        with log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=ROOT,
                env=clean_env(env),
                stderr=log,
                stdout=log,
                pass_fds=[sock.fileno()],
            )
        running = Running(f"http://127.0.0.1:{port}", port, process, log_path)
    try:
        _wait(running, ready)
        yield running
    finally:
        stop(process)


def _wait(running: Running, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            with urllib.request.urlopen(running.url + path, timeout=1):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise AssertionError(f"did not get ready:\n{running.log}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started; its children end with it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
