"""Foreign sinks as processes of their own on loopback, each started as its documentation says."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sinks.local.processes import START_SECONDS, DidNotStart, clean_env
from tests import tools
from tests.processes import ROOT, Running, listening_socket, stop

HERE = Path(__file__).parent
_TRIES = 5
# How servers say that somebody else has taken the port in the meantime.
_TAKEN = ("in use", "cannot bind", "failed to bind")


@dataclass(frozen=True)
class Foreign:
    """How to start one.

    command:  `{port}` is replaced by a free port, `{fd}` by an inherited listening socket.
    path:     where it takes events.
    """

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"


def _functions_framework(say: tools.Say) -> Foreign:
    requirements = HERE / "requirements-functions-framework.txt"
    bin_ = tools.venv("functions-framework", requirements, say)
    how = ["--target", "page_changed", "--signature-type", "cloudevent"]
    where = ["--host", "127.0.0.1", "--port", "{port}"]
    source = ["--source", str(HERE / "functions_framework_sink.py")]
    return Foreign([str(bin_ / "functions-framework"), *source, *how, *where])


def _func_python(say: tools.Say) -> Foreign:
    bin_ = tools.venv("func-python", HERE / "requirements-func-python.txt", say)
    command = [str(bin_ / "python"), str(HERE / "func_python_sink.py")]
    return Foreign(command, {"LISTEN_ADDRESS": "127.0.0.1:{port}"})


def _kserve(_: tools.Say) -> Foreign:
    command = [sys.executable, str(HERE / "kserve_sink.py"), "{fd}"]
    return Foreign(command, path="/v1/models/titles:predict")


def _go(say: tools.Say) -> Foreign:
    return Foreign([str(tools.go_programs(say) / "sink"), "-fd", "{fd}"])


# Each installs what it needs; only the last one is right in everything.
FOREIGN: Mapping[str, Callable[[tools.Say], Foreign]] = {
    "functions-framework": _functions_framework,
    "func-python": _func_python,
    "kserve": _kserve,
    "go": _go,
}


@contextmanager
def serving(name: str, foreign: Foreign, logs: Path) -> Iterator[Running]:
    """Run a foreign sink until the block ends. raises: DidNotStart."""
    running = _started(name, foreign, logs)
    try:
        yield running
    finally:
        stop(running.process)


def _started(name: str, foreign: Foreign, logs: Path) -> Running:
    """Start it; where it binds a port itself, that may just have been taken, so try again."""
    for number in range(_TRIES):
        running = _launched(foreign, logs / f"{name}-{number}.log")
        if _answers(running):
            return running
        stop(running.process)
        if not any(word in running.log for word in _TAKEN):
            break
    end = "\n".join(running.log.splitlines()[-15:])
    raise DidNotStart(f"{name} did not start; the end of {running.log_path}:\n{end}")


def _launched(foreign: Foreign, log_path: Path) -> Running:
    listener = listening_socket()
    port = listener.getsockname()[1]
    inherits = "{fd}" in foreign.command
    if not inherits:
        listener.close()  # it binds the port itself
    known = {"{port}": str(port), "{fd}": str(listener.fileno())}
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            [_filled(part, known) for part in foreign.command],
            cwd=ROOT,
            env=clean_env({key: _filled(value, known) for key, value in foreign.env.items()}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()] if inherits else [],
        )
    listener.close()
    return Running(f"http://127.0.0.1:{port}", port, process, log_path)


def _filled(text: str, known: Mapping[str, str]) -> str:
    for name, value in known.items():
        text = text.replace(name, value)
    return text


def _answers(running: Running) -> bool:
    """True once it answers anything at all: not every framework has a health check."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and running.process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=1)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
            return True
        except (TimeoutError, OSError, http.client.HTTPException):
            time.sleep(0.05)
        finally:
            connection.close()
    return False
