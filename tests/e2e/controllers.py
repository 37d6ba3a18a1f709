"""What stands in for kube-controller-manager, kube-proxy and the cluster's DNS.

Whenever a Service, its Endpoints or a Pod changes, Endpoints, nft's rules and names follow. What
belonged to a deleted object of Knative is deleted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from tests.e2e import dns, endpoints, service_proxy
from tests.e2e.api import Api, ApiError, Object, named, place
from tests.e2e.commands import run
from tests.e2e.eventing import EVENTING, MESSAGING, SOURCES
from tests.e2e.places import NODE
from tests.machine import Failed

_NETWORK: Final = ("Service", "Endpoints", "Pod")
_OWNERS: Final = (
    (EVENTING, "Broker"),
    (EVENTING, "Trigger"),
    (MESSAGING, "InMemoryChannel"),
    (MESSAGING, "Subscription"),
    (SOURCES, "SinkBinding"),
)
_OWNED: Final = (
    (MESSAGING, "InMemoryChannel"),
    (MESSAGING, "Subscription"),
    ("eventing.knative.dev/v1beta3", "EventType"),
    ("eventing.knative.dev/v1alpha1", "EventPolicy"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "Secret"),
)
_AGAIN_SECONDS: Final = 0.2
_ERRORS: Final = (OSError, ApiError, ValueError, Failed)


@dataclass(slots=True)
class Controllers:
    """All of them, in threads from `start` until this process ends.

    names:  further names -> addresses, of hosts outside the cluster; may change at any time.
    log:    what went wrong, and is tried again.
    """

    api: Api
    names: Mapping[str, str]
    log: Path
    _changed: threading.Event = field(default_factory=threading.Event)
    _table: Mapping[str, dns.Record] = field(default_factory=dict)
    _rules: str = ""

    def start(self) -> None:
        """Begin with one round here, so that what is wrong for good is an error here."""
        self._connect(self.api)
        dns.serve(NODE, self._records)
        for kind in _NETWORK:
            self._thread(partial(self._notice, kind=kind))
        for api_version, kind in _OWNERS:
            self._thread(partial(_collect, api_version=api_version, kind=kind))
        self._thread(self._follow)

    def _records(self) -> Mapping[str, dns.Record]:
        names = dict(self.names)  # it may grow while it is read
        outside = {name: dns.Record((address,)) for name, address in names.items()}
        return {**outside, **self._table}

    def _thread(self, work: Callable[[Api], None]) -> None:
        """Do work again and again in a thread, with an API of its own."""

        def run() -> None:
            while True:
                try:
                    work(self.api.another())
                except _ERRORS as error:
                    with self.log.open("a") as log:
                        print(time.strftime("%T"), repr(error), file=log)
                time.sleep(_AGAIN_SECONDS)

        threading.Thread(target=run, daemon=True).start()

    def _notice(self, api: Api, kind: str) -> None:
        for _ in api.watch("v1", kind):
            self._changed.set()

    def _follow(self, api: Api) -> None:
        while True:
            self._changed.wait()
            self._changed.clear()
            try:
                self._connect(api)
            except _ERRORS:
                self._changed.set()
                raise

    def _connect(self, api: Api) -> None:
        """Make Endpoints, rules and names what Services and Pods say now."""
        services = api.list("v1", "Service")
        found = {place(each): each for each in api.list("v1", "Endpoints")}
        pods = api.list("v1", "Pod")
        for service in services:
            if service["spec"].get("selector"):
                present = found.get(place(service), {})
                found[place(service)] = _endpoints(api, service, pods, present)
        rules = service_proxy.ruleset(services, found.values())
        if rules != self._rules:
            run("nft", "-f", "-", input=rules)
            self._rules = rules
        # After the rules: who finds a name reaches what it stands for.
        self._table = dns.records(services, found.values())


def _endpoints(api: Api, service: Object, pods: list[Object], present: Object) -> Object:
    """Return a Service's Endpoints, written if they have changed."""
    wanted = endpoints.subsets(service, pods)
    if present and present.get("subsets", []) == wanted:
        return present
    namespace, name = place(service)
    return api.apply(named("v1", "Endpoints", name, namespace, subsets=wanted))


def _collect(api: Api, api_version: str, kind: str) -> None:
    """Delete what objects of a kind have owned, as each is deleted."""
    for event, owner in api.watch(api_version, kind):
        if event != "DELETED":
            continue
        for owned in _OWNED:
            for each in api.list(*owned, namespace=owner["metadata"]["namespace"]):
                owners = each["metadata"].get("ownerReferences", [])
                if any(reference["uid"] == owner["metadata"]["uid"] for reference in owners):
                    _delete(api, each)


def _delete(api: Api, obj: Object) -> None:
    namespace, name = place(obj)
    try:
        api.delete(obj["apiVersion"], obj["kind"], name, namespace)
    except ApiError as error:
        if error.status != 404:  # else somebody was faster
            raise
