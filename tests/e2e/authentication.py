"""The overlay dev with the component `authentication`, on a Knative that authenticates.

Knative's feature is one for the whole cluster, so this is for the end of a run: what knows no
tokens gets no events any more.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import yaml

from sinks.local.processes import ROOT
from tests.e2e.api import named
from tests.e2e.channel import wait_complete
from tests.e2e.eventing import EVENTING, NAMESPACE, SOURCES
from tests.e2e.overlay import Applied, rolled_out
from tests.e2e.waiting import until

_SECONDS: Final = 90.0
# Kind -> what its status says once Knative has an identity for it.
_IDENTITIES: Final = (
    (EVENTING, "Trigger", "auth"),
    (EVENTING, "Broker", "policies"),
    (SOURCES, "SinkBinding", "oidcTokenSecretName"),
)
_POLICIES: Final = "eventing.knative.dev/v1alpha1"
# The latter belong to the former, and have to be gone before those come again under their names.
_ROUTING: Final = (
    *("triggers.eventing.knative.dev", "brokers.eventing.knative.dev"),
    *("subscriptions.messaging.knative.dev", "inmemorychannels.messaging.knative.dev"),
)


@dataclass(frozen=True, slots=True)
class Authenticated:
    """An overlay whose callers all have to show tokens."""

    overlay: Applied

    def settings(self, sink: str) -> Mapping[str, str]:
        """Return the variables of a sink, from its ConfigMap."""
        api, namespace = self.overlay.cluster.api, self.overlay.namespace
        spec = api.get("apps/v1", "Deployment", sink, namespace)["spec"]["template"]["spec"]
        name = spec["containers"][0]["envFrom"][0]["configMapRef"]["name"]
        data: Mapping[str, str] = api.get("v1", "ConfigMap", name, namespace)["data"]
        return data

    def token(self, account: str, audience: str, namespace: str = "") -> str:
        """Return the cluster's own token of a service account, which is made if there is none."""
        api, within = self.overlay.cluster.api, namespace or self.overlay.namespace
        api.apply(named("v1", "ServiceAccount", account, within))
        return api.token_for(account, within, audiences=[audience])


def authenticated(dev: Applied, directory: Path) -> Authenticated:
    """Switch the feature on, apply the component, and return when all is rolled out.

    Broker and Triggers are made anew. Knative 1.20 replaces the Subscription of a Trigger that is
    changed, and if many are at once, some of the old ones stay in the channel: they have no
    identity, and fail for ever.

    directory: where the kustomization is written that takes the component.
    """
    api, namespace = dev.cluster.api, dev.namespace
    # Whatever Triggers others have left would be given identities too, before our own are.
    everywhere = ("--all", "--all-namespaces")
    dev.cluster.kubectl("delete", ",".join(_ROUTING), *everywhere, "--wait=false")
    for kind in _ROUTING:
        dev.cluster.kubectl("delete", kind, "--all", "--namespace", namespace, "--timeout=60s")
    features = named("v1", "ConfigMap", "config-features", NAMESPACE)
    api.patch(features, {"data": {"authentication-oidc": "enabled"}})
    # Everywhere else the cluster itself puts this into every namespace.
    root = {"ca.crt": dev.cluster.api_ca.read_text()}
    api.apply(named("v1", "ConfigMap", "kube-root-ca.crt", namespace, data=root))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(ROOT / "manifests/overlays/dev", directory)],
        "components": [os.path.relpath(ROOT / "manifests/components/authentication", directory)],
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    dev.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(directory))
    for api_version, kind, told in _IDENTITIES:
        all_tell = partial(_all_tell, dev, api_version, kind, told)
        until(all_tell, _SECONDS, f"status.{told} of every {kind}")
    for policy in api.list(_POLICIES, "EventPolicy", namespace):
        dev.cluster.ready(_POLICIES, "EventPolicy", policy["metadata"]["name"], namespace, _SECONDS)
    for trigger in api.list(EVENTING, "Trigger", namespace):
        dev.cluster.ready(EVENTING, "Trigger", trigger["metadata"]["name"], namespace, _SECONDS)
    wait_complete(api, namespace)
    rolled_out(dev)
    return Authenticated(dev)


def _all_tell(dev: Applied, api_version: str, kind: str, told: str) -> bool:
    objects = dev.cluster.api.list(api_version, kind, dev.namespace)
    return all(each.get("status", {}).get(told) for each in objects)
