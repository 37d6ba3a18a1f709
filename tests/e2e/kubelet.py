"""A small kubelet and the controllers above it: applied Deployments become running containers.

One loop looks at the API server, takes each Deployment one step further and each Pod of the served
namespaces into operation. What runs is the Pod as the API server returned it; a field that is not
played here keeps the Pod from starting and is named in its status. NetworkPolicies are in force
before a Pod starts.

Unlike in a cluster, restarts back off for seconds only, and nobody waits for a Pod that goes: it
ends in the background, in its own time. `stop` ends a whole namespace at once, without any grace.
"""

from __future__ import annotations

import ipaddress
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.api import Api, ApiError, Object
from tests.e2e.deployments import is_ending
from tests.e2e.hosts import Hosts
from tests.e2e.network_enforcer import Enforcer, peer
from tests.e2e.places import NODE, NODE_NAME, RESOLV_CONF
from tests.e2e.pod import CannotStart
from tests.e2e.pod_status import pod_status
from tests.e2e.referenced import Referenced
from tests.e2e.rollouts import Rollouts
from tests.e2e.running_pod import Place, RunningPod
from tests.e2e.waiting import until
from tests.image.engine import Engine

_FIRST: Final = ipaddress.ip_address("10.99.2.1")
_EVERY_SECONDS: Final = 0.3
_STOP_SECONDS: Final = 60.0


