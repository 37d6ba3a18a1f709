"""Components that nothing here can run: rendered, whole, and such that every sink starts."""

from __future__ import annotations

import json

import pytest

from sinks.local.processes import ROOT
from tests.documented_fields import undocumented
from tests.manifest_components import CASES, COMPONENTS, extended, pod_makers
from tests.manifest_references import inner
from tests.manifests import SETTINGS, made_app, of_kind


@pytest.mark.parametrize(("environment", "components"), CASES)
def test_component_renders_documented_fields_only(
    environment: str, components: tuple[str, ...]
) -> None:
    """Of Knative's kinds as its owners document them, of Kubernetes' as its schemas say."""
    for each in extended(environment, *components):
        assert undocumented(each) == [], each["metadata"]["name"]


@pytest.mark.parametrize(("environment", "components"), CASES)
def test_component_is_in_the_namespace_of_the_overlay(
    environment: str, components: tuple[str, ...]
) -> None:
    """No object is left without one, nor a text that stands for one; our label is on all."""
    objects = extended(environment, *components)
    (namespace,) = of_kind(objects, "Namespace")

    assert {each["metadata"]["namespace"] for each in objects if each["kind"] != "Namespace"} == {
        namespace
    }
    assert "NAMESPACE" not in json.dumps(objects)
    assert all(
        each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "event-sinks" for each in objects
    )


@pytest.mark.parametrize(("environment", "components"), CASES)
def test_component_leaves_every_sink_startable(
    environment: str, components: tuple[str, ...]
) -> None:
    """The settings and files of each, as its Pod gets them, make the app."""
    objects = [*extended(environment, *components)]
    objects += [{**each, "kind": "Deployment"} for each in pod_makers(objects).values()]

    for sink in SETTINGS:
        assert made_app(objects, sink).test_client().get("/readyz").status_code == 200


@pytest.mark.parametrize(("environment", "components"), CASES)
def test_component_leaves_every_reference_with_its_object(
    environment: str, components: tuple[str, ...]
) -> None:
    """Subscribers, subjects, and the sinks of letters and of sources are there, under the kind that
    is named."""
    objects = extended(environment, *components)
    there = {(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in objects}
    # Serving makes a Service of each of its own.
    there |= {("v1", kind, name) for version, kind, name in there if version.startswith("serving")}

    named = [
        (ref["apiVersion"], ref["kind"], ref["name"])
        for each in objects
        if ".knative.dev/" in each["apiVersion"]
        for ref in (*inner(each["spec"]),)
        if {"apiVersion", "kind", "name"} <= ref.keys() and ref["kind"] != "ConfigMap"
    ]
    assert {kind for _, kind, _ in named} >= {"Broker", "Service", "Deployment"}
    assert set(named) - there == set()


def test_component_that_cannot_be_run_is_not_claimed_to_be_proven() -> None:
    """`make e2e` runs authentication of these, `make monitoring` what that says; README names the
    others."""
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())

    sentence = text.partition("Not proven")[2].partition(". ")[0]

    assert {name for name in COMPONENTS if f"`{name}`" in sentence} == {*COMPONENTS} - {
        "authentication",
        "monitoring",
    }
