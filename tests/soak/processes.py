"""The soak's processes: ours as in production, which get killed, and the stand-ins and drivers."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sinks.local.processes import ROOT, clean_env
from tests.soak.scene import EVENTGATES, Scene

_START_SECONDS: Final = 60.0
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Broken(RuntimeError):
    """The soak itself cannot go on; the text says why."""


@dataclass
class Process:
    """One program in a process group of its own, so that a kill takes all of it."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    url: str = ""
    _running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(  # noqa: S603  # our own commands
                self.command,
                cwd=ROOT,
                env=clean_env(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> subprocess.Popen[bytes]:
        if self._running is None:
            raise Broken(f"{self.name} has not been started")
        return self._running

    def kill(self) -> None:
        """End all of it at once, as when its node is lost."""
        if self._running is not None:
            pids = [str(self._running.pid), *self._children()]
            try:
                os.killpg(self._running.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._running.wait()
            _forget(pids)

    def kill_worker(self) -> None:
        """End gunicorn's worker alone; gunicorn starts another."""
        children = self._children()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        _forget(children)

    def _children(self) -> list[str]:
        pid = self.running.pid
        try:
            return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:  # it has ended
            return []

    def stop(self, seconds: float = 15.0) -> None:
        if self._running is not None and self._running.poll() is None:
            self._running.terminate()
            try:
                self._running.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def wait_ready(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Return once it answers. raises: Broken."""
        limit = time.monotonic() + _START_SECONDS
        while time.monotonic() < limit and self.running.poll() is None:
            if self.date() is not None:
                return
            meanwhile()
            time.sleep(0.05)
        end = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        raise Broken(f"{self.name} did not start; the end of {self.log}:\n{end}")

    def date(self) -> str | None:
        """Its idea of the time, from its answer; None if it does not answer."""
        try:
            with _DIRECT.open(f"{self.url}/healthz", timeout=1) as answer:
                return str(answer.headers["Date"])
        except (urllib.error.URLError, OSError):
            return None


def _forget(pids: Iterable[str]) -> None:
    """Remove what libfaketime leaves in shared memory when its process is killed."""
    for pid in pids:
        for name in ("faketime_shm_", "sem.faketime_sem_"):
            Path(f"/dev/shm/{name}{pid}").unlink(missing_ok=True)  # noqa: S108


def free_ports(names: Sequence[str]) -> dict[str, int]:
    """Return a free loopback port for each name; nobody holds it until its owner binds it.

    They are below those that the system gives to clients: one of them could get the port of a sink
    that has just been killed.
    """
    candidates = iter(random.SystemRandom().sample(range(20_000, 32_000), 1000))
    return {name: next(filter(_is_free, candidates)) for name in names}


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def module(scene: Scene, name: str, *arguments: str) -> Process:
    """Return a stand-in or a driver, a module of this package."""
    label = arguments[0] if arguments else name
    command = [sys.executable, "-m", f"tests.soak.{name}", scene.directory, *arguments]
    return Process(label, command, {}, scene.path(f"{label}.log"))


def sinks(scene: Scene, database_url: str, faketime: Path, mutant: bool) -> dict[str, Process]:
    """Return our four, each on its port; all but one by a clock that can jump."""
    url = {name: f"http://127.0.0.1:{port}" for name, port in scene.ports.items()}
    routing = {
        "TRIGGERS_DIR": "triggers",
        "SERVICE_URLS": ",".join(f"{name}={url[name]}" for name in _SERVICES),
        "TOKENS_FILE": str(scene.path("tokens")),
    }
    gates = ",".join(f"{url[name]}/v1/events" for name in EVENTGATES)
    settings = {
        "http-shim": routing | {"DEADLETTER_URL": url["deadletter-sink"], _DEADLINE: "15"},
        "score-sink": {"PREDICTOR_URL": url["predictor"], _DEADLINE: "4"},
        "egress-sink": {
            "EVENTGATE_URLS": gates,
            "EVENTGATE_CONNECT_TIMEOUT_SECONDS": "0.5",
            "EVENTGATE_READ_TIMEOUT_SECONDS": "3",
            "EVENTGATE_AVOID_SECONDS": "1",
            _DEADLINE: "5",
        },
        "deadletter-sink": routing | {"DATABASE_URL": database_url, "ALLOW_ANONYMOUS": "true"},
    }
    clock = {
        "LD_PRELOAD": str(faketime),
        "FAKETIME_TIMESTAMP_FILE": str(scene.path("clock")),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": f"{Path(__file__).parent / 'clock'}{os.pathsep}{ROOT}",
        "NO_FAKE_STAT": "1",  # gunicorn watches its workers by the times of a file
    }
    level = {"LOG_LEVEL": "WARNING" if scene.events <= _LOGGED else "ERROR"}
    return {
        name: Process(
            name,
            _gunicorn(_app(name, mutant), scene.ports[name]),
            {**settings[name], **({} if name in _THREADED else clock), **level},
            scene.path(f"{name}.log"),
            url[name],
        )
        for name in settings
    }


def _app(name: str, mutant: bool) -> str:
    if mutant and name == "egress-sink":
        return "tests.soak.mutant:create_app()"
    return f"sinks.{name.replace('-', '_')}:create_app()"


def _gunicorn(app: str, port: int) -> list[str]:
    options = ["-c", str(ROOT / "gunicorn.conf.py"), "--graceful-timeout", "5"]
    return [sys.executable, "-m", "gunicorn", *options, "-b", f"127.0.0.1:{port}", app]


# libfaketime takes a lock whenever it is asked for the time: threads get slow by it, not wrong.
_THREADED: Final = ("deadletter-sink",)
_DEADLINE: Final = "EVENT_DEADLINE_SECONDS"
_SERVICES: Final = ("score-sink", "egress-sink", "deadletter-sink")
_LOGGED: Final = 50_000