@dataclass(slots=True)
class Kubelet:
    """Runs what is applied in the namespaces that it serves.

    api:        its own.
    directory:  for volumes and files of /etc.
    logs:       gets `<pod>.log` of each Pod, and `kubelet.log`.
    """

    api: Api
    hosts: Hosts
    engine: Engine
    directory: Path
    logs: Path
    _served: frozenset[str] = frozenset()
    _running: dict[str, RunningPod] = field(default_factory=dict)
    _sent: dict[str, Object] = field(default_factory=dict)
    _addresses: int = 0
    _wake: threading.Event = field(default_factory=threading.Event)
    _closed: threading.Event = field(default_factory=threading.Event)
    _rollouts: Rollouts = field(init=False)
    _referenced: Referenced = field(init=False)
    _enforcer: Enforcer = field(init=False)

    def __post_init__(self) -> None:
        self._rollouts = Rollouts(self.api, NODE_NAME)
        self._referenced = Referenced(self.api)
        self._enforcer = Enforcer(self.api)

    def start(self) -> None:
        """Begin the loop, in a thread until `close`."""
        threading.Thread(target=self._loop, name="kubelet", daemon=True).start()

    def close(self) -> None:
        """End the loop; it leaves alone what runs."""
        self._closed.set()

    def serve(self, namespace: str) -> None:
        """Run what is applied in a namespace from now on."""
        self._served |= {namespace}
        self._wake.set()

    def stop(self, namespace: str) -> None:
        """Kill everything in a namespace, and run nothing there any more."""
        self._served -= {namespace}
        self._wake.set()
        gone = f"the Pods of {namespace} to end"
        until(lambda: not self._pods_of(namespace), _STOP_SECONDS, gone)

    def pods(self, namespace: str, app: str = "") -> list[RunningPod]:
        """Return the Pods of a namespace, or of one app there, without those that are ending."""
        pods = self._pods_of(namespace)
        return [pod for pod in pods if app in ("", pod.app) and not pod.is_ending]

    def problems(self, namespace: str) -> list[str]:
        """Return why Pods of a namespace do not run, as far as somebody has to do something."""
        states = ((pod.name, pod.state.problem) for pod in self.pods(namespace))
        refused = list(self._rollouts.refused.items())
        return [f"{name}: {problem}" for name, problem in states if problem] + [
            f"{name}: {text}" for (where, name), text in refused if where == namespace
        ]

    def _pods_of(self, namespace: str) -> list[RunningPod]:
        return [pod for pod in list(self._running.values()) if pod.namespace == namespace]

    def _loop(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(_EVERY_SECONDS)
            self._wake.clear()
            try:
                self._work()
            except Exception:  # whatever it is, without this loop no Pod comes or goes any more
                with (self.logs / "kubelet.log").open("a") as log:
                    print(time.strftime("%T"), traceback.format_exc(), file=log)

    def _work(self) -> None:
        served = self._served
        pods = self.api.list("v1", "Pod")
        if self._rollouts.advance(served, pods):
            pods = self.api.list("v1", "Pod")
        ours = {
            pod["metadata"]["uid"]: pod
            for pod in pods
            if pod["metadata"]["namespace"] in served and pod["spec"].get("nodeName") == NODE_NAME
        }
        self._referenced.look(served, now=bool(ours.keys() - self._running.keys()))
        for uid, pod in ours.items():
            self._take(uid, pod)
        for uid, running in list(self._running.items()):
            if running.is_gone:
                self._bury(uid, running)
            elif uid not in ours:  # deleted by force, or its namespace is not served any more
                running.stop_at_once()
        self._enforce(served, pods)
        for uid, running in self._running.items():
            running.start()
            if uid in ours:
                self._report(uid, running)

    def _take(self, uid: str, pod: Object) -> None:
        running = self._running.get(uid)
        if running is None and is_ending(pod):
            self._delete(pod)
        elif running is None:
            self._running[uid] = RunningPod(pod, self._place(pod))
        elif is_ending(pod):
            running.stop(pod["metadata"].get("deletionGracePeriodSeconds", 0))

    def _place(self, pod: Object) -> Place:
        name, namespace = (pod["metadata"][key] for key in ("name", "namespace"))
        host = self.hosts.add(name, str(_FIRST + self._addresses))
        self._addresses += 1
        directory = self.directory / name
        (directory / "etc").mkdir(parents=True)
        (directory / "etc/resolv.conf").write_text(RESOLV_CONF.format(namespace=namespace))
        (directory / "etc/hosts").write_text(f"127.0.0.1 localhost\n{host.address} {name}\n")
        account = pod["spec"].get("serviceAccountName", "default")

        def make_token(audience: str, seconds: int) -> str:
            audiences = [audience] if audience else []
            try:
                return self.api.another().token_for(
                    account, namespace, audiences=audiences, expirationSeconds=seconds
                )
            except (OSError, ApiError) as error:
                raise CannotStart(f"no token for {account}: {error}") from error

        return Place(
            engine=self.engine,
            host=host,
            directory=directory,
            claims=self.directory / f"claims-{namespace}",
            log=self.logs / f"{name}.log",
            objects=lambda: self._referenced.of(namespace),
            make_token=make_token,
            changed=self._wake.set,
        )

    def _bury(self, uid: str, running: RunningPod) -> None:
        del self._running[uid]
        self._sent.pop(uid, None)
        self._delete(running.pod)
        self.hosts.remove(running.name)

    def _delete(self, pod: Object) -> None:
        with suppress(ApiError):  # it may be gone already
            self.api.request("DELETE", self.api.path(pod), {"gracePeriodSeconds": 0})

    def _enforce(self, served: frozenset[str], pods: Sequence[Object]) -> None:
        """Put the policies in force, for Pods too whose address the API does not know yet."""
        addresses = {uid: running.ip for uid, running in self._running.items()}
        peers = []
        for pod in pods:
            known = pod.get("status", {}).get("podIP")
            if ip := addresses.get(pod["metadata"]["uid"], known):
                peers.append(peer(pod, ip))
        self._enforcer.enforce(served, peers)

    def _report(self, uid: str, running: RunningPod) -> None:
        status = pod_status(running.pod["spec"], running.ip, NODE, running.state)
        if self._sent.get(uid) != status:
            self.api.patch(running.pod, {"status": status}, "status")
            self._sent[uid] = status  # not before: what has failed is sent again
