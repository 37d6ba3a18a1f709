"""Which fields of a Pod and a Deployment are played here; every other field is an error.

So a manifest cannot say what the proofs then do not run. Pure.
Source: Kubernetes API reference, core/v1 PodSpec and apps/v1 DeploymentSpec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

# Read by the code that runs a Pod, or without meaning here: whatever it says.
_ANY: Final = "any value"

# Fields that say something to parts of a cluster that are not here -> which parts those are.
WITHOUT_MEANING: Final[Mapping[str, str]] = {
    "affinity": "scheduler; there is one node",
    "nodeSelector": "scheduler; there is one node",
    "schedulerName": "scheduler; there is one node",
    "tolerations": "scheduler; there is one node",
    "topologySpreadConstraints": "scheduler; there is one node",
    "priority": "scheduler; there is room for all",
    "priorityClassName": "scheduler; there is room for all",
    "preemptionPolicy": "scheduler; there is room for all",
    "imagePullSecrets": "registry; images are here already",
    "serviceAccount": "an old name of serviceAccountName",
}

_PROBE: Final[Mapping[str, Any]] = {
    "httpGet": {"path": _ANY, "port": _ANY, "scheme": frozenset({"HTTP"})},
    "initialDelaySeconds": _ANY,
    "periodSeconds": _ANY,
    "timeoutSeconds": _ANY,
    "successThreshold": _ANY,
    "failureThreshold": _ANY,
}
_KEYS: Final = [{"key": _ANY, "path": _ANY}]
# Of a Pod and of its container alike.
_IDENTITY: Final[Mapping[str, Any]] = {
    "runAsUser": _ANY,
    "runAsGroup": _ANY,
    "runAsNonRoot": _ANY,
    "seccompProfile": {"type": frozenset({"RuntimeDefault"})},
}
_CONTAINER: Final[Mapping[str, Any]] = {
    "name": _ANY,
    "image": _ANY,
    "imagePullPolicy": _ANY,  # never pulled
    "command": _ANY,
    "args": _ANY,
    "workingDir": _ANY,
    "env": [
        {
            "name": _ANY,
            "value": _ANY,
            "valueFrom": {
                "fieldRef": {"apiVersion": frozenset({"v1"}), "fieldPath": _ANY},
                "configMapKeyRef": {"name": _ANY, "key": _ANY, "optional": _ANY},
                "secretKeyRef": {"name": _ANY, "key": _ANY, "optional": _ANY},
            },
        }
    ],
    "envFrom": [
        {
            "prefix": _ANY,
            "configMapRef": {"name": _ANY, "optional": _ANY},
            "secretRef": {"name": _ANY, "optional": _ANY},
        }
    ],
    "ports": [{"name": _ANY, "containerPort": _ANY, "protocol": frozenset({"TCP"})}],
    "startupProbe": _PROBE,
    "readinessProbe": _PROBE,
    "livenessProbe": _PROBE,
    "lifecycle": {"preStop": {"sleep": {"seconds": _ANY}}},
    "resources": {
        "requests": _ANY,  # the scheduler's; there is room for all
        "limits": {"memory": _ANY, "cpu": _ANY},
    },
    "securityContext": {
        **_IDENTITY,
        "readOnlyRootFilesystem": _ANY,
        "allowPrivilegeEscalation": _ANY,
        "privileged": frozenset({False}),
        "capabilities": {"drop": _ANY, "add": _ANY},
    },
    "volumeMounts": [{"name": _ANY, "mountPath": _ANY, "readOnly": _ANY}],
    "terminationMessagePath": frozenset({"/dev/termination-log"}),  # nothing here writes one
    "terminationMessagePolicy": frozenset({"File"}),
}
_SECRET: Final = {"items": _KEYS, "optional": _ANY}
_VOLUME: Final[Mapping[str, Any]] = {
    "name": _ANY,
    "configMap": {"name": _ANY, "defaultMode": _ANY, **_SECRET},
    "secret": {"secretName": _ANY, "defaultMode": _ANY, **_SECRET},
    "emptyDir": {"medium": frozenset({"", "Memory"}), "sizeLimit": _ANY},
    "persistentVolumeClaim": {"claimName": _ANY, "readOnly": frozenset({False})},
    "projected": {
        "defaultMode": _ANY,
        "sources": [
            {
                "configMap": {"name": _ANY, **_SECRET},
                "secret": {"name": _ANY, **_SECRET},
                "serviceAccountToken": {"audience": _ANY, "expirationSeconds": _ANY, "path": _ANY},
            }
        ],
    },
}
_POD: Final[Mapping[str, Any]] = {
    **dict.fromkeys(WITHOUT_MEANING, _ANY),
    "containers": [_CONTAINER],
    "volumes": [_VOLUME],
    "nodeName": _ANY,
    "serviceAccountName": _ANY,
    "terminationGracePeriodSeconds": _ANY,
    # What is not written for us: variables of every Service, and a token of the API server's.
    "enableServiceLinks": frozenset({False}),
    "automountServiceAccountToken": frozenset({False}),
    "dnsPolicy": frozenset({"ClusterFirst"}),
    "restartPolicy": frozenset({"Always"}),
    "securityContext": {
        **_IDENTITY,
        "fsGroup": _ANY,
        "fsGroupChangePolicy": _ANY,  # how fast, not what
    },
}
_DEPLOYMENT: Final[Mapping[str, Any]] = {
    "replicas": _ANY,
    "selector": _ANY,
    "template": _ANY,  # read as the Pod that is made of it
    "strategy": {
        "type": _ANY,
        "rollingUpdate": {"maxSurge": _ANY, "maxUnavailable": _ANY},
    },
    "revisionHistoryLimit": _ANY,  # there are no ReplicaSets to go back to
    "progressDeadlineSeconds": _ANY,  # whoever waits for a rollout here has a limit of its own
}
# What a Pod that leaves these two out gets is not played.
_REQUIRED: Final = ("enableServiceLinks", "automountServiceAccountToken")


def pod_problems(spec: Mapping[str, Any]) -> list[str]:
    """Return each field of a Pod's spec, as the API server returns it, that is not played here."""
    problems = list(_unknown(spec, _POD, "spec"))
    problems += [
        f"spec.{name} is missing: it has to be false" for name in _REQUIRED if name not in spec
    ]
    if len(spec["containers"]) != 1:
        problems.append("spec.containers: has to be one container")
    return problems


def deployment_problems(spec: Mapping[str, Any]) -> list[str]:
    """The same for a Deployment's spec; its template is judged as the Pods made of it."""
    return list(_unknown(spec, _DEPLOYMENT, "spec"))


def _unknown(value: Any, known: Any, path: str) -> Iterator[str]:
    if isinstance(known, frozenset):
        if value not in known:
            yield f"{path}: {value!r} is not played here, only {sorted(known)}"
    elif isinstance(known, list):
        for number, item in enumerate(value):
            yield from _unknown(item, known[0], f"{path}[{number}]")
    elif isinstance(known, Mapping):
        for name, item in value.items():
            if name in known:
                yield from _unknown(item, known[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}: not played here"
