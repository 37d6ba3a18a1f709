"""The Pod of an app that has one."""

from __future__ import annotations

from typing import Final

from tests.e2e.kubelet import Kubelet
from tests.e2e.running_pod import RunningPod
from tests.e2e.waiting import until

_SECONDS: Final = 60.0


def only(kubelet: Kubelet, namespace: str, app: str) -> RunningPod:
    """Return the one Pod of an app, once it runs."""

    def running() -> RunningPod | None:
        pods = kubelet.pods(namespace, app)
        return pods[0] if len(pods) == 1 and pods[0].state.running else None

    found = until(running, _SECONDS, f"a Pod of {app} to run")
    assert found
    return found
