"""Real sinks in processes of their own, on ports that the system picks."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from sinks.local import processes
from sinks.local.processes import ROOT, Running, Server, clean_env, listen, serving, stop

__all__ = [
    "GRANIAN_IN_FLIGHT",
    "ROOT",
    "Running",
    "Serve",
    "clean_env",
    "granian",
    "granian_command",
    "gunicorn",
    "listening_socket",
    "stop",
]
listening_socket = listen
GRANIAN_IN_FLIGHT: Final = 32
# Beside the deliveries that wait: for probes, and to tell the others to come again.
_SPARE_THREADS: Final = 8


class Serve(Protocol):
    """A WSGI server, as started by a test."""

    def __call__(
        self, app: str, env: Mapping[str, str], directory: Path, *args: str, ready: str = ...
    ) -> AbstractContextManager[Running]:
        """Run `app` (e.g. `sinks.score_sink:create_app()`) until the block ends."""


@contextmanager
def gunicorn(
    app: str, env: Mapping[str, str], directory: Path, *args: str, ready: str = "/healthz"
) -> Iterator[Running]:
    """Run `app` (e.g. `sinks.score_sink:create_app()`) as in production until the block ends."""
    server = Server("gunicorn", processes.gunicorn(app, *args), env, ready)
    with serving(server, listen(), directory) as running:
        yield running


@contextmanager
def granian(
    app: str, env: Mapping[str, str], directory: Path, *args: str, ready: str = "/healthz"
) -> Iterator[Running]:
    """Run the same on the other server, with `GRANIAN_IN_FLIGHT` deliveries at a time."""
    port_kept = _keep_port()
    port = port_kept.getsockname()[1]
    command = granian_command(app, port, "--workers-kill-timeout", "5", *args)
    limited = {"MAX_IN_FLIGHT": str(GRANIAN_IN_FLIGHT), **env}
    with serving(Server("granian", command, limited, ready), port_kept, directory) as running:
        yield running


def granian_command(
    app: str,
    port: int,
    *args: str,
    in_flight: int = GRANIAN_IN_FLIGHT,
    program: Sequence[str] = (sys.executable, "-m", "granian"),
) -> list[str]:
    """Return the command of docs/granian.md, but on loopback; it inherits no socket.

    in_flight: the deliveries that get a thread each; `MAX_IN_FLIGHT` has to be the same.
    """
    return [
        *(*program, "--interface", "wsgi", "--factory"),
        *("--host", "127.0.0.1", "--port", str(port), "--http", "1", "--no-ws", "--workers", "1"),
        *("--blocking-threads", str(in_flight + _SPARE_THREADS), "--backlog", "2048"),
        *("--http1-header-read-timeout", "60000", "--workers-kill-timeout", "310"),
        *(*args, app.removesuffix("()")),
    ]


def _keep_port() -> socket.socket:
    """Return a socket that keeps a free port for the child that listens there; it does not itself.

    granian shares its port with whoever has asked for that too.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    return sock
