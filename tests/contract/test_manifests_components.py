"""Components that nothing here can run: rendered, and held against what their owners document."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from sinks import inputs
from sinks.envelope import event_type
from sinks.models import MODELS, ROWS
from tests.documented_fields import undocumented
from tests.knative_fields import DOCUMENTED
from tests.manifests import (
    ENVIRONMENTS,
    MANIFESTS,
    SETTINGS,
    Object,
    Objects,
    app_of,
    changed,
    container_of,
    environ_of,
    generated,
    made_app,
    of_kind,
    overlay,
    pod_of,
    rendered,
    seconds,
    seen_by,
)

# In the order in which an overlay takes them.
COMPONENTS: Final = ("kafka-source", "authentication", "kafka-broker", "knative-serving")
SERVED: Final = ("http-shim", "score-sink", "egress-sink")
ALL: Final = [pytest.param(name, COMPONENTS, id=f"{name}-all") for name in ENVIRONMENTS]
CASES: Final = [
    *(pytest.param("staging-a", (name,), id=f"staging-a-{name}") for name in COMPONENTS),
    *ALL,
]
KAFKA: Final = "- {op: replace, path: /spec/bootstrapServers, value: ['kafka.example.org:9093']}"
# Knative's names of a Trigger's and a KafkaSource's service account.
OF_TRIGGER: Final = "{}-oidc-eventing.knative.dev-trigger"
OF_BINDING: Final = "{}-oidc-sources.knative.dev-sinkbinding"
OF_KAFKA_SOURCE: Final = "{}-oidc-sources.knative.dev-kafkasource"
# While its queue-proxy waits for the last request, a Pod that goes is still there.
DRAIN_SECONDS: Final = 30


@cache
def extended(environment: str, *components: str) -> tuple[Object, ...]:
    """Return all objects of an overlay with these components, those that it has not got itself,
    and with a Kafka cluster."""
    own = (MANIFESTS / "overlays" / environment / "kustomization.yaml").read_text(encoding="utf-8")
    has = {Path(each).name for each in yaml.safe_load(own)["components"]}
    with tempfile.TemporaryDirectory() as folder:
        here = Path(os.path.relpath(MANIFESTS, Path(folder).resolve()))
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [str(here / "overlays" / environment)],
            "components": [
                str(here / "components" / each) for each in components if each not in has
            ],
            "patches": [{"target": {"kind": "KafkaSource"}, "patch": KAFKA}],
        }
        Path(folder, "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
        return rendered(folder)


def pods(objects: Objects) -> dict[str, Object]:
    """Return, by sink, the Deployment or Knative Service that makes its Pods."""
    services = of_kind(objects, "Service").items()
    served = {name: each for name, each in services if each["apiVersion"] != "v1"}
    return of_kind(objects, "Deployment") | served


def flows(objects: Objects) -> dict[str, list[tuple[Any, list[int]]]]:
    """Return, by policy, labels of the peers in other namespaces, and the ports of each."""
    found: dict[str, list[tuple[Any, list[int]]]] = {}
    for name, policy in of_kind(objects, "NetworkPolicy").items():
        rules = (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ()))
        found[name] = [
            (
                peer.get("podSelector", {}).get("matchLabels"),
                [each["port"] for each in rule["ports"]],
            )
            for rule in rules
            for peer in (*rule.get("from", ()), *rule.get("to", ()))
            if "namespaceSelector" in peer
        ]
    return found


def input_types() -> set[str]:
    """The types of what comes in."""
    return {event_type(*read) for read in inputs.load_readers()}


def output_types() -> set[str]:
    """The types of what the rows reply."""
    return {row.output_type for row in ROWS}


def letters(each: Object) -> Any:
    """Return where an object's dead letters go."""
    return each["spec"]["delivery"]["deadLetterSink"]


# --- all of them ---------------------------------------------------------------------------------


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
    objects += [{**each, "kind": "Deployment"} for each in pods(objects).values()]

    for sink in SETTINGS:
        assert made_app(objects, sink).test_client().get("/readyz").status_code == 200


