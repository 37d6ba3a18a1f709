"""What the kubelet of the end-to-end tests makes of a Pod's spec."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pod import (
    CannotStart,
    Image,
    Mount,
    Objects,
    environment,
    podman_options,
    process,
    quantity,
)
from tests.e2e.pod_status import State, pod_status
from tests.e2e.probes import Probe
from tests.e2e.understood import WITHOUT_MEANING, deployment_problems, pod_problems
from tests.e2e.volumes import Files, Token, Volumes, files

IMAGE = Image("10001:10001", (), ("serve", "it"))
OBJECTS = Objects(
    {"settings": {"PORT": b"8080", "LOG_LEVEL": b"INFO"}},
    {"tokens": {"tokens": b"operator=secret", "other": b"x"}},
    frozenset({"letters"}),
)


def pod(container: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return the smallest Pod that is played, as the API server returns one."""
    return {
        "metadata": {
            "name": "sink-1",
            "namespace": "sinks",
            "labels": {"app.kubernetes.io/name": "sink"},
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "containers": [{"name": "sink", "image": "sinks:dev", **(container or {})}],
            **spec,
        },
        "status": {"podIP": "10.99.2.1"},
    }


def options(described: dict[str, Any], image: Image = IMAGE) -> list[str]:
    """Return podman's options for a Pod without variables and volumes."""
    return podman_options(described, {}, image, [])


# --- fields ------------------------------------------------------------------------------------


def test_pod_of_known_fields_has_no_problems() -> None:
    """What only other parts of a cluster read may say whatever it likes."""
    assert pod_problems(pod()["spec"] | dict.fromkeys(WITHOUT_MEANING, object())) == []


@pytest.mark.parametrize(
    ("container", "spec", "problem"),
    [
        ({}, {"hostNetwork": True}, "spec.hostNetwork: not played here"),
        ({}, {"dnsPolicy": "Default"}, "spec.dnsPolicy: 'Default' is not played here, only "),
        ({}, {"enableServiceLinks": True}, "spec.enableServiceLinks: True is not played here"),
        ({"stdin": True}, {}, "spec.containers[0].stdin: not played here"),
        ({"securityContext": {"privileged": True}}, {}, ".securityContext.privileged: True is not"),
        (
            {"readinessProbe": {"tcpSocket": {"port": 1}}},
            {},
            "spec.containers[0].readinessProbe.tcpSocket: not played here",
        ),
        (
            {"volumeMounts": [{"name": "a", "mountPath": "/a", "subPath": "b"}]},
            {},
            "spec.containers[0].volumeMounts[0].subPath: not played here",
        ),
        ({}, {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}, "volumes[0].hostPath: not"),
        ({}, {"securityContext": {"supplementalGroups": [1]}}, ".supplementalGroups: not played"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_field_that_is_not_played_is_named(
    container: dict[str, Any], spec: dict[str, Any], problem: str
) -> None:
    """Whoever reads the problem finds the field."""
    (told,) = pod_problems(pod(container, **spec)["spec"])

    assert problem in told


def test_field_that_has_to_be_false_is_missed_when_it_is_absent() -> None:
    """Left out, it would be true."""
    described = pod()["spec"]
    del described["enableServiceLinks"]

    assert pod_problems(described) == ["spec.enableServiceLinks is missing: it has to be false"]


def test_pod_of_two_containers_is_a_problem() -> None:
    """Only one is run."""
    both = pod()["spec"]["containers"] * 2

    assert pod_problems({**pod()["spec"], "containers": both}) == [
        "spec.containers: has to be one container"
    ]


def test_deployment_field_that_is_not_played_is_named() -> None:
    """A paused Deployment would roll out here all the same."""
    assert deployment_problems({"template": {}, "paused": True}) == ["spec.paused: not played here"]


# --- environment and command -------------------------------------------------------------------


def test_environment_is_that_of_the_sources_then_of_the_entries() -> None:
    """An entry wins over a whole ConfigMap, and may name what stands before it."""
    container = {
        "envFrom": [
            {"configMapRef": {"name": "settings"}},
            {"prefix": "T_", "secretRef": {"name": "tokens"}},
            {"configMapRef": {"name": "absent", "optional": True}},
        ],
        "env": [
            {"name": "PORT", "value": "9090"},
            {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "URL", "value": "http://$(ME):$(PORT)/$(NOBODY)/$$(PORT)"},
            {
                "name": "APP",
                "valueFrom": {
                    "fieldRef": {"fieldPath": "metadata.labels['app.kubernetes.io/name']"}
                },
            },
            {
                "name": "TOKEN",
                "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "tokens"}},
            },
            {
                "name": "ABSENT",
                "valueFrom": {
                    "configMapKeyRef": {"name": "settings", "key": "NO", "optional": True}
                },
            },
            {"name": "EMPTY"},
        ],
    }

    assert environment(pod(container), OBJECTS) == {
        "PORT": "9090",
        "LOG_LEVEL": "INFO",
        "T_tokens": "operator=secret",
        "T_other": "x",
        "ME": "sink-1",
        "URL": "http://sink-1:9090/$(NOBODY)/$(PORT)",
        "APP": "sink",
        "TOKEN": "operator=secret",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({"envFrom": [{"configMapRef": {"name": "no"}}]}, "configMapRef: no not found"),
        ({"envFrom": [{"secretRef": {"name": "settings"}}]}, "secretRef: settings not found"),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "b"}}}]},
            "secretKeyRef: tokens has no key b",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.no"}}}]},
            "fieldRef: spec.no is not known here",
        ),
    ],
    ids=["config map", "secret", "key", "field"],
)
def test_environment_that_refers_to_nothing_cannot_start(
    container: dict[str, Any], told: str
) -> None:
    """The container waits, as in a cluster, and says for what."""
    with pytest.raises(CannotStart, match=told):
        environment(pod(container), OBJECTS)


