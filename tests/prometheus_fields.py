"""The fields of the kinds of the Prometheus operator that our manifests have: a table.

As in `knative_fields`: a leaf is a type, a pattern of texts, or the few values that there are.
source: the CustomResourceDefinitions of prometheus-operator 0.87. What wants credentials or TLS is
    left out, as our sinks show their metrics to whoever NetworkPolicy lets in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_DURATION: Final = re.compile(r"0|(?=\d)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?")
_LABEL: Final = re.compile(r"[a-zA-Z_]\w*")
_METADATA: Final = {"name": str, "namespace": str, "labels": {"*": str}, "annotations": {"*": str}}
_RELABELING: Final = {
    "sourceLabels": [_LABEL],
    "separator": str,
    "targetLabel": _LABEL,
    "regex": str,
    "modulus": int,
    "replacement": str,
    "action": str,
}
_ENDPOINT: Final = {
    "port": str,
    "portNumber": int,
    "path": str,
    "scheme": frozenset(("http", "https", "HTTP", "HTTPS")),
    "params": {"*": [str]},
    "interval": _DURATION,
    "scrapeTimeout": _DURATION,
    "honorLabels": bool,
    "honorTimestamps": bool,
    "relabelings": [_RELABELING],
    "metricRelabelings": [_RELABELING],
    "followRedirects": bool,
    "enableHttp2": bool,
    "filterRunning": bool,
}
_RULE: Final = {
    "alert": str,
    "record": _LABEL,
    "expr": str,
    "for": _DURATION,
    "keep_firing_for": _DURATION,
    "labels": {"*": str},
    "annotations": {"*": str},
}

DOCUMENTED: Final[Mapping[str, Mapping[str, Any]]] = {
    "monitoring.coreos.com/v1 PodMonitor": {
        "metadata": _METADATA,
        "spec": {
            "selector": {
                "matchLabels": {"*": str},
                "matchExpressions": [{"key": str, "operator": str, "values": [str]}],
            },
            "namespaceSelector": {"any": bool, "matchNames": [str]},
            "jobLabel": str,
            "podTargetLabels": [str],
            "podMetricsEndpoints": [_ENDPOINT],
            "sampleLimit": int,
            "targetLimit": int,
        },
    },
    "monitoring.coreos.com/v1 PrometheusRule": {
        "metadata": _METADATA,
        "spec": {
            "groups": [
                {
                    "name": str,
                    "interval": _DURATION,
                    "limit": int,
                    "labels": {"*": str},
                    "rules": [_RULE],
                }
            ]
        },
    },
}