@pytest.mark.parametrize(("environment", "components"), CASES)
def test_component_leaves_every_reference_with_its_object(
    environment: str, components: tuple[str, ...]
) -> None:
    """Subscribers, subjects and the sinks of sources are there, under the kind that is named."""
    objects = extended(environment, *components)
    there = {(each["apiVersion"], each["kind"], each["metadata"]["name"]) for each in objects}
    # Serving makes a Service of each of its own.
    there |= {("v1", kind, name) for version, kind, name in there if version.startswith("serving")}
    for trigger in of_kind(objects, "Trigger").values():
        for destination in (trigger["spec"]["subscriber"], letters(trigger)):
            ref = destination["ref"]
            assert (ref["apiVersion"], ref["kind"], ref["name"]) in there
    for binding in of_kind(objects, "SinkBinding").values():
        for ref in (binding["spec"]["subject"], binding["spec"]["sink"]["ref"]):
            assert (ref["apiVersion"], ref["kind"], ref["name"]) in there


SPEC: Final = "spec.template.spec"
SPOILT: Final = [
    (
        "Broker",
        "default",
        "metadata.annotations",
        {"eventing.knative.dev/broker.klass": "Kafka"},
        "metadata.annotations.eventing.knative.dev/broker.klass: not a documented field",
    ),
    (
        "Broker",
        "default",
        "metadata.annotations",
        {"eventing.knative.dev/broker.class": "kafka"},
        "metadata.annotations.eventing.knative.dev/broker.class: 'kafka' is not a documented value",
    ),
    (
        "Broker",
        "default",
        "spec.config.nameSpace",
        "knative-eventing",
        "spec.config.nameSpace: not a documented field",
    ),
    (
        "Trigger",
        "egress",
        "spec.delivery.retries",
        2,
        "spec.delivery.retries: not a documented field",
    ),
    (
        "Trigger",
        "egress",
        "spec.delivery.timeout",
        "150s",
        "spec.delivery.timeout: '150s' is not a documented value",
    ),
    (
        "Trigger",
        "egress",
        "spec.filters.0.any.0.exactly",
        {"type": "x"},
        "spec.filters[0].any[0].exactly: not a documented field",
    ),
    (
        "EventType",
        "models-drafttopic",
        "spec.broker",
        "default",
        "spec.broker: not a documented field",
    ),
    ("SinkBinding", "http-shim", "spec.sink.ref", "default", "spec.sink.ref: has to be an object"),
    (
        "EventPolicy",
        "page-changes",
        "spec.from.0.subject",
        "x",
        "spec.from[0].subject: not a documented field",
    ),
    ("EventPolicy", "page-changes", "spec.to", {}, "spec.to: has to be a list"),
    (
        "KafkaSource",
        "page-change",
        "spec.bootstrapServer",
        ["x"],
        "spec.bootstrapServer: not a documented field",
    ),
    (
        "KafkaSource",
        "page-change",
        "spec.ordering",
        "none",
        "spec.ordering: 'none' is not a documented value",
    ),
    (
        "KafkaSource",
        "page-change",
        "spec.net",
        {"tls": {"enabled": True}},
        "spec.net.tls.enabled: not a documented field",
    ),
    (
        "KafkaSource",
        "page-change",
        "spec.delivery.retry",
        "30",
        "spec.delivery.retry: '30' is not a documented value",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.terminationGracePeriodSeconds",
        90,
        f"{SPEC}.terminationGracePeriodSeconds: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.securityContext",
        {"runAsUser": 1},
        f"{SPEC}.securityContext: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containers.0.lifecycle",
        {},
        f"{SPEC}.containers[0].lifecycle: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containers.0.ports.0.name",
        "http",
        f"{SPEC}.containers[0].ports[0].name: 'http' is not a documented value",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containers.0.readinessProbe.httpGet.port",
        "http",
        f"{SPEC}.containers[0].readinessProbe.httpGet.port: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        f"{SPEC}.containerConcurrency",
        "1000",
        f"{SPEC}.containerConcurrency: '1000' is not a documented value",
    ),
    ("Service", "score-sink", "spec.replicas", 2, "spec.replicas: not a documented field"),
    (
        "Service",
        "score-sink",
        "spec.template.metadata.annotations",
        {"autoscaling.knative.dev/least": "1"},
        "spec.template.metadata.annotations.autoscaling.knative.dev/least: not a documented field",
    ),
    (
        "Service",
        "score-sink",
        "metadata.labels",
        {"networking.knative.dev/visibilty": "cluster-local"},
        "metadata.labels.networking.knative.dev/visibilty: not a documented field",
    ),
]


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "told"),
    SPOILT,
    ids=[f"{each[0]}-{each[4]}" for each in SPOILT],
)
def test_field_that_is_not_documented_is_named(
    kind: str, name: str, path: str, value: Any, told: str
) -> None:
    """A misspelt field, or a value of another type, is found at its place, and nothing else is."""
    objects = extended("staging-a", *COMPONENTS)

    spoilt = of_kind(changed(objects, kind, name, path, value), kind)[name]

    assert undocumented(spoilt) == [told]


