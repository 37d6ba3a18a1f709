"""Every Deployment against the code that it runs: command, variables, files, probes, ending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from sinks.environment import InvalidSettings
from sinks.server_settings import ServerSettings
from tests.gunicorn_conf import served
from tests.manifests import (
    OVERLAYS,
    SETTINGS,
    Objects,
    app_of,
    changed,
    container_of,
    environ_of,
    files_of,
    made_app,
    module_of,
    of_kind,
    overlay,
    pod_of,
    settings_of,
)

POD: Final = {"automountServiceAccountToken": False, "enableServiceLinks": False}
USER: Final = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER: Final = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# The user of the image needs the volume of letters.
VOLUME: Final = {"fsGroup": 10001, "fsGroupChangePolicy": "OnRootMismatch"}
PROBES: Final = {
    "startupProbe": "/healthz",
    "livenessProbe": "/healthz",
    "readinessProbe": "/readyz",
}
SPREAD: Final = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname"}


def hardening(objects: Objects) -> list[str]:
    """No pod has a privilege, a token of the API, another's account, a system to write to, or all
    replicas at once on one node."""
    problems = []
    for name, deployment in of_kind(objects, "Deployment").items():
        pod = pod_of(deployment)
        volumes = pod.get("volumes", [])
        letters = VOLUME if any("persistentVolumeClaim" in each for each in volumes) else {}
        wanted = POD | {"serviceAccountName": name, "securityContext": USER | letters}
        has = {key: pod.get(key) for key in wanted}
        problems += [f"{name}: the pod has {has}"] if has != wanted else []
        security = container_of(deployment)["securityContext"]
        problems += [f"{name}: the container has {security}"] if security != CONTAINER else []
        (spread,) = pod["topologySpreadConstraints"]
        problems += [f"{name}: spread by {spread}"] if not SPREAD.items() <= spread.items() else []
    return problems


def commands(objects: Objects) -> list[str]:
    """Each sink of the code has a Deployment, whose command makes that sink on its port."""
    deployments = of_kind(objects, "Deployment")
    problems = [f"{name}: no Deployment" for name in SETTINGS.keys() - deployments.keys()]
    for name, deployment in deployments.items():
        container = container_of(deployment)
        module = module_of(name)
        command = ["gunicorn", "-c", "gunicorn.conf.py", f"{module.__name__}:create_app()"]
        if container["command"] != command or not callable(module.create_app):
            problems.append(f"{name}: the command is {container['command']}")
        port = ServerSettings.from_env(environ_of(objects, deployment)).port
        if container["ports"] != [{"name": "http", "containerPort": port}]:
            problems.append(f"{name}: the server listens on {port}, not on {container['ports']}")
    return problems


def variables(objects: Objects) -> list[str]:
    """Each sink starts with its variables and files, and knows each variable that it gets."""
    problems = []
    for name, deployment in of_kind(objects, "Deployment").items():
        known = {each.upper() for each in SETTINGS[name].__dataclass_fields__}
        given = environ_of(objects, deployment)
        unknown = given.keys() - known - {"PORT", "LOG_LEVEL"}
        problems += [f"{name}: no setting is called {each}" for each in sorted(unknown)]
        if given.get("TOKENS_FILE") != "":  # else nobody's token is wanted, and none is there
            unread = files_of(objects, deployment).keys() - set(given.values())
            problems += [f"{name}: no setting names the file {each}" for each in sorted(unread)]
        try:
            made_app(objects, name)
        except (InvalidSettings, SystemExit) as error:
            problems.append(f"{name}: {error}")
    return problems


def probes(objects: Objects) -> list[str]:
    """Each probe asks the named port for a path by which the sink tells just that."""
    problems = []
    for name, deployment in of_kind(objects, "Deployment").items():
        client = app_of(name).test_client()
        for probe, path in PROBES.items():
            asked = container_of(deployment)[probe]["httpGet"]
            if asked != {"path": path, "port": "http"} or client.get(path).status_code != 200:
                problems.append(f"{name}: {probe} asks {asked}")
    return problems


def endings(objects: Objects) -> list[str]:
    """A pod that is told to go serves until all have heard of it, then ends what it has begun:
    preStop, the deadline, gunicorn's wait and the pod's grace nest."""
    problems = []
    for name, deployment in of_kind(objects, "Deployment").items():
        sleep = container_of(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
        deadline = settings_of(objects, name).event_deadline_seconds
        waits = served(environ_of(objects, deployment))["graceful_timeout"]
        grace = pod_of(deployment)["terminationGracePeriodSeconds"]
        if not (sleep >= 10 and deadline + 10 <= waits and sleep + waits < grace):
            problems.append(
                f"{name}: preStop {sleep} s, deadline {deadline:g} s, gunicorn {waits} s, and"
                f" grace {grace} s"
            )
    return problems


def mounts(objects: Objects) -> list[str]:
    """Each mount has a volume, and each volume a mount."""
    problems = []
    for name, deployment in of_kind(objects, "Deployment").items():
        mounted = {each["name"] for each in container_of(deployment).get("volumeMounts", [])}
        volumes = {each["name"] for each in pod_of(deployment).get("volumes", [])}
        problems += [f"{name}: without the other half: {each}" for each in mounted ^ volumes]
    return problems


def resources(objects: Objects) -> list[str]:
    """Each container says what it wants, and none takes more memory than it says."""
    problems = []
    for name, deployment in of_kind(objects, "Deployment").items():
        has = container_of(deployment)["resources"]
        if has.get("requests", {}).keys() != {"cpu", "memory"} or "memory" not in has["limits"]:
            problems.append(f"{name}: the resources are {has}")
    return problems


CHECKS: Final = (hardening, commands, variables, probes, endings, mounts, resources)
SINK: Final = "spec.template.spec.containers.0"
SPOILT: Final = [
    (hardening, ("score-sink", "spec.template.spec.enableServiceLinks", None)),
    (hardening, ("score-sink", "spec.template.spec.securityContext.runAsUser", 0)),
    (hardening, ("deadletter-sink", "spec.template.spec.securityContext.fsGroup", None)),
    (hardening, ("score-sink", "spec.template.spec.serviceAccountName", "egress-sink")),
    (hardening, ("egress-sink", f"{SINK}.securityContext.readOnlyRootFilesystem", False)),
    (commands, ("score-sink", f"{SINK}.command.3", "sinks.score:create_app()")),
    (commands, ("score-sink", f"{SINK}.command.2", "gunicorn.py")),
    (commands, ("http-shim", f"{SINK}.ports.0.containerPort", 8081)),
    (commands, ("http-shim", f"{SINK}.env", [{"name": "PORT", "value": "80"}])),
    (variables, ("score-sink", f"{SINK}.env", [{"name": "PREDICTOR_URLS", "value": "x"}])),
    (variables, ("score-sink", f"{SINK}.envFrom", [])),
    (variables, ("egress-sink", f"{SINK}.env", [{"name": "STREAM_NAMES", "value": "tests"}])),
    (variables, ("http-shim", f"{SINK}.env", [{"name": "TRIGGERS_DIR", "value": "trigger"}])),
    (variables, ("http-shim", f"{SINK}.volumeMounts.0.mountPath", "/etc/tokens")),
    (probes, ("score-sink", f"{SINK}.livenessProbe.httpGet.path", "/health")),
    (probes, ("score-sink", f"{SINK}.readinessProbe.httpGet.port", "web")),
    (endings, ("egress-sink", "spec.template.spec.terminationGracePeriodSeconds", 160)),
    (endings, ("score-sink", f"{SINK}.lifecycle.preStop.sleep.seconds", 1)),
    (endings, ("score-sink", f"{SINK}.env", [{"name": "EVENT_DEADLINE_SECONDS", "value": "70"}])),
    (mounts, ("deadletter-sink", "spec.template.spec.volumes", [])),
    (resources, ("deadletter-sink", f"{SINK}.resources.requests.cpu", None)),
    (resources, ("http-shim", f"{SINK}.resources.limits.memory", None)),
]


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_deployments_of_overlay_fit_the_code(
    check: Callable[[Objects], list[str]], name: str
) -> None:
    """Each check's docstring is what holds."""
    assert check(overlay(name)) == []


@pytest.mark.parametrize(
    ("check", "change"), SPOILT, ids=[f"{check.__name__}-{way}" for check, (_, way, _) in SPOILT]
)
def test_spoilt_deployment_is_found(
    check: Callable[[Objects], list[str]], change: tuple[str, str, Any]
) -> None:
    """Each check sees what it is for, and says in which sink it is."""
    sink, way, value = change

    problems = check(changed(overlay("staging-a"), "Deployment", sink, way, value))

    assert problems
    assert all(problem.startswith(f"{sink}: ") for problem in problems)