@pytest.mark.parametrize(
    ("container", "image", "line"),
    [
        ({}, IMAGE, ["serve", "it"]),
        ({}, Image("", ("start",), ("it",)), ["start", "it"]),
        ({"args": ["that"]}, Image("", ("start",), ("it",)), ["start", "that"]),
        ({"command": ["run"]}, Image("", ("start",), ("it",)), ["run"]),
        ({"command": ["run", "$(A)"], "args": ["b"]}, IMAGE, ["run", "1", "b"]),
    ],
    ids=["image", "entrypoint", "args", "command", "both"],
)
def test_command_and_args_go_before_the_images(
    container: dict[str, Any], image: Image, line: list[str]
) -> None:
    """An image's arguments are not for another command."""
    assert process(container, {"A": "1"}, image) == line


def test_container_without_any_command_cannot_start() -> None:
    """Neither side names one."""
    with pytest.raises(CannotStart, match="neither the spec nor the image"):
        process({}, {}, Image(""))


# --- options -----------------------------------------------------------------------------------


def test_options_run_the_command_from_the_specs_image() -> None:
    """Everything of the spec stands in the line; the image is never pulled."""
    container = {"command": ["gunicorn", "app"], "workingDir": "/srv"}
    mounts = [Mount(Path("/here/a"), "/a", True), Mount(Path("/here/b"), "/b", False)]

    line = podman_options(pod(container), {"A": "1 2"}, IMAGE, mounts)

    assert line[:5] == [
        *("--pull=never", "--no-healthcheck", "--http-proxy=false"),
        *("--hostname", "sink-1"),
    ]
    assert line[line.index("--env") :] == [
        *("--env", "A=1 2"),
        *("--volume", "/here/a:/a:ro"),
        *("--volume", "/here/b:/b:rw"),
        *("--workdir", "/srv"),
        *("--entrypoint", '["gunicorn"]', "sinks:dev", "app"),
    ]


@pytest.mark.parametrize(
    ("container", "whole", "present"),
    [
        ({}, {"runAsUser": 7, "runAsGroup": 8}, ["--user", "7:8"]),
        ({"runAsUser": 9}, {"runAsUser": 7, "runAsGroup": 8}, ["--user", "9:8"]),
        ({}, {"runAsGroup": 8}, ["--user", "10001:8"]),
        ({}, {"fsGroup": 5}, ["--group-add", "5"]),
        ({"readOnlyRootFilesystem": True}, {}, ["--read-only", "--read-only-tmpfs=false"]),
        ({"allowPrivilegeEscalation": False}, {}, ["--security-opt", "no-new-privileges"]),
        ({"capabilities": {"drop": ["ALL"]}}, {}, ["--cap-drop=all"]),
        ({"capabilities": {"add": ["NET_BIND_SERVICE"]}}, {}, ["--cap-add=net_bind_service"]),
        ({}, {}, ["--security-opt", "seccomp=unconfined"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_security_context_becomes_options(
    container: dict[str, Any], whole: dict[str, Any], present: list[str]
) -> None:
    """The container's fields win over its Pod's."""
    line = options(pod({"securityContext": container}, securityContext=whole))

    at = line.index(present[-1])
    assert line[at - len(present) + 1 : at + 1] == present


def test_default_seccomp_profile_is_left_to_podman() -> None:
    """Its default is what RuntimeDefault means."""
    whole = {"seccompProfile": {"type": "RuntimeDefault"}}

    assert "seccomp=unconfined" not in options(pod(securityContext=whole))


@pytest.mark.parametrize(
    ("whole", "user", "told"),
    [
        ({"runAsNonRoot": True}, "", "the user is 'root'"),
        ({"runAsNonRoot": True}, "0", "the user is '0'"),
        ({"runAsNonRoot": True}, "app", "the user is 'app'"),
        ({"runAsNonRoot": True, "runAsUser": 0}, "10001", "the user is '0'"),
    ],
    ids=["none", "zero", "name", "spec"],
)
def test_root_is_refused_where_it_must_not_be(whole: dict[str, Any], user: str, told: str) -> None:
    """A name could be root's too, so only numbers count."""
    with pytest.raises(CannotStart, match=told):
        options(pod(securityContext=whole), Image(user, (), ("a",)))


def test_limits_become_options() -> None:
    """Requests are the scheduler's."""
    resources = {"limits": {"memory": "256Mi", "cpu": "1500m"}, "requests": {"cpu": "1"}}

    line = options(pod({"resources": resources}))

    assert {"--memory=268435456", "--cpus=1.5"} <= set(line)


@pytest.mark.parametrize(("text", "bytes_"), [("10", 10), ("2k", 2000), ("1Gi", 2**30)])
def test_quantity_is_a_number_of_bytes(text: str, bytes_: int) -> None:
    """Suffixes are powers of ten or of two."""
    assert quantity(text) == bytes_


# --- volumes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volume", "shown"),
    [
        (
            {"configMap": {"name": "settings", "defaultMode": 0o644}},
            Files({"PORT": b"8080", "LOG_LEVEL": b"INFO"}, 0o644),
        ),
        (
            {"secret": {"secretName": "no", "optional": True, "defaultMode": 0o400}},
            Files({}, 0o400),
        ),
        (
            {
                "secret": {
                    "secretName": "tokens",
                    "items": [{"key": "other", "path": "a/b"}],
                    "defaultMode": 0o400,
                }
            },
            Files({"a/b": b"x"}, 0o400),
        ),
        (
            {
                "projected": {
                    "defaultMode": 0o644,
                    "sources": [
                        {"serviceAccountToken": {"audience": "a", "path": "token"}},
                        {"secret": {"name": "tokens", "items": [{"key": "other", "path": "o"}]}},
                    ],
                }
            },
            Files({"token": Token("a", 3600), "o": b"x"}, 0o644),
        ),
    ],
    ids=["config map", "optional", "items", "projected"],
)
def test_volume_shows_what_it_refers_to(volume: dict[str, Any], shown: Files) -> None:
    """Keys are files, chosen ones under names of their own."""
    assert files(volume, OBJECTS) == shown


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"secretName": "no"}, "secret no not found"),
        ({"secretName": "tokens", "items": [{"key": "c", "path": "c"}]}, "secret tokens has no c"),
    ],
    ids=["secret", "key"],
)
def test_volume_that_refers_to_nothing_cannot_start(source: dict[str, Any], told: str) -> None:
    """Unless it is optional."""
    with pytest.raises(CannotStart, match=told):
        files({"secret": {**source, "defaultMode": 0o400}}, OBJECTS)


