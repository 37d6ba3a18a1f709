"""What a kubelet knows of a running Pod, and how the API server gets to know it. Pure.

Source: Kubernetes API reference, core/v1 PodStatus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.e2e.api import Object

CREATING: Final = "ContainerCreating"


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a Pod's container.

    reason, message:  why it does not run; a running one has none.
    exit_code, ended: how the one before it ended, if there was one.
    """

    running: bool = False
    started: bool = False
    ready: bool = False
    restarts: int = 0
    reason: str = CREATING
    message: str = ""
    exit_code: int = 0
    ended: str = ""

    @property
    def problem(self) -> str:
        """Return what somebody has to do something about; empty: nothing."""
        return "" if self.running or self.reason == CREATING else f"{self.reason}: {self.message}"


def pod_status(spec: Mapping[str, Any], ip: str, node: str, state: State) -> Object:
    """Return the status of a Pod with this spec."""
    container = spec["containers"][0]
    waiting = {"reason": state.reason, "message": state.message}
    last = {"terminated": {"exitCode": state.exit_code, "reason": state.ended}}
    conditions = {
        "PodScheduled": True,
        "Initialized": True,
        "ContainersReady": state.ready,
        "Ready": state.ready,
    }
    return {
        "phase": "Running" if state.running or state.restarts else "Pending",
        "hostIP": node,
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "conditions": [{"type": name, "status": str(met)} for name, met in conditions.items()],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": state.ready,
                "started": state.started,
                "restartCount": state.restarts,
                "state": {"running": {}} if state.running else {"waiting": waiting},
                "lastState": last if state.restarts else {},
            }
        ],
    }
