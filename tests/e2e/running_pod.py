"""One Pod as a kubelet runs it: a thread with its containers, one after the other, and its probes.

Everything about it comes from the Pod as the API server returned it. The network it runs in exists
before, and the kubelet says when the NetworkPolicies for it are in force.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tests.e2e.hosts import Host
from tests.e2e.places import NODE
from tests.e2e.pod import CannotStart, Image, Objects, environment, podman_options
from tests.e2e.pod_status import State
from tests.e2e.probes import Probes
from tests.e2e.understood import pod_problems
from tests.e2e.volumes import MakeToken, Volumes
from tests.e2e.watched_process import WatchedProcess, watched
from tests.image.engine import Container, Engine
from tests.machine import Failed

_TICK_SECONDS: Final = 0.1
_REFRESH_SECONDS: Final = 2.0  # of files from ConfigMaps and Secrets
_RETRY_SECONDS: Final = 1.0
_LONGEST_BACK_OFF_SECONDS: Final = 5.0
_LEAST_GRACE_SECONDS: Final = 2.0  # what a preStop hook leaves at least, as in Kubernetes


@dataclass(frozen=True, slots=True)
class Place:
    """What a Pod gets from its node.

    directory:  its own, and gone with it; `etc` in there has files for the container's /etc.
    claims:     directory of all claims of its namespace.
    objects:    returns what the Pod may refer to, as it is now.
    changed:    is called after every change of the state.
    """

    engine: Engine
    host: Host
    directory: Path
    claims: Path
    log: Path
    objects: Callable[[], Objects]
    make_token: MakeToken
    changed: Callable[[], None]


class RunningPod:
    """A Pod on this node, from `start` on until `is_gone`."""

    def __init__(self, pod: dict[str, Any], place: Place) -> None:
        self.pod = {**pod, "status": {"podIP": place.host.address, "hostIP": NODE}}
        self.name: str = pod["metadata"]["name"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.app: str = pod["metadata"].get("labels", {}).get("app.kubernetes.io/name", "")
        self.ip = place.host.address
        self.state = State()
        self.container: Container | None = None
        self._place = place
        place.log.touch()
        self._volumes = Volumes(pod, place.directory / "volumes", place.claims)
        self._spec = pod["spec"]["containers"][0]
        self._pid = 0
        self._grace_seconds = float(pod["spec"]["terminationGracePeriodSeconds"])
        self._may_start = threading.Event()
        self._ending = threading.Event()
        self._at_once = threading.Event()
        self._thread = threading.Thread(target=self._live, name=self.name, daemon=True)
        self._thread.start()

    @property
    def log(self) -> str:
        """All that its containers have written so far, without the time before each line."""
        lines = self._place.log.read_text(errors="replace").splitlines()
        return "\n".join(line.split(" ", 3)[-1] for line in lines)

    @property
    def host(self) -> Host:
        return self._place.host

    @property
    def pid(self) -> int:
        """The process 1 of its container, as the node numbers it."""
        return self._pid

    @property
    def is_ending(self) -> bool:
        return self._ending.is_set()

    @property
    def is_gone(self) -> bool:
        return not self._thread.is_alive()

    def start(self) -> None:
        """Let its container start; calling it again changes nothing."""
        self._may_start.set()

    def kill(self) -> None:
        """Send SIGKILL to the container's process 1, of which there has to be one."""
        assert self._pid, f"{self.name} has no container yet"  # 0 would be the tests themselves
        os.kill(self._pid, signal.SIGKILL)

    def stop(self, grace_seconds: float) -> None:
        """End it in the background: preStop, SIGTERM, SIGKILL after the grace."""
        self._grace_seconds = grace_seconds
        self._ending.set()

    def stop_at_once(self) -> None:
        """Kill it in the background, as when its node is switched off."""
        self._at_once.set()
        self._ending.set()

    def _live(self) -> None:
        while not self._may_start.wait(_TICK_SECONDS) and not self._ending.is_set():
            pass
        while not self._ending.is_set():
            try:
                container = self._started()
            except CannotStart as error:
                self._say(reason="CreateContainerConfigError", message=str(error))
                self._ending.wait(_RETRY_SECONDS)
            except (Failed, OSError) as error:
                self._say(reason="CreateContainerError", message=_told(error))
                self._ending.wait(_RETRY_SECONDS)
            else:
                self._run(container)
                self._ending.wait(min(self.state.restarts - 1, _LONGEST_BACK_OFF_SECONDS))
        self._volumes.unmount()
        shutil.rmtree(self._place.directory)
        self._place.changed()

    def _started(self) -> Container:
        if problems := pod_problems(self.pod["spec"]):
            raise CannotStart("; ".join(problems))
        place, objects = self._place, self._place.objects()
        mounts = self._volumes.prepare(objects, place.make_token)
        inspect = ("image", "inspect", "--format", "{{json .Config}}", self._spec["image"])
        image = Image.of(json.loads(place.engine.podman(*inspect).stdout))
        options = podman_options(self.pod, environment(self.pod, objects), image, mounts)
        name, pid_file = f"{self.name}-{self.state.restarts}", place.directory / "pid"
        here = [f"--name={name}", f"--network=ns:{place.host.namespace}", f"--pidfile={pid_file}"]
        here += ["--detach", "--replace", "--log-driver=k8s-file", f"--log-opt=path={place.log}"]
        for path in (place.directory / "etc").iterdir():
            here.append(f"--volume={path}:/etc/{path.name}:ro")
        begun = time.monotonic()
        place.engine.podman("run", *here, *options)
        self._pid = int(pid_file.read_text())
        self.container = Container(place.engine, name, begun)
        return self.container

    def _run(self, container: Container) -> None:
        """Be with the container until it has ended, and say how it did."""
        failed = ""
        with suppress(ProcessLookupError):  # ended before we could look
            with watched(self._pid, self._at_once) as process:
                failed = self._watch(process, container)
                self._terminate(process)
        # Before podman itself knows of the end it cannot remove the container.
        ended = container.engine.podman("wait", container.name, check=False)
        if ended.returncode:  # Ctrl-C reaches podman too
            return self._say(running=False, ready=False, reason="ContainerStatusUnknown")
        code = int(ended.stdout)
        container.engine.podman("rm", "--force", "--time", "0", container.name, check=False)
        self._say(
            running=False,
            started=False,
            ready=False,
            restarts=self.state.restarts + 1,
            reason="CrashLoopBackOff",
            message=f"see {self._place.log}",
            exit_code=code,
            ended=f"Failed{failed}Probe" if failed else "Error" if code else "Completed",
        )

    def _watch(self, process: WatchedProcess, container: Container) -> str:
        """Return when the container has ended or is to end; the probe's name that wants it to."""
        probes = Probes.of(self._spec, self.ip, container.begun)
        refreshed = time.monotonic()
        while not self._ending.is_set() and not process.has_ended(_TICK_SECONDS):
            probes.ask()
            self._say(
                running=True, started=probes.started, ready=probes.ready, reason="", message=""
            )
            if probes.failed:
                return probes.failed
            if time.monotonic() > refreshed + _REFRESH_SECONDS:
                refreshed = time.monotonic()
                self._refresh()
        return ""

    def _refresh(self) -> None:
        try:
            self._volumes.prepare(self._place.objects(), self._place.make_token)
        except CannotStart:
            return  # what has been taken away stays as it was while the container runs

    def _terminate(self, process: WatchedProcess) -> None:
        limit = time.monotonic() + self._grace_seconds
        hook = self._spec.get("lifecycle", {}).get("preStop", {})
        process.wait(min(hook.get("sleep", {}).get("seconds", 0), self._grace_seconds))
        process.end(max(limit - time.monotonic(), _LEAST_GRACE_SECONDS))

    def _say(self, **changes: Any) -> None:
        state = replace(self.state, **changes)
        if state != self.state:
            self.state = state
            self._place.changed()


def _told(error: Failed | OSError) -> str:
    return f"{error} {getattr(error, 'output', '')}".strip()
