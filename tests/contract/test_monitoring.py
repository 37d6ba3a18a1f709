"""The component `monitoring`: its objects, and rules that read only what there is."""

from __future__ import annotations

import json
import re
from typing import Final, get_args

import pytest

from sinks.local.processes import ROOT
from sinks.reasons import Outcome, Reason, Stage
from tests.documented_fields import undocumented
from tests.manifest_components import COMPONENTS, extended, flows_elsewhere, pod_makers
from tests.manifests import ENVIRONMENTS, OVERLAYS, SETTINGS, app_of, container_of, of_kind
from tests.monitored import PROMETHEUS, declared, expressions, grouped, monitored, rules, selectors

RULES: Final = [pytest.param(rule, id=f"{rule['alert']}-{at}") for at, rule in enumerate(rules())]
# Values that a label can have; of others any is possible.
VALUES: Final = {
    "outcome": {*get_args(Outcome)},
    "reason": {*get_args(Reason)},
    "stage": {*get_args(Stage)},
    "upstream": {*get_args(Stage)},
    "sink": {*SETTINGS, "console"},
    "job": {*SETTINGS},
    "cause": {"age", "size", "command"},
    "alertstate": {"pending", "firing"},
}


@pytest.mark.parametrize("name", OVERLAYS)
def test_monitoring_adds_its_objects_to_each_overlay_and_changes_none(name: str) -> None:
    """Who has no Prometheus operator leaves it out and has all else; nothing else is applied."""
    before, after = extended(name), monitored(name)

    added = [each for each in after if each not in before]

    assert [each for each in before if each not in after] == []
    assert {(each["kind"], each["metadata"]["name"]) for each in added} == {
        ("PodMonitor", "sinks"),
        ("PrometheusRule", "sinks"),
        ("NetworkPolicy", "from-prometheus"),
        ("ConfigMap", "event-sinks-dashboard"),
    }
    (namespace,) = of_kind(after, "Namespace")
    assert {each["metadata"]["namespace"] for each in added} == {namespace}
    for each in added:
        assert each["metadata"]["labels"]["app.kubernetes.io/component"] == "monitoring"
    assert [problem for each in added for problem in undocumented(each)] == []


@pytest.mark.parametrize("components", [("monitoring",), COMPONENTS], ids=["alone", "all"])
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_pod_is_scraped_at_one_port_that_prometheus_may_reach(
    environment: str, components: tuple[str, ...]
) -> None:
    """As a Deployment and as a Knative Service, whose port Serving names anew."""
    objects = extended(environment, *components)
    spec = of_kind(objects, "PodMonitor")["sinks"]["spec"]
    policy = of_kind(objects, "NetworkPolicy")["from-prometheus"]["spec"]
    selected = {"matchLabels": {"app.kubernetes.io/part-of": "event-sinks"}}

    assert spec["selector"] == policy["podSelector"] == selected
    for sink, maker in pod_makers(objects).items():
        labels = maker["spec"]["template"]["metadata"]["labels"]
        (port,) = container_of(maker)["ports"]
        named = port["name"] if maker["kind"] == "Deployment" else "user-port"
        (endpoint,) = [each for each in spec["podMetricsEndpoints"] if each["port"] == named]
        assert selected["matchLabels"].items() <= labels.items()
        assert labels[spec["jobLabel"]] == sink
        assert app_of(sink).test_client().get(endpoint["path"]).status_code == 200
        assert flows_elsewhere(objects)["from-prometheus"] == [
            ({"app.kubernetes.io/name": "prometheus"}, [port["containerPort"]])
        ]


def test_values_of_a_cluster_come_from_one_file() -> None:
    """The page of the runbook, and where Prometheus runs, are said once."""
    objects = monitored()
    file = ROOT / "manifests" / "components" / "monitoring" / "monitoring.env"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    values = dict(line.split("=") for line in lines)
    policy = of_kind(objects, "NetworkPolicy")["from-prometheus"]
    (peer,) = policy["spec"]["ingress"][0]["from"]

    pages = {rule["annotations"]["runbook_url"].partition("#")[0] for rule in rules()}

    assert pages == {values["RUNBOOK_URL"]}
    assert [*peer["namespaceSelector"]["matchLabels"].values()] == [values["PROMETHEUS_NAMESPACE"]]
    assert [*peer["podSelector"]["matchLabels"].values()] == [values["PROMETHEUS_NAME"]]
    assert not re.search(r"NAMESPACE|RUNBOOK", json.dumps([rules(), policy]))


@pytest.mark.parametrize("rule", RULES)
def test_rule_tells_what_to_know_at_night(rule: dict[str, dict[str, str]]) -> None:
    """How bad it is, for how long, where, what that means with the values, and where to read on."""
    said = rule["annotations"]

    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"[1-9]\d*m", str(rule["for"]))
    assert "$labels.namespace" in said["summary"]
    assert len(said["summary"]) <= 120
    assert "$value" in said["description"] or "$labels.job" in said["description"]
    assert said["runbook_url"].endswith(f"#{str(rule['alert']).lower()}")


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_about_its_own_namespace(rule: dict[str, str]) -> None:
    """One Prometheus has the rules of several environments; each says its namespace once, and what
    it is compared with is joined by the label."""
    assert re.findall(r'(\w+)="([^"]*)"', rule["expr"]) == [("namespace", "event-sinks")]
    assert rule["expr"].count('"') == 2
    for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["expr"]):
        assert "namespace" in labels.split(", ")


@pytest.mark.parametrize("expression", [*dict.fromkeys(expressions())])
def test_expression_reads_metrics_and_labels_that_the_code_declares(expression: str) -> None:
    """What is misspelt, or has got another name, would be empty for ever, and nobody would know."""
    known = declared() | PROMETHEUS
    read = [*selectors(expression)]

    assert read
    for metric, matchers in read:
        assert metric in known
        assert {label for label, _, _ in matchers} <= known[metric]
        for label, operator, value in matchers:
            values = value.split("|") if operator.endswith("~") else [value]
            if label in VALUES:
                assert {*values} <= VALUES[label]
    assert grouped(expression) <= set().union(*(known[metric] for metric, _ in read))


def test_lag_alert_asks_for_a_bound_of_the_histogram() -> None:
    """A median beyond the last bound is shown as that bound: none above is ever reached."""
    (rule,) = [each for each in rules() if each["alert"] == "SinksEventLag"]
    asked = float(re.findall(r">= (\d+)", rule["expr"])[0])

    shown = app_of("egress-sink").test_client().get("/metrics").text

    bounds = re.findall(r'^sinks_event_lag_seconds_bucket\{le="([\d.]+)"', shown, re.MULTILINE)
    assert asked in map(float, bounds)
