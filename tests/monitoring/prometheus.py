"""Prometheus and promtool as Debian has them, with the rules that the overlay renders."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import requests
import yaml

from sinks.local.processes import Server, launched, wait_ready
from tests.manifests import of_kind
from tests.monitored import NAMESPACE, monitored

T = TypeVar("T")

_SECONDS: Final = {"s": 1 / 60, "m": 1, "h": 60, "d": 1440}
WAIT_SECONDS: Final = 120.0


def promtool(
    programs: Path, *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run promtool and return what became of it."""
    done = subprocess.run(  # noqa: S603
        [programs / "promtool", *arguments],
        input=stdin,
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    text = [each.decode() for each in (done.stdout, done.stderr)]
    return subprocess.CompletedProcess(done.args, done.returncode, *text)


def rule_file() -> str:
    """Return the rules of production as Prometheus reads them: the PrometheusRule's own `spec`."""
    (rule,) = of_kind(monitored(), "PrometheusRule").values()
    return yaml.safe_dump(rule["spec"], width=1000)


def quickened(rules: str) -> str:
    """Return the rules with a second for each minute: all windows and waits, and nothing else."""

    def quick(match: re.Match[str]) -> str:
        return f"{match[1]}{round(int(match[2]) * _SECONDS[match[3]] * 1000)}ms"

    return re.sub(r"(\[|\boffset |\bfor: )(\d+)([smhd])\b", quick, rules)


@dataclass(frozen=True)
class Prometheus:
    """A server that scrapes and evaluates each second."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """Return the `data` of an answer of its API."""
        session = requests.Session()
        session.trust_env = False  # no proxy to loopback
        answer = session.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[Any]:
        """Return the series that an expression has now."""
        found: list[Any] = self.get("query", query=expression)["result"]
        return found

    def alerts(self) -> dict[str, list[Mapping[str, Any]]]:
        """Return the alerts that fire, by name."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for each in self.get("alerts")["alerts"]:
            if each["state"] == "firing":
                found.setdefault(each["labels"]["alertname"], []).append(each)
        return found

    def wait(self, what: Callable[[Prometheus], T]) -> T:
        """Return what holds, as soon as it does; AssertionError if it does not in time."""
        limit = time.monotonic() + WAIT_SECONDS
        while not (found := what(self)):
            assert time.monotonic() < limit, (found, self.get("alerts"), self.get("targets"))
            time.sleep(0.1)
        return found


@contextmanager
def prometheus(
    programs: Path, directory: Path, rules: str, ports: Mapping[str, int]
) -> Iterator[Prometheus]:
    """Run Prometheus until the block ends.

    ports: of the sinks by name; each is a target as the PodMonitor makes one.
    """
    (monitor,) = of_kind(monitored(), "PodMonitor").values()
    (path,) = {each["path"] for each in monitor["spec"]["podMetricsEndpoints"]}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [
            {
                "job_name": sink,
                "metrics_path": path,
                "static_configs": [
                    {
                        "targets": [f"127.0.0.1:{port}"],
                        "labels": {"namespace": NAMESPACE, "pod": f"{sink}-0"},
                    }
                ],
            }
            for sink, port in ports.items()
        ],
    }
    (directory / "rules.yaml").write_text(rules, encoding="utf-8")
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    sock = _kept_port()
    command = [
        str(programs / "prometheus"),
        f"--config.file={directory}/prometheus.yaml",
        f"--storage.tsdb.path={directory}/data",
        f"--web.listen-address=127.0.0.1:{sock.getsockname()[1]}",
        "--log.level=warn",
    ]
    server = Server("prometheus", command, {}, "/-/ready")
    with launched(server, sock, directory) as running:
        wait_ready(server, running)
        yield Prometheus(running.url)


def _kept_port() -> socket.socket:
    """Return a socket that keeps a free port for Prometheus, which inherits none: as it does not
    listen itself, somebody who reuses addresses can."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock
