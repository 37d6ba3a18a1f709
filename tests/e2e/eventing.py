"""Knative Eventing as it is shipped: its objects on the API server, its Deployments as processes.

Each process is a Pod of its Deployment, on a host of its own and with the token of its own service
account, so that what Knative may do is what its own roles let it do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e.api import Api, Object
from tests.e2e.control_plane import ControlPlane, write_kubeconfig
from tests.e2e.endpoints import selects
from tests.e2e.hosts import Host, Hosts
from tests.e2e.places import NODE, NODE_NAME, PROGRAMS, STATE
from tests.e2e.pod_status import State, pod_status
from tests.e2e.probes import is_good, named_ports
from tests.e2e.processes import Processes, Program
from tests.e2e.programs import Programs
from tests.e2e.waiting import until

NAMESPACE: Final = "knative-eventing"
EVENTING: Final = "eventing.knative.dev/v1"
MESSAGING: Final = "messaging.knative.dev/v1"
SOURCES: Final = "sources.knative.dev/v1"
_DEPLOYMENTS: Final = (
    *("eventing-webhook", "eventing-controller", "imc-controller", "imc-dispatcher"),
    *("mt-broker-controller", "mt-broker-ingress", "mt-broker-filter"),
)
_START_SECONDS: Final = 90.0
_TOKEN_SECONDS: Final = 86400
_RBAC: Final = "rbac.authorization.k8s.io/v1"
_HOOKS: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
# Kinds before their objects; webhooks last, they refuse everything until their programs serve.
_ORDER: Final = {"Namespace": 0, "CustomResourceDefinition": 1, **dict.fromkeys(_HOOKS, 3)}
# What the Deployments' own controller would say of them.
_AVAILABLE: Final = {
    **dict.fromkeys(("replicas", "readyReplicas", "availableReplicas", "updatedReplicas"), 1),
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    ],
}


def apply_shipped(api: Api, programs: Programs) -> dict[str, Object]:
    """Apply all that Knative ships; return its Deployments by name."""
    texts = [path.read_text(encoding="utf-8") for path in programs.shipped()]
    loaded = (yaml.load_all(text, yaml.CSafeLoader) for text in texts)
    objects = [each for documents in loaded for each in documents if each]
    objects.sort(key=lambda each: _ORDER.get(each["kind"], 2))
    for each in objects:
        api.apply(each, validation="Ignore")
    _aggregate_roles(api)
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == "Deployment"}


def start(
    control_plane: ControlPlane,
    deployments: Mapping[str, Object],
    hosts: Hosts,
    processes: Processes,
    programs: Programs,
) -> dict[str, Object]:
    """Start the programs and return their Pods by Deployment, all ready and webhooks serving."""
    api = control_plane.api
    pods: dict[str, Object] = {}
    for number, name in enumerate(_DEPLOYMENTS, start=1):
        host = hosts.add(name, PROGRAMS.format(number))
        pods[name] = api.create(_pod(deployments[name]), validation="Ignore")
        account = pods[name]["spec"]["serviceAccountName"]
        token = api.token_for(account, NAMESPACE, expirationSeconds=_TOKEN_SECONDS)
        kubeconfig = write_kubeconfig(STATE / f"{name}.kubeconfig", token, control_plane.ca)
        processes.start(_program(name, pods[name], host, programs, kubeconfig))
    for name, pod in pods.items():
        address = hosts.by_name[name].address
        wait_ready(pod, address, processes)
        status = pod_status(pod["spec"], address, NODE, State(True, started=True, ready=True))
        api.patch(pod, {"status": status}, "status")
        api.patch(deployments[name], {"status": _AVAILABLE}, "status")
    until(lambda: _hooks_serve(api), _START_SECONDS, "Knative's webhooks to be configured")
    return pods


def wait_ready(pod: Object, address: str, processes: Processes) -> None:
    """Return once a Pod answers its own readiness probe. raises: Broken if its process ended."""

    def is_ready() -> bool:
        processes.check()
        container = pod["spec"]["containers"][0]
        return is_good(container["readinessProbe"], address, named_ports(container))

    until(is_ready, _START_SECONDS, f"{pod['metadata']['name']} to be ready")


def _pod(deployment: Object) -> Object:
    template = deployment["spec"]["template"]
    name = f"{deployment['metadata']['name']}-0"
    metadata = {"name": name, "namespace": NAMESPACE, "labels": template["metadata"]["labels"]}
    spec = {**template["spec"], "nodeName": NODE_NAME}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _program(name: str, pod: Object, host: Host, programs: Programs, kubeconfig: Path) -> Program:
    container = pod["spec"]["containers"][0]
    env = {each["name"]: _value(each, pod) for each in container.get("env", [])}
    env |= {"KUBECONFIG": str(kubeconfig), "HOSTNAME": pod["metadata"]["name"]}
    # The image is named after the program that it is made of.
    command = [programs.path(container["image"].rpartition("/")[2])]
    return Program(name, command, env, host)


def _value(variable: dict[str, Any], pod: Object) -> str:
    field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath", "")
    if field.startswith("metadata."):
        return str(pod["metadata"][field.removeprefix("metadata.")])
    # Images of sources that nobody uses here come from a ConfigMap that is not shipped.
    return str(variable.get("value", "none.invalid/image"))


def _hooks_serve(api: Api) -> bool:
    """True once the webhook programs have put their certificate and rules everywhere."""
    group = "admissionregistration.k8s.io/v1"
    configurations = [each for kind in _HOOKS for each in api.list(group, kind)]
    return all(
        hook["clientConfig"].get("caBundle") and hook.get("rules")
        for configuration in configurations
        # This one has no rules until there is a SinkBinding.
        if not configuration["metadata"]["name"].startswith("sinkbindings.")
        for hook in configuration["webhooks"]
    )


def _aggregate_roles(api: Api) -> None:
    """Fill in the rules of ClusterRoles that are made of others, and of others' others."""
    before: dict[str, Any] = {}
    while True:
        roles = api.list(_RBAC, "ClusterRole")
        rules = {each["metadata"]["name"]: _rules(each, roles) for each in roles}
        if rules == before:
            return
        before = rules
        for role in roles:
            if role.get("rules") != (wanted := rules[role["metadata"]["name"]]):
                api.patch(role, {"rules": wanted})


def _rules(role: Object, roles: list[Object]) -> Any:
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
    if not selectors:
        return role.get("rules")
    return [
        rule
        for other in roles
        if other is not role
        for selector in selectors
        if selects(selector.get("matchLabels", {}), other["metadata"].get("labels"))
        for rule in other.get("rules") or []
    ]
