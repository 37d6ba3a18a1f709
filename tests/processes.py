"""Real sinks in processes of their own, on ports that the system picks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sinks.local import processes
from sinks.local.processes import ROOT, Running, Server, clean_env, listen, serving, stop

__all__ = ["ROOT", "Running", "clean_env", "gunicorn", "listening_socket", "stop"]
listening_socket = listen


@contextmanager
def gunicorn(
    app: str, env: Mapping[str, str], directory: Path, *args: str, ready: str = "/healthz"
) -> Iterator[Running]:
    """Run `app` (e.g. `sinks.score_sink:create_app()`) as in production until the block ends."""
    server = Server("gunicorn", processes.gunicorn(app, *args), env, ready)
    with serving(server, listen(), directory) as running:
        yield running