def test_kind_that_is_not_in_the_table_is_a_problem() -> None:
    """Nobody adds a kind of Knative without saying which fields it has; all that are said occur."""
    used = {f"{each['apiVersion']} {each['kind']}" for each in extended("dev", *COMPONENTS)}

    assert DOCUMENTED.keys() <= used
    assert undocumented({"apiVersion": "flows.knative.dev/v1", "kind": "Sequence"}) == [
        "flows.knative.dev/v1 Sequence: not a kind in the table"
    ]


# --- kafka-broker --------------------------------------------------------------------------------


def test_kafka_broker_changes_the_broker_and_the_flows_and_nothing_else() -> None:
    """Triggers and sinks are the very same; the programs of the Broker in memory may not call."""
    before, after = overlay("staging-a"), extended("staging-a", "kafka-broker")

    differ = [new for new in after if new not in before]

    assert {(each["kind"], each["metadata"]["name"]) for each in differ} == {
        ("Broker", "default"),
        *(("NetworkPolicy", f"{sink}-from-broker") for sink in SETTINGS if sink != "http-shim"),
        *(("NetworkPolicy", f"{sink}-to-broker") for sink in ("http-shim", "deadletter-sink")),
    }
    assert len(after) == len(before)
    broker = of_kind(after, "Broker")["default"]
    assert broker["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": "Kafka"}
    assert broker["spec"]["config"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "kafka-broker-config",
        "namespace": "knative-eventing",
    }


@pytest.mark.parametrize("components", [("kafka-broker",), COMPONENTS[:3]], ids=["alone", "others"])
def test_kafka_broker_is_the_only_one_that_may_call_and_be_called(
    components: tuple[str, ...],
) -> None:
    """Its dispatcher calls the sinks with events and with letters, its receiver takes events."""
    for name, found in flows(extended("staging-a", *components)).items():
        if name.endswith("-from-broker"):
            assert found == [({"app": "kafka-broker-dispatcher"}, [8080])]
        if name.endswith("-to-broker"):
            assert found == [({"app": "kafka-broker-receiver"}, [8080])]


def test_kafka_broker_leaves_triggers_unordered() -> None:
    """One that is tried again holds up nobody."""
    triggers = of_kind(extended("production", "kafka-broker"), "Trigger").values()

    assert triggers
    assert all("annotations" not in each["metadata"] for each in triggers)


# --- kafka-source --------------------------------------------------------------------------------


def test_kafka_source_reads_the_page_changes_of_both_data_centres() -> None:
    """They go to a path that the shim takes, within the time that the shim may need."""
    objects = extended("staging-b", "kafka-source")
    spec = of_kind(objects, "KafkaSource")["page-change"]["spec"]
    deadline = generated(objects, "ConfigMap", "http-shim")["data"]["EVENT_DEADLINE_SECONDS"]
    shim = app_of("http-shim").url_map.bind("shim")

    assert sorted(spec["topics"]) == [
        f"{centre}.mediawiki.page_change.v1" for centre in ("codfw", "eqiad")
    ]
    assert spec["sink"]["ref"] == {"apiVersion": "v1", "kind": "Service", "name": "http-shim"}
    assert shim.match(spec["sink"]["uri"], method="POST")
    assert seconds(spec["delivery"]["timeout"]) >= int(deadline) + 10
    assert letters({"spec": spec})["ref"]["name"] == "deadletter-sink"
    assert (spec["initialOffset"], spec["ordering"]) == ("latest", "unordered")


