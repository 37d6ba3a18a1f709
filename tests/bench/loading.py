"""One measured window: servers, the load program that is also their upstream, and what it cost."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sinks.local.processes import clean_env, listen
from tests.bench import process_tree
from tests.bench.events import predictor_answer
from tests.bench.figures import Account, NotMeasured, Window
from tests.bench.servers import Server, serving

Upstream = Literal["predictor", "eventgate"]
Serve = Callable[[Mapping[Upstream, str]], Sequence[Server]]

# What the load program takes longer than its seconds at most: the last answers it waits for.
_PATIENCE_SECONDS: Final = 60.0
_SECONDS_PER_CONNECTION: Final = 0.002
FIRST: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the benchmark runs.

    programs:   `bin` directory of the servers' environment.
    load:       the load program.
    directory:  for logs and templates.
    """

    programs: Path
    load: Path
    directory: Path
    server_cpu: int
    load_cpu: int


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent, and by how many connections.

    path:       of the first server; the others it calls itself.
    upstreams:  all that every event has to reach.
    replies:    whether only a reply about the event's own revision is a good answer.
    status:     the only one that is a good answer; 0: any 2xx.
    latency:    seconds that an upstream takes to answer.
    sources:    whether each request comes on a connection of its own, from another address.
    first:      the first event's number.
    """

    template: bytes
    path: str
    upstreams: Sequence[Upstream]
    connections: int
    seconds: float
    replies: bool = False
    status: int = 0
    latency: float = 0.0
    sources: bool = False
    first: int = FIRST

    @property
    def warm_up(self) -> float:
        """Until connections are open and all of them have been answered twice."""
        return 1.0 + 2 * self.latency + self.connections * _SECONDS_PER_CONNECTION


def window(place: Place, load: Load, serve: Serve) -> Window:
    """Start fresh servers, the first of which gets the load; return what came of it.

    serve:   returns the servers for these base URLs of the upstreams.
    raises:  NotMeasured.
    """
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(listen()) for name in load.upstreams}
        servers = serve(urls(sockets))
        roots = started(stack, place, servers)
        return loaded(place, load, servers[0].url, sockets, list(roots.values()))


def started(stack: ExitStack, place: Place, servers: Sequence[Server]) -> dict[str, int]:
    """Run the servers until the stack ends; return their process ids by name.

    Callers are ended before those whom they call: a server waits for connections that are open.
    """
    # One has a CPU to itself. Several go where the kernel puts them, as containers do: on one CPU
    # each would find its cache taken by the others at every event.
    cpus = {place.server_cpu} if len(servers) == 1 else {place.server_cpu, place.load_cpu}
    return {
        each.name: stack.enter_context(serving(each, cpus, place.directory))
        for each in reversed(servers)
    }


def urls(sockets: Mapping[Upstream, socket.socket]) -> dict[Upstream, str]:
    """Return the base URL of each listening socket."""
    return {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in sockets.items()}


def loaded(
    place: Place,
    load: Load,
    url: str,
    sockets: Mapping[Upstream, socket.socket],
    roots: Sequence[int],
) -> Window:
    """Put the load on servers that run; `roots` are their process ids. raises: NotMeasured."""
    template = place.directory / "template"
    template.write_bytes(load.template)
    command = [
        *("-server", url + load.path, "-template", str(template), "-first", str(load.first)),
        *("-connections", str(load.connections), "-latency", f"{load.latency}s"),
        *("-warm-up", f"{load.warm_up}s", "-seconds", f"{load.seconds}s"),
        *("-status", str(load.status)),
        f"-replies={str(load.replies).lower()}",
        f"-sources={str(load.sources).lower()}",
    ]
    seconds = load.warm_up + load.seconds + _PATIENCE_SECONDS
    marks: list[float] = []
    peak, account = 0.0, ""
    with running(place, command, sockets) as process, _limited(process, seconds):
        for line in process.stdout or ():
            if line.strip() in ("begin", "end"):
                marks.append(sum(map(process_tree.cpu_seconds, roots)))
                peak = sum(map(process_tree.peak_rss_mib, roots))
            else:
                account += line
        process.wait()
        said = process.stderr.read() if process.stderr else ""
    if process.returncode or len(marks) != 2:
        raise NotMeasured(f"the load program ended with {process.returncode}: {said[-300:]}")
    return Window(Account.parse(account), marks[1] - marks[0], peak)


@contextmanager
def running(
    place: Place, arguments: Sequence[str], sockets: Mapping[Upstream, socket.socket]
) -> Iterator[subprocess.Popen[str]]:
    """Run the load program with these upstreams; without arguments it is nothing else."""
    answer = place.directory / "answer"
    answer.write_bytes(predictor_answer())
    command = [str(place.load), *arguments, "-answer", str(answer)]
    for name, each in sockets.items():
        command += [f"-{name}-fd", str(each.fileno())]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command,
        env=clean_env({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[each.fileno() for each in sockets.values()],
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _limited(process: subprocess.Popen[str], seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
