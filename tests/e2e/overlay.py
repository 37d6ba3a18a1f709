"""An overlay of manifests/, applied to the cluster as it is, running, and ready for events."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import requests
import yaml

from sinks.local.processes import ROOT
from tests.e2e import subscribers
from tests.e2e.api import Object, named
from tests.e2e.channel import wait_complete
from tests.e2e.cluster import Cluster, conditions
from tests.e2e.endpoints import subsets
from tests.e2e.eventing import EVENTING, SOURCES
from tests.e2e.kubelet import Kubelet
from tests.e2e.places import NODE
from tests.e2e.waiting import until

_READY_SECONDS: Final = 90.0
_SETTLED_SECONDS: Final = 60.0
_CANARY_SECONDS: Final = 0.3
_CONNECT_SECONDS: Final = 0.3
_CANARY: Final = "test.canary"
# What Knative has to have taken in before Pods start: SinkBindings change their templates.
_TAKEN_IN: Final = (
    (EVENTING, "Broker"),
    (EVENTING, "Trigger"),
    (SOURCES, "SinkBinding"),
)


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is to be applied, and what has to be there before.

    name:      directory below manifests/overlays; may name its `standalone`.
    services:  Services that the developer brings -> DNS names that they stand for.
    objects:   further objects, without their namespace.
    """

    name: str
    services: Mapping[str, str] = field(default_factory=dict)
    objects: Sequence[Object] = ()

    @property
    def path(self) -> str:
        return str(ROOT / "manifests" / "overlays" / self.name)


@dataclass(frozen=True, slots=True)
class Applied:
    """An overlay that is running.

    said:  what `kubectl apply` has written to its standard error: warnings, if there were any.
    """

    namespace: str
    cluster: Cluster
    kubelet: Kubelet
    said: str

    def url(self, service: str) -> str:
        """Return the URL of a Service by its cluster IP, without a final slash."""
        spec = self.cluster.api.get("v1", "Service", service, self.namespace)["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"

    @property
    def broker_url(self) -> str:
        """The URL that takes events for the Broker."""
        broker = self.cluster.api.get(EVENTING, "Broker", "default", self.namespace)
        return str(broker["status"]["address"]["url"])


@contextmanager
def applied(cluster: Cluster, kubelet: Kubelet, overlay: Overlay, image: str) -> Iterator[Applied]:
    """Give the overlay with all its Pods ready and events on their way, until the block ends.

    image: name of the image that stands under the names that the overlay gives to it.
    """
    rendered = cluster.kubectl("kustomize", overlay.path).stdout
    objects = [each for each in yaml.safe_load_all(rendered) if each]
    (namespace,) = (each["metadata"]["name"] for each in objects if each["kind"] == "Namespace")
    for name in {_image(each) for each in objects if each["kind"] == "Deployment"}:
        kubelet.engine.podman("tag", image, name)
    _prepare(cluster, overlay, namespace)
    done = cluster.kubectl("apply", "--server-side", "-k", overlay.path)
    try:
        with subscribers.serving(NODE) as node:
            it = Applied(namespace, cluster, kubelet, done.stderr)
            has_broker = any(each["kind"] == "Broker" for each in objects)
            if has_broker:
                for api_version, kind in _TAKEN_IN:
                    for each in cluster.api.list(api_version, kind, namespace):
                        name = each["metadata"]["name"]
                        cluster.ready(api_version, kind, name, namespace, _READY_SECONDS)
            kubelet.serve(namespace)
            rolled_out(it)
            if has_broker:
                _settle(it, node)
            yield it
    finally:
        kubelet.stop(namespace)


def rolled_out(it: Applied) -> None:
    """Return once every Deployment runs as its template says, and Services lead to its Pods.

    raises: AssertionError as soon as a Pod cannot run; TimeoutError.
    """

    def is_complete() -> bool:
        problems = it.kubelet.problems(it.namespace)
        assert not problems, "\n".join(problems)
        return all(map(_is_complete, it.cluster.api.list("apps/v1", "Deployment", it.namespace)))

    log = it.kubelet.logs / "kubelet.log"
    what = f"the Deployments of {it.namespace} to be rolled out (errors are in {log})"
    until(is_complete, _READY_SECONDS, what, every=0.2)
    # Here as in Kubernetes others put a Service's addresses in force, later than a Pod is ready.
    pods = it.cluster.api.list("v1", "Pod", it.namespace)
    for service in it.cluster.api.list("v1", "Service", it.namespace):
        if service["spec"].get("selector") and subsets(service, pods):
            address = service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"]
            led = f"{service['metadata']['name']} of {it.namespace} to lead to its Pods"
            until(partial(_is_led_on, address), _READY_SECONDS, led, every=0.2)


def _is_led_on(address: tuple[str, int]) -> bool:
    """False while nothing stands behind an address: then it refuses."""
    try:
        socket.create_connection(address, _CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return False
    except TimeoutError:  # a policy keeps us out, not the Service
        pass
    return True


def _is_complete(deployment: Object) -> bool:
    status: Mapping[str, Any] = deployment.get("status", {})
    current = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "readyReplicas")}
    return current and len(counts) == 1 and conditions(deployment).get("Available") == "True"


def _image(deployment: Object) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _prepare(cluster: Cluster, overlay: Overlay, namespace: str) -> None:
    cluster.api.apply(named("v1", "Namespace", namespace))
    for name, host in overlay.services.items():
        spec = {"type": "ExternalName", "externalName": host}
        cluster.api.apply(named("v1", "Service", name, namespace, spec=spec))
    for each in overlay.objects:
        cluster.api.apply({**each, "metadata": {**each["metadata"], "namespace": namespace}})


def _settle(it: Applied, node: subscribers.Subscribers) -> None:
    """Return once events reach all subscribers.

    A Ready Trigger may still be unknown to the dispatcher. It takes in all Triggers of a channel at
    once, so when events reach the one that was made last they reach all.
    """
    name = f"canary-{uuid.uuid4()}"
    spec = {
        "broker": "default",
        "filters": [{"exact": {"type": _CANARY}}],
        "subscriber": {"uri": node.at(name)},
        "delivery": {"retry": 0},
    }
    it.cluster.api.create(named(EVENTING, "Trigger", name, it.namespace, spec=spec))
    it.cluster.ready(EVENTING, "Trigger", name, it.namespace)
    wait_complete(it.cluster.api, it.namespace)
    url = it.broker_url

    def has_arrived() -> bool:
        event = {"ce-specversion": "1.0", "ce-type": _CANARY, "ce-source": "/canary"}
        requests.post(url, headers={**event, "ce-id": str(uuid.uuid4())}, timeout=10)
        time.sleep(_CANARY_SECONDS)
        return bool(node.received(name))

    until(has_arrived, _SETTLED_SECONDS, "a canary to arrive")
