"""The fields that Knative documents for its kinds: a table.

A leaf is a type, a pattern of texts, or the few values that there are; `*` is any name. What
Serving refuses unless an operator has switched it on is left out.
source: the CustomResourceDefinitions and Go types of knative/eventing and knative/serving 1.20, and
    of knative-extensions/eventing-kafka-broker, whose KafkaSource is v1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_DURATION = re.compile(r"PT(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d)?S)?")
_NUMBER = re.compile(r"-?\d+")
_QUANTITY = re.compile(r"\d+(?:m|k|M|G|Ki|Mi|Gi)?")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_ATTRIBUTES: Final = {"*": str}

_METADATA: Final = {"name": _NAME, "namespace": _NAME, "labels": {"*": str}}
_NEAR: Final = {"apiVersion": str, "kind": str, "name": _NAME}
_REFERENCE: Final = {**_NEAR, "namespace": _NAME}
_DESTINATION: Final = {"ref": _REFERENCE, "uri": str, "CACerts": str, "audience": str}
_DELIVERY: Final = {
    "deadLetterSink": _DESTINATION,
    "retry": int,
    "timeout": _DURATION,
    "backoffPolicy": frozenset(("exponential", "linear")),
    "backoffDelay": _DURATION,
    "format": frozenset(("json", "binary")),
}
_FILTER: Final[dict[str, Any]] = {
    "exact": _ATTRIBUTES,
    "prefix": _ATTRIBUTES,
    "suffix": _ATTRIBUTES,
    "cesql": str,
}
_FILTER |= {"all": [_FILTER], "any": [_FILTER], "not": _FILTER}
_SELECTOR: Final = {
    "matchLabels": {"*": str},
    "matchExpressions": [{"key": str, "operator": str, "values": [str]}],
}
_OVERRIDES: Final = {"extensions": {"*": str}}

_SECRET_KEY: Final = {"secretKeyRef": {"name": _NAME, "key": str, "optional": bool}}
_KAFKA_SOURCE: Final = {
    "bootstrapServers": [str],
    "topics": [str],
    "consumers": int,
    "consumerGroup": str,
    "initialOffset": frozenset(("earliest", "latest")),
    "ordering": frozenset(("ordered", "unordered")),
    "delivery": _DELIVERY,
    "net": {
        "tls": {"enable": bool, "cert": _SECRET_KEY, "key": _SECRET_KEY, "caCert": _SECRET_KEY},
        "sasl": {
            "enable": bool,
            **dict.fromkeys(("user", "password", "type", "roleARN", "tokenProvider"), _SECRET_KEY),
        },
    },
    "sink": _DESTINATION,
    "ceOverrides": _OVERRIDES,
}

# A probe's port is the one port of the container, which Serving puts in.
_PROBE: Final = {
    "httpGet": {"path": str, "scheme": str, "httpHeaders": [{"name": str, "value": str}]},
    "tcpSocket": {"host": str},
    "exec": {"command": [str]},
    "grpc": {"service": str},
    "initialDelaySeconds": int,
    "periodSeconds": int,
    "timeoutSeconds": int,
    "successThreshold": int,
    "failureThreshold": int,
}
_KEY: Final = {"name": _NAME, "key": str, "optional": bool}
_SOURCE: Final = {"name": _NAME, "optional": bool}
_FILES: Final = {"optional": bool, "items": [{"key": str, "path": str, "mode": int}]}
_VOLUME: Final = {
    "name": _NAME,
    "configMap": {"name": _NAME, "defaultMode": int, **_FILES},
    "secret": {"secretName": _NAME, "defaultMode": int, **_FILES},
    "emptyDir": {"medium": str, "sizeLimit": _QUANTITY},
    "projected": {
        "defaultMode": int,
        "sources": [
            {
                "configMap": {"name": _NAME, **_FILES},
                "secret": {"name": _NAME, **_FILES},
                "serviceAccountToken": {"audience": str, "expirationSeconds": int, "path": str},
            }
        ],
    },
}
_CONTAINER: Final = {
    "name": _NAME,
    "image": str,
    "imagePullPolicy": str,
    "command": [str],
    "args": [str],
    "workingDir": str,
    "env": [
        {"name": str, "value": str, "valueFrom": {"configMapKeyRef": _KEY, "secretKeyRef": _KEY}}
    ],
    "envFrom": [{"prefix": str, "configMapRef": _SOURCE, "secretRef": _SOURCE}],
    "ports": [{"name": frozenset(("http1", "h2c")), "containerPort": int, "protocol": str}],
    "resources": {"requests": {"*": _QUANTITY}, "limits": {"*": _QUANTITY}},
    "startupProbe": _PROBE,
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "securityContext": {
        "allowPrivilegeEscalation": bool,
        "capabilities": {"add": [str], "drop": [str]},
        "readOnlyRootFilesystem": bool,
        "runAsGroup": int,
        "runAsNonRoot": bool,
        "runAsUser": int,
        "seccompProfile": {"type": str, "localhostProfile": str},
    },
    "terminationMessagePath": str,
    "terminationMessagePolicy": str,
    "volumeMounts": [{"name": _NAME, "mountPath": str, "subPath": str, "readOnly": bool}],
}
_AUTOSCALING: Final = (
    "activation-scale initial-scale max-scale min-scale scale-down-delay"
    " scale-to-zero-pod-retention-period target target-burst-capacity"
    " target-utilization-percentage window"
).split()
_KNATIVE_SERVICE: Final = {
    "template": {
        "metadata": {
            "labels": {"*": str},
            "annotations": {f"autoscaling.knative.dev/{name}": _NUMBER for name in _AUTOSCALING},
        },
        "spec": {
            "containers": [_CONTAINER],
            "volumes": [_VOLUME],
            "serviceAccountName": _NAME,
            "automountServiceAccountToken": frozenset((False,)),
            "enableServiceLinks": bool,
            "imagePullSecrets": [{"name": _NAME}],
            "containerConcurrency": int,
            "timeoutSeconds": int,
            "responseStartTimeoutSeconds": int,
            "idleTimeoutSeconds": int,
        },
    },
    "traffic": [
        {"revisionName": _NAME, "latestRevision": bool, "percent": int, "tag": _NAME},
    ],
}
_SERVICE_LABELS: Final = {
    "networking.knative.dev/visibility": frozenset(("cluster-local",)),
    "app.kubernetes.io/name": str,
    "app.kubernetes.io/part-of": str,
}
_BROKER_CLASS: Final = {
    "eventing.knative.dev/broker.class": frozenset(
        ("MTChannelBasedBroker", "Kafka", "KafkaNamespaced")
    ),
}
_DELIVERY_ORDER: Final = {
    "kafka.eventing.knative.dev/delivery.order": frozenset(("ordered", "unordered")),
}

DOCUMENTED: Final[Mapping[str, Mapping[str, Any]]] = {
    "eventing.knative.dev/v1 Broker": {
        "metadata": {**_METADATA, "annotations": _BROKER_CLASS},
        "spec": {"config": _REFERENCE, "delivery": _DELIVERY},
    },
    "eventing.knative.dev/v1 Trigger": {
        "metadata": {**_METADATA, "annotations": _DELIVERY_ORDER},
        "spec": {
            "broker": _NAME,
            "brokerRef": _REFERENCE,
            "filter": {"attributes": _ATTRIBUTES},
            "filters": [_FILTER],
            "subscriber": _DESTINATION,
            "delivery": _DELIVERY,
        },
    },
    "eventing.knative.dev/v1alpha1 EventPolicy": {
        "metadata": _METADATA,
        "spec": {
            "to": [{"ref": _NEAR, "selector": {**_SELECTOR, "apiVersion": str, "kind": str}}],
            "from": [{"ref": _REFERENCE, "sub": str}],
            "filters": [_FILTER],
        },
    },
    "eventing.knative.dev/v1beta2 EventType": {
        "metadata": _METADATA,
        "spec": {
            **dict.fromkeys(("type", "source", "schema", "schemaData", "description"), str),
            "reference": {**_REFERENCE, "address": str},
        },
    },
    "sources.knative.dev/v1 SinkBinding": {
        "metadata": _METADATA,
        "spec": {
            "subject": {**_REFERENCE, "selector": _SELECTOR},
            "sink": _DESTINATION,
            "ceOverrides": _OVERRIDES,
        },
    },
    "sources.knative.dev/v1 KafkaSource": {"metadata": _METADATA, "spec": _KAFKA_SOURCE},
    "serving.knative.dev/v1 Service": {
        "metadata": {**_METADATA, "labels": _SERVICE_LABELS},
        "spec": _KNATIVE_SERVICE,
    },
}
