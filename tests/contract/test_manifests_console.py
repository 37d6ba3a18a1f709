"""The component `console`, which no environment has: rendered with dev's values, both ways."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from sinks import console
from sinks.console_settings import ConsoleSettings
from sinks.local.processes import ROOT
from sinks.trigger_lint import command
from sinks.trigger_lint.lint import lint
from sinks.triggers import files
from tests.documented_fields import undocumented
from tests.manifests import (
    MANIFESTS,
    Object,
    container_of,
    environ_of,
    generated,
    of_kind,
    overlay,
    pod_of,
    rendered,
)

STANDALONE: Final = ("console",)
WITH_BROKER: Final = ("eventing", "console", "console-trigger")
WAYS: Final = [pytest.param(STANDALONE, id="standalone"), pytest.param(WITH_BROKER, id="broker")]
SINK: Final = [{"protocol": "TCP", "port": 8080}]


@cache
def made(components: tuple[str, ...]) -> tuple[Object, ...]:
    """What an overlay like dev's is with these components."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(os.path.relpath(MANIFESTS, Path(folder).resolve()))
        routed = ROOT / "triggers" / "optional"
        optional = os.path.relpath(routed, Path(folder).resolve())
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [
                str(here / "base"),
                *([str(optional)] if "eventing" in components else []),
            ],
            "components": [
                *(str(here / "components" / each) for each in components),
                str(here / "overlays" / "dev" / "values"),
            ],
        }
        Path(folder, "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
        return rendered(folder)


@pytest.mark.parametrize("components", WAYS)
def test_component_adds_its_objects_and_changes_only_the_shims_settings(
    components: tuple[str, ...],
) -> None:
    """All else is as it was; the shim's ConfigMap has one variable more, and so another name."""
    without = overlay("dev" if "eventing" in components else "dev/standalone")
    shim = generated(made(components), "ConfigMap", "http-shim")
    before = generated(without, "ConfigMap", "http-shim")
    kept = [
        each
        for each in without
        if each != before
        and (each["kind"], each["metadata"]["name"]) != ("Deployment", "http-shim")
    ]
    has = made(components)

    assert [each["metadata"]["name"] for each in kept if each not in has] == []
    assert shim["data"] == {**before["data"], "CONSOLE_URL": "http://console/"}


@pytest.mark.parametrize("components", WAYS)
def test_component_renders_documented_fields_in_the_namespace(components: tuple[str, ...]) -> None:
    """Every object can be applied, and is found by our label."""
    for each in made(components):
        assert undocumented(each) == [], each["metadata"]["name"]
        assert each["metadata"].get("namespace", "event-sinks-dev") == "event-sinks-dev"
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "event-sinks"


@pytest.mark.parametrize("components", WAYS)
def test_console_decides_by_the_settings_of_who_decides(components: tuple[str, ...]) -> None:
    """Else it would tell other reasons than theirs."""
    objects = made(components)
    whose = {
        generated(objects, "ConfigMap", name)["metadata"]["name"]: name
        for name in ("http-shim", "score-sink")
    }
    variables = container_of(of_kind(objects, "Deployment")["console"])["env"]
    references = {each["name"]: each["valueFrom"]["configMapKeyRef"] for each in variables}

    assert {name: (whose[each["name"]], each["key"]) for name, each in references.items()} == {
        "ENVIRONMENT": ("http-shim", "ENVIRONMENT"),
        "TRIGGERS_DIR": ("http-shim", "TRIGGERS_DIR"),
        "MAX_EVENT_AGE_SECONDS": ("score-sink", "MAX_EVENT_AGE_SECONDS"),
    }


@pytest.mark.parametrize("components", WAYS)
def test_console_is_deployed_as_the_other_sinks_are(components: tuple[str, ...]) -> None:
    """Its Pod is as restricted as theirs, one there is, and its app starts with its settings."""
    deployment = of_kind(made(components), "Deployment")["console"]
    other = of_kind(made(components), "Deployment")["egress-sink"]
    given = environ_of(made(components), deployment)
    settings = ConsoleSettings.from_env(given)
    container = container_of(deployment)

    assert deployment["spec"]["replicas"] == 1
    assert container["image"] == container_of(other)["image"] == "knative-event-sinks:dev"
    assert container["securityContext"] == container_of(other)["securityContext"]
    assert pod_of(deployment)["securityContext"] == pod_of(other)["securityContext"]
    assert container["command"][-1] == "sinks.console:create_app()"
    assert settings.deadletter_api_url == "http://deadletter-sink"
    assert settings.triggers_dir == (Path("triggers"), Path("triggers/optional"))
    assert given.keys() <= {each.upper() for each in ConsoleSettings.__dataclass_fields__}
    assert console.create_app(settings).test_client().get("/readyz").status_code == 200
    grace = pod_of(deployment)["terminationGracePeriodSeconds"]
    assert grace > 10 + settings.event_deadline_seconds + 10


@pytest.mark.parametrize("components", WAYS)
def test_console_may_be_called_by_the_shim_and_the_broker_alone(
    components: tuple[str, ...],
) -> None:
    """And it calls nobody but the dead letters; people come by way of the API server."""
    found = set(flows(made(components))) - set(flows(made_without(components)))
    filtered = (
        {("from", "console", "knative-eventing filter")} if "eventing" in components else set()
    )

    assert found == filtered | {
        ("from", "console", "http-shim"),
        ("to", "http-shim", "console"),
        ("to", "console", "deadletter-sink"),
        ("from", "deadletter-sink", "console"),
    }


def made_without(components: tuple[str, ...]) -> tuple[Object, ...]:
    return made(tuple(each for each in components if not each.startswith("console")))


def flows(objects: tuple[Object, ...]) -> Iterator[tuple[str, str, str]]:
    """Direction, pods, and who is at the other end, of every rule between pods."""
    for policy in of_kind(objects, "NetworkPolicy").values():
        own = name_of(policy["spec"]["podSelector"])
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, ()):
                for peer in rule.get(side, ()):
                    assert own != "console" or rule["ports"] == SINK
                    yield side, own, other_end(peer)


def name_of(selector: Mapping[str, Any]) -> str:
    return " ".join(selector.get("matchLabels", {}).values())


def other_end(peer: Mapping[str, Any]) -> str:
    parts = (peer.get("namespaceSelector", {}), peer.get("podSelector", {}))
    return " ".join(filter(None, map(name_of, parts)))


def test_trigger_is_for_everything_and_costs_nobody_anything() -> None:
    """No filter, one attempt, and what fails is discarded, beside the letters of the others."""
    spec = of_kind(made(WITH_BROKER), "Trigger")["console"]["spec"]
    delivery = spec["delivery"]

    assert "filters" not in spec and "filter" not in spec
    assert delivery["retry"] == 0
    assert delivery["deadLetterSink"]["ref"]["name"] == "deadletter-sink"
    assert delivery["deadLetterSink"]["uri"] == "/discard"


def test_trigger_passes_the_lint_beside_all_others() -> None:
    """The lint knows that the console is there to see everything."""
    paths = [
        *files(ROOT / "triggers"),
        *files(ROOT / "triggers" / "optional"),
        MANIFESTS / "components" / "console-trigger" / "trigger.yaml",
    ]
    triggers = [(str(path), yaml.safe_load(path.read_text(encoding="utf-8"))) for path in paths]

    assert lint(triggers, command.known()) == []


def test_standalone_has_no_object_of_knative() -> None:
    """Today's cluster does not know these kinds."""
    assert not [each for each in made(STANDALONE) if "knative.dev" in each["apiVersion"]]
