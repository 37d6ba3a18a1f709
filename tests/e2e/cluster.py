"""The whole cluster: control plane, network and Knative Eventing, begun and ended together."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e import control_plane, eventing, programs
from tests.e2e.api import Api, Object
from tests.e2e.controllers import Controllers
from tests.e2e.hosts import Hosts
from tests.e2e.places import LOGS, STATE
from tests.e2e.processes import Processes
from tests.e2e.waiting import NotYet, until
from tests.tools import Say

_KUBECTL: Final = Path(sys.executable).with_name("kubectl")
_KUBECTL_SECONDS: Final = 150.0  # more than any --timeout that it is given, so that it can say why


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster; the tests are on its node.

    api:        of the administrator, for the tests' main thread; others take `api.another()`.
    hosts:      add one for a Pod, or for a server outside the cluster.
    names:      DNS names of servers outside the cluster -> addresses; add to it.
    processes:  Knative's programs by the name of their Deployment, etcd, kube-apiserver.
    logs:       directory with a log of each.
    api_ca:     file with the certificate that vouches for `https://kubernetes.default.svc`.
    """

    api: Api
    hosts: Hosts
    names: dict[str, str]
    processes: Processes
    logs: Path
    kubeconfig: Path
    api_ca: Path
    _pods: dict[str, Object]

    def kubectl(
        self, *args: str, input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator. raises: AssertionError if it fails and `check`."""
        done = subprocess.run(  # noqa: S603
            [_KUBECTL, f"--kubeconfig={self.kubeconfig}", *args],
            input=input,
            capture_output=True,
            text=True,
            check=False,
            timeout=_KUBECTL_SECONDS,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}"
        return done

    def restart(self, name: str) -> None:
        """Kill one of Knative's programs, named by its Deployment, and return when it is back."""
        self.processes.restart(name)
        eventing.wait_ready(self._pods[name], self.hosts.by_name[name].address, self.processes)

    def ready(
        self, api_version: str, kind: str, name: str, namespace: str, seconds: float = 30.0
    ) -> Object:
        """Return an object once its condition Ready is True. raises: TimeoutError."""

        def look() -> Object:
            self.processes.check()
            found = self.api.get(api_version, kind, name, namespace)
            if conditions(found).get("Ready") != "True":
                raise NotYet(found.get("status", {}).get("conditions"))
            return found

        return until(look, seconds, f"{kind} {name} to be Ready")


def conditions(obj: Object) -> dict[str, str]:
    """Return the status of each condition of an object; none if nobody has looked at it yet."""
    return {each["type"]: each["status"] for each in obj.get("status", {}).get("conditions", [])}


@contextmanager
def running(say: Say) -> Iterator[Cluster]:
    """Run a cluster until the block ends; only inside of the run's own namespaces.

    raises: TimeoutError or Broken if something does not start.
    """
    begun = time.monotonic()

    def tell(what: str) -> None:
        say(f"{time.monotonic() - begun:5.1f} s  {what}")

    built = programs.built(say)
    processes = Processes(LOGS)
    try:
        control = control_plane.start(built, processes, STATE)
        tell("API server ready")
        deployments = eventing.apply_shipped(control.api, built)
        tell("Knative's objects applied")
        names: dict[str, str] = {}
        hosts = Hosts()
        Controllers(control.api.another(), names, LOGS / "controllers.log").start()
        pods = eventing.start(control, deployments, hosts, processes, built)
        tell("Knative Eventing ready")
        yield Cluster(
            control.api, hosts, names, processes, LOGS, control.kubeconfig, control.ca, pods
        )
    finally:
        processes.kill_all()
