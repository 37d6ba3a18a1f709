"""What Pods refer to: ConfigMaps, Secrets and claims of the API server, as of a moment ago."""

from __future__ import annotations

import base64
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.api import Api, Object
from tests.e2e.pod import Objects

_SECONDS: Final = 2.0


@dataclass(slots=True)
class Referenced:
    """The latest look at the objects of each namespace."""

    api: Api
    _objects: Mapping[str, Objects] = field(default_factory=dict)
    _looked: float = 0.0

    def of(self, namespace: str) -> Objects:
        """Return those of a namespace that has been looked at."""
        return self._objects[namespace]

    def look(self, namespaces: Collection[str], now: bool) -> None:
        """Look again if it is time to, or if it has to be now."""
        if now or time.monotonic() > self._looked + _SECONDS:
            self._looked = time.monotonic()
            # Pods of a namespace that is not looked at any more may still ask while they end.
            found = {each: self._look_into(each) for each in namespaces}
            self._objects = {**self._objects, **found}

    def _look_into(self, namespace: str) -> Objects:
        """Return what there is; claims are Bound then, as a cluster's provisioner would do it."""
        claims = self.api.list("v1", "PersistentVolumeClaim", namespace)
        for claim in claims:
            if claim["status"].get("phase") != "Bound":
                self.api.patch(claim, {"status": {"phase": "Bound"}}, "status")
        return Objects(
            {
                each["metadata"]["name"]: {
                    key: text.encode() for key, text in each.get("data", {}).items()
                }
                for each in self.api.list("v1", "ConfigMap", namespace)
            },
            {
                each["metadata"]["name"]: _decoded(each)
                for each in self.api.list("v1", "Secret", namespace)
            },
            frozenset(each["metadata"]["name"] for each in claims),
        )


def _decoded(secret: Object) -> dict[str, bytes]:
    return {key: base64.b64decode(text) for key, text in secret.get("data", {}).items()}
