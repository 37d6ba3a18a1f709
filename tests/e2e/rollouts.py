"""The controllers of Deployments: what `deployments` decides, done on the API server."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tests.e2e.api import Api, ApiError, Object, place
from tests.e2e.deployments import (
    deployment_status,
    is_ending,
    next_step,
    owned,
    owner,
    replicas,
)


@dataclass(slots=True)
class Rollouts:
    """Takes Deployments further, one step of each at a time; Pods get this node's name.

    refused: (namespace, Deployment) -> what the API server said of the last Pod it did not take.
    """

    api: Api
    node: str
    refused: dict[tuple[str, str], str] = field(default_factory=dict)
    _said: dict[str, Object] = field(default_factory=dict)

    def advance(self, namespaces: Collection[str], pods: Sequence[Object]) -> bool:
        """Do the next step in each of the namespaces; return whether Pods have come or gone.

        pods: all that there are.
        """
        autoscalers = self.api.list("autoscaling/v2", "HorizontalPodAutoscaler")
        there = [
            each
            for each in self.api.list("apps/v1", "Deployment")
            if each["metadata"]["namespace"] in namespaces
        ]
        known = set(map(place, there))
        self.refused = {key: text for key, text in self.refused.items() if key in known}
        changed = self._collect([each["metadata"]["uid"] for each in there], namespaces, pods)
        for deployment in there:
            namespace = deployment["metadata"]["namespace"]
            near = [each for each in autoscalers if each["metadata"]["namespace"] == namespace]
            wanted = replicas(deployment, near)
            own = owned(deployment, pods)
            step = next_step(deployment, own, wanted, self.node)
            refused = "" if not step.create else self._create(deployment, step.create)
            for name in step.delete:
                self.api.delete("v1", "Pod", name, namespace)
            changed |= bool(step.create or step.delete) and not refused
            self._report(deployment, deployment_status(deployment, own, wanted, refused))
        return changed

    def _create(self, deployment: Object, pods: Sequence[Object]) -> str:
        key = place(deployment)
        try:
            for pod in pods:
                name = f"{pod['metadata']['generateName']}{secrets.token_hex(3)}"
                self.api.create({**pod, "metadata": {**pod["metadata"], "name": name}})
        except ApiError as error:
            self.refused[key] = error.message
            return error.message
        self.refused.pop(key, None)
        return ""

    def _collect(
        self, uids: Collection[str], namespaces: Collection[str], pods: Sequence[Object]
    ) -> bool:
        """Delete the Pods of Deployments that are no more."""
        orphans = [
            pod["metadata"]
            for pod in pods
            if pod["metadata"]["namespace"] in namespaces
            and (made_for := owner(pod)) is not None
            and made_for not in uids
            and not is_ending(pod)
        ]
        for metadata in orphans:
            self.api.delete("v1", "Pod", metadata["name"], metadata["namespace"])
        return bool(orphans)

    def _report(self, deployment: Object, status: Object) -> None:
        uid = deployment["metadata"]["uid"]
        if self._said.get(uid) != status:
            self.api.patch(deployment, {"status": status}, "status")
            self._said[uid] = status
