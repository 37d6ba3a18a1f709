"""The manifests as `kubectl kustomize` renders them, and what a sink would see of them."""

from __future__ import annotations

import copy
import importlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import certifi
import pytest
import yaml
from flask import Flask

from sinks.deadletter_settings import DeadletterSettings
from sinks.egress_settings import EgressSettings
from sinks.local.processes import ROOT
from sinks.score_settings import ScoreSettings
from sinks.shim_settings import ShimSettings

Object = Mapping[str, Any]
Objects = Sequence[Object]

MANIFESTS: Final = ROOT / "manifests"
ENVIRONMENTS: Final = ("dev", "staging-a", "staging-b", "production")
OVERLAYS: Final = tuple(f"{name}{part}" for name in ENVIRONMENTS for part in ("", "/standalone"))
SETTINGS: Final[Mapping[str, type[Any]]] = {
    "http-shim": ShimSettings,
    "score-sink": ScoreSettings,
    "egress-sink": EgressSettings,
    "deadletter-sink": DeadletterSettings,
}
_REFERRED: Final = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
_AUTHORITIES: Final = Path(certifi.where()).read_text(encoding="utf-8")
# What has to be there before an overlay is applied: docs/deploy.md. Values stand for real ones.
PREREQUISITES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("Secret", "client-tokens"): {"tokens": "changeprop=0123456789abcdef"},
    ("Secret", "deadletters-database"): {"url": "postgresql://sinks:secret@postgresql/letters"},
    ("ConfigMap", "platform-ca"): {"ca.crt": _AUTHORITIES},
}
# What clusters have: Kubernetes in every namespace, Knative's Kafka Broker in its own.
PLATFORM: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("ConfigMap", "kube-root-ca.crt"): {"ca.crt": _AUTHORITIES},
    ("ConfigMap", "kafka-broker-config"): {},
}


@cache
def rendered(folder: str) -> tuple[Object, ...]:
    """Return all objects of a kustomization, of which nobody may change any.

    folder: below `manifests`, or absolute.
    """
    kubectl = Path(sys.executable).with_name("kubectl")
    done = subprocess.run(  # noqa: S603
        [kubectl, "kustomize", MANIFESTS / folder], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def overlay(name: str) -> tuple[Object, ...]:
    """Return all objects of an overlay."""
    return rendered(f"overlays/{name}")


def changed(objects: Objects, kind: str, name: str, path: str, value: Any) -> list[dict[str, Any]]:
    """Return copies of the objects, one of them with another value at a path such as
    `spec.ports.0.port`; None removes what is there."""
    copies: list[dict[str, Any]] = copy.deepcopy(list(objects))  # type: ignore[arg-type]
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    holder: Any = generated(copies, kind, name)
    for step in way:
        holder = holder[step]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    return copies


def of_kind(objects: Objects, kind: str) -> dict[str, Any]:
    """Return the objects of a kind by their name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def generated(objects: Objects, kind: str, name: str) -> Any:
    """Return an object by its name, without the hash if a generator has added one."""
    found = of_kind(objects, kind)
    return found.get(name) or next(
        each for hashed, each in found.items() if hashed.rpartition("-")[0] == name
    )


def seconds(duration: str) -> int:
    """Return the seconds of an ISO 8601 duration such as PT10M."""
    match = re.fullmatch(r"PT(?=\d)(?:(\d+)M)?(?:(\d+)S)?", duration)
    assert match, duration
    return 60 * int(match[1] or 0) + int(match[2] or 0)


def pod_of(deployment: Object) -> dict[str, Any]:
    """Return the pod's spec."""
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def container_of(deployment: Object) -> dict[str, Any]:
    """Return the only container."""
    container: dict[str, Any]
    (container,) = pod_of(deployment)["containers"]
    return container


def module_of(sink: str) -> ModuleType:
    """Return the module whose `create_app` makes the sink."""
    return importlib.import_module(f"sinks.{sink.replace('-', '_')}")


def data_of(objects: Objects, kind: str, name: str) -> Mapping[str, str]:
    """Return the data of a ConfigMap or Secret, generated or there before; {} if there is none."""
    found = of_kind(objects, kind).get(name)
    return found["data"] if found else {**PREREQUISITES, **PLATFORM}.get((kind, name), {})


def environ_of(objects: Objects, deployment: Object) -> dict[str, str]:
    """Return the variables of the container, as the kubelet would set them."""
    container = container_of(deployment)
    environ: dict[str, str] = {}
    for source in container.get("envFrom", []):
        environ |= data_of(objects, "ConfigMap", source["configMapRef"]["name"])
    for variable in container.get("env", []):
        value = variable.get("value")
        if value is None:
            ((kind, reference),) = variable["valueFrom"].items()
            data = data_of(objects, _REFERRED[kind], reference["name"])
            if reference["key"] not in data and reference.get("optional"):
                continue
            value = data[reference["key"]]
        environ[variable["name"]] = value
    return environ


def files_of(objects: Objects, deployment: Object) -> dict[str, str]:
    """Return path -> text of the files that ConfigMaps, Secrets and tokens bring."""
    volumes = {each["name"]: each for each in pod_of(deployment).get("volumes", [])}
    files = {}
    for mount in container_of(deployment).get("volumeMounts", []):
        for name, text in _keys(objects, volumes[mount["name"]]).items():
            files[f"{mount['mountPath']}/{name}"] = text
    return files


def _keys(objects: Objects, volume: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in volume.get("projected", {}).get("sources", [volume]):
        if "serviceAccountToken" in source:
            found[source["serviceAccountToken"]["path"]] = "token"
        if "secret" in source:
            name = source["secret"].get("secretName") or source["secret"]["name"]
            found |= data_of(objects, "Secret", name)
        if "configMap" in source:
            found |= data_of(objects, "ConfigMap", source["configMap"]["name"])
    return found


@contextmanager
def seen_by(objects: Objects, deployment: Object) -> Iterator[dict[str, str]]:
    """The variables of a Deployment where they can be read here: a file that is mounted lies
    below a directory of this test, and the working directory is that of the image."""
    environ = environ_of(objects, deployment)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        for path, text in files_of(objects, deployment).items():
            here = Path(folder + path)
            here.parent.mkdir(parents=True, exist_ok=True)
            here.write_text(text, encoding="utf-8")
            environ = {
                name: str(here) if value == path else value for name, value in environ.items()
            }
        patched.chdir(ROOT)
        yield environ


def settings_of(objects: Objects, sink: str) -> Any:
    """Return a sink's settings by its Deployment. raises: InvalidSettings."""
    with seen_by(objects, of_kind(objects, "Deployment")[sink]) as environ:
        return SETTINGS[sink].from_env(environ)


def made_app(objects: Objects, sink: str) -> Flask:
    """Return a sink's app as its Deployment makes it, but for where letters are kept.

    raises: InvalidSettings, SystemExit.
    """
    with (
        seen_by(objects, of_kind(objects, "Deployment")[sink]) as environ,
        tempfile.TemporaryDirectory() as folder,
    ):
        settings = SETTINGS[sink].from_env(environ)
        if isinstance(settings, DeadletterSettings):
            settings = replace(settings, database_url=f"sqlite:///{folder}/letters.sqlite")
        app: Flask = module_of(sink).create_app(settings)
        return app


@cache
def app_of(sink: str) -> Flask:
    """Return an app to ask which paths it serves: that is the same everywhere."""
    return made_app(overlay("dev"), sink)