def test_kafka_sources_of_two_environments_take_no_event_from_each_other() -> None:
    """Each has a consumer group of its own."""
    groups = {
        of_kind(extended(name, "kafka-source"), "KafkaSource")["page-change"]["spec"][
            "consumerGroup"
        ]
        for name in ENVIRONMENTS
    }

    assert len(groups) == len(ENVIRONMENTS)


def test_kafka_source_has_no_cluster_but_the_one_of_the_overlay() -> None:
    """Without one it points to a host that cannot be."""
    text = (MANIFESTS / "components/kafka-source/page-change.yaml").read_text(encoding="utf-8")
    spec = of_kind(extended("dev", "kafka-source"), "KafkaSource")["page-change"]["spec"]

    assert "    - kafka.invalid:9092\n" in text
    assert spec["bootstrapServers"] == ["kafka.example.org:9093"]


def test_kafka_source_may_call_the_shim_and_hand_in_letters() -> None:
    """And nobody else may that could not before."""
    before, after = flows(overlay("dev")), flows(extended("dev", "kafka-source"))

    added = {name: found for name, found in after.items() if found != before.get(name)}

    assert added == {
        f"{sink}-from-kafka-source": [({"app": "kafka-source-dispatcher"}, [8080])]
        for sink in ("http-shim", "deadletter-sink")
    }


# --- authentication ------------------------------------------------------------------------------


def test_authentication_names_the_same_audience_at_either_end() -> None:
    """Who calls a sink has a token for it; none that the Broker's sinks get is one for the shim."""
    objects = extended("dev", *COMPONENTS[:2])
    wanted = {
        sink: generated(objects, "ConfigMap", sink)["data"]["OIDC_AUDIENCE"] for sink in SETTINGS
    }
    destinations = [
        *(each["spec"]["subscriber"] for each in of_kind(objects, "Trigger").values()),
        *(
            letters(each)
            for kind in ("Trigger", "Broker", "KafkaSource")
            for each in of_kind(objects, kind).values()
        ),
        of_kind(objects, "KafkaSource")["page-change"]["spec"]["sink"],
    ]

    assert len(destinations) == 2 * len(of_kind(objects, "Trigger")) + 3
    assert all(each["audience"] == wanted[each["ref"]["name"]] for each in destinations)
    assert wanted.pop("http-shim") not in wanted.values()
    for caller in ("http-shim", "deadletter-sink"):
        file = generated(objects, "ConfigMap", caller)["data"]["SUBSCRIBER_TOKEN_FILE"]
        assert {audience_of(of_kind(objects, "Deployment")[caller], file)} == {*wanted.values()}


def audience_of(deployment: Object, file: str) -> str | None:
    """Whom the token in this file of a Pod is for; None: the API server."""
    (mount,) = [
        each
        for each in container_of(deployment)["volumeMounts"]
        if each["mountPath"] == str(Path(file).parent)
    ]
    (volume,) = [each for each in pod_of(deployment)["volumes"] if each["name"] == mount["name"]]
    (token,) = [
        each["serviceAccountToken"]
        for each in volume["projected"]["sources"]
        if each.get("serviceAccountToken", {}).get("path") == Path(file).name
    ]
    found: str | None = token.get("audience")
    return found


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_authentication_lets_in_whom_knative_calls_by(environment: str) -> None:
    """The service accounts of Triggers, sinks and the KafkaSource pass; others do not, and nobody
    comes without a token."""
    objects = extended(environment, *COMPONENTS[:2])
    (namespace,) = of_kind(objects, "Namespace")
    prefix = f"system:serviceaccount:{namespace}:"
    subjects = {
        sink: generated(objects, "ConfigMap", sink)["data"]["OIDC_SUBJECTS"] for sink in SETTINGS
    }

    source = prefix + OF_KAFKA_SOURCE.format("page-change")
    assert subjects == dict.fromkeys(SETTINGS, f"{prefix}*") | {"http-shim": source}
    for sink in ("http-shim", "deadletter-sink"):
        assert generated(objects, "ConfigMap", sink)["data"]["ALLOW_ANONYMOUS"] == "false"