def test_files_follow_their_secret_and_tokens_stay(tmp_path: Path) -> None:
    """A kubelet writes anew what has changed, and takes away what is gone."""
    sources = [
        {"secret": {"name": "tokens"}},
        {"serviceAccountToken": {"audience": "broker", "path": "token"}},
    ]
    described = pod(
        {"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        volumes=[{"name": "v", "projected": {"sources": sources, "defaultMode": 0o400}}],
        securityContext={"fsGroup": os.getgid(), "runAsUser": os.getuid()},
    )
    volumes = Volumes(described, tmp_path / "pod", tmp_path / "claims")

    def token(audience: str, seconds: int) -> str:
        asked.append((audience, seconds))
        return f"token {len(asked)}"

    asked: list[tuple[str, int]] = []
    mounts = volumes.prepare(OBJECTS, token)
    changed = Objects({}, {"tokens": {"tokens": b"operator=other"}}, frozenset())
    volumes.prepare(changed, token)

    shown = {path.name: path.read_bytes() for path in (tmp_path / "pod" / "v").iterdir()}
    assert mounts == [Mount(tmp_path / "pod" / "v", "/v", True)]
    assert shown == {"tokens": b"operator=other", "token": b"token 1"}
    assert asked == [("broker", 3600)]
    assert (tmp_path / "pod/v/tokens").stat().st_mode & 0o777 == 0o440


def test_claim_that_is_not_there_cannot_start(tmp_path: Path) -> None:
    """Nobody makes a volume for a claim that nobody made."""
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "no"}}
    volumes = Volumes(pod(volumes=[volume]), tmp_path, tmp_path)

    with pytest.raises(CannotStart, match="persistentVolumeClaim no not found"):
        volumes.prepare(OBJECTS, lambda *_: "")


# --- probes and status -------------------------------------------------------------------------


def test_probe_takes_as_many_answers_as_its_thresholds_say() -> None:
    """A row that is broken begins anew."""
    spec = {"periodSeconds": 5, "successThreshold": 1, "failureThreshold": 3}
    probe = Probe(spec, begun=100.0)

    verdicts = []
    for good in (False, False, True, False, False, False):
        probe.take(good, 100.0)
        verdicts.append(probe.verdict)

    assert verdicts == [None, None, True, True, True, False]


def test_probe_waits_first_for_its_delay_then_for_its_period() -> None:
    """Both count from the end of what was before."""
    spec = {
        **{"initialDelaySeconds": 2, "periodSeconds": 5},
        **{"successThreshold": 1, "failureThreshold": 1},
    }
    probe = Probe(spec, begun=100.0)

    assert [probe.is_due(now) for now in (101.9, 102.0)] == [False, True]
    probe.take(True, 103.0)
    assert [probe.is_due(now) for now in (107.9, 108.0)] == [False, True]


def test_status_of_a_pod_that_waits_says_why() -> None:
    """`kubectl get pods` shows the reason."""
    state = State(reason="CreateContainerConfigError", message="secret no not found")

    status = pod_status(pod()["spec"], "10.99.2.1", "10.99.0.1", state)

    assert status["phase"] == "Pending"
    assert status["containerStatuses"][0]["state"] == {
        "waiting": {"reason": "CreateContainerConfigError", "message": "secret no not found"}
    }
    assert {"type": "Ready", "status": "False"} in status["conditions"]


def test_status_of_a_pod_that_was_restarted_says_how_it_ended() -> None:
    """A restarted Pod is running, with a past."""
    state = State(running=True, started=True, ready=True, restarts=1, exit_code=137, ended="Error")

    status = pod_status(pod()["spec"], "10.99.2.1", "10.99.0.1", state)

    assert status["phase"] == "Running"
    assert status["containerStatuses"][0]["lastState"] == {
        "terminated": {"exitCode": 137, "reason": "Error"}
    }
    assert {"type": "Ready", "status": "True"} in status["conditions"]
