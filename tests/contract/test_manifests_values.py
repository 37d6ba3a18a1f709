"""The values of every overlay: against each other, the table of models, and the docs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sinks.local.processes import ROOT
from sinks.models import MODELS
from tests.manifests import (
    ENVIRONMENTS,
    OVERLAYS,
    SETTINGS,
    environ_of,
    of_kind,
    overlay,
    settings_of,
)

# What must be equal wherever it is set, and where it is.
SHARED = [
    ("environment", SETTINGS),
    ("ca_file", SETTINGS),
    ("stream_names", ("score-sink", "egress-sink")),
    ("triggers_dir", ("http-shim", "deadletter-sink")),
    ("service_urls", ("http-shim", "deadletter-sink")),
    ("tokens_file", ("http-shim", "deadletter-sink")),
    ("allow_anonymous", ("http-shim", "deadletter-sink")),
]
# Which rows of which page say what an environment sets.
TOLD = [
    ("staging-a", "staging.md", "## A"),
    ("staging-b", "staging.md", "## B"),
    ("production", "migration.md", "## Before the first model"),
]
APPS = {"score": "score-sink", "egress": "egress-sink", "shim": "http-shim"}
# Names of Services, and where letters are kept: with another namespace, or in a Secret.
TOLD_OTHERWISE = {"SERVICE_URLS", "DEADLETTER_URL", "DATABASE_URL", "TOKENS_FILE", "CA_FILE"}


def routed(name: str) -> dict[str, Any]:
    """The Triggers of an overlay, with a Broker or standalone by TRIGGERS_DIR."""
    if not name.endswith("/standalone"):
        return of_kind(overlay(name), "Trigger")
    shim = settings_of(overlay(name), "http-shim")
    files = [
        path
        for folder in shim.triggers_dir
        for path in (ROOT / folder).glob("*.yaml")
        if path.name != "kustomization.yaml"
    ]
    found = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
    return {each["metadata"]["name"]: each for each in found}


def variables(name: str, sink: str) -> dict[str, str]:
    """What a sink gets in an overlay."""
    return environ_of(overlay(name), of_kind(overlay(name), "Deployment")[sink])


def told(page: str, heading: str) -> Iterator[tuple[str, str, str]]:
    """Sink, variable and value, of the table below a heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    section = text.partition(heading)[2].partition("\n## ")[0]
    for app, settings in re.findall(
        r"^ *\| (score|egress|shim) \| (.*) \|$", section, re.MULTILINE
    ):
        for name, value in re.findall(r"`([A-Z_]+)=([^`]+)`", settings):
            yield APPS[app], name, value


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize(("setting", "sinks"), SHARED, ids=[setting for setting, _ in SHARED])
def test_setting_is_the_same_in_all_sinks_that_share_it(
    setting: str, sinks: tuple[str, ...], name: str
) -> None:
    """One that differs sends events astray, or takes letters for unknown ones."""
    values = {str(variables(name, sink).get(setting.upper())) for sink in sinks}

    assert len(values) == 1


@pytest.mark.parametrize("name", OVERLAYS)
def test_services_are_known_by_the_names_that_knative_gives_them(name: str) -> None:
    """A dead letter's destination has the whole name, so a replay finds no Trigger by another."""
    (namespace,) = of_kind(overlay(name), "Namespace")

    urls = variables(name, "http-shim")["SERVICE_URLS"]

    assert urls == f"*=http://{{name}}.{namespace}.svc.cluster.local"


@pytest.mark.parametrize("name", OVERLAYS)
def test_environment_is_the_overlays(name: str) -> None:
    """What is refused to staging is refused to both ways of it."""
    environment = settings_of(overlay(name), "egress-sink").environment

    assert name.startswith(environment)


@pytest.mark.parametrize("name", OVERLAYS)
def test_streams_that_may_be_published_to_are_those_of_the_routed_rows(name: str) -> None:
    """Written out but for dev: a row that is routed can publish, and no other can."""
    settings = settings_of(overlay(name), "egress-sink")
    rows = {MODELS[each] for each in routed(name).keys() - {"egress"}}

    streams = {row.test_stream if settings.stream_names == "test" else row.stream for row in rows}

    assert settings.egress_streams == streams, "EGRESS_STREAMS of the overlay, or of a component"
    written = "EGRESS_STREAMS" in variables(name, "egress-sink")
    assert written == (not name.startswith("dev"))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_triggers_of_the_broker_are_those_that_the_shim_reads(name: str) -> None:
    """changeprop's calls and replays are routed by TRIGGERS_DIR, whatever the Broker has."""
    assert {each: trigger["spec"]["filters"] for each, trigger in routed(name).items()} == {
        each: trigger["spec"]["filters"] for each, trigger in routed(f"{name}/standalone").items()
    }


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_broker_names_its_class_and_what_becomes_of_failures(name: str) -> None:
    """Not the cluster's default, by which an event would be lost after its last attempt."""
    (broker,) = of_kind(overlay(name), "Broker").values()
    delivery = of_kind(overlay(name), "Trigger")["drafttopic"]["spec"]["delivery"]

    assert broker["metadata"]["annotations"]["eventing.knative.dev/broker.class"]
    assert broker["spec"]["delivery"] == delivery


@pytest.mark.parametrize(("name", "page", "heading"), TOLD, ids=[each[0] for each in TOLD])
def test_values_are_those_that_the_docs_tell(name: str, page: str, heading: str) -> None:
    """Who reads the table and who applies the overlay get the same."""
    rows = [row for row in told(page, heading) if row[1] not in TOLD_OTHERWISE]

    assert "EVENTGATE_URLS" in {variable for _, variable, _ in rows}
    for sink, variable, value in rows:
        has = variables(name, sink)[variable]
        assert re.split(r",\s*", has) == re.split(r",\s*", value), variable
