"""Who is measured: how the bare callable, the naive app and the sinks are started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from sinks.local.processes import ROOT
from tests.bench.servers import Server, free_port
from tests.processes import granian_command

Role = Literal["score", "egress", "shim"]
Name = Literal["bare", "naive", "sinks", "granian"]

PATHS: Final[Mapping[Role, str]] = {
    "score": "/models/drafttopic",
    "egress": "/",
    "shim": "/v1/models/enwiki-drafttopic:predict",
}
_APPS: Final[Mapping[Role, str]] = {
    "score": "sinks.score_sink:create_app",
    "egress": "sinks.egress_sink:create_app",
    "shim": "sinks.http_shim:create_app",
}
_CALLED: Final[Mapping[Role, str]] = {
    "score": "/v1/models/enwiki-drafttopic:predict",
    "egress": "/v1/events",
}


def server(
    name: Name,
    role: Role,
    programs: Path,
    upstream: str,
    threads: int,
    more: Mapping[str, str] | None = None,
) -> Server:
    """Return how a contender is started in a role.

    programs:  the `bin` directory of the environment that it runs in.
    upstream:  base URL of the predictor or of EventGate.
    threads:   connections that it has to serve; gevent needs not to know.
    more:      variables for our sinks.
    """
    port = free_port()
    ours = {**environment(role, upstream), **(more or {})}
    if name == "sinks":
        return sink(role, programs, port, ours)
    if name == "granian":
        program = [str(programs / "granian")]
        command = granian_command(_APPS[role], port, in_flight=threads, program=program)
        return Server(f"granian-{role}", command, port, {**ours, "MAX_IN_FLIGHT": str(threads)})
    env = {
        "BENCH_ROLE": role,
        "BENCH_UPSTREAM": upstream + _CALLED[role],
        "BENCH_THREADS": str(threads),
    }
    plain = ["-c", str(ROOT / "tests" / "bench" / "plain_conf.py"), "--threads", str(threads)]
    command = [*_gunicorn(programs, port), *plain, f"tests.bench.{name}:app"]
    return Server(f"{name}-{role}", command, port, env)


def sink(role: Role, programs: Path, port: int, env: Mapping[str, str]) -> Server:
    """Return how one of our sinks is started, as in production."""
    config = ["-c", str(ROOT / "gunicorn.conf.py")]
    command = [*_gunicorn(programs, port), *config, f"{_APPS[role]}()"]
    return Server(f"sinks-{role}", command, port, env)


def environment(role: Role, upstream: str) -> dict[str, str]:
    """Return the variables of a score- or an egress-sink with this upstream."""
    if role == "score":
        return {"PREDICTOR_URL": upstream}
    return {"EVENTGATE_URLS": f"{upstream}/v1/events"}


def _gunicorn(programs: Path, port: int) -> list[str]:
    return [str(programs / "gunicorn"), "-b", f"127.0.0.1:{port}"]
