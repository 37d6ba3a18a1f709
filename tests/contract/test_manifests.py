"""What each overlay is made of, and what it has to have whatever its values are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sinks.local.processes import ROOT
from tests.manifests import (
    ENVIRONMENTS,
    MANIFESTS,
    OVERLAYS,
    PREREQUISITES,
    SETTINGS,
    container_of,
    of_kind,
    overlay,
)

KUSTOMIZATIONS = sorted(MANIFESTS.rglob("kustomization.yaml"))
# What an environment takes or leaves: for clusters with Knative Serving, the Prometheus operator or
# a collector of traces, and the console.
OFFERED = {
    MANIFESTS / "components" / name
    for name in ("console", "console-trigger", "knative-serving", "monitoring", "tracing")
}
MODES = ("enforce", "warn", "audit")


def named_in(kustomization: Path) -> set[Path]:
    """The files and directories that a kustomization names."""
    content = yaml.safe_load(kustomization.read_text(encoding="utf-8"))
    names = [*content.get("resources", []), *content.get("components", [])]
    names += [each["path"] for each in content.get("patches", []) if "path" in each]
    for generator in content.get("configMapGenerator", []):
        names += generator.get("envs", [])
        names += [each.rpartition("=")[2] for each in generator.get("files", [])]
    return {(kustomization.parent / name).resolve() for name in names}


def test_every_file_is_named_by_the_kustomization_beside_it() -> None:
    """A file that no kustomization names is applied by nobody."""
    files = {path for path in MANIFESTS.rglob("*") if path.is_file()} - set(KUSTOMIZATIONS)

    named = {path for each in KUSTOMIZATIONS for path in named_in(each) if path.is_file()}

    assert named == files


def test_every_directory_is_an_overlay_or_part_of_one() -> None:
    """Nothing lies about that no environment uses, but for what is offered beside them."""
    folders = {each.parent for each in KUSTOMIZATIONS}
    whole = {MANIFESTS / "overlays" / name for name in OVERLAYS}

    used = {path for each in KUSTOMIZATIONS for path in named_in(each)}

    assert folders - used == whole | (folders & OFFERED)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_standalone_has_no_object_of_knative(name: str) -> None:
    """Today's cluster does not know these kinds."""
    versions = {each["apiVersion"] for each in overlay(f"{name}/standalone")}

    assert [version for version in versions if "knative.dev" in version] == []


@pytest.mark.parametrize("name", [name for name in ENVIRONMENTS if name != "production"])
def test_full_set_is_the_standalone_one_and_what_knative_needs(name: str) -> None:
    """Who moves to the newer cluster applies more, and changes nothing of what runs; but in
    production, where callers show tokens from then on."""
    alone = overlay(f"{name}/standalone")

    assert [each for each in alone if each not in overlay(name)] == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_has_a_namespace_of_its_own(name: str) -> None:
    """All objects are in it, and Pod Security holds every pod there to the strictest level."""
    environment = name.partition("/")[0]
    wanted = "event-sinks" if environment == "production" else f"event-sinks-{environment}"
    ((namespace, object_),) = of_kind(overlay(name), "Namespace").items()

    inside = [each for each in overlay(name) if each["kind"] != "Namespace"]

    assert {namespace, *(each["metadata"]["namespace"] for each in inside)} == {wanted}
    has = object_["metadata"]["labels"]
    assert {has[f"pod-security.kubernetes.io/{mode}"] for mode in MODES} == {"restricted"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_runs_one_image(name: str) -> None:
    """dev and staging by a tag that says so, production by digest; nothing by `latest`."""
    deployments = of_kind(overlay(name), "Deployment").values()
    wanted = {"dev": ":dev", "production": "@sha256:[0-9a-f]{64}"}
    ending = wanted.get(name.partition("/")[0], ":staging")

    (image,) = {container_of(each)["image"] for each in deployments}

    assert re.fullmatch(f"knative-event-sinks{ending}", image)


@pytest.mark.parametrize("name", OVERLAYS)
def test_config_maps_are_named_by_sink_and_content(name: str) -> None:
    """Another value makes another name, and so new pods."""
    sinks = sorted(each.rpartition("-") for each in of_kind(overlay(name), "ConfigMap"))

    assert [sink for sink, _, _ in sinks] == sorted(SETTINGS)
    assert all(re.fullmatch("[a-z0-9]{10}", content) for _, _, content in sinks)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_replicas_are_for_what_the_environment_is(name: str) -> None:
    """One is enough for a developer; elsewhere two, as changeprop does not call twice."""
    scalers = of_kind(overlay(name), "HorizontalPodAutoscaler")

    assert scalers.keys() == {"http-shim", "score-sink", "egress-sink"}
    for scaler in scalers.values():
        least, most = scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]
        assert (1 if name == "dev" else 2) <= least < most


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_replicas_are_added_before_a_process_has_used_up_its_core(name: str) -> None:
    """A process has one worker, so more than one core's use would never be seen."""
    for sink, scaler in of_kind(overlay(name), "HorizontalPodAutoscaler").items():
        container = container_of(of_kind(overlay(name), "Deployment")[sink])
        requested = int(container["resources"]["requests"]["cpu"].removesuffix("m"))
        (metric,) = scaler["spec"]["metrics"]

        assert requested * metric["resource"]["target"]["averageUtilization"] / 100 <= 800


def test_prerequisites_are_told_to_those_who_apply() -> None:
    """What an overlay names and does not bring has to be made by somebody, who has to know."""
    deploy = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")

    missing = [name for _, name in PREREQUISITES if name not in deploy]

    assert missing == []