def test_authentication_policies_are_of_the_broker_and_pass_what_it_gets() -> None:
    """The shim tells of changes, replies and replayed letters of predictions; of no other types."""
    policies = of_kind(extended("dev", *COMPONENTS[:2]), "EventPolicy")
    to = [{"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}}]

    assert all(each["spec"]["to"] == to for each in policies.values())
    assert {name: types_of(each) for name, each in policies.items()} == {
        "page-changes": input_types(),
        "predictions": output_types(),
    }


def types_of(policy: Object) -> set[str]:
    """The types that a policy's one filter lets pass."""
    (filter_,) = policy["spec"]["filters"]
    return {each["exact"]["type"] for each in filter_["any"]}


def test_authentication_knows_senders_by_the_service_accounts_that_knative_makes() -> None:
    """By no `ref`, which could name what is not applied yet. Knative shortens names over 63
    characters, and then nobody could say what they are."""
    policies = of_kind(extended("dev", "authentication"), "EventPolicy")
    prefix = "system:serviceaccount:event-sinks-dev:"

    named = {
        name: [each["sub"].removeprefix(prefix) for each in policy["spec"]["from"]]
        for name, policy in policies.items()
    }

    rows = [OF_TRIGGER.format(name) for name in sorted(MODELS)]
    assert named == {
        "page-changes": [OF_BINDING.format("http-shim")],
        "predictions": [OF_BINDING.format("deadletter-sink"), *rows],
    }, "each row's line in manifests/components/authentication/predictions.yaml, in order"
    assert max(len(each) for names in named.values() for each in names) <= 63


@pytest.mark.parametrize("components", [("authentication",), COMPONENTS], ids=["alone", "all"])
def test_authentication_asks_the_issuer_with_a_token_and_its_own_authority(
    components: tuple[str, ...],
) -> None:
    """Where predictors and EventGate have another authority, CA_FILE stays theirs."""
    objects = extended("production", *components)

    assert pods(objects).keys() == SETTINGS.keys()
    for sink, pod in pods(objects).items():
        with seen_by(objects, pod) as environ:
            settings = SETTINGS[sink].from_env(environ)
        assert (settings.oidc_issuer_token_file.name, settings.oidc_issuer_ca_file.name) == (
            "token",
            "ca.crt",
        )
        assert settings.ca_file != settings.oidc_issuer_ca_file
        asked_with = "/var/run/issuer/token"
        assert environ_of(objects, pod)["OIDC_ISSUER_TOKEN_FILE"] == asked_with
        assert audience_of(pod, asked_with) is None


def test_authentication_has_the_filter_of_the_broker_hand_in_letters() -> None:
    """It is what shows the Trigger's token; the channel behind it has none."""
    found = flows(extended("staging-a", "authentication"))

    assert found["deadletter-sink-from-broker"] == found["score-sink-from-broker"]


# --- knative-serving -----------------------------------------------------------------------------


@pytest.mark.parametrize(("environment", "components"), ALL)
def test_knative_services_replace_all_that_serving_does(
    environment: str, components: tuple[str, ...]
) -> None:
    """No Deployment, Service, autoscaler or budget is left of the three; the letters' are."""
    before = {
        (each["apiVersion"], each["kind"], each["metadata"]["name"])
        for each in overlay(environment)
        if each["kind"]
        in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget")
    }
    after = {
        (each["apiVersion"], each["kind"], each["metadata"]["name"])
        for each in extended(environment, *components)
        if (each["kind"] in {kind for _, kind, _ in before})
    }

    assert after == {
        *(("serving.knative.dev/v1", "Service", sink) for sink in SERVED),
        *(each for each in before if each[2] == "deadletter-sink"),
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_knative_service_has_the_pod_of_the_deployment(environment: str) -> None:
    """Image, command, variables, files and resources are written once, for both."""
    deployments = of_kind(overlay(environment), "Deployment")
    services = of_kind(extended(environment, "knative-serving"), "Service")

    for sink in SERVED:
        old, new = container_of(deployments[sink]), container_of(services[sink])
        for field in ("image", "command", "resources", "volumeMounts"):
            assert new.get(field) == old.get(field)
        for field in ("volumes", "serviceAccountName", "enableServiceLinks"):
            assert pod_of(services[sink]).get(field) == pod_of(deployments[sink]).get(field)
        templates = (each[sink]["spec"]["template"] for each in (deployments, services))
        assert len({json.dumps(each["metadata"]["labels"]) for each in templates}) == 1
        user = pod_of(deployments[sink])["securityContext"]
        assert new["securityContext"] == user | old["securityContext"]
        assert [each["configMapRef"]["name"] for each in new["envFrom"]] == [
            generated(extended(environment, "knative-serving"), "ConfigMap", sink)["metadata"][
                "name"
            ]
        ]
        assert "env" not in new


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_knative_service_nests_concurrency_and_times_with_the_settings(environment: str) -> None:
    """No request is let in that the sink would defer; the sink's own answer comes before Serving's,
    Serving's before the Broker or the source gives up, and a Pod that goes ends what it has
    begun."""
    objects = extended(environment, "knative-serving")
    for sink in SERVED:
        service = of_kind(objects, "Service")[sink]
        with seen_by(objects, service) as environ:
            settings = SETTINGS[sink].from_env(environ)
        pod, deadline = pod_of(service), settings.event_deadline_seconds
        patience = [
            seconds(each["spec"]["delivery"]["timeout"])
            for kind, called in (("Trigger", "subscriber"), ("KafkaSource", "sink"))
            for each in of_kind(objects, kind).values()
            if each["spec"][called]["ref"]["name"] == sink
        ]

        assert pod["containerConcurrency"] == settings.max_in_flight
        assert deadline < pod["responseStartTimeoutSeconds"] < min([*patience, 600])
        assert DRAIN_SECONDS + deadline + 10 <= pod["timeoutSeconds"] <= 600


def test_knative_service_scales_to_none_where_the_broker_tries_again() -> None:
    """Somebody who does not try again finds the shim there."""
    services = of_kind(extended("production", "knative-serving"), "Service")
    scales = {
        sink: services[sink]["spec"]["template"]["metadata"]["annotations"] for sink in SERVED
    }

    least = {sink: each["autoscaling.knative.dev/min-scale"] for sink, each in scales.items()}
    assert least == {"http-shim": "1", "score-sink": "0", "egress-sink": "0"}
    for sink, each in scales.items():
        most = int(each["autoscaling.knative.dev/target"])
        assert most < pod_of(services[sink])["containerConcurrency"]


@pytest.mark.parametrize(("environment", "components"), ALL)
def test_knative_service_is_reached_through_the_activator_only(
    environment: str, components: tuple[str, ...]
) -> None:
    """What could be called at its own port is called through Serving now, by its full name."""
    objects = extended(environment, *components)
    found = flows(objects)
    ways = [
        {"from": name, "to": selected(policy)}
        for name, policy in of_kind(objects, "NetworkPolicy").items()
        if "ingress" in policy["spec"] and set(selected(policy)) & set(SERVED)
    ]

    assert ways == [{"from": "from-activator", "to": list(SERVED)}]
    assert found["from-activator"] == [
        ({"app": "activator"}, [8012]),
        ({"app": "autoscaler"}, [9090]),
    ]
    assert found["http-shim"] == found["deadletter-sink"] == [(None, [8081])]


def selected(policy: Object) -> list[str]:
    """The sinks that a policy is for, by its selector."""
    selector = policy["spec"]["podSelector"]
    named = [each["values"] for each in selector.get("matchExpressions", ())]
    label = selector.get("matchLabels", {}).get("app.kubernetes.io/name")
    return [*(label,) * (label is not None), *(value for values in named for value in values)]


def test_knative_service_of_the_shim_is_bound_to_the_broker() -> None:
    """The SinkBinding follows it; that of the letters stays."""
    bindings = of_kind(extended("staging-a", "knative-serving"), "SinkBinding")

    assert {name: each["spec"]["subject"] for name, each in bindings.items()} == {
        "http-shim": {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "name": "http-shim",
        },
        "deadletter-sink": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "deadletter-sink",
        },
    }
